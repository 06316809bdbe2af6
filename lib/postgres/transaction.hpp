#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "postgres/connection.hpp"

namespace tickstock::postgres {

/// A snapshot that a transaction has exported. A name alone could be that of another snapshot, on
/// another server behind the same address.
struct ExportedSnapshot {
  std::string name;
  std::string server_start;
  std::string contents;  ///< as pg_current_snapshot() shows it
};

enum class Isolation { repeatable_read, read_committed };

struct TransactionOptions {
  Isolation isolation = Isolation::repeatable_read;
  bool read_only = false;
  /// IANA zone in which a timestamptz shows its day.
  std::string timezone = "UTC";
  /// An advisory lock to try as the first query, before the snapshot could be older than another
  /// holder's COMMIT.
  std::optional<std::int64_t> lock = {};
  std::string application_name = {};
  /// Instead of the connection's.
  std::optional<std::chrono::milliseconds> lock_timeout = {};
  /// Whether to export the snapshot, for a second connection; done where the server can.
  bool export_snapshot = false;
  /// The exported snapshot of another transaction, to be read instead of an own one.
  std::optional<ExportedSnapshot> snapshot = {};
  /// Settings of our own, by names that stand in the code, for statements that take no parameters.
  std::vector<std::pair<std::string_view, std::string>> settings = {};
  /// How long the transaction may do nothing, beyond the time of a statement.
  std::chrono::milliseconds idle_time{0};
};

/// Runs statements in a transaction of their own that only reads, all of it in one round trip.
/// \throws Error.
std::vector<Result> read_at_once(Connection& connection, TransactionOptions options,
                                 std::vector<Statement> statements);

/// A transaction that rolls back unless it was committed. All settings are local to it, so that a
/// transaction pooler may stand between: search_path (pg_catalog first, temporary tables last),
/// time-outs, zone, and row_security off, by which a policy that would hide rows is an error
/// instead of a market without them.
class Transaction {
 public:
  /// Begins in one round trip, in which `first` goes along, whether the lock was free or not.
  /// \throws Error.
  Transaction(Connection& connection, TransactionOptions options,
              const std::vector<Statement>& first = {});
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// What came of the statements that went along with the beginning.
  [[nodiscard]] const std::vector<Result>& first_results() const { return first_results_; }

  /// Whether the lock was free.
  [[nodiscard]] bool has_lock() const { return has_lock_; }

  /// The exported snapshot, where there is one.
  [[nodiscard]] const std::optional<ExportedSnapshot>& snapshot() const { return snapshot_; }
  [[nodiscard]] const TransactionOptions& options() const { return options_; }

  [[nodiscard]] Connection& connection() { return connection_; }
  Result run(const Statement& statement) { return connection_.run(statement); }
  PipelineOutcome run_pipeline(std::vector<Statement> statements) {
    return connection_.run_pipeline(std::move(statements));
  }
  PipelineOutcome run_pipeline(const std::function<std::optional<Statement>()>& next) {
    return connection_.run_pipeline(next);
  }

  /// Commits. The server answers the COMMIT of a failed transaction with success and the tag
  /// ROLLBACK: only `COMMIT` counts. \throws Error (outcome_unknown) when the connection is lost
  /// meanwhile.
  void commit();

 private:
  friend std::vector<Result> read_at_once(Connection& connection, TransactionOptions options,
                                          std::vector<Statement> statements);

  void begin(const std::vector<Statement>& first);

  Connection& connection_;
  TransactionOptions options_;
  std::vector<Result> first_results_;
  std::optional<ExportedSnapshot> snapshot_;
  bool has_lock_ = false;
  bool open_ = true;
};

/// A second connection to the same server, which reads on the snapshot of a transaction of the
/// first one, so that two tables arrive at once. Nothing depends on it: what it can't do, the first
/// connection does.
class Companion {
 public:
  /// How long the connection and its first answer may take together, and its last answer.
  static constexpr std::chrono::milliseconds time{100};
  /// How long its rows may stop once those of the first connection are all there.
  static constexpr std::chrono::milliseconds longest_silence{1'000};
  /// How long the transaction of the first connection may have to do nothing because of it, with
  /// some to spare.
  static constexpr std::chrono::milliseconds idle_time = 3 * longest_silence;

  /// \return nothing when the server takes no second connection in time.
  static std::unique_ptr<Companion> open(const Connection& first);

  /// Lets go of the snapshot before it closes the connection.
  ~Companion() { connection_.expect_answer_by(io::Deadline::after(time)); }
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;

  /// Takes the snapshot of a transaction of the first connection; to be called once. \return
  /// nothing when that fails: another server stands behind the address, or a pooler has no
  /// connection left.
  Transaction* join(const Transaction& transaction);

 private:
  Companion(Connection connection, std::chrono::milliseconds left)
      : connection_(std::move(connection)), left_(left) {}

  Connection connection_;
  std::optional<Transaction> transaction_;
  std::chrono::milliseconds left_;  ///< for the first answer
};

}  // namespace tickstock::postgres
