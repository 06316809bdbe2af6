#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"

namespace tickstock {

/// One change as the document lists it: one per written universe; of ipo one per symbol that came
/// or went. A written entry is at least one change.
struct Change {
  std::string_view change_type;  ///< market_cap_update, market_leader_update, ipo_assignment,
                                 ///< theme_update, delisted_cleanup
  std::string_view action;  ///< updated, added, removed, cleaned
  std::string universe;
  std::optional<SymbolId> symbol;
  std::string reason;
  const EntryWrite* write;  ///< what it is about; valid as long as the plan lives
};

/// The changes of one task, in the order of its writes.
std::vector<Change> changes_of(const TaskPlan& task, const Market& market);

/// Calls `take` for every symbol that a task of new listings puts into a universe where it was not,
/// and that was listed within `ipo_days`; by universe, in the order of its members.
template <typename Take>
void for_each_listing(const TaskPlan& task, const Market& market, int ipo_days, Take take) {
  if (task.task != Task::ipo && task.task != Task::themes) return;
  for (const EntryWrite& write : task.writes) {
    for (const Placement& member : write.diff.added) {
      if (holds(ListedWithin{ipo_days}, market, member.symbol)) take(write, member.symbol);
    }
  }
}

/// Why a universe is written, in the words of its event and of the journal.
std::string write_reason(const EntryWrite& write);

/// What is done to a universe, in the word of its event and of the journal: `updated` or `cleaned`.
std::string_view write_action(const EntryWrite& write);

}  // namespace tickstock
