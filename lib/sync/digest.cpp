#include "sync/digest.hpp"

#include <map>

#include "events/sha256.hpp"

namespace tickstock::sync {

namespace {

struct Sides {
  const Entry* before;
  const Entry* after;
};

void add_entry(events::Sha256& hash, const Entry* entry, const Market& market) {
  if (entry == nullptr) {
    hash.add("missing");
    return;
  }
  hash.add(entry->readable ? "entry" : "unreadable entry").add(entry->cache_type);
  hash.add(std::uint64_t{entry->members.size()});
  market.each_name(entry->members.list(), [&hash](std::string_view name) { hash.add(name); });
  hash.add(entry->count).add(entry->metadata);
}

}  // namespace

std::string plan_digest(const Plan& plan, const Market& market) {
  // Where two tasks write one entry, what counts is before the first and after the last.
  std::map<std::string_view, Sides> entries;
  for (const TaskPlan& task : plan.tasks) {
    for (const EntryWrite& write : task.writes) {
      const auto [place, first] =
          entries.try_emplace(write.universe, Sides{write.before.get(), write.after.get()});
      if (!first) place->second.after = write.after.get();
    }
  }
  events::Sha256 hash;
  hash.add("tickstock-cache plan 1");
  for (const auto& [universe, sides] : entries) {
    hash.add(universe);
    add_entry(hash, sides.before, market);
    add_entry(hash, sides.after, market);
  }
  return hash.hex();
}

}  // namespace tickstock::sync
