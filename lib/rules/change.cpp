#include "rules/change.hpp"

#include <algorithm>
#include <cctype>

#include "rules/reason.hpp"

namespace tickstock {

namespace {

std::string ipo_addition_reason(SymbolId symbol, const Market& market) {
  const Company& company = market.company(symbol);
  return "New IPO: " + company.name.value_or(std::string(market.name(symbol)));
}

std::string ipo_removal_reason(SymbolId symbol, const Market& market, const Universe& rule) {
  std::string reason = absence_reason(rule, market, symbol);
  if (reason.empty()) return "No longer a member";
  reason[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(reason[0])));
  return reason;
}

void append_ipo_changes(const EntryWrite& write, const Market& market,
                        std::vector<Change>& changes) {
  for (const Placement& member : write.diff.added) {
    changes.push_back({"ipo_assignment", "added", write.universe, member.symbol,
                       ipo_addition_reason(member.symbol, market), &write});
  }
  for (const Placement& member : write.diff.removed) {
    changes.push_back({"ipo_assignment", "removed", write.universe, member.symbol,
                       ipo_removal_reason(member.symbol, market, *write.rule), &write});
  }
  if (write.diff.added.empty() && write.diff.removed.empty()) {
    changes.push_back(
        {"ipo_assignment", "updated", write.universe, std::nullopt, write_reason(write), &write});
  }
}

}  // namespace

std::string write_reason(const EntryWrite& write) {
  if (!write.rule) {
    return "Removed " + std::to_string(write.diff.removed.size()) + " delisted symbols";
  }
  if (write.rule->task == Task::ipo) {
    return "Recent IPOs: " + std::to_string(write.diff.added.size()) + " added, " +
           std::to_string(write.diff.removed.size()) + " removed";
  }
  if (write.rule->task == Task::themes) {
    return "Declared universe: " + std::to_string(write.after->members.size()) + " symbols";
  }
  if (write.rule->first) return "Top " + std::to_string(*write.rule->first) + " by market cap";
  return "Market cap recalculation: " + std::to_string(write.after->members.size()) + " symbols";
}

std::string_view write_action(const EntryWrite& write) {
  return write.rule ? "updated" : "cleaned";
}

std::vector<Change> changes_of(const TaskPlan& task, const Market& market) {
  std::vector<Change> changes;
  for (const EntryWrite& write : task.writes) {
    if (task.task == Task::ipo) {
      append_ipo_changes(write, market, changes);
      continue;
    }
    const std::string_view type = !write.rule                 ? "delisted_cleanup"
                                  : task.task == Task::themes ? "theme_update"
                                  : write.rule->first         ? "market_leader_update"
                                                              : "market_cap_update";
    changes.push_back(
        {type, write_action(write), write.universe, std::nullopt, write_reason(write), &write});
  }
  return changes;
}

}  // namespace tickstock
