#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/market.hpp"
#include "postgres/connection.hpp"
#include "postgres/transaction.hpp"
#include "rules/plan.hpp"
#include "rules/reason.hpp"
#include "tables/catalog.hpp"
#include "tables/journal.hpp"

namespace tickstock::tables {

/// What all writes of a run have in common.
struct WriteContext {
  const TableNames& names;
  const Market& market;
  const MemberReasons& reasons;
  std::string run_id;
  std::string written_at;  ///< ISO 8601 in UTC; `updated_at` and `last_updated` of each entry
  bool journal;            ///< whether the program's own tables exist
};

/// Returns the statements that set up a transaction for writing: run them once, before the first
/// task.
std::vector<Statement> preparing_to_write();

/// Returns the statements that journal the edits of other writers, before the run changes anything
/// itself.
std::vector<Statement> journal_edits(const WriteContext& context, const std::vector<Edit>& edits);

/// The writes of a run, made one by one as they are sent.
struct Writes {
  std::vector<Statement> opening;
  const std::vector<TaskPlan>& tasks;
  /// Called when a task begins; returns the application_name of the transaction from then on.
  std::function<std::string(const TaskPlan&)> begin_task;
  /// Called after the tasks; returns the statements that follow them.
  std::function<std::vector<Statement>()> closing;
};

/// The outcome of write_tasks().
struct Written {
  std::vector<Result> opening;  ///< answers to the statements before the tasks
  /// The index of the task that failed, and the error of its entry; nothing if all were written.
  std::optional<std::pair<std::size_t, Error>> failure;
};

/// Writes the entries of the tasks from `first` on, and the statements around them, in one round
/// trip. Each task has its own savepoint, and each entry its line in the journal. If an entry
/// fails, its task is rolled back: the tasks before it are written; those after it and the closing
/// are not. \throws Error for any other failure.
Written write_tasks(Transaction& transaction, const WriteContext& context, const Writes& writes,
                    std::size_t first);

/// An entry as readers see it.
struct EntrySummary {
  std::optional<std::string> universe;
  std::optional<std::string> type;
  /// Length of its symbol list; nothing if the content has none.
  std::optional<std::int64_t> symbols;
  std::optional<std::string> updated_at;  ///< ISO 8601 in UTC
};

/// Lists the entries of every type, by name in byte order. The server counts, so no content is
/// transferred.
std::vector<EntrySummary> list_entries(Database& database);

}  // namespace tickstock::tables
