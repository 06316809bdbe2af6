#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "postgres/connection.hpp"

namespace tickstock::postgres {

/// A snapshot exported by a transaction. The name is not enough to identify it: another server
/// behind the same address could use the same one.
struct ExportedSnapshot {
  std::string name;
  std::string server_start;
  std::string contents;  ///< as pg_current_snapshot() shows it
};

struct TransactionOptions {
  bool read_committed = false;  ///< instead of REPEATABLE READ
  bool read_only = false;
  /// IANA time zone that determines the day of a timestamptz.
  std::string timezone = "UTC";
  /// An advisory lock to try in the first query. The server takes the snapshot just before: another
  /// holder may commit in between. Except in READ COMMITTED, a short transaction ahead of this one
  /// therefore tries the same lock, in the same round trip: only a holder that came and went
  /// between the two could still do that.
  std::optional<std::int64_t> lock = {};
  std::string application_name = {};
  /// Instead of the connection's.
  std::optional<std::chrono::milliseconds> lock_timeout = {};
  /// Whether to export the snapshot for a second connection, if the server can.
  bool export_snapshot = false;
  /// Another transaction's exported snapshot, to read instead of its own.
  std::optional<ExportedSnapshot> snapshot = {};
  /// Custom settings for statements that take no parameters. The names must be constants.
  std::vector<std::pair<std::string_view, std::string>> settings = {};
  /// How long the transaction may stay idle, in addition to the time of a statement.
  std::chrono::milliseconds idle_time{0};
  /// Statements to commit in the transaction ahead, which is READ COMMITTED. It sets lock_setting
  /// to `true` or `false` for them, depending on whether the lock was free.
  std::vector<Statement> ahead = {};
};

inline constexpr std::string_view lock_setting = "tickstock_cache.has_lock";

/// Runs statements in a read-only transaction, all in one round trip. \throws Error.
std::vector<Result> read_at_once(Connection& connection, TransactionOptions options,
                                 std::vector<Statement> statements);

/// Runs and commits statements in a transaction, all in one round trip. \throws Error.
std::vector<Result> write_at_once(Connection& connection, TransactionOptions options,
                                  std::vector<Statement> statements);

/// Returns the results of the statements sent along with a COMMIT, which run afterwards in a READ
/// COMMITTED transaction of their own: they don't delay the answer to it, and if they fail, what it
/// committed stays. \return nothing if none were sent. \throws Error.
std::optional<std::vector<Result>> results_after_commit(Connection& connection);

/// A transaction that rolls back unless committed. All its settings are local, so it works through
/// a transaction pooler: search_path (pg_catalog first, temporary tables last), timeouts, time
/// zone, and row_security off, so that a policy hiding rows causes an error instead of an
/// incomplete market.
class Transaction {
 public:
  /// Begins in one round trip, and runs `first` in it whether or not the lock was free. \throws
  /// Error.
  Transaction(Connection& connection, TransactionOptions options,
              const std::vector<Statement>& first = {});
  ~Transaction();
  Transaction(const Transaction&) = delete;

  /// Returns the results of the statements passed as `first`.
  [[nodiscard]] const std::vector<Result>& first_results() const { return first_results_; }

  /// Returns the results of the statements committed ahead.
  [[nodiscard]] const std::vector<Result>& ahead_results() const { return ahead_results_; }
  /// Returns whether the lock was free when those ran.
  [[nodiscard]] bool had_lock_ahead() const { return had_lock_ahead_; }

  /// Returns whether this transaction got the lock.
  [[nodiscard]] bool has_lock() const { return has_lock_; }

  /// Returns the exported snapshot, if there is one.
  [[nodiscard]] const std::optional<ExportedSnapshot>& snapshot() const { return snapshot_; }
  [[nodiscard]] const TransactionOptions& options() const { return options_; }

  [[nodiscard]] Connection& connection() { return connection_; }
  Result run(const Statement& statement) { return connection_.run(statement); }
  PipelineOutcome run_pipeline(std::vector<Statement> statements) {
    return connection_.run_pipeline(std::move(statements));
  }

  /// Runs `last`, then commits, in one round trip. The server answers the COMMIT of a failed
  /// transaction with success and the tag ROLLBACK, so only the tag COMMIT counts. \param then
  /// statements of another transaction, sent along: see results_after_commit(). \throws Error
  /// (outcome_unknown) if the connection is lost meanwhile.
  void commit(std::vector<Statement> last = {}, const std::vector<Statement>& then = {});

 private:
  friend std::vector<Result> read_at_once(Connection& connection, TransactionOptions options,
                                          std::vector<Statement> statements);
  friend std::vector<Result> write_at_once(Connection& connection, TransactionOptions options,
                                           std::vector<Statement> statements);

  void begin(const std::vector<Statement>& first);
  [[nodiscard]] std::vector<Statement> statements_ahead() const;

  Connection& connection_;
  TransactionOptions options_;
  std::vector<Result> ahead_results_;
  std::vector<Result> first_results_;
  std::optional<ExportedSnapshot> snapshot_;
  bool had_lock_ahead_ = false;
  bool has_lock_ = false;
  bool open_ = true;
};

/// A second connection to the same server that reads in the first one's snapshot, so that two
/// tables arrive at once. It is optional: if it fails, the first connection reads both.
class Companion {
 public:
  /// The limit for connecting and the first answer together, and for the last answer.
  static constexpr std::chrono::milliseconds time{100};
  /// How long its rows may pause once the first connection has received all of its own.
  static constexpr std::chrono::milliseconds longest_silence{1'000};
  /// How long the first connection's transaction may be idle because of it, with some margin.
  static constexpr std::chrono::milliseconds idle_time = 3 * longest_silence;

  /// \return null if the server does not accept a second connection in time.
  static std::unique_ptr<Companion> open(const Connection& first);

  /// Ends its transaction, which holds the snapshot, before it closes the connection.
  ~Companion() { connection_.expect_answer_by(io::Deadline::after(time)); }

  /// Joins the snapshot of a transaction of the first connection. Call it once. \return null if
  /// that fails: another server is behind the address, or a pooler has no connection left.
  Transaction* join(const Transaction& transaction);

 private:
  Companion(Connection connection, std::chrono::milliseconds left)
      : connection_(std::move(connection)), left_(left) {}

  Connection connection_;
  std::optional<Transaction> transaction_;
  std::chrono::milliseconds left_;  ///< for the first answer
};

}  // namespace tickstock::postgres
