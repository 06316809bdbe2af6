#include "postgres/companion.hpp"

namespace tickstock::postgres {

std::unique_ptr<Companion> Companion::open(const Connection& first) {
  const io::Deadline deadline = io::Deadline::after(time);
  std::optional<Connection> connection = first.open_another(time);
  if (!connection) return nullptr;
  return std::unique_ptr<Companion>(new Companion(*std::move(connection), deadline.left()));
}

Companion::~Companion() { connection_.expect_answer_by(io::Deadline::after(time)); }

Transaction* Companion::join(const Transaction& transaction) {
  if (!transaction.snapshot()) return nullptr;
  TransactionOptions options = transaction.options();
  options.read_only = true;
  options.lock.reset();
  options.export_snapshot = false;
  options.snapshot = transaction.snapshot();
  connection_.expect_answer_by(io::Deadline::after(left_));
  try {
    transaction_.emplace(connection_, std::move(options));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    return nullptr;
  }
  connection_.expect_answer_by(std::nullopt);
  return &*transaction_;
}

}  // namespace tickstock::postgres
