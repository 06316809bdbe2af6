#include "domain/plan.hpp"

#include <algorithm>

namespace tickstock {

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

}  // namespace tickstock
