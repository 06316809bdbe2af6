#include <algorithm>
#include <chrono>

#include "tasks/owned_entry.hpp"
#include "tasks/tasks.hpp"

namespace tickstock::tasks {

TaskPlan ipo(const Market& market, const Entries& entries, const Policy& policy) {
  const Day first = market.as_of() - std::chrono::days{policy.ipo_days - 1};
  std::vector<SymbolId> members;
  for (SymbolId id = 0; id < market.symbols().size(); ++id) {
    if (!market.active(id)) continue;
    const auto listed = market.listed(id);
    if (listed && *listed >= first && *listed <= market.as_of()) members.push_back(id);
  }
  std::sort(members.begin(), members.end(), [&market](SymbolId a, SymbolId b) {
    const Day day_a = *market.listed(a);
    const Day day_b = *market.listed(b);
    return day_a != day_b ? day_a > day_b : market.name(a) < market.name(b);
  });
  TaskPlan plan{Task::ipo, {}, {}};
  const bool create = !members.empty();
  auto write = write_if_different(
      entries, {recent_ipos, cache_type::ipo,
                metadata_text({{"type", "ipo"},
                               {"period", "last_" + std::to_string(policy.ipo_days) + "_days"}}),
                std::move(members), create});
  if (write) plan.writes.push_back(*std::move(write));
  return plan;
}

}  // namespace tickstock::tasks
