#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"
#include "domain/error.hpp"
#include "io/wait.hpp"

namespace tickstock::postgres {

/// The rows of one statement, in text format. Rows and columns count from 0.
class Result {
 public:
  explicit Result(PGresult* result = nullptr) : result_(result, &PQclear) {}

  [[nodiscard]] PGresult* get() const { return result_.get(); }
  [[nodiscard]] ExecStatusType status() const { return PQresultStatus(get()); }
  [[nodiscard]] int rows() const { return PQntuples(get()); }

  [[nodiscard]] bool is_null(int row, int column) const {
    return PQgetisnull(get(), row, column) != 0;
  }
  /// Returns a field; empty for NULL. Valid as long as the result lives.
  [[nodiscard]] std::string_view view(int row, int column) const {
    return {PQgetvalue(get(), row, column),
            static_cast<std::size_t>(PQgetlength(get(), row, column))};
  }
  [[nodiscard]] std::string text(int row, int column) const {
    return std::string(view(row, column));
  }
  [[nodiscard]] bool boolean(int row, int column) const { return view(row, column) == "t"; }
  /// Returns a number; 0 for NULL. \throws Error (failed) for text that is not a number.
  [[nodiscard]] std::int64_t integer(int row, int column) const;

  /// Reads the columns of a row into fields, as the functions above do, from the first column on.
  template <typename... Fields>
  void read(int row, Fields&... fields) const {
    int column = 0;
    (get(row, column++, fields), ...);
  }
  void get(int row, int column, std::string& field) const { field = text(row, column); }
  void get(int row, int column, bool& field) const { field = boolean(row, column); }
  void get(int row, int column, std::int64_t& field) const { field = integer(row, column); }
  void get(int row, int column, double& field) const;
  void get(int row, int column, Day& field) const {
    field = parse_day(view(row, column)).value_or(Day());
  }
  template <typename Field>
  void get(int row, int column, std::optional<Field>& field) const {
    field.reset();
    if (!is_null(row, column)) get(row, column, field.emplace());
  }

  /// Returns whether the statement failed.
  [[nodiscard]] bool failed() const {
    return status() == PGRES_FATAL_ERROR || status() == PGRES_BAD_RESPONSE;
  }

  /// Returns how many rows an INSERT or UPDATE wrote.
  [[nodiscard]] std::int64_t affected() const;

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

/// The SQLSTATE of a missing privilege.
inline constexpr const char* insufficient_privilege = "42501";
/// What to do where row-level security would hide rows.
inline constexpr const char* row_security_hint =
    "Give the role BYPASSRLS; for symbols and prices, a view of all rows will do.";

/// Returns whether an error concerns only the row being written (a constraint, a value, a trigger),
/// so that one task can fail on its own.
bool is_error_of_entry(std::string_view sqlstate);

/// Returns libpq's text on one line, without trailing line breaks.
std::string one_line(std::string_view text);

/// Returns a text in quotes, with `escape` before each quote and each `escape` in it. For SQL names
/// and literals, pass the quote itself as `escape`.
std::string in_quotes(std::string_view text, char quote, char escape = '\\');

/// Returns the text form of a PostgreSQL array of texts, for a parameter of type text[].
template <typename Text>
std::string array_literal(const std::vector<Text>& values) {
  std::string literal = "{";
  for (const std::string_view value : values) {
    if (literal.size() > 1) literal += ',';
    literal += in_quotes(value, '"');
  }
  return literal += '}';
}

/// The parameters of one statement in text format; nothing for NULL.
using Params = std::vector<std::optional<std::string>>;

/// One statement, and a description of what it does, for errors.
struct Statement {
  std::string doing;  ///< `reading public.symbols`
  std::string sql;
  Params params = {};
};

/// Where to connect, and how long each step may take. The conninfo is a URL, a list of keywords and
/// values, or empty to use libpq's environment variables.
struct ConnectionSettings {
  std::string conninfo;
  std::string application_name = "tickstock-cache";
  std::chrono::milliseconds connect_timeout{10'000};  ///< per address
  std::chrono::milliseconds statement_timeout{60'000};
  std::chrono::milliseconds lock_timeout{10'000};
  std::chrono::milliseconds commit_timeout{30'000};
  /// How many connections reading may use; nothing for two if the tables are large.
  std::optional<std::int64_t> connections = {};
  /// The user's home directory, where libpq looks for its files; empty to use that of the system's
  /// user database.
  std::string home = {};
  bool require_tls = false;  ///< refuse a server on another machine unless it is verified
};

/// Returns the connect_timeout of a conninfo, the environment or a service file; nothing if none of
/// them sets a limit. \throws Error (config) for an unknown service.
std::optional<std::chrono::seconds> connect_timeout_of(const std::string& conninfo);

/// Returns what is wrong with a conninfo; empty if nothing is. Never quotes libpq, whose messages
/// repeat parts of a password. \param hint receives what to do about it, if that is known
std::string conninfo_problem(const std::string& conninfo, std::string* hint = nullptr);

/// Returns whether a conninfo contains a password. \pre conninfo_problem is empty.
bool conninfo_has_password(const std::string& conninfo);

/// Returns a conninfo, or if it is empty the server from libpq's environment, as keywords and
/// values without a password.
std::string shown_conninfo(const std::string& conninfo);

/// One address at which the server of a conninfo may answer.
struct Target {
  std::string host;     ///< the name in certificates and password files, or a directory
  std::string address;  ///< numeric; empty for a Unix socket
  std::string port;
  std::string session;  ///< target_session_attrs
  std::string sslmode;
  std::string refused_passfile;  ///< a password file that libpq ignores because others can read it

  /// Returns whether it is a Unix socket.
  [[nodiscard]] bool is_socket() const {
    return address.empty() && (host.empty() || host.starts_with('/') || host.starts_with('@'));
  }
  /// Returns `db.example.com:5432`, or the directory of the socket.
  [[nodiscard]] std::string shown() const;
  /// Returns why someone on the network could eavesdrop, or impersonate the server; empty for a
  /// server on this machine, or if its certificate is verified.
  [[nodiscard]] std::string transport_weakness() const;
};

/// What to do about a connection that is not verified.
constexpr const char* transport_hint = "Use sslmode=verify-full.";

/// Returns the servers named by a conninfo, the environment and a service file, before looking up
/// their addresses. \throws Error (config) for anything that a retry cannot fix.
std::vector<Target> named_targets(const ConnectionSettings& settings);

/// A file that doesn't exist. With it, libpq looks for no password and complains about no file.
inline constexpr const char* no_password_file = "/no/password/file";

/// The outcome of a pipeline: the results up to the first failure.
struct PipelineOutcome {
  struct Failure {
    std::size_t index;  ///< of the failed statement
    Error error;
  };
  std::vector<Result> results;
  std::optional<Failure> failure;

  /// Returns the results. \throws Error the failure, if there is one.
  std::vector<Result>& value() {
    if (failure) throw Error(failure->error);
    return results;
  }
};

/// A connection to PostgreSQL. Every wait ends at the limit of its step or of the patience, which
/// must outlive the connection. Not thread-safe.
class Connection {
 public:
  /// Tries, one after another, the addresses that come from the conninfo, the environment and a
  /// service file. \throws Error (unavailable) if no server answers or one refuses the login,
  /// (config) for a server that require_tls forbids and for what a retry cannot fix: a value that
  /// libpq does not know, a missing service or file; (interrupted).
  static Connection open(const ConnectionSettings& settings, io::Patience& patience);

  /// Opens an expendable connection to the same address: a signal ends every wait on it, and a
  /// timeout closes it. \return nothing if that fails. \throws Error (interrupted).
  [[nodiscard]] std::optional<Connection> open_another(std::chrono::milliseconds time) const;

  /// Runs one statement. \throws Error of the kind that its SQLSTATE means.
  Result run(const Statement& statement) {
    send(statement);
    return answer(statement);
  }

  /// run() in two steps: send a statement, then wait for its result. Nothing else may be sent in
  /// between. \throws Error.
  void ask(const Statement& statement);
  Result answer(const Statement& statement);

  /// Sends all statements before reading the first answer, in one round trip. Outside an explicit
  /// transaction, they form one.
  PipelineOutcome run_pipeline(std::vector<Statement> statements);
  /// Does the same for statements created one by one until there are no more: the next is created
  /// while the server works on the last, and only two are in memory at once. SQL that repeats is
  /// parsed only once.
  PipelineOutcome run_pipeline(const std::function<std::optional<Statement>()>& next);

  /// Gives up on anything unanswered by then. For an expendable connection.
  void expect_answer_by(std::optional<io::Deadline> deadline) { answer_by_ = deadline; }

  /// Runs `last`, then COMMIT, in one round trip; a signal does not end it. \param then what the
  /// server runs afterwards, sent along; the next statement drops its outcome unless
  /// outcome_after_commit() read it. \throws Error (outcome_unknown) if the connection is lost
  /// meanwhile, or no answer comes in time.
  Result commit(std::vector<Statement> last = {}, const std::vector<Statement>& then = {});
  [[nodiscard]] bool is_busy_after_commit() const { return !after_commit_.empty(); }
  PipelineOutcome outcome_after_commit();
  /// Returns the server's warning at the last COMMIT, such as that a standby may not have it.
  [[nodiscard]] std::string commit_warning() const {
    return warnings_->empty() ? "" : warnings_->back();
  }

  /// Returns the server's warnings at login, such as that the system's version of a collation
  /// changed.
  [[nodiscard]] const std::vector<std::string>& login_warnings() const { return login_warnings_; }

  /// Rolls back any open transaction; if that fails, closes the connection.
  void rollback() noexcept;

  [[nodiscard]] bool usable() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  [[nodiscard]] const ConnectionSettings& settings() const { return settings_; }
  /// Returns the role that logged in, even after the connection is lost.
  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] io::Patience& patience() const { return *patience_; }
  [[nodiscard]] const Target& target() const { return target_; }
  /// Returns the server as an error names it: `PostgreSQL at db.example.com:5432`.
  [[nodiscard]] std::string server() const { return "PostgreSQL at " + target_.shown(); }

 private:
  friend class CopyOut;

  /// Why an address could not be used.
  struct Refusal {
    std::string why;
    std::string hint = {};
    bool by_server = false;  ///< the server itself refused
    bool by_file = false;    ///< a file of this client can't be used
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

  /// \param is_parsed whether the SQL is that of the previous statement, so that the server need
  /// not parse it again
  void send(const Statement& statement, bool is_parsed = false);
  void flush(io::Deadline deadline, const std::string& doing);
  /// Waits for one of the poll(2) `events`, or for another connection, and reads what has arrived.
  void wait(short events, io::Deadline deadline, const std::string& doing,
            const Connection* other = nullptr);
  /// Returns whether OpenSSL holds bytes for which libpq had no room: poll(2) does not know of
  /// them.
  [[nodiscard]] bool has_decrypted() const;
  void consume_input(const std::string& doing);
  void open_pipeline();
  void end_sending();
  /// Reads the results of these statements of a pipeline and, if they are its last, ends it.
  PipelineOutcome read_results(const std::vector<std::string>& doing, bool are_last = true);
  Result next_result(io::Deadline deadline, const std::string& doing);
  Result last_result(io::Deadline deadline, const std::string& doing);
  /// Stops the running statement, unless it is COMMIT, and throws.
  [[noreturn]] void give_up(io::Readiness why, const std::string& doing);
  /// Cancels the running statement and waits briefly for it to end; otherwise closes the
  /// connection.
  void stop() noexcept;
  /// \return whether the server got the request.
  bool cancel() noexcept;
  [[nodiscard]] io::Deadline statement_deadline() const;
  // errors.cpp
  /// Returns the error that a result reports: what was being done, the server's message, and its
  /// SQLSTATE. Its kind says what to do: try again, wait for the server, or call someone.
  /// PostgreSQL's DETAIL is left out, since it contains data from rows; its HINT becomes the hint.
  [[nodiscard]] Error error_of(const Result& result, const std::string& doing) const;
  /// Returns the error of a lost connection.
  [[nodiscard]] Error lost(const std::string& doing) const;

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  ConnectionSettings settings_;
  Target target_;
  std::string user_;
  io::Patience* patience_;
  bool expendable_ = false;
  std::optional<io::Deadline> answer_by_;
  bool committing_ = false;
  std::vector<std::string> after_commit_;  ///< what was sent along with a COMMIT, unanswered
  std::vector<std::string> login_warnings_;
  /// Since the login or the last COMMIT. libpq holds a pointer to it.
  std::unique_ptr<std::vector<std::string>> warnings_;
};

}  // namespace tickstock::postgres
