#include <algorithm>
#include <utility>

#include "tasks/owned_entry.hpp"
#include "tasks/tasks.hpp"

namespace tickstock::tasks {

TaskPlan market_cap(const Market& market, const Entries& entries) {
  TaskPlan plan{Task::market_cap, {}, {}};
  const auto add = [&plan, &entries](Wanted wanted) {
    if (auto write = write_if_different(entries, std::move(wanted))) {
      plan.writes.push_back(*std::move(write));
    }
  };
  std::size_t above = 0;
  for (const Category& category : categories) {
    const auto from_here = market.ranked_from(category.bound);
    std::vector<SymbolId> members(from_here.begin() + static_cast<std::ptrdiff_t>(above),
                                  from_here.end());
    const bool create = !members.empty();
    add({category.universe, cache_type::market_cap,
         metadata_text({{"type", "market_cap_category"},
                        {"market_cap_range", std::string(category.universe)}}),
         std::move(members), create});
    above = from_here.size();
  }
  const std::vector<SymbolId>& ranking = market.ranking();
  for (const Leader& leader : leaders) {
    const auto size = static_cast<std::ptrdiff_t>(std::min(leader.size, ranking.size()));
    add({leader.universe, cache_type::market_leader,
         metadata_text({{"type", "market_leader"}, {"rank", std::string(leader.universe)}}),
         std::vector<SymbolId>(ranking.begin(), ranking.begin() + size)});
  }
  return plan;
}

}  // namespace tickstock::tasks
