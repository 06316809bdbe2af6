#include "store/connection.hpp"

#include <poll.h>

#include <array>

#include "store/sqlstate.hpp"

namespace tickstock::store {

using io::Deadline;
using io::Readiness;
using std::chrono::milliseconds;

namespace {

/// How much longer than the server's own limit the client waits, so that the server's word comes
/// first.
constexpr milliseconds grace{5'000};
/// How long to wait for a cancelled statement to end.
constexpr milliseconds cancel_patience{1'000};

constexpr const char* interrupted_text = "interrupted by a signal; the transaction was rolled back";

void ignore_notice(void* /*context*/, const PGresult* /*result*/) {}

std::vector<const char*> c_strings(const Params& params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const auto& param : params) values.push_back(param ? param->c_str() : nullptr);
  return values;
}

bool is_failure(ExecStatusType status) {
  return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
         status == PGRES_NONFATAL_ERROR;
}

std::string server_of(const PGconn* connection) {
  const char* host = PQhost(connection);
  const char* port = PQport(connection);
  const std::string name = host == nullptr || *host == '\0' ? "the default socket" : host;
  return port == nullptr || *port == '\0' ? name : name + ":" + port;
}

}  // namespace

std::vector<Result>& PipelineOutcome::value() {
  if (failure) throw Error(failure->error);
  return results;
}

Connection Connection::open(const ConnectionSettings& settings, const io::Interrupt& interrupt) {
  // The conninfo is expanded as "dbname"; what stands after it wins over it.
  const std::array<const char*, 5> keywords{"dbname", "fallback_application_name",
                                            "client_encoding", "connect_timeout", nullptr};
  const std::string seconds = std::to_string(settings.connect_timeout.count() / 1000);
  const std::array<const char*, 5> values{settings.conninfo.c_str(),
                                          settings.application_name.c_str(), "UTF8",
                                          seconds.c_str(), nullptr};
  const Deadline deadline = Deadline::after(settings.connect_timeout);
  Connection opened(PQconnectStartParams(keywords.data(), values.data(), 1), settings, interrupt);
  PGconn* raw = opened.connection_.get();
  if (raw == nullptr) throw Error(ErrorKind::unavailable, "out of memory");

  const auto fail = [raw](const std::string& why) {
    throw Error(ErrorKind::unavailable, "cannot connect to PostgreSQL at " + server_of(raw) + ": " +
                                            why + "; check the server, the URL and the login");
  };
  PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
  while (PQstatus(raw) != CONNECTION_BAD && wants != PGRES_POLLING_OK &&
         wants != PGRES_POLLING_FAILED) {
    const auto events = static_cast<short>(wants == PGRES_POLLING_READING ? POLLIN : POLLOUT);
    switch (io::wait_for(PQsocket(raw), events, deadline, interrupt)) {
      case Readiness::ready: wants = PQconnectPoll(raw); break;
      case Readiness::interrupted: throw Error(ErrorKind::interrupted, interrupted_text);
      case Readiness::timed_out: fail("no answer within " + seconds + " s");
    }
  }
  if (PQstatus(raw) != CONNECTION_OK) fail(one_line(PQerrorMessage(raw)));
  PQsetnonblocking(raw, 1);
  PQsetNoticeReceiver(raw, ignore_notice, nullptr);
  return opened;
}

Result Connection::run(const Statement& statement) {
  send(statement);
  const Deadline deadline = statement_deadline();
  Result last;
  for (;;) {
    Result result = next_result(deadline, statement.doing);
    if (result.get() == nullptr) break;
    last = std::move(result);
  }
  if (last.get() == nullptr) throw lost(statement.doing);
  if (is_failure(last.status())) {
    if (!usable()) throw lost(statement.doing);
    throw error_of(last.get(), statement.doing);
  }
  return last;
}

PipelineOutcome Connection::run_pipeline(const std::vector<Statement>& statements) {
  if (PQenterPipelineMode(connection_.get()) != 1) throw lost("opening a pipeline");
  for (const Statement& statement : statements) send(statement);
  if (PQpipelineSync(connection_.get()) != 1) throw lost("sending a pipeline");

  PipelineOutcome outcome;
  try {
    read_pipeline(statements, outcome);
  } catch (const Error&) {
    // A server that ends the connection says why before it does.
    if (outcome.failure && !usable()) throw Error(outcome.failure->error);
    throw;
  }
  return outcome;
}

void Connection::read_pipeline(const std::vector<Statement>& statements, PipelineOutcome& outcome) {
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const std::string& doing = statements[i].doing;
    const Deadline deadline = statement_deadline();
    for (;;) {
      Result result = next_result(deadline, doing);
      if (result.get() == nullptr) break;
      if (is_failure(result.status()) && !outcome.failure) {
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

void Connection::copy_out(const Statement& statement,
                          const std::function<void(std::string_view)>& take) {
  send(statement);
  const Result start = next_result(statement_deadline(), statement.doing);
  if (start.get() == nullptr || !usable()) throw lost(statement.doing);
  if (start.status() != PGRES_COPY_OUT) {
    drain(Deadline::after(cancel_patience));
    throw error_of(start.get(), statement.doing);
  }
  const Deadline deadline = statement_deadline();
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(connection_.get(), &bytes, 1);
    if (size > 0) {
      const std::unique_ptr<char, decltype(&PQfreemem)> owner(bytes, &PQfreemem);
      take(std::string_view(bytes, static_cast<std::size_t>(size)));
    } else if (size == 0) {
      wait_readable(deadline, statement.doing);
    } else {
      break;
    }
  }
  const Result end = next_result(deadline, statement.doing);
  if (end.get() == nullptr || !usable()) throw lost(statement.doing);
  drain(Deadline::after(cancel_patience));
  if (is_failure(end.status())) throw error_of(end.get(), statement.doing);
}

Result Connection::commit() {
  const io::Interrupt interrupt = interrupt_;
  ignore_interrupt();
  try {
    Result result = run({"COMMIT", "COMMIT"});
    interrupt_ = interrupt;
    return result;
  } catch (const Error& error) {
    interrupt_ = interrupt;
    if (usable() && !error.sqlstate().empty()) throw;
    throw Error(ErrorKind::outcome_unknown, "the connection was lost during COMMIT");
  }
}

void Connection::rollback() noexcept {
  const io::Interrupt interrupt = interrupt_;
  try {
    ignore_interrupt();
    if (usable() && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
      run({"ROLLBACK", "ROLLBACK"});
    }
  } catch (const std::exception&) {
    connection_.reset();
  }
  interrupt_ = interrupt;
}

std::string Connection::server() const { return server_of(connection_.get()); }

std::string Connection::transport_weakness() const {
  const char* host_address = PQhostaddr(connection_.get());
  const std::string_view address = host_address == nullptr ? "" : host_address;
  const bool local = address.empty() || address.starts_with('/') || address.starts_with("127.") ||
                     address == "::1";
  if (local) return "";
  std::string mode;
  PQconninfoOption* options = PQconninfo(connection_.get());
  for (const PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr;
       ++option) {
    if (std::string_view(option->keyword) == "sslmode" && option->val != nullptr)
      mode = option->val;
  }
  PQconninfoFree(options);
  if (mode == "verify-full") return "";
  return "the connection to PostgreSQL is not verified (sslmode=" + mode +
         "); use sslmode=verify-full";
}

void Connection::send(const Statement& statement) {
  const std::vector<const char*> values = c_strings(statement.params);
  if (PQsendQueryParams(connection_.get(), statement.sql.c_str(), static_cast<int>(values.size()),
                        nullptr, values.data(), nullptr, nullptr, 0) != 1) {
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
        io::wait_for(PQsocket(connection_.get()), POLLIN | POLLOUT, deadline, interrupt_);
    if (readiness != Readiness::ready) give_up(readiness, doing);
    if (PQconsumeInput(connection_.get()) != 1) throw lost(doing);
  }
}

void Connection::wait_readable(Deadline deadline, const std::string& doing) {
  const Readiness readiness =
      io::wait_for(PQsocket(connection_.get()), POLLIN, deadline, interrupt_);
  if (readiness != Readiness::ready) give_up(readiness, doing);
  if (PQconsumeInput(connection_.get()) != 1) throw lost(doing);
}

Result Connection::next_result(Deadline deadline, const std::string& doing) {
  flush(deadline, doing);
  while (PQisBusy(connection_.get()) != 0) wait_readable(deadline, doing);
  return Result(PQgetResult(connection_.get()));
}

void Connection::give_up(Readiness why, const std::string& doing) {
  std::array<char, 256> ignored{};
  PGcancel* cancel = PQgetCancel(connection_.get());
  PQcancel(cancel, ignored.data(), static_cast<int>(ignored.size()));
  PQfreeCancel(cancel);
  drain(Deadline::after(cancel_patience));
  if (PQtransactionStatus(connection_.get()) == PQTRANS_ACTIVE) connection_.reset();
  if (why == Readiness::interrupted) throw Error(ErrorKind::interrupted, interrupted_text);
  throw Error(ErrorKind::unavailable,
              doing + " failed: PostgreSQL did not answer in time; look at its load and its locks");
}

void Connection::drain(Deadline deadline) noexcept {
  for (;;) {
    while (PQisBusy(connection_.get()) != 0) {
      const Readiness readiness =
          io::wait_for(PQsocket(connection_.get()), POLLIN, deadline, io::Interrupt());
      if (readiness != Readiness::ready || PQconsumeInput(connection_.get()) != 1) return;
    }
    const Result result(PQgetResult(connection_.get()));
    if (result.get() == nullptr) return;
    if (result.status() == PGRES_COPY_OUT) {
      char* bytes = nullptr;
      while (PQgetCopyData(connection_.get(), &bytes, 0) > 0) PQfreemem(bytes);
    }
  }
}

Deadline Connection::statement_deadline() const {
  return Deadline::after(settings_.statement_timeout + grace);
}

Error Connection::lost(const std::string& doing) const {
  const std::string words = one_line(PQerrorMessage(connection_.get()));
  return {ErrorKind::unavailable, doing + " failed: the connection to PostgreSQL was lost" +
                                      (words.empty() ? "" : ": " + words)};
}

}  // namespace tickstock::store
