#include "rules/plan.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "domain/counted.hpp"
#include "rules/builtin.hpp"
#include "rules/select.hpp"

namespace tickstock {

namespace {

/// The write that makes an entry what its universe says, or nothing where it is so already: its
/// members, their order, `count`, type and metadata are compared.
std::optional<EntryWrite> write_of(const std::shared_ptr<const Universe>& universe,
                                   std::vector<SymbolId> wanted, const Entries& entries) {
  const auto found = entries.find(universe->name);
  const auto before = found == entries.end() ? nullptr : found->second;
  if (!before && wanted.empty() && !universe->always_written) return std::nullopt;
  const std::vector<SymbolId> members = before ? before->members.list() : std::vector<SymbolId>();
  if (before && before->readable && members == wanted && before->cache_type == universe->type &&
      before->metadata == universe->metadata && count_is(before->count, wanted.size())) {
    return std::nullopt;
  }
  Entry after;
  after.cache_type = universe->type;
  after.count = std::to_string(wanted.size());
  after.metadata = universe->metadata;
  MembershipDiff diff = diff_memberships(members, wanted);
  after.members = std::move(wanted);
  return EntryWrite{universe->name, universe, before,
                    std::make_shared<const Entry>(std::move(after)), std::move(diff)};
}

/// The universes of a task, each as it should be.
TaskPlan plan_universes(Task task, const Universes& universes, const Market& market,
                        const Entries& entries) {
  TaskPlan plan{task, {}, {}};
  Selection selection(market);
  for (const auto& universe : universes) {
    if (universe->task != task) continue;
    auto write = write_of(universe, selection.members(*universe), entries);
    if (!write) continue;
    if (write->is_take_over()) {
      plan.warnings.emplace_back(
          "entry '" + write->universe + "' of type '" + write->before->cache_type +
          "' stands under a reserved name and is taken over as '" + write->after->cache_type + "'");
    }
    plan.writes.push_back(*std::move(write));
  }
  return plan;
}

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
  return {universe, nullptr, std::move(before), std::make_shared<const Entry>(std::move(after)),
          std::move(diff)};
}

/// Takes delisted symbols out of every entry of a cleaned type, and leaves the rest as it stands.
TaskPlan plan_cleanup(const Market& market, const Entries& entries) {
  TaskPlan plan{Task::delisted, {}, {}};
  std::unordered_set<SymbolId> unknown;
  std::size_t entries_with_unknown = 0;
  for (const auto& [universe, entry] : entries) {
    if (!is_cleaned_type(entry->cache_type)) continue;
    if (!entry->readable) {
      plan.warnings.emplace_back("the content of entry '" + universe + "' " +
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

}  // namespace

std::string_view to_string(Task task) {
  switch (task) {
    case Task::market_cap: return "market_cap_recalculation";
    case Task::ipo: return "ipo_assignment";
    case Task::delisted: return "delisted_cleanup";
  }
  return "";
}

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::full: return "full";
    case Mode::market_cap: return "market_cap";
    case Mode::ipos: return "ipos";
    case Mode::delisted: return "delisted";
  }
  return "";
}

std::vector<Task> tasks_of(Mode mode) {
  switch (mode) {
    case Mode::full: return {Task::market_cap, Task::ipo, Task::delisted};
    case Mode::market_cap: return {Task::market_cap};
    case Mode::ipos: return {Task::ipo};
    case Mode::delisted: return {Task::delisted};
  }
  return {};
}

bool has_categories(Mode mode) { return mode != Mode::ipos; }

bool Plan::empty() const {
  return std::all_of(tasks.begin(), tasks.end(),
                     [](const TaskPlan& task) { return task.writes.empty(); });
}

Plan make_plan(Mode mode, const Market& market, Entries entries, const Policy& policy) {
  Plan plan;
  plan.universes = policy.universes();
  for (const Task task : tasks_of(mode)) {
    TaskPlan of_task = task == Task::delisted
                           ? plan_cleanup(market, entries)
                           : plan_universes(task, plan.universes, market, entries);
    for (const EntryWrite& write : of_task.writes) {
      entries.insert_or_assign(write.universe, write.after);
    }
    plan.tasks.push_back(std::move(of_task));
  }
  return plan;
}

}  // namespace tickstock
