#include "postgres/connection.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <array>

#include "domain/text.hpp"

namespace tickstock::postgres {

using io::Deadline;
using io::Readiness;
using std::chrono::milliseconds;

namespace {

/// How much longer than the server's own limit the client waits, so that the server reports first.
constexpr milliseconds grace{5'000};
/// How long to wait until a cancel request is delivered, and then for the statement to end.
/// Together with the final steps, this fits into the two seconds in which a signal ends a run.
constexpr milliseconds cancel_time{300};
constexpr milliseconds cancel_time_of_expendable{100};
constexpr milliseconds drain_time{500};

template <typename Number>
Number required_number(std::string_view text) {
  const auto number = number_of<Number>(text);
  if (number) return *number;
  throw Error(ErrorKind::failed, fmt::format("PostgreSQL sent '{}' for a number", text));
}

}  // namespace

std::int64_t Result::integer(int row, int column) const {
  return is_null(row, column) ? 0 : required_number<std::int64_t>(view(row, column));
}

void Result::get(int row, int column, double& field) const {
  field = is_null(row, column) ? 0 : required_number<double>(view(row, column));
}

std::int64_t Result::affected() const {
  const std::string_view count = PQcmdTuples(get());
  return count.empty() ? 0 : required_number<std::int64_t>(count);
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool is_break = c == '\n' || c == '\t';
    if (!is_break) line += c;
    if (is_break && !line.empty() && line.back() != ' ') line += ' ';
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string in_quotes(std::string_view text, char quote, char escape) {
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote || c == escape) quoted += escape;
    quoted += c;
  }
  return quoted += quote;
}

void Connection::ask(const Statement& statement) {
  send(statement);
  flush(statement_deadline(), statement.doing);
}

Result Connection::answer(const Statement& statement) {
  return last_result(statement_deadline(), statement.doing);
}

PipelineOutcome Connection::run_pipeline(std::vector<Statement> statements) {
  auto statement = statements.begin();
  return run_pipeline([&statement, &statements]() -> std::optional<Statement> {
    if (statement == statements.end()) return std::nullopt;
    return std::move(*statement++);
  });
}

PipelineOutcome Connection::run_pipeline(const std::function<std::optional<Statement>()>& next) {
  open_pipeline();
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
    // Small statements are sent together. Wait for them only after creating the next one, so that
    // the server has work meanwhile.
    constexpr std::size_t enough = std::size_t{64} * 1024;
    std::size_t size = statement->sql.size();
    for (const auto& param : statement->params) size += param ? param->size() : 0;
    if (held > 0 && held + size > enough) {
      flush(statement_deadline(), statement->doing);
      held = 0;
    }
    send(*statement, statement->sql == parsed);
    parsed = std::move(statement->sql);
    held += size;
    sent.push_back(std::move(statement->doing));
  }
  end_sending();
  PipelineOutcome outcome = read_results(sent);
  if (not_made) throw Error(*not_made);
  return outcome;
}

void Connection::open_pipeline() {
  if (is_busy_after_commit()) {
    // Nobody asked for these, and a failure must not be that of the next transaction.
    outcome_after_commit();
    rollback();
  }
  if (PQenterPipelineMode(connection_.get()) != 1) throw lost("opening a pipeline");
}

void Connection::end_sending() {
  if (PQpipelineSync(connection_.get()) != 1) throw lost("sending a pipeline");
}

PipelineOutcome Connection::read_results(const std::vector<std::string>& doing, bool are_last) {
  PipelineOutcome outcome;
  try {
    for (std::size_t i = 0; i < doing.size(); ++i) {
      const Deadline deadline = statement_deadline();
      // The server keeps its answers until it has many, or all.
      const std::string doing_now = doing[i] + (i + 1 < doing.size() ? " or what follows it" : "");
      for (;;) {
        Result result = next_result(deadline, doing_now);
        if (result.get() == nullptr) break;
        if (result.failed() && !outcome.failure) outcome.failure = {i, error_of(result, doing[i])};
        if (!outcome.failure) outcome.results.push_back(std::move(result));
      }
    }
    if (!are_last) return outcome;
    const Result sync = next_result(statement_deadline(), "ending a pipeline");
    if (sync.status() != PGRES_PIPELINE_SYNC || PQexitPipelineMode(connection_.get()) != 1) {
      throw lost("ending a pipeline");
    }
  } catch (const Error&) {
    // A server that closes the connection says why first.
    if (outcome.failure && !usable()) throw Error(outcome.failure->error);
    throw;
  }
  return outcome;
}

Result Connection::commit(std::vector<Statement> last, const std::vector<Statement>& then) {
  const io::Settling settling(*patience_);
  warnings_->clear();
  const Statement commit{"COMMIT", "COMMIT"};
  try {
    if (last.empty() && then.empty()) {
      send(commit);
      return last_result(Deadline::after(settings_.commit_timeout), "COMMIT");
    }
    last.push_back(commit);
    if (then.empty()) return std::move(run_pipeline(std::move(last)).value().back());
    open_pipeline();
    std::vector<std::string> sent;
    for (const Statement& each : last) {
      send(each);
      sent.push_back(each.doing);
    }
    // The answer to COMMIT must not wait for what follows.
    if (PQsendFlushRequest(connection_.get()) != 1) throw lost("COMMIT");
    for (const Statement& each : then) {
      send(each);
      after_commit_.push_back(each.doing);
    }
    end_sending();
    PipelineOutcome outcome = read_results(sent, false);
    // If COMMIT failed, the server skips the rest.
    if (outcome.failure) outcome_after_commit();
    return std::move(outcome.value().back());
  } catch (const Error& error) {
    if (usable() && !error.sqlstate().empty()) throw;
    // It may still happen. Canceling a COMMIT that waits for a standby would only end the wait.
    const bool gave_up = !connection_;  // give_up() closes it
    connection_.reset();
    after_commit_.clear();
    throw Error(ErrorKind::outcome_unknown, !gave_up ? "the connection was lost during COMMIT"
                                            : patience_->signalled()
                                                ? "a signal left no time for the answer to COMMIT"
                                                : "PostgreSQL did not answer COMMIT in time");
  }
}

PipelineOutcome Connection::outcome_after_commit() {
  committing_ = false;
  return read_results(std::exchange(after_commit_, {}));
}

void Connection::rollback() noexcept {
  try {
    if (!usable() || PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return;
    // An expendable connection must not use up the time for final steps.
    std::optional<io::Settling> settling;
    if (!expendable_) settling.emplace(*patience_);
    run({"ROLLBACK", "ROLLBACK"});
  } catch (const std::exception&) {
    connection_.reset();
  }
}

void Connection::send(const Statement& statement, bool is_parsed) {
  std::vector<const char*> values;
  values.reserve(statement.params.size());
  for (const auto& param : statement.params) values.push_back(param ? param->c_str() : nullptr);
  const int count = static_cast<int>(values.size());
  const int sent = is_parsed ? PQsendQueryPrepared(connection_.get(), "", count, values.data(),
                                                   nullptr, nullptr, 0)
                             : PQsendQueryParams(connection_.get(), statement.sql.c_str(), count,
                                                 nullptr, values.data(), nullptr, nullptr, 0);
  if (sent != 1) throw lost(statement.doing);
  committing_ = statement.sql == "COMMIT";
}

void Connection::flush(Deadline deadline, const std::string& doing) {
  while (const int left = PQflush(connection_.get())) {
    if (left < 0) throw lost(doing);
    // A server that can't send its answers stops reading, so read them while waiting to send.
    wait(POLLIN | POLLOUT, deadline, doing);
  }
}

void Connection::wait(short events, Deadline deadline, const std::string& doing,
                      const Connection* other) {
  if (!has_decrypted() && (other == nullptr || !other->has_decrypted())) {
    const int beside = other == nullptr ? -1 : PQsocket(other->connection_.get());
    const Readiness readiness =
        patience_->wait(PQsocket(connection_.get()), events, deadline, beside);
    if (readiness != Readiness::ready) give_up(readiness, doing);
  }
  consume_input(doing);
}

bool Connection::has_decrypted() const {
  const void* tls = PQsslStruct(connection_.get(), "OpenSSL");
  return tls != nullptr && SSL_pending(static_cast<const SSL*>(tls)) > 0;
}

void Connection::consume_input(const std::string& doing) {
  if (PQconsumeInput(connection_.get()) != 1) throw lost(doing);
}

Result Connection::next_result(Deadline deadline, const std::string& doing) {
  flush(deadline, doing);
  while (PQisBusy(connection_.get()) != 0) wait(POLLIN, deadline, doing);
  return Result(PQgetResult(connection_.get()));
}

Result Connection::last_result(Deadline deadline, const std::string& doing) {
  Result last;
  for (;;) {
    Result result = next_result(deadline, doing);
    if (result.get() == nullptr) break;
    last = std::move(result);
  }
  if (last.get() == nullptr || (last.failed() && !usable())) throw lost(doing);
  if (last.failed()) throw error_of(last, doing);
  return last;
}

void Connection::give_up(Readiness why, const std::string& doing) {
  if (!committing_) stop();
  if (PQtransactionStatus(connection_.get()) == PQTRANS_ACTIVE) connection_.reset();
  if (why == Readiness::interrupted) {
    throw Error(ErrorKind::interrupted, "interrupted by a signal");
  }
  std::string reason = "PostgreSQL did not answer in time";
  std::string hint = "Check its load and its locks.";
  if (patience_->signalled()) {
    reason = "PostgreSQL did not answer in the time that a signal leaves";
    hint.clear();
  } else if (patience_->over()) {
    reason = "the time for the whole command is over";
    hint = "Give it more with --timeout, or check the load and the locks of PostgreSQL.";
  }
  throw Error(ErrorKind::unavailable, fmt::format("{} failed: {}", doing, reason),
              {.object = server(), .hint = hint});
}

void Connection::stop() noexcept {
  if (expendable_) {
    // If an answer is due by a deadline, nothing long is running, and a cancel could take just as
    // long.
    if (!answer_by_) cancel();
    connection_.reset();
    return;
  }
  // A cancel still under way could hit a later statement, such as the COMMIT of the record.
  if (!cancel()) connection_.reset();
  PGconn* raw = connection_.get();
  const Deadline deadline = Deadline::after(drain_time);
  while (PQtransactionStatus(raw) == PQTRANS_ACTIVE && !deadline.over()) {
    bool is_here = PQisBusy(raw) == 0;
    const Result result(is_here ? PQgetResult(raw) : nullptr);
    if (result.status() == PGRES_COPY_OUT) {
      char* bytes = nullptr;
      is_here = PQgetCopyData(raw, &bytes, 1) != 0;
      PQfreemem(bytes);
    }
    if (result.status() == PGRES_PIPELINE_SYNC) PQexitPipelineMode(raw);
    if (is_here) continue;
    const Readiness more = has_decrypted()
                               ? Readiness::ready
                               : io::wait_for(PQsocket(raw), POLLIN, deadline, io::Interrupt());
    if (more != Readiness::ready || PQconsumeInput(raw) != 1) break;
  }
  // A pipeline can't be ended if it was interrupted before its end was sent.
  if (PQpipelineStatus(raw) != PQ_PIPELINE_OFF || PQtransactionStatus(raw) == PQTRANS_ACTIVE) {
    connection_.reset();
  }
}

bool Connection::cancel() noexcept {
  try {
    const std::shared_ptr<PGcancel> cancel(PQgetCancel(connection_.get()), &PQfreeCancel);
    if (!cancel) return false;
    // libpq waits without a limit until the server closes the connection of the request.
    const std::future<void> done = io::in_background([cancel] {
      std::array<char, 256> ignored{};
      PQcancel(cancel.get(), ignored.data(), static_cast<int>(ignored.size()));
    });
    const milliseconds time = expendable_ ? cancel_time_of_expendable : cancel_time;
    return done.wait_for(time) == std::future_status::ready;
  } catch (const std::exception&) {
    // Out of memory or threads: the server will notice when the connection is closed.
    return false;
  }
}

Deadline Connection::statement_deadline() const {
  const Deadline limit = Deadline::after(settings_.statement_timeout + grace);
  return answer_by_ ? limit.earlier(*answer_by_) : limit;
}

}  // namespace tickstock::postgres
