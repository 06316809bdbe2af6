#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/run.hpp"
#include "postgres/connection.hpp"
#include "postgres/transaction.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// Returns the statements that open the record of a run, or open it again if it starts over. They
/// go ahead of the transaction that holds the run lock (see TransactionOptions): if the lock is
/// free, every other record that is still `running` belongs to a run that died, or one that has to
/// start over, and becomes `interrupted`.
std::vector<Statement> opening_run(const TableNames& names, const RunRecord& record,
                                   const std::string& program_version, bool again);

/// Returns what asks, in that transaction, whether its snapshot still has the record as `running`:
/// it answers with a row unless another run came in between.
Statement asking_if_running(const TableNames& names, const std::string& run_id);

/// Returns whether those statements opened the record, judging by their answers. \throws Error
/// (usage) if the id already has a record, naming its status, or has events that outlived its
/// record.
bool is_opened(const Transaction& transaction, const std::string& run_id);

/// Returns the statement that records how a run ended.
Statement finish_run(const TableNames& names, const RunRecord& record);
/// Does the same for a failed run; changes nothing if its record was never opened, or if another
/// run has a record with this id.
Statement finish_failed_run(const TableNames& names, const RunRecord& record);

/// The last run that committed.
struct Success {
  std::string run_id;
  std::string finished_at;
  double age_seconds = 0;  ///< since it ended, by PostgreSQL's clock
};
std::optional<Success> last_success(Database& database);

/// Returns whether the main transaction of a run committed, after its connection was lost. Waits
/// for the run lock in one statement, so that the old backend has ended, and reads the record in
/// the next. \throws Error (unavailable) if there is no answer within `time`.
bool has_committed(Database& database, const std::string& run_id, std::chrono::milliseconds time);

/// Returns whether the record of a run says that it committed, without waiting. \throws Error.
bool is_recorded_as_committed(Database& database, const std::string& run_id);

/// Returns whether the server is a standby.
bool is_standby(Database& database);

/// Describes who holds the run lock: process id and application name. Empty if it is free.
std::string run_lock_holder(Database& database);

/// A run as readers see it.
struct RunView {
  RunRecord record;  ///< `running` is shown as `interrupted` where no run holds the lock
  int step = 0;      ///< 1 to 5 while it runs, read from its application_name; 0 where unknown
  std::int64_t pending = 0;            ///< its events that are neither published nor dropped yet
  std::vector<std::string> universes;  ///< that it changed, in its order; filled only by read_run()
  std::int64_t given_up = 0;           ///< its events that were never published, and won't be
  std::vector<std::string> refusals;   ///< what refusing guards reported; filled only by read_run()
};

/// Reads the run with that id, or the only run whose id starts with it, or without an id the last
/// one. \return nothing if there is none. \throws Error (failed) if more than one id starts with
/// it.
std::optional<RunView> read_run(Database& database, const std::optional<std::string>& run_id);

/// Does the same. \throws Error (failed) also if there is none.
RunView require_run(Database& database, const std::optional<std::string>& run_id);

/// Returns the error (failed) for a run that is not on record.
Error no_record_of(const std::string& run_id);

/// The part of the journal to read.
struct JournalPage {
  std::optional<std::int64_t> days;  ///< only the last N days, by the server's clock
  std::int64_t limit = 0;
  std::int64_t offset = 0;
};

/// A page of the runs, and totals over all of them.
struct History {
  JournalPage page;
  std::vector<RunView> runs = {};  ///< latest first
  std::int64_t total = 0;
  std::int64_t completed = 0;                   ///< with errors or without
  std::int64_t running = 0;                     ///< the remaining ones failed
  std::optional<double> average_duration = {};  ///< in seconds, of the completed ones
};

History read_history(Database& database, const JournalPage& page);

/// Selects changes of the journal: those of a universe, those in which a symbol was added, removed
/// or moved, those of a run. Names must match exactly.
struct ChangeFilter {
  std::optional<std::string> universe = {};
  std::optional<std::string> symbol = {};
  std::optional<std::string> run_id = {};
  bool with_names = false;  ///< whether to name the members
};

/// One changed universe of a run, as readers see it.
struct ChangeView {
  std::string run_id;
  std::string as_of;
  std::string changed_at;  ///< ISO 8601 in UTC
  std::string task;
  std::string universe;
  std::string action;
  std::string reason;
  std::int64_t added = 0;
  std::int64_t removed = 0;
  std::int64_t moved = 0;
  /// For the symbol asked about: `added`, `removed` or `moved`, and why, if it has a reason of its
  /// own.
  std::string change;
  std::optional<std::string> why;
  // JSON arrays, if members are to be named: their names, and why each was added or removed.
  std::optional<std::string> added_symbols;
  std::optional<std::string> removed_symbols;
  std::optional<std::string> moved_symbols;
  std::optional<std::string> added_why;
  std::optional<std::string> removed_why;
};

/// Calls `column` for each column of a change, with its name in documents.
template <typename View, typename Visit>
void each_column(View& change, const Visit& column) {
  column("run_id", change.run_id);
  column("as_of", change.as_of);
  column("changed_at", change.changed_at);
  column("task", change.task);
  column("universe", change.universe);
  column("action", change.action);
  column("reason", change.reason);
  column("added", change.added);
  column("removed", change.removed);
  column("moved", change.moved);
  column("change", change.change);
  column("why", change.why);
  column("added_symbols", change.added_symbols);
  column("removed_symbols", change.removed_symbols);
  column("moved_symbols", change.moved_symbols);
  column("added_why", change.added_why);
  column("removed_why", change.removed_why);
}

struct Changes {
  JournalPage page;
  ChangeFilter filter;
  std::vector<ChangeView> changes = {};  ///< latest run first, within a run in its order
  std::int64_t total = 0;
};

Changes read_changes(Database& database, const ChangeFilter& filter, const JournalPage& page);

/// Return every universe that has an entry or a change, and every symbol that has a row. Tables
/// that the role may not read are skipped.
std::vector<std::string> known_universes(Database& database);
std::vector<std::string> known_symbols(Database& database);

}  // namespace tickstock::tables
