#include <chrono>

#include "json/json.hpp"
#include "sync/run_state.hpp"
#include "tables/runs.hpp"

namespace tickstock::sync {

namespace {

RunStatus status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::refused:
    case ErrorKind::not_approved: return RunStatus::refused;
    case ErrorKind::interrupted: return RunStatus::interrupted;
    default: return RunStatus::failed;
  }
}

std::string guards_json(const std::vector<GuardResult>& guards) {
  json::Writer json;
  write_guards(json, guards);
  return json.text();
}

std::string task_results_json(const std::vector<TaskReport>& tasks) {
  json::Writer json;
  json.begin_object();
  for (const TaskReport& task : tasks) {
    json.key(to_string(task.task)).begin_object();
    json.key("status").string(task.error ? "failed" : "success");
    json.key("changes").number(std::uint64_t{task.changes.size()});
    json.key("error").string_or_null(task.error);
    json.end_object();
  }
  json.end_object();
  return json.text();
}

}  // namespace

void Run::fail(const Error& error) {
  report_.failure = error.kind() == ErrorKind::interrupted
                        ? Error(error.kind(), std::string(error.what()) + "; nothing was changed")
                        : error;
  report_.status = status_of(error.kind());
  // A dry run still shows what a guard would refuse.
  if (report_.dry_run && report_.snapshot) return;
  report_.tasks.clear();
  for (const Task task : tasks_of(options_.mode, options_.policy))
    report_.tasks.push_back({task, {}, report_.failure->what()});
  if (report_.dry_run) return;
  if (has_record_ && error.kind() != ErrorKind::outcome_unknown) record_failure();
  announce_failure(*report_.failure);
}

void Run::record_failure() {
  const io::Settling settling(patience_);
  try {
    if (!connection_ || !connection_->usable()) {
      connection_ = postgres::Connection::open(environment_.database, patience_);
    }
    postgres::Transaction transaction(*connection_,
                                      {.isolation = postgres::Isolation::read_committed});
    transaction.run(tables::finish_run(environment_.tables, record()));
    transaction.commit();
  } catch (const Error& error) {
    early_warnings_.push_back(std::string("how the run ended is not in its record: ") +
                              error.what());
  }
}

void Run::announce_failure(const Error& error) {
  // What only the caller got wrong is no error of the processing. An id that was used before is the
  // name of another run, whose end was announced.
  const bool wrong_call = error.kind() == ErrorKind::usage || error.kind() == ErrorKind::config;
  const bool had_a_turn = had_lock_ && error.kind() != ErrorKind::usage;
  if (had_a_turn || !(wrong_call || error.kind() == ErrorKind::locked)) {
    announcer_.error(error.kind(), error.what());
  }
  if (had_a_turn) announcer_.completed(completion());
  announcer_.phase(completion());
  announcer_.flush(Announcer::last_words_time, patience_);
}

RunRecord Run::record() const {
  RunRecord record;
  record.run_id = options_.run_id;
  record.mode = to_string(options_.mode);
  record.triggered_by = options_.triggered_by;
  record.status = report_.status;
  record.as_of = *report_.as_of;
  record.events_enabled = options_.events;
  record.approved = options_.approve_plan.has_value();
  if (!report_.plan_digest.empty()) record.plan_digest = report_.plan_digest;
  record.guards = guards_json(report_.guards);
  record.task_results = task_results_json(report_.tasks);
  if (report_.snapshot) {
    record.symbols = static_cast<std::int64_t>(report_.snapshot->market.size());
    record.eligible = static_cast<std::int64_t>(report_.snapshot->market.ranking().size());
  }
  const bool wrote =
      report_.status == RunStatus::completed || report_.status == RunStatus::completed_with_errors;
  if (wrote) {
    record.total_changes = static_cast<std::int64_t>(report_.total_changes());
    for (const EntryWrite* write : report_.writes()) {
      ++record.universes_changed;
      record.members_added += static_cast<std::int64_t>(write->diff.added.size());
      record.members_removed += static_cast<std::int64_t>(write->diff.removed.size());
      record.members_moved += static_cast<std::int64_t>(write->diff.moved.size());
    }
    record.events = static_cast<std::int64_t>(messages_.size());
  }
  record.started_at = clock_.started();
  record.finished_at = clock_.now();
  record.duration_seconds = clock_.elapsed();
  if (const auto errors = report_.errors(); !errors.empty()) record.error = errors.front();
  return record;
}

events::Completion Run::completion() const {
  events::Completion completion;
  completion.status = report_.status;
  completion.duration_seconds = clock_.elapsed();
  for (const TaskReport& task : report_.tasks) {
    completion.tasks.push_back({task.task, task.changes.size(), task.error});
  }
  for (const EntryWrite* write : report_.writes()) {
    completion.universes_updated.push_back(write->universe);
  }
  completion.universe_events_omitted = omitted_universe_events_;
  if (const auto errors = report_.errors(); !errors.empty()) completion.error = errors.front();
  return completion;
}

}  // namespace tickstock::sync
