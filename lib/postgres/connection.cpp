#include "postgres/connection.hpp"

#include <poll.h>

#include <array>
#include <future>
#include <thread>

#include "postgres/sqlstate.hpp"

namespace tickstock::postgres {

using io::Deadline;
using io::Readiness;
using std::chrono::milliseconds;

namespace {

/// How much longer than the server's own limit the client waits, so that the server's word comes
/// first.
constexpr milliseconds grace{5'000};
/// How long to wait until a request to cancel is delivered, and then for the statement to end.
/// All, and the last words, fit into the two seconds in which a signal ends a run.
constexpr milliseconds cancel_time{300};
constexpr milliseconds cancel_time_of_expendable{100};
constexpr milliseconds drain_time{500};

constexpr const char* interrupted_text = "interrupted by a signal";

std::vector<const char*> c_strings(const Params& params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const auto& param : params) values.push_back(param ? param->c_str() : nullptr);
  return values;
}

std::size_t size_of(const Statement& statement) {
  std::size_t size = statement.sql.size();
  for (const auto& param : statement.params) size += param ? param->size() : 0;
  return size;
}

}  // namespace

std::vector<Result>& PipelineOutcome::value() {
  if (failure) throw Error(failure->error);
  return results;
}

Result Connection::run(const Statement& statement) {
  return run_until(statement, statement_deadline());
}

void Connection::ask(const Statement& statement) {
  send(statement);
  flush(statement_deadline(), statement.doing);
}

Result Connection::answer(const Statement& statement) {
  return result_of(statement, statement_deadline());
}

Result Connection::run_until(const Statement& statement, Deadline deadline) {
  send(statement);
  return result_of(statement, deadline);
}

Result Connection::result_of(const Statement& statement, Deadline deadline) {
  Result last;
  for (;;) {
    Result result = next_result(deadline, statement.doing);
    if (result.get() == nullptr) break;
    last = std::move(result);
  }
  if (last.get() == nullptr) throw lost(statement.doing);
  if (last.failed()) {
    if (!usable()) throw lost(statement.doing);
    throw error_of(last.get(), statement.doing);
  }
  return last;
}

PipelineOutcome Connection::run_pipeline(std::vector<Statement> statements) {
  auto statement = statements.begin();
  return run_pipeline([&statement, &statements]() -> std::optional<Statement> {
    if (statement == statements.end()) return std::nullopt;
    return std::move(*statement++);
  });
}

PipelineOutcome Connection::run_pipeline(const std::function<std::optional<Statement>()>& next) {
  if (PQenterPipelineMode(connection_.get()) != 1) throw lost("opening a pipeline");
  std::vector<std::string> sent;
  std::optional<Error> not_made;
  std::string parsed;
  std::size_t held = 0;
  for (;;) {
    std::optional<Statement> statement;
    try {
      statement = next();
    } catch (const Error& error) {
      not_made = error;
    }
    if (!statement) break;
    // What was made before goes out, while the server works on what came before that. What is small
    // goes out together.
    constexpr std::size_t enough = std::size_t{64} * 1024;
    const std::size_t size = size_of(*statement);
    if (held > 0 && held + size > enough) {
      flush(statement_deadline(), statement->doing);
      held = 0;
    }
    if (statement->sql == parsed) {
      send_again(*statement);
    } else {
      send(*statement);
      parsed = std::move(statement->sql);
    }
    held += size;
    sent.push_back(std::move(statement->doing));
  }
  if (PQpipelineSync(connection_.get()) != 1) throw lost("sending a pipeline");

  PipelineOutcome outcome;
  try {
    read_pipeline(sent, outcome);
  } catch (const Error&) {
    // A server that ends the connection says why before it does.
    if (outcome.failure && !usable()) throw Error(outcome.failure->error);
    throw;
  }
  if (not_made) throw Error(*not_made);
  return outcome;
}

void Connection::read_pipeline(const std::vector<std::string>& sent, PipelineOutcome& outcome) {
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const std::string& doing = sent[i];
    const Deadline deadline = statement_deadline();
    for (;;) {
      Result result = next_result(deadline, doing);
      if (result.get() == nullptr) break;
      if (result.failed() && !outcome.failure) {
        outcome.failure = {i, error_of(result.get(), doing)};
      }
      if (!outcome.failure) outcome.results.push_back(std::move(result));
    }
  }
  const Result sync = next_result(statement_deadline(), "ending a pipeline");
  if (sync.get() == nullptr || sync.status() != PGRES_PIPELINE_SYNC ||
      PQexitPipelineMode(connection_.get()) != 1) {
    throw lost("ending a pipeline");
  }
}

Result Connection::commit() {
  const io::Settling settling(*patience_);
  notices_->committing = true;
  try {
    Result result = run_until({"COMMIT", "COMMIT"}, Deadline::after(settings_.commit_timeout));
    notices_->committing = false;
    return result;
  } catch (const Error& error) {
    notices_->committing = false;
    if (usable() && !error.sqlstate().empty()) throw;
    // It may still happen, and must not be cancelled: the server would call it done, standby or
    // not.
    connection_.reset();
    throw Error(ErrorKind::outcome_unknown, "the connection was lost during COMMIT");
  }
}

void Connection::rollback() noexcept {
  try {
    if (!usable() || PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return;
    // The time for last words is for those who need it.
    std::optional<io::Settling> settling;
    if (!expendable_) settling.emplace(*patience_);
    run({"ROLLBACK", "ROLLBACK"});
  } catch (const std::exception&) {
    connection_.reset();
  }
}

void Connection::send(const Statement& statement) {
  const std::vector<const char*> values = c_strings(statement.params);
  if (PQsendQueryParams(connection_.get(), statement.sql.c_str(), static_cast<int>(values.size()),
                        nullptr, values.data(), nullptr, nullptr, 0) != 1) {
    throw lost(statement.doing);
  }
}

void Connection::send_again(const Statement& statement) {
  const std::vector<const char*> values = c_strings(statement.params);
  if (PQsendQueryPrepared(connection_.get(), "", static_cast<int>(values.size()), values.data(),
                          nullptr, nullptr, 0) != 1) {
    throw lost(statement.doing);
  }
}

void Connection::flush(Deadline deadline, const std::string& doing) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return;
    if (left < 0) throw lost(doing);
    // A server whose own answers fill the wire reads no more: take them in while waiting to send.
    const Readiness readiness =
        patience_->wait(PQsocket(connection_.get()), POLLIN | POLLOUT, deadline);
    if (readiness != Readiness::ready) give_up(readiness, doing);
    consume_input(doing);
  }
}

void Connection::wait_readable(Deadline deadline, const std::string& doing) {
  const Readiness readiness = patience_->wait(PQsocket(connection_.get()), POLLIN, deadline);
  if (readiness != Readiness::ready) give_up(readiness, doing);
  consume_input(doing);
}

void Connection::consume_input(const std::string& doing) {
  if (PQconsumeInput(connection_.get()) != 1) throw lost(doing);
}

Result Connection::next_result(Deadline deadline, const std::string& doing) {
  flush(deadline, doing);
  while (PQisBusy(connection_.get()) != 0) wait_readable(deadline, doing);
  return Result(PQgetResult(connection_.get()));
}

void Connection::stop() noexcept {
  if (expendable_) {
    // Where an answer was due nothing runs that lasts, and a cancel could take as long.
    if (!answer_by_) cancel();
    connection_.reset();
    return;
  }
  // A cancel that is still under way could hit a later statement, such as the record's COMMIT.
  if (!cancel()) connection_.reset();
  if (connection_) drain_rest();
  if (PQtransactionStatus(connection_.get()) == PQTRANS_ACTIVE) connection_.reset();
}

void Connection::give_up(Readiness why, const std::string& doing) {
  if (!notices_->committing) stop();
  if (PQtransactionStatus(connection_.get()) == PQTRANS_ACTIVE) connection_.reset();
  if (why == Readiness::interrupted) throw Error(ErrorKind::interrupted, interrupted_text);
  throw Error(
      ErrorKind::unavailable,
      doing + " failed: " +
          (patience_->signalled() ? "PostgreSQL did not answer in the time that a signal leaves"
           : patience_->over()
               ? "the time for the whole command is over; give it more with --timeout, or "
                 "look at the load and the locks of PostgreSQL"
               : "PostgreSQL did not answer in time; look at its load and its locks"));
}

void Connection::drain_rest() noexcept { drain(Deadline::after(drain_time)); }

bool Connection::cancel() noexcept {
  struct FreeCancel {
    void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
  };
  try {
    // libpq waits for the server to close the second connection, without a limit. So it does that
    // beside us, and is left to itself when it takes too long.
    std::shared_ptr<PGcancel> cancel(PQgetCancel(connection_.get()), FreeCancel());
    if (!cancel) return false;
    std::packaged_task<void()> task([cancel] {
      std::array<char, 256> ignored{};
      PQcancel(cancel.get(), ignored.data(), static_cast<int>(ignored.size()));
    });
    const std::future<void> done = task.get_future();
    std::thread(std::move(task)).detach();
    const milliseconds time = expendable_ ? cancel_time_of_expendable : cancel_time;
    return done.wait_for(time) == std::future_status::ready;
  } catch (const std::exception&) {
    // Without memory or a thread: the server notices when the connection is closed.
    return false;
  }
}

void Connection::drain(Deadline deadline) noexcept {
  PGconn* raw = connection_.get();
  const auto more_arrives = [raw, deadline] {
    return !deadline.over() &&
           io::wait_for(PQsocket(raw), POLLIN, deadline, io::Interrupt()) == Readiness::ready &&
           PQconsumeInput(raw) == 1;
  };
  bool statement_ended = false;
  for (;;) {
    while (PQisBusy(raw) != 0) {
      if (!more_arrives()) return;
    }
    const Result result(PQgetResult(raw));
    if (result.get() == nullptr) {
      // Within a pipeline it ends one statement, and the next one begins.
      if (PQpipelineStatus(raw) == PQ_PIPELINE_OFF || statement_ended) return;
    } else if (result.status() == PGRES_PIPELINE_SYNC) {
      PQexitPipelineMode(raw);
      return;
    } else if (result.status() == PGRES_COPY_OUT) {
      for (;;) {
        char* bytes = nullptr;
        const int size = PQgetCopyData(raw, &bytes, 1);
        PQfreemem(bytes);
        if (size < 0) break;
        if (deadline.over()) return;
        if (size == 0 && !more_arrives()) return;
      }
    }
    statement_ended = result.get() == nullptr;
  }
}

Deadline Connection::statement_deadline() const {
  const Deadline limit = Deadline::after(settings_.statement_timeout + grace);
  return answer_by_ ? limit.earlier(*answer_by_) : limit;
}

Error Connection::lost(const std::string& doing) const {
  const std::string words = connection_ ? one_line(PQerrorMessage(connection_.get())) : "";
  return {ErrorKind::unavailable, doing + " failed: the connection to PostgreSQL was lost" +
                                      (words.empty() ? "" : ": " + words)};
}

}  // namespace tickstock::postgres
