#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/error.hpp"
#include "domain/market.hpp"
#include "domain/run.hpp"
#include "json/json.hpp"
#include "rules/guards.hpp"
#include "rules/plan.hpp"
#include "rules/reason.hpp"

namespace tickstock::sync {

/// What was read and what follows from it.
struct Snapshot {
  Market market;
  Entries entries;
  Plan plan;
};

/// How one task ended.
struct TaskReport {
  Task task;
  std::vector<Change> changes;       ///< none where the task failed
  std::optional<std::string> error;  ///< it was rolled back alone
};

/// What a run did, or would do. Everything that is printed comes from here.
struct Report {
  Mode mode = Mode::full;
  bool dry_run = false;
  std::string run_id;  ///< empty in a dry run
  std::optional<Day> as_of;
  RunStatus status = RunStatus::failed;
  bool committed = false;
  std::string started_at;
  std::string written_at;  ///< when the plan was made, and what is written says that it was written
  std::string finished_at;
  double ended_at = 0;  ///< the same in seconds since 1970
  double duration_seconds = 0;

  std::unique_ptr<const Snapshot> snapshot;  ///< null where it failed before a plan was made
  bool looked_for_prices = false;            ///< market caps come from prices, where there are any
  std::string plan_digest;
  std::vector<GuardResult> guards;
  std::vector<TaskReport> tasks;

  std::uint64_t events_published = 0;
  std::uint64_t events_pending = 0;  ///< of this run; without an outbox: lost
  bool has_outbox = false;

  // Only where the run was to measure, and could.
  std::optional<std::uint64_t> outbox_pending;  ///< events of all runs
  std::optional<Day> newest_prices;             ///< the newest day of prices of the largest symbols

  std::optional<Error> failure;  ///< what ended the run, or kept its events from being delivered
  std::vector<Warning> warnings;

  [[nodiscard]] std::uint64_t total_changes() const;
  /// The writes of the tasks that did not fail.
  [[nodiscard]] std::vector<const EntryWrite*> writes() const;
  /// The failure and the errors of tasks, each once, first things first.
  [[nodiscard]] std::vector<std::string> errors() const;
};

/// The array of guards as the document and the record show it.
void write_guards(json::Writer& json, const std::vector<GuardResult>& guards);

}  // namespace tickstock::sync
