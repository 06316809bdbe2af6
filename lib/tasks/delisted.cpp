#include <unordered_set>
#include <utility>

#include "domain/counted.hpp"
#include "tasks/tasks.hpp"

namespace tickstock::tasks {

namespace {

EntryWrite without_delisted(const std::string& universe, std::shared_ptr<const Entry> before,
                            const Market& market) {
  Entry after;
  after.cache_type = before->cache_type;
  after.metadata = before->metadata;
  after.members = before->members.without([&market](SymbolId id) { return market.delisted(id); });
  after.count = std::to_string(after.members.size());
  MembershipDiff diff;
  diff.removed.reserve(before->members.size() - after.members.size());
  const std::vector<SymbolId> once = distinct(before->members.list());
  diff.before = once.size();
  for (Place i = 0; i < once.size(); ++i) {
    if (market.delisted(once[i])) diff.removed.push_back({once[i], i, 0});
  }
  return {universe, std::move(before), std::make_shared<const Entry>(std::move(after)),
          std::move(diff)};
}

}  // namespace

TaskPlan delisted(const Market& market, const Entries& entries) {
  TaskPlan plan{Task::delisted, {}, {}};
  std::unordered_set<SymbolId> unknown;
  std::size_t entries_with_unknown = 0;
  for (const auto& [universe, entry] : entries) {
    if (!is_cleaned_type(entry->cache_type)) continue;
    if (!entry->readable) {
      plan.warnings.push_back("the content of entry '" + universe + "' " +
                              std::string(unreadable_because(*entry)) + "; left alone");
      continue;
    }
    bool holds_delisted = false;
    bool holds_unknown = false;
    entry->members.each([&](SymbolId id) {
      holds_delisted = holds_delisted || market.delisted(id);
      if (!market.knows(id)) {
        holds_unknown = true;
        unknown.insert(id);
      }
    });
    entries_with_unknown += holds_unknown ? 1 : 0;
    if (holds_delisted) plan.writes.push_back(without_delisted(universe, entry, market));
  }
  if (!unknown.empty()) {
    std::vector<std::string> names;
    for (const SymbolId id : unknown) names.emplace_back(market.name(id));
    plan.warnings.emplace_back(
        counted(unknown.size(), "member", "members") + " of " +
            counted(entries_with_unknown, "entry", "entries") +
            (unknown.size() == 1 ? " is not in the symbols table and stays where it is"
                                 : " are not in the symbols table and stay where they are"),
        std::move(names));
  }
  return plan;
}

}  // namespace tickstock::tasks
