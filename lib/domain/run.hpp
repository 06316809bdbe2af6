#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"
#include "domain/error.hpp"

namespace tickstock {

enum class RunStatus : unsigned char {
  running,
  completed,
  completed_with_errors,
  failed,
  refused,
  interrupted,
};

/// In the order of RunStatus.
inline constexpr std::array<std::string_view, 6> run_statuses{
    "running", "completed", "completed_with_errors", "failed", "refused", "interrupted"};

/// Returns `running`, `completed`, `completed_with_errors`, `failed`, `refused` or `interrupted`.
inline std::string_view to_string(RunStatus status) {
  return run_statuses[static_cast<std::size_t>(status)];
}

/// Returns the status with this name. \throws Error (failed) for any other word.
inline RunStatus parse_run_status(std::string_view word) {
  const auto found = std::ranges::find(run_statuses, word);
  if (found == run_statuses.end()) {
    throw Error(ErrorKind::failed, "a record has the unknown status '" + std::string(word) + "'",
                {.object = "the journal", .hint = "Correct the record."});
  }
  return static_cast<RunStatus>(found - run_statuses.begin());
}

/// Returns the coarser status that the application knows: `running`, `completed` (committed, even
/// with errors) or `failed`.
inline std::string_view application_status(RunStatus status) {
  if (status == RunStatus::running) return "running";
  const bool committed =
      status == RunStatus::completed || status == RunStatus::completed_with_errors;
  return committed ? "completed" : "failed";
}

/// How one task of a run ended.
struct TaskOutcome {
  std::string task;
  std::uint64_t changes = 0;
  std::optional<std::string> error;
};

/// One event, ready to send.
struct Message {
  std::string event_id;  ///< UUID, the same whenever the event is sent again
  std::string channel;
  std::string event;
  std::string body;     ///< the whole envelope as JSON
  std::int64_t id = 0;  ///< in the outbox; 0 if it is not stored
};

/// Returns the first published events with ids between these two, oldest first.
using PublishedBetween =
    std::function<std::vector<Message>(std::int64_t after, std::int64_t before)>;

/// The record of one run. Times are ISO 8601 in UTC, by PostgreSQL's clock.
struct RunRecord {
  std::string run_id;
  std::string mode;
  std::string triggered_by;
  RunStatus status = RunStatus::running;
  Day as_of;
  bool events_enabled = true;
  bool approved = false;  ///< run with --approve-plan
  std::optional<std::string> plan_digest;
  std::string guards = "[]";        ///< JSON
  std::string task_results = "{}";  ///< JSON
  std::int64_t symbols = 0;
  std::int64_t eligible = 0;
  std::int64_t total_changes = 0;
  std::int64_t universes_changed = 0;
  std::int64_t members_added = 0;
  std::int64_t members_removed = 0;
  std::int64_t members_moved = 0;
  std::int64_t events = 0;
  std::optional<std::int64_t> listeners;  ///< how many received its final event, once published
  std::string started_at;
  std::optional<std::string> finished_at;
  std::optional<double> duration_seconds;
  std::optional<std::string> error;

  // Known only to the program that runs it.
  std::vector<TaskOutcome> tasks;
  std::vector<std::string> universes_updated;
  std::uint64_t universe_events_omitted = 0;
};

}  // namespace tickstock
