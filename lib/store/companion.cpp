#include "store/companion.hpp"

namespace tickstock::store {

std::optional<Companion> Companion::open(const Connection& first) {
  const io::Deadline deadline = io::Deadline::after(time);
  std::optional<Connection> connection = first.open_another(time);
  if (!connection) return std::nullopt;
  return Companion(*std::move(connection), deadline.left());
}

Transaction* Companion::join(const Transaction& transaction) {
  if (!transaction.snapshot() || transaction_) return nullptr;
  TransactionOptions options = transaction.options();
  options.read_only = true;
  options.lock.reset();
  options.export_snapshot = false;
  options.snapshot = transaction.snapshot();
  connection_->expect_answer_by(io::Deadline::after(left_));
  try {
    transaction_ = std::make_unique<Transaction>(*connection_, std::move(options));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    return nullptr;
  }
  connection_->expect_answer_by(std::nullopt);
  return transaction_.get();
}

}  // namespace tickstock::store
