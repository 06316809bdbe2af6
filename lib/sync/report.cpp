#include "sync/report.hpp"

#include <algorithm>

namespace tickstock::sync {

std::uint64_t Report::total_changes() const {
  std::uint64_t total = 0;
  for (const TaskReport& task : tasks) total += task.changes.size();
  return total;
}

std::vector<const EntryWrite*> Report::writes() const {
  std::vector<const EntryWrite*> writes;
  if (!snapshot) return writes;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i].error) continue;
    for (const EntryWrite& write : snapshot->plan.tasks[i].writes) writes.push_back(&write);
  }
  return writes;
}

std::vector<std::string> Report::errors() const {
  std::vector<std::string> errors;
  if (failure) errors.emplace_back(failure->what());
  for (const TaskReport& task : tasks) {
    if (task.error && std::find(errors.begin(), errors.end(), *task.error) == errors.end()) {
      errors.push_back(*task.error);
    }
  }
  return errors;
}

void write_guards(json::Writer& json, const std::vector<GuardResult>& guards) {
  json.begin_array();
  for (const GuardResult& guard : guards) {
    json.begin_object();
    json.key("name").string(guard.name);
    json.key("universe").text_or_null(guard.universe);
    json.key("value").real(guard.value);
    json.key("limit").real(guard.limit);
    json.key("setting").text_or_null(guard.setting);
    json.key("refused").boolean(guard.refused);
    json.end_object();
  }
  json.end_array();
}

}  // namespace tickstock::sync
