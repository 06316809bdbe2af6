#include <utility>

#include "tasks/tasks.hpp"

namespace tickstock::tasks {

namespace {

TaskPlan plan_task(Task task, const Market& market, const Entries& entries, const Policy& policy) {
  switch (task) {
    case Task::market_cap: return market_cap(market, entries);
    case Task::ipo: return ipo(market, entries, policy);
    case Task::delisted: return delisted(market, entries);
  }
  return {task, {}, {}};
}

void name_take_overs(TaskPlan& plan) {
  for (const EntryWrite& write : plan.writes) {
    if (!write.is_take_over()) continue;
    plan.warnings.push_back("entry '" + write.universe + "' of type '" + write.before->cache_type +
                            "' stands under a reserved name and is taken over as '" +
                            write.after->cache_type + "'");
  }
}

}  // namespace

Plan make_plan(Mode mode, const Market& market, Entries entries, const Policy& policy) {
  Plan plan;
  for (const Task task : tasks_of(mode)) {
    TaskPlan of_task = plan_task(task, market, entries, policy);
    name_take_overs(of_task);
    for (const EntryWrite& write : of_task.writes) {
      entries.insert_or_assign(write.universe, write.after);
    }
    plan.tasks.push_back(std::move(of_task));
  }
  return plan;
}

}  // namespace tickstock::tasks
