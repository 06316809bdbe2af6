#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/error.hpp"
#include "io/wait.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/result.hpp"

namespace tickstock::postgres {

/// The parameters of one statement in text format; nothing is NULL.
using Params = std::vector<std::optional<std::string>>;

/// One statement, with what it does in words for the error that may come of it.
struct Statement {
  std::string doing;  ///< `reading public.symbols`
  std::string sql;
  Params params = {};
};

/// Where to connect, and how long each step may take. The conninfo is a URL, a list of keywords and
/// values, or empty for libpq's own environment.
struct ConnectionSettings {
  std::string conninfo;
  std::string application_name = "tickstock-cache";
  std::chrono::milliseconds connect_timeout{10'000};  ///< for each address
  std::chrono::milliseconds statement_timeout{60'000};
  std::chrono::milliseconds lock_timeout{10'000};
  std::chrono::milliseconds commit_timeout{30'000};
  /// How many connections reading may use; nothing for two where the tables are large.
  std::optional<std::int64_t> connections = {};
  /// The user's home folder, where libpq's own files stand; that of the system's list of users
  /// where empty.
  std::string home = {};
  bool require_tls = false;  ///< refuse a server on another machine that is not verified
};

/// Returns the connect_timeout of a conninfo, the environment or a service file; nothing where none
/// limits it. \throws Error (config) for an unknown service.
std::optional<std::chrono::seconds> connect_timeout_of(const std::string& conninfo);

/// One address at which the server of a conninfo may answer.
struct Target {
  std::string host;     ///< the name that certificates and password files go by, or a directory
  std::string address;  ///< in digits; empty for a Unix socket
  std::string port;
  std::string session;  ///< target_session_attrs
  std::string sslmode;
  std::string refused_passfile;  ///< a file of passwords that others can read; not looked at

  /// Returns `db.example.com:5432`, or the directory of the socket.
  [[nodiscard]] std::string shown() const;
  /// Returns why a stranger on the wire could listen, or answer in the server's place; empty for a
  /// server on this machine, or where its certificate is verified.
  [[nodiscard]] std::string transport_weakness() const;
};

/// What came of a pipeline: the results up to the first failure.
struct PipelineOutcome {
  struct Failure {
    std::size_t index;  ///< which statement failed
    Error error;
  };
  std::vector<Result> results;
  std::optional<Failure> failure;

  /// The results. \throws Error, the failure where there is one.
  std::vector<Result>& value();
};

/// A connection to PostgreSQL. Every wait ends at the limit of its step or with the patience, which
/// must outlive the connection. Not thread-safe.
class Connection {
 public:
  /// Tries the addresses that the conninfo, the environment and a service file come to, one after
  /// the other. \throws Error (unavailable) when no server answers or it refuses the login,
  /// (config) for one that require_tls forbids and for what no retry helps: a value that libpq does
  /// not know, a service or a file that is not there; (interrupted).
  static Connection open(const ConnectionSettings& settings, io::Patience& patience);

  /// Connects once more to where this one leads, with a connection that nothing depends on: no wait
  /// for it outlasts a signal, and what it does not do in time closes it. \return nothing when that
  /// fails. \throws Error (interrupted).
  [[nodiscard]] std::optional<Connection> open_another(std::chrono::milliseconds time) const;

  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  /// Runs one statement. \throws Error with the kind that its SQLSTATE means.
  Result run(const Statement& statement);

  /// Sends a statement, and then waits for its result: run() in two steps. Between them nothing
  /// else may be sent. \throws Error.
  void ask(const Statement& statement);
  Result answer(const Statement& statement);

  /// Sends all statements before it reads the first answer, which costs one round trip. Outside an
  /// explicit transaction they are one.
  PipelineOutcome run_pipeline(std::vector<Statement> statements);
  /// The same for statements that are made one by one until there is none: while the server works
  /// on one, the next is made, and no more than two are held. The server parses once what is the
  /// same SQL several times in a row.
  PipelineOutcome run_pipeline(const std::function<std::optional<Statement>()>& next);

  /// Gives up whatever has no answer by then. For a connection that nothing depends on.
  void expect_answer_by(std::optional<io::Deadline> deadline) { answer_by_ = deadline; }

  /// Runs COMMIT, which a signal does not end. \throws Error (outcome_unknown) when the connection
  /// is lost meanwhile, or no answer comes in time.
  Result commit();
  /// What the server warned of at the last COMMIT, such as a standby that may not have it.
  [[nodiscard]] std::string commit_warning() const {
    return warnings_->empty() ? "" : warnings_->back();
  }

  /// What the server warned of at the login, such as a collation that changed with the system.
  [[nodiscard]] const std::vector<std::string>& login_warnings() const { return login_warnings_; }

  /// Rolls back whatever is open, without a throw; a connection that can't is closed.
  void rollback() noexcept;

  [[nodiscard]] bool usable() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  [[nodiscard]] const ConnectionSettings& settings() const { return settings_; }
  /// Who is logged in, also when the connection is lost since.
  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] io::Patience& patience() const { return *patience_; }
  /// Where it leads.
  [[nodiscard]] const Target& target() const { return target_; }

 private:
  friend class CopyOut;

  /// Why no connection came about.
  struct Refusal {
    std::string why;
    bool by_server = false;  ///< which answered
  };

  Connection(PGconn* connection, ConnectionSettings settings, Target target, io::Patience& patience)
      : connection_(connection, &PQfinish),
        settings_(std::move(settings)),
        target_(std::move(target)),
        patience_(&patience),
        warnings_(std::make_unique<std::vector<std::string>>()) {}

  // connect.cpp, with open
  static std::optional<Connection> open_at(const Target& target, const ConnectionSettings& settings,
                                           io::Patience& patience, Refusal& refusal);
  static void take_notice(void* warnings, const PGresult* notice);

  /// \param is_parsed the same SQL as the one before, which the server then need not parse and plan
  /// anew
  void send(const Statement& statement, bool is_parsed = false);
  void flush(io::Deadline deadline, const std::string& doing);
  /// Waits for one of the poll(2) `events`, or for another connection, and takes in what has come.
  void wait(short events, io::Deadline deadline, const std::string& doing,
            const Connection* other = nullptr);
  void consume_input(const std::string& doing);
  Result next_result(io::Deadline deadline, const std::string& doing);
  Result last_result(io::Deadline deadline, const std::string& doing);
  void read_pipeline(const std::vector<std::string>& sent, PipelineOutcome& outcome);
  /// Stops what runs, but a COMMIT, and throws.
  [[noreturn]] void give_up(io::Readiness why, const std::string& doing);
  /// Cancels what runs, waits a little for it to end, and closes the connection where it doesn't.
  void stop() noexcept;
  /// \return whether the request is delivered.
  bool cancel() noexcept;
  void drain() noexcept;
  [[nodiscard]] io::Deadline statement_deadline() const;
  [[nodiscard]] Error lost(const std::string& doing) const;

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  ConnectionSettings settings_;
  Target target_;
  std::string user_;
  io::Patience* patience_;
  bool expendable_ = false;  ///< nothing depends on it
  std::optional<io::Deadline> answer_by_;
  bool committing_ = false;
  std::vector<std::string> login_warnings_;
  /// Of the server since the login, or the last COMMIT; libpq keeps its address.
  std::unique_ptr<std::vector<std::string>> warnings_;
};

}  // namespace tickstock::postgres
