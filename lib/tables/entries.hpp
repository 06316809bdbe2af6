#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

/// Settings of the transaction for what it writes: once, before the first task.
void prepare_writing(Transaction& transaction);

/// Writes into the journal what another writer changed, before the run changes anything itself.
std::vector<Statement> journal_edits(const WriteContext& context, const std::vector<Edit>& edits);

/// Writes the entries of one task in a savepoint of its own, each with its line in the journal, in
/// one round trip. \return the error of an entry, after which the task alone is rolled back;
/// nothing when all were written. \throws Error for every other failure.
std::optional<Error> write_task(Transaction& transaction, const WriteContext& context,
                                const TaskPlan& task, const std::string& application_name);

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
