#pragma once

#include <chrono>
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
#include "sync/options.hpp"

namespace tickstock::sync {

/// The time by PostgreSQL's clock: read once, then carried on by the monotonic clock. Until it was
/// read, by the machine's.
class RunClock {
 public:
  RunClock();

  /// `seconds` since 1970 that PostgreSQL's clock shows now.
  void set(double seconds) { begin_seconds_ = seconds - elapsed(); }

  /// `2026-08-21T20:10:03.412Z`.
  [[nodiscard]] std::string now() const { return iso(seconds()); }
  /// The same in seconds since 1970.
  [[nodiscard]] double seconds() const { return begin_seconds_ + elapsed(); }
  /// Seconds since the run began.
  [[nodiscard]] double elapsed() const;
  /// The time at which the run began.
  [[nodiscard]] std::string started() const { return iso(begin_seconds_); }

 private:
  [[nodiscard]] static std::string iso(double seconds);

  std::chrono::steady_clock::time_point begin_;
  double begin_seconds_;
};

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
  ErrorDetails details = {};         ///< of the error
};

/// What one attempt at a run comes to. A retry begins with a new one, so that nothing of a failed
/// attempt is left over.
struct Attempt {
  std::unique_ptr<const Snapshot> snapshot;  ///< null where it failed before a plan was made
  std::string written_at;            ///< when the plan was made, and what is written says it was
  bool looked_for_prices = false;    ///< market caps come from prices, where there are any
  std::optional<Day> newest_prices;  ///< of the largest symbols, where the run was to measure
  std::string plan_digest;
  std::string approval;  ///< of a dry run: the command that runs exactly its plan
  std::vector<GuardResult> guards;
  std::vector<TaskReport> tasks;
  std::vector<Warning> warnings;
  std::vector<Message> messages;  ///< of what was written, and of the end
  std::size_t universe_events_omitted = 0;
};

/// What a run did, or would do. Everything that is printed comes from here.
struct Report : Attempt {
  Mode mode = Mode::full;
  bool dry_run = false;
  std::string run_id;  ///< empty in a dry run
  std::string undone;  ///< the run that is undone; empty in every other mode
  std::optional<Day> as_of;
  RunStatus status = RunStatus::failed;
  bool committed = false;
  std::string started_at;
  std::string finished_at;
  double ended_at = 0;  ///< the same in seconds since 1970
  double duration_seconds = 0;

  std::uint64_t events_published = 0;
  std::uint64_t events_pending = 0;       ///< of this run; without an outbox: lost
  std::optional<std::int64_t> listeners;  ///< who received the end of this run, where known
  bool has_outbox = false;
  std::optional<std::uint64_t> outbox_pending;  ///< of all runs, where the run was to measure

  std::optional<Error> failure;  ///< what ended the run, or kept its events from being delivered

  [[nodiscard]] std::uint64_t total_changes() const;
  /// The writes of the tasks that did not fail.
  [[nodiscard]] std::vector<const EntryWrite*> writes() const;
  /// The failure and the errors of tasks, each once, first things first.
  [[nodiscard]] std::vector<std::string> errors() const;
  /// What the first of them is about, and what to do.
  [[nodiscard]] ErrorDetails first_details() const;
};

/// The record of a run as far as it has come.
RunRecord record_of(const Report& report, const RunOptions& options, const RunClock& clock);

/// The array of guards as the document and the record show it.
void write_guards(json::Writer& json, const std::vector<GuardResult>& guards);

}  // namespace tickstock::sync
