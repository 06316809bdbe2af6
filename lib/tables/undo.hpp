#pragma once

#include <string>
#include <vector>

#include "postgres/transaction.hpp"
#include "rules/plan.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// What it takes to undo a run.
struct UndoneRun {
  std::vector<Undone> universes;  ///< in the order the run changed them
  std::vector<Waiting> waited;    ///< members who wait now, where the run changed that
  std::vector<Waiting> waiting;   ///< members who waited there before the run
};

/// Reads it from the journal, in the open transaction. \param symbols gets the names of members
UndoneRun read_undone(Database& database, const std::string& run_id, SymbolTable& symbols);

/// Returns the statement that restores what an undo writes to an entry.
Statement restore_statement(const TableNames& names, const EntryWrite& write,
                            const std::string& written_at);

}  // namespace tickstock::tables
