#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"
#include "tables/catalog.hpp"
#include "tables/journal.hpp"

namespace tickstock::tables {

/// What earlier runs left for this one.
struct Past {
  std::optional<Day> last_as_of;  ///< of the last run that committed
  std::vector<Waiting> waiting;   ///< members who wait so far
  std::vector<State> states;      ///< what they left in the entries
  bool has_old_events = false;    ///< whether an event has been pending for too long
};

/// The number of statements that ask_past() returns.
inline constexpr std::size_t statements_of_past = 3;
std::vector<Statement> ask_past(const TableNames& names, const Retention& retention);
/// Returns the past from their answers. \param symbols gets the names of waiting members
Past past_of(std::span<const Result> answers, SymbolTable& symbols);

/// Returns the statement that replaces the rows of `waited` with those of `waiting`, and keeps the
/// old ones in the record of the run; nothing if there are neither.
std::optional<Statement> store_waiting(const TableNames& names, const std::string& run_id,
                                       const Market& market, const std::vector<Waiting>& waited,
                                       const std::vector<Waiting>& waiting);

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

/// Returns whether a change or an entry mentions a symbol.
bool is_named(Database& database, const std::string& symbol);

}  // namespace tickstock::tables
