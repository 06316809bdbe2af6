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

/// Returns what opens the record of a run, ahead of the transaction that holds the run lock (see
/// TransactionOptions): where the lock is free, every other record that is still `running` belongs
/// to a run that died, and becomes `interrupted`.
std::vector<Statement> opening_run(const TableNames& names, const RunRecord& record,
                                   const std::string& program_version);

/// Returns whether it is open, as the answers to these statements tell. \throws Error (usage) when
/// the id has a record, naming its status, or events that outlived its record.
bool is_opened(const Transaction& transaction, const TableNames& names, const std::string& run_id);

/// Writes how a run ended.
Statement finish_run(const TableNames& names, const RunRecord& record);
/// The same of a run that failed; nothing where its record was never opened, or is that of another
/// run with its id.
Statement finish_failed_run(const TableNames& names, const RunRecord& record);

/// The last run that committed.
struct Success {
  std::string run_id;
  std::string finished_at;
  double age_seconds = 0;  ///< since it ended, by PostgreSQL's clock
};
std::optional<Success> last_success(Database& database);

/// Whether the main transaction of a run committed, asked after its connection was lost: the run
/// lock is awaited in one statement, so that the old backend has ended, and the record read in the
/// next. \throws Error (unavailable) when it can't be told within `time`.
bool has_committed(Database& database, const std::string& run_id, std::chrono::milliseconds time);

/// Whether the record of a run says so; nothing is waited for. \throws Error.
bool is_recorded_as_committed(Database& database, const std::string& run_id);

/// Whether the server only follows another one.
bool is_standby(Database& database);

/// Who holds a lock, in words: process id and what it calls itself; empty when it is free.
std::string run_lock_holder(Database& database);

/// What a reader sees of a run.
struct RunView {
  RunRecord record;  ///< `running` is shown as `interrupted` where no run holds the lock
  int step = 0;      ///< 1 to 5 while it runs, read from its application_name; 0 where unknown
  std::int64_t pending = 0;            ///< its events that are neither published nor dropped yet
  std::vector<std::string> universes;  ///< that it changed, in its order; only read_run tells them
  std::int64_t given_up = 0;           ///< its events that were never published, and won't be
  std::vector<std::string> refusals;   ///< by guards, in words; only read_run tells them
};

/// The run of that id, or the one whose id alone begins so, or the last one. Nothing where there is
/// none. \throws Error (failed) where more than one id begins so.
std::optional<RunView> read_run(Database& database, const std::optional<std::string>& run_id);

/// The same. \throws Error (failed) also where there is none.
RunView require_run(Database& database, const std::optional<std::string>& run_id);

/// Which part of the journal is asked for.
struct JournalPage {
  std::optional<std::int64_t> days;  ///< what the last so many brought, by the server's clock
  std::int64_t limit = 0;
  std::int64_t offset = 0;
};

/// A page of the runs, and what all of them came to.
struct History {
  JournalPage page;
  std::vector<RunView> runs = {};  ///< latest first
  std::int64_t total = 0;
  std::int64_t completed = 0;                   ///< with errors or without
  std::int64_t running = 0;                     ///< the others failed
  std::optional<double> average_duration = {};  ///< in seconds, of those that completed
};

History read_history(Database& database, const JournalPage& page);

/// Which changes of the journal are asked for: those of a universe, those in which a symbol came,
/// went or moved, those of a run. Names are matched exactly.
struct ChangeFilter {
  std::optional<std::string> universe = {};
  std::optional<std::string> symbol = {};
  std::optional<std::string> run_id = {};
  bool with_names = false;  ///< whether the members are named
};

/// What a reader sees of one universe that a run changed.
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
  /// Of the symbol that was asked for: `added`, `removed` or `moved`, and why it came or went where
  /// it has a reason of its own.
  std::string change;
  std::optional<std::string> why;
  // Arrays in JSON, where the members are to be named: their names, and why each came or went.
  std::optional<std::string> added_symbols;
  std::optional<std::string> removed_symbols;
  std::optional<std::string> moved_symbols;
  std::optional<std::string> added_why;
  std::optional<std::string> removed_why;
};

/// Shows each column of a change, by the name that documents have for it.
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

/// Every universe that has an entry or a change, and every symbol that has a row; what the role may
/// not read is left out.
std::vector<std::string> known_universes(Database& database);
std::vector<std::string> known_symbols(Database& database);
/// Whether the journal names a symbol anywhere.
bool journal_names(Database& database, const std::string& symbol);

}  // namespace tickstock::tables
