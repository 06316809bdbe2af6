#pragma once

#include <optional>
#include <span>
#include <vector>

#include "domain/market.hpp"
#include "postgres/transaction.hpp"
#include "rules/select.hpp"
#include "tables/catalog.hpp"
#include "tables/journal.hpp"

namespace tickstock::tables {

/// What earlier runs left behind for this one.
struct Past {
  std::optional<Day> last_as_of;  ///< of the last run that committed
  std::vector<Waiting> waiting;   ///< who waits so far
  std::vector<State> states;      ///< what they left in the entries
  bool has_old_events = false;    ///< whether an event has been pending for too long
};

/// Asks for it, in so many statements.
inline constexpr std::size_t statements_of_past = 3;
std::vector<Statement> ask_past(const TableNames& names, const Retention& retention);
/// Returns it. \param symbols gets the names of those who wait
Past past_of(std::span<const Result> answers, SymbolTable& symbols);

/// What makes the rows of `waited` those of `waiting`, and notes in the record of the run what they
/// were; nothing where they are the same.
std::vector<Statement> store_waiting(const TableNames& names, const std::string& run_id,
                                     const Market& market, const std::vector<Waiting>& waited,
                                     const std::vector<Waiting>& waiting);

}  // namespace tickstock::tables
