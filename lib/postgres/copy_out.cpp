#include "postgres/copy_out.hpp"

#include <poll.h>

#include <array>
#include <memory>

#include "postgres/sqlstate.hpp"

namespace tickstock::postgres {

CopyOut::CopyOut(Connection& connection, Statement statement, Take take)
    : connection_(connection),
      statement_(std::move(statement)),
      take_(std::move(take)),
      deadline_(connection.statement_deadline()) {}

CopyOut::~CopyOut() {
  const bool runs = stage_ != Stage::ready && stage_ != Stage::over;
  if (runs && PQtransactionStatus(connection_.connection_.get()) == PQTRANS_ACTIVE) {
    connection_.stop();
  }
}

void CopyOut::begin() {
  deadline_ = connection_.statement_deadline();
  connection_.send(statement_);
  stage_ = Stage::sent;
  connection_.flush(deadline_, statement_.doing);
}

void CopyOut::finish() {
  while (advance()) wait();
}

std::optional<Error> CopyOut::finish_both(CopyOut& first, CopyOut& second,
                                          std::chrono::milliseconds longest_silence) {
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
    const io::Readiness readiness = first.connection_.patience().wait(
        PQsocket(first.connection_.connection_.get()), POLLIN, first.deadline_,
        PQsocket(second.connection_.connection_.get()));
    if (readiness != io::Readiness::ready) {
      first.connection_.give_up(readiness, first.statement_.doing);
    }
    first.connection_.consume_input(first.statement_.doing);
    try_second([&] { second.connection_.consume_input(second.statement_.doing); });
  }
  while (second_runs) {
    try_second([&] {
      second_runs = second.advance();
      if (!second_runs) return;
      second.connection_.wait_readable(
          second.deadline_.earlier(io::Deadline::after(longest_silence)), second.statement_.doing);
    });
  }
  return failure;
}

bool CopyOut::advance() {
  if (stage_ == Stage::ready) begin();
  if (stage_ == Stage::sent) start();
  if (stage_ == Stage::copying) take_rows();
  if (stage_ != Stage::ending || !take_end()) return true;
  stage_ = Stage::over;
  if (failure_) throw Error(*failure_);
  return false;
}

void CopyOut::start() {
  PGconn* raw = connection_.connection_.get();
  if (PQisBusy(raw) != 0) return;
  const Result start(PQgetResult(raw));
  if (start.get() == nullptr || !connection_.usable()) throw connection_.lost(statement_.doing);
  if (start.status() == PGRES_COPY_OUT) {
    stage_ = Stage::copying;
    // The time for the answer is over, the time for the rows begins.
    deadline_ = connection_.statement_deadline();
  } else {
    stage_ = Stage::ending;
    failure_ = error_of(start.get(), statement_.doing);
  }
}

void CopyOut::take_rows() {
  PGconn* raw = connection_.connection_.get();
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(raw, &bytes, 1);
    if (size == 0) return;
    if (size < -1) throw connection_.lost(statement_.doing);
    if (size < 0) break;
    const std::unique_ptr<char, decltype(&PQfreemem)> owner(bytes, &PQfreemem);
    take_(std::string_view(bytes, static_cast<std::size_t>(size)));
  }
  stage_ = Stage::ending;
}

bool CopyOut::take_end() {
  PGconn* raw = connection_.connection_.get();
  while (PQisBusy(raw) == 0) {
    const Result result(PQgetResult(raw));
    if (!connection_.usable()) throw connection_.lost(statement_.doing);
    if (result.get() == nullptr) return true;
    if (result.failed()) failure_ = error_of(result.get(), statement_.doing);
  }
  return false;
}

void CopyOut::wait() { connection_.wait_readable(deadline_, statement_.doing); }

}  // namespace tickstock::postgres
