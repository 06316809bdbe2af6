#include "rules/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "domain/text.hpp"

namespace tickstock {

namespace {

std::shared_ptr<const Entry> shared_entry(const Entries& entries, const std::string& universe) {
  const auto found = entries.find(universe);
  return found == entries.end() ? nullptr : found->second;
}

/// Returns the write that makes an entry what its universe says, or nothing if it already is:
/// compares members, order, `count`, type and metadata.
std::optional<EntryWrite> write_of(const std::shared_ptr<const Universe>& universe,
                                   std::vector<SymbolId> wanted,
                                   const std::shared_ptr<const Entry>& before) {
  if (!before && wanted.empty() && !universe->always_written) return std::nullopt;
  const std::vector<SymbolId> members = before ? before->members.list() : std::vector<SymbolId>();
  // What is only added to keeps all other keys of its content.
  const std::string& metadata =
      universe->additions && before ? before->metadata : universe->metadata;
  if (before && before->readable && members == wanted && before->cache_type == universe->type &&
      before->metadata == metadata && count_is(before->count, wanted.size())) {
    return std::nullopt;
  }
  Entry after;
  after.cache_type = universe->type;
  after.count = std::to_string(wanted.size());
  after.metadata = metadata;
  MembershipDiff diff = diff_memberships(members, wanted);
  after.members = std::move(wanted);
  return EntryWrite{universe->name, universe, before,
                    std::make_shared<const Entry>(std::move(after)), std::move(diff)};
}

Warning unreadable(const std::string& universe, const Entry& entry) {
  return fmt::format("the content of entry '{}' {}, so it is left unchanged", universe,
                     unreadable_because(entry));
}

/// Plans one universe as its rule says.
void plan_universe(const std::shared_ptr<const Universe>& universe, Selection& selection,
                   const Entries& entries, TaskPlan& plan) {
  const auto before = shared_entry(entries, universe->name);
  if (universe->additions && before && !before->readable) {
    plan.warnings.push_back(unreadable(universe->name, *before));
    return;
  }
  auto write = write_of(universe, selection.members(*universe), before);
  if (!write) return;
  if (write->is_take_over()) {
    plan.warnings.emplace_back(
        fmt::format("entry '{}' of type '{}' has a reserved name and is taken over as '{}'",
                    write->universe, write->before->cache_type, write->after->cache_type));
  }
  plan.writes.push_back(*std::move(write));
}

/// Warns about included symbols that the symbols table lacks.
void look_for_included(const Universes& universes, const Market& market, TaskPlan& plan) {
  for (const auto& universe : universes) {
    std::vector<std::string> missing;
    for (const std::string& name : universe->include) {
      const auto id = market.symbols().find(name);
      if (!id || !market.knows(*id)) missing.push_back(name);
    }
    if (universe->task != plan.task || missing.empty()) continue;
    plan.warnings.emplace_back(
        fmt::format("universe '{}' includes symbols that are not in the symbols table",
                    universe->name),
        "Correct or remove it.", std::move(missing));
  }
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

/// Removes delisted symbols from every entry of a cleaned type, and leaves the rest unchanged.
void plan_cleanup(const Market& market, const Entries& entries, const Policy& policy,
                  const Universes& universes, TaskPlan& plan) {
  std::unordered_set<SymbolId> unknown;
  std::size_t entries_with_unknown = 0;
  for (const auto& [universe, entry] : entries) {
    if (!policy.cleans(entry->cache_type)) continue;
    if (!entry->readable) {
      plan.warnings.push_back(unreadable(universe, *entry));
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
  // First what has a rule, in that order, then the others by name.
  std::map<std::string_view, std::size_t> places;
  for (const auto& universe : universes) places.emplace(universe->name, places.size());
  std::ranges::stable_sort(plan.writes, {}, [&places](const EntryWrite& write) {
    const auto place = places.find(write.universe);
    return place == places.end() ? places.size() : place->second;
  });
  if (!unknown.empty()) {
    std::vector<std::string> names;
    for (const SymbolId id : unknown) names.emplace_back(market.name(id));
    plan.warnings.emplace_back(
        fmt::format("{} of {} {}", counted(unknown.size(), "member", "members"),
                    counted(entries_with_unknown, "entry", "entries"),
                    unknown.size() == 1 ? "is not in the symbols table and stays where it is"
                                        : "are not in the symbols table and stay where they are"),
        "", std::move(names));
  }
}

/// Keeps those who wait in universes of other tasks, except for seats that no longer exist.
void settle_waiting(const Selection& selection, const std::vector<Waiting>& waited,
                    const std::vector<Task>& tasks, const Market& market, Plan& plan) {
  std::set<std::pair<std::string_view, std::string_view>> others;
  for (const auto& universe : plan.universes) {
    if (std::ranges::count(tasks, universe->task) == 0) {
      others.emplace(universe->seat_group(), universe->name);
    }
  }
  for (const Waiting& each : waited) {
    if (others.contains({each.group, each.universe})) {
      ++plan.waiting_elsewhere;
    } else {
      plan.waited.push_back(each);
    }
  }
  plan.waiting = selection.waiting();
  std::ranges::sort(plan.waiting, {}, [&market](const Waiting& each) {
    return std::tuple<std::string_view, std::string_view, std::string_view>(
        each.group, market.name(each.symbol), each.universe);
  });
}

/// Returns why an entry is not as the run left it; empty if it is.
std::string moved_on(const Undone& undone, const Entry* now) {
  const auto since = [&undone](std::string_view what) {
    return fmt::format("universe '{}' {} since, by {}{}", undone.universe, what,
                       undone.changed_by.empty() ? "another writer" : "run ", undone.changed_by);
  };
  // Later changes may have been undone.
  if (now != nullptr && undone.left && *undone.left == now->fingerprint) return "";
  if (!undone.changed_by.empty()) return since("was changed");
  if (now == nullptr) return since("was deleted");
  if (undone.left) return since("was changed");
  return fmt::format(
      "universe '{}' may have been changed since: an older version of this program did not record "
      "what the run left",
      undone.universe);
}

bool is_same(const Entry& a, const Entry& b) {
  return a.readable == b.readable && a.cache_type == b.cache_type && a.count == b.count &&
         a.metadata == b.metadata && a.members.list() == b.members.list();
}

}  // namespace

std::string_view to_string(Task task) {
  constexpr std::array<std::string_view, 5> names{"market_cap_recalculation", "ipo_assignment",
                                                  "theme_rebalancing", "delisted_cleanup", "undo"};
  return names[static_cast<std::size_t>(task)];
}

std::string_view to_string(Mode mode) {
  constexpr std::array<std::string_view, 6> names{"full",   "market_cap", "ipos",
                                                  "themes", "delisted",   "undo"};
  return names[static_cast<std::size_t>(mode)];
}

std::vector<Task> tasks_of(Mode mode, const Policy& policy) {
  switch (mode) {
    case Mode::full:
      if (policy.declared.empty()) return {Task::market_cap, Task::ipo, Task::delisted};
      return {Task::market_cap, Task::ipo, Task::themes, Task::delisted};
    case Mode::market_cap: return {Task::market_cap};
    case Mode::ipos: return {Task::ipo};
    case Mode::themes: return {Task::themes};
    case Mode::delisted: return {Task::delisted};
    case Mode::undo: return {Task::undo};
  }
  return {};
}

bool has_categories(Mode mode) {
  return mode == Mode::full || mode == Mode::market_cap || mode == Mode::delisted;
}

bool Plan::empty() const {
  return std::ranges::all_of(tasks, [](const TaskPlan& task) { return task.writes.empty(); });
}

const Universe* Plan::find(std::string_view universe) const {
  const auto found =
      std::ranges::find_if(universes, [&](const auto& each) { return each->name == universe; });
  return found == universes.end() ? nullptr : found->get();
}

Plan make_plan(Mode mode, const Market& market, Entries entries, const Policy& policy,
               const std::vector<Waiting>& waiting) {
  Plan plan;
  std::vector<Warning> warnings;
  plan.universes = expand(policy.universes(), market, entries, warnings);
  Selection selection(market, plan.universes, entries, waiting, tasks_of(mode, policy));
  for (const Task task : tasks_of(mode, policy)) plan.tasks.push_back({task, {}, {}});
  const auto plan_of = [&plan](const Universe& universe) {
    return std::ranges::find(plan.tasks, universe.task, &TaskPlan::task);
  };
  std::set<std::string> groups;
  std::set<std::string_view> owned;
  for (const auto& universe : plan.universes) {
    if (plan_of(*universe) == plan.tasks.end()) continue;
    groups.insert(universe->group);
    owned.insert(universe->name);
  }
  const bool cleans = std::ranges::count(plan.tasks, Task::delisted, &TaskPlan::task) > 0;
  for (const auto& [name, entry] : entries) {
    if (owned.contains(name) || (cleans && policy.cleans(entry->cache_type))) ++plan.considered;
  }
  for (const auto& universe : plan.universes) {
    if (const auto of_task = plan_of(*universe); of_task != plan.tasks.end()) {
      plan_universe(universe, selection, entries, *of_task);
    } else if (!universe->group.empty() && groups.contains(universe->group)) {
      // Its members are not free for the other universes of its group.
      selection.members(*universe);
    }
  }
  settle_waiting(selection, waiting, tasks_of(mode, policy), market, plan);
  for (TaskPlan& task : plan.tasks) {
    if (task.task == Task::themes) {
      task.warnings.insert(task.warnings.end(), warnings.begin(), warnings.end());
    }
    look_for_included(plan.universes, market, task);
    if (task.task == Task::delisted) plan_cleanup(market, entries, policy, plan.universes, task);
    for (const EntryWrite& write : task.writes) {
      entries.insert_or_assign(write.universe, write.after);
    }
  }
  return plan;
}

Plan plan_undo(const std::string& run_id, const std::vector<Undone>& undone,
               const Entries& entries) {
  Plan plan;
  TaskPlan& task = plan.tasks.emplace_back(TaskPlan{Task::undo, {}, {}});
  for (const Undone& each : undone) {
    const auto now = shared_entry(entries, each.universe);
    if (std::string why = moved_on(each, now.get()); !why.empty()) {
      plan.moved_on.push_back({each.universe, std::move(why)});
    }
    if (!each.before && !now) continue;
    std::shared_ptr<const Entry> after = each.before;
    if (!after) {
      Entry empty = *now;
      empty.readable = true;
      empty.members = Members();
      empty.count = std::to_string(0);
      after = std::make_shared<const Entry>(std::move(empty));
    }
    if (now && is_same(*now, *after)) continue;
    MembershipDiff diff = diff_memberships(now ? now->members.list() : std::vector<SymbolId>(),
                                           after->members.list());
    task.writes.push_back({each.universe, nullptr, now, after, std::move(diff),
                           Restoration{run_id, each.change, each.keys}});
  }
  return plan;
}

}  // namespace tickstock
