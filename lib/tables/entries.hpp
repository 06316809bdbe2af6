#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/market.hpp"
#include "domain/run.hpp"
#include "postgres/connection.hpp"
#include "postgres/transaction.hpp"
#include "rules/plan.hpp"
#include "rules/reason.hpp"
#include "tables/catalog.hpp"
#include "tables/journal.hpp"

namespace tickstock::tables {

/// What goes with the writes of a run.
struct WriteContext {
  const TableNames& names;
  const Market& market;
  const MemberReasons& reasons;
  std::string run_id;
  std::string written_at;  ///< ISO 8601 in UTC; `updated_at` and `last_updated` of each entry
  bool journal;            ///< whether the program's own tables are there
};

/// Returns the settings of a transaction for what it writes: once, before the first task.
std::vector<Statement> preparing_to_write();

/// Returns what writes into the journal what another writer changed, before the run changes
/// anything itself.
std::vector<Statement> journal_edits(const WriteContext& context, const std::vector<Edit>& edits);

/// The writes of a run, made one after the other as they are sent.
struct Writes {
  std::vector<Statement> opening;
  const std::vector<TaskPlan>& tasks;
  /// Is called as a task begins; returns what the transaction calls itself from then on.
  std::function<std::string(const TaskPlan&)> begin_task;
  /// Is called behind the tasks; returns what follows them.
  std::function<std::vector<Statement>()> closing;
};

/// The outcome of write_tasks().
struct Written {
  std::vector<Result> opening;  ///< the answers to the statements before the tasks
  /// The task that failed, and the error of its entry; nothing when all were written.
  std::optional<std::pair<std::size_t, Error>> failure;
};

/// Writes the entries of the tasks from `first` on, each task in a savepoint of its own and each
/// entry with its line in the journal, and all around them in one round trip. When an entry fails,
/// its task is rolled back; those before it are written, those behind it and the closing are not.
/// \throws Error for every other failure.
Written write_tasks(Transaction& transaction, const WriteContext& context, const Writes& writes,
                    std::size_t first);

/// What a reader sees of one entry.
struct EntrySummary {
  std::optional<std::string> universe;
  std::optional<std::string> type;
  /// How long its list of symbols is; nothing where the content has none.
  std::optional<std::int64_t> symbols;
  std::optional<std::string> updated_at;  ///< ISO 8601 in UTC
};

/// Every entry of whatever type, by name in byte order. The server counts: no content is read.
std::vector<EntrySummary> list_entries(Database& database);

}  // namespace tickstock::tables
