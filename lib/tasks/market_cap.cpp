#include <algorithm>
#include <utility>

#include "tasks/owned_entry.hpp"
#include "tasks/tasks.hpp"

namespace tickstock::tasks {

namespace {

/// The part of the ranking whose caps are in [lowest, below), which is one piece since the ranking
/// descends.
std::vector<SymbolId> ranked_between(const Market& market, double lowest, double below) {
  const std::vector<SymbolId>& ranking = market.ranking();
  const auto first_below = [&market, &ranking](double bound) {
    return std::partition_point(ranking.begin(), ranking.end(), [&market, bound](SymbolId id) {
      return market.find(id)->market_cap >= bound;
    });
  };
  return {first_below(below), first_below(lowest)};
}

}  // namespace

TaskPlan market_cap(const Market& market, const Entries& entries) {
  TaskPlan plan{Task::market_cap, {}, {}};
  const auto add = [&plan, &entries](Wanted wanted) {
    if (auto write = write_if_different(entries, std::move(wanted))) {
      plan.writes.push_back(*std::move(write));
    }
  };
  double above = std::numeric_limits<double>::infinity();
  for (const Category& category : categories) {
    std::vector<SymbolId> members = ranked_between(market, category.bound, above);
    const bool create = !members.empty();
    add({category.universe, cache_type::market_cap,
         metadata_text({{"type", "market_cap_category"},
                        {"market_cap_range", std::string(category.universe)}}),
         std::move(members), create});
    above = category.bound;
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
