#include "sync/report.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

namespace tickstock::sync {

using std::chrono::duration;
using std::chrono::steady_clock;
using std::chrono::system_clock;

RunClock::RunClock()
    : begin_(steady_clock::now()),
      begin_seconds_(duration<double>(system_clock::now().time_since_epoch()).count()),
      origin_seconds_(begin_seconds_) {}

double RunClock::elapsed() const { return duration<double>(steady_clock::now() - begin_).count(); }

std::string RunClock::iso(double seconds) {
  const auto milliseconds = static_cast<std::int64_t>(std::floor(seconds * 1000));
  const std::time_t whole = milliseconds / 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(whole), milliseconds % 1000);
}

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

std::vector<Error> Report::errors() const {
  std::vector<Error> all;
  for (const TaskReport& task : tasks) {
    if (task.error) all.push_back(*task.error);
  }
  // After COMMIT, what happened to the tasks comes first; otherwise they failed with the run.
  if (failure) all.insert(committed ? all.end() : all.begin(), *failure);
  std::vector<Error> errors;
  for (const Error& error : all) {
    const auto is_it = [&](const Error& each) {
      return std::string_view(each.what()) == error.what();
    };
    if (std::ranges::none_of(errors, is_it)) errors.push_back(error);
  }
  return errors;
}

RunRecord record_of(const Report& report, const RunOptions& options, const RunClock& clock) {
  RunRecord record;
  record.run_id = options.run_id;
  record.mode = to_string(options.mode);
  record.triggered_by = options.triggered_by;
  record.status = report.status;
  record.as_of = report.as_of.value_or(Day());
  record.events_enabled = options.events;
  record.approved = options.approve_plan.has_value();
  if (!report.plan_digest.empty()) record.plan_digest = report.plan_digest;
  json::Writer guards;
  write_guards(guards, report.guards);
  record.guards = guards.text();
  json::Writer results;
  results.begin_object();
  for (const TaskReport& task : report.tasks) {
    record.tasks.push_back(
        {std::string(to_string(task.task)), task.changes.size(), task.failure()});
    results.put(to_string(task.task),
                json::object("status", task.error ? "failed" : "success", "changes",
                             task.changes.size(), "error", task.failure()));
  }
  record.task_results = results.end_object().text();
  if (report.snapshot) {
    record.symbols = static_cast<std::int64_t>(report.snapshot->market.size());
    record.eligible = static_cast<std::int64_t>(report.snapshot->market.ranking().size());
  }
  if (application_status(report.status) == "completed") {
    record.total_changes = static_cast<std::int64_t>(report.total_changes());
    for (const EntryWrite* write : report.writes()) {
      ++record.universes_changed;
      record.members_added += static_cast<std::int64_t>(write->diff.added.size());
      record.members_removed += static_cast<std::int64_t>(write->diff.removed.size());
      record.members_moved += static_cast<std::int64_t>(write->diff.moved.size());
    }
    record.events = static_cast<std::int64_t>(report.messages.size());
  }
  for (const EntryWrite* write : report.writes()) {
    record.universes_updated.push_back(write->universe);
  }
  record.universe_events_omitted = report.universe_events_omitted;
  record.started_at = clock.started();
  record.finished_at = clock.now();
  record.duration_seconds = clock.elapsed();
  if (const auto errors = report.errors(); !errors.empty()) record.error = errors.front().what();
  return record;
}

void write_guards(json::Writer& json, const std::vector<GuardResult>& guards) {
  json.value(json::list(guards, [](json::Writer& each, const GuardResult& guard) {
    each.object("name", guard.name, "universe", json::null_if_empty(guard.universe), "value",
                guard.value, "limit", guard.limit, "setting", json::null_if_empty(guard.setting),
                "refused", guard.refused);
  }));
}

}  // namespace tickstock::sync
