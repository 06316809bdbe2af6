#include "rules/undo.hpp"

#include <fmt/format.h>

namespace tickstock {

namespace {

/// Returns why an entry is not as the run left it; empty if it is.
std::string moved_on(const Undone& undone, const Entry* now) {
  const auto since = [&undone](const std::string& what) {
    return fmt::format("universe '{}' {} since, by {}{}", undone.universe, what,
                       undone.changed_by.empty() ? "another writer" : "run ", undone.changed_by);
  };
  // Later changes may have been undone.
  if (now != nullptr && undone.left && *undone.left == now->fingerprint) return "";
  if (!undone.changed_by.empty()) return since("was changed");
  if (now == nullptr) return since("was deleted");
  return undone.left ? since("was changed") : "";
}

bool is_same(const Entry& a, const Entry& b) {
  return a.readable == b.readable && a.cache_type == b.cache_type && a.count == b.count &&
         a.metadata == b.metadata && a.members.list() == b.members.list();
}

}  // namespace

Plan plan_undo(const std::string& run_id, const std::vector<Undone>& undone,
               const Entries& entries) {
  Plan plan;
  TaskPlan& task = plan.tasks.emplace_back(TaskPlan{Task::undo, {}, {}});
  for (const Undone& each : undone) {
    const auto found = entries.find(each.universe);
    const auto now = found == entries.end() ? nullptr : found->second;
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
    EntryWrite write{each.universe, nullptr, now,
                     after,         {},      Restoration{run_id, each.change, each.keys}};
    write.diff = diff_memberships(now ? now->members.list() : std::vector<SymbolId>(),
                                  after->members.list());
    task.writes.push_back(std::move(write));
  }
  return plan;
}

}  // namespace tickstock
