#pragma once

#include <string>
#include <vector>

#include "postgres/transaction.hpp"
#include "rules/undo.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// What is needed to undo a run.
struct UndoneRun {
  std::vector<Undone> universes;  ///< in the order in which it changed them
  std::vector<Waiting> waited;    ///< those who wait now where the run changed that
  std::vector<Waiting> waiting;   ///< those who waited there before it
};

/// Reads it from the journal. \param waiting who waits now \param symbols gets the names of members
UndoneRun read_undone(Transaction& transaction, const TableNames& names, const std::string& run_id,
                      const std::vector<Waiting>& waiting, SymbolTable& symbols);

/// Puts back what a write of an undo restores.
Statement restore_statement(const TableNames& names, const EntryWrite& write,
                            const std::string& written_at);

}  // namespace tickstock::tables
