#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"
#include "rules/policy.hpp"

namespace tickstock {

/// One change as the document lists it: one per written universe of market-cap and delisted; of ipo
/// one per symbol that came or went. A written entry is at least one change.
struct Change {
  std::string_view
      change_type;  ///< market_cap_update, market_leader_update, ipo_assignment, delisted_cleanup
  std::string_view action;  ///< updated, added, removed, cleaned
  std::string universe;
  std::optional<SymbolId> symbol;
  std::string reason;
  const EntryWrite* write;  ///< what it is about; valid as long as the plan lives
};

/// The changes of one task, in the order of its writes.
std::vector<Change> changes_of(const TaskPlan& task, const Market& market, const Policy& policy);

/// Why a universe is written, in the words of its event and of the journal.
std::string write_reason(const EntryWrite& write);

/// What is done to a universe, in the word of its event and of the journal: `updated` or `cleaned`.
std::string_view write_action(const EntryWrite& write);

}  // namespace tickstock
