#include "store/copy_out.hpp"

#include <poll.h>

#include <array>
#include <memory>

#include "store/sqlstate.hpp"

namespace tickstock::store {

CopyOut::CopyOut(Connection& connection, Statement statement, Take take)
    : connection_(connection),
      statement_(std::move(statement)),
      take_(std::move(take)),
      deadline_(connection.statement_deadline()) {}

void CopyOut::begin() {
  deadline_ = connection_.statement_deadline();
  connection_.send(statement_);
  connection_.flush(deadline_, statement_.doing);
  sent_ = true;
}

void CopyOut::finish() {
  while (advance()) wait();
}

std::optional<Error> CopyOut::finish_both(CopyOut& first, CopyOut& second) {
  std::optional<Error> failure;
  bool second_runs = true;
  const auto try_second = [&failure, &second_runs](const auto& step) {
    try {
      step();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      failure = error;
      second_runs = false;
    }
  };
  while (first.advance()) {
    if (second_runs) try_second([&] { second_runs = second.advance(); });
    if (!second_runs) {
      first.wait();
      continue;
    }
    const std::array<int, 2> sockets{PQsocket(first.connection_.connection_.get()),
                                     PQsocket(second.connection_.connection_.get())};
    const io::Readiness readiness =
        first.connection_.patience().wait(sockets, POLLIN, first.deadline_);
    if (readiness != io::Readiness::ready) {
      first.connection_.give_up(readiness, first.statement_.doing);
    }
    first.connection_.consume_input(first.statement_.doing);
    try_second([&] { second.connection_.consume_input(second.statement_.doing); });
  }
  if (second_runs) try_second([&] { second.finish(); });
  return failure;
}

bool CopyOut::advance() {
  if (!sent_) begin();
  PGconn* raw = connection_.connection_.get();
  if (!started_) {
    if (PQisBusy(raw) != 0) return true;
    const Result start(PQgetResult(raw));
    if (start.get() == nullptr || !connection_.usable()) throw connection_.lost(statement_.doing);
    if (start.status() != PGRES_COPY_OUT) {
      connection_.drain_rest();
      throw error_of(start.get(), statement_.doing);
    }
    started_ = true;
    // The time for the answer is over, the time for the rows begins.
    deadline_ = connection_.statement_deadline();
  }
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(raw, &bytes, 1);
    if (size == 0) return true;
    if (size < 0) break;
    const std::unique_ptr<char, decltype(&PQfreemem)> owner(bytes, &PQfreemem);
    take_(std::string_view(bytes, static_cast<std::size_t>(size)));
  }
  end();
  return false;
}

void CopyOut::wait() { connection_.wait_readable(deadline_, statement_.doing); }

void CopyOut::end() {
  const Result end = connection_.next_result(deadline_, statement_.doing);
  if (end.get() == nullptr || !connection_.usable()) throw connection_.lost(statement_.doing);
  connection_.drain_rest();
  if (end.failed()) throw error_of(end.get(), statement_.doing);
}

}  // namespace tickstock::store
