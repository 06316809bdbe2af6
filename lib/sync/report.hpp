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

/// The time by PostgreSQL's clock: read once, then advanced by the monotonic clock. Before it is
/// read, the machine's time.
class RunClock {
 public:
  RunClock();

  /// Sets the time by PostgreSQL's clock, in seconds since 1970. \param asked elapsed() when it was
  /// asked for. However long the answer took, the run neither began before that nor is it later
  /// than now, so the times of runs one after another are in order.
  void set(double seconds, double asked) {
    begin_seconds_ = seconds - asked;
    origin_seconds_ = seconds - elapsed();
  }

  /// Returns the time as `2026-08-21T20:10:03.412Z`.
  [[nodiscard]] std::string now() const { return iso(seconds()); }
  /// Returns the time in seconds since 1970.
  [[nodiscard]] double seconds() const { return origin_seconds_ + elapsed(); }
  /// Returns the seconds since the run began.
  [[nodiscard]] double elapsed() const;
  /// Returns the time at which the run began.
  [[nodiscard]] std::string started() const { return iso(begin_seconds_); }

 private:
  [[nodiscard]] static std::string iso(double seconds);

  std::chrono::steady_clock::time_point begin_;
  double begin_seconds_;
  double origin_seconds_;  ///< what elapsed() is added to
};

/// What was read, and the plan made from it.
struct Snapshot {
  Market market;
  Entries entries;
  Plan plan;
};

/// How one task ended.
struct TaskReport {
  Task task;
  std::vector<Change> changes;  ///< none if the task failed
  std::optional<Error> error;   ///< it was rolled back on its own

  /// Returns the line of the error; nothing if the task did not fail.
  [[nodiscard]] std::optional<std::string> failure() const {
    return error ? std::optional<std::string>(error->what()) : std::nullopt;
  }
};

/// The result of one attempt at a run. A retry begins with a new one, so that nothing is left over
/// from a failed attempt.
struct Attempt {
  std::unique_ptr<const Snapshot> snapshot;  ///< null if it failed before a plan was made
  std::string written_at;  ///< when the plan was made; written as the time of everything written
  bool looked_for_prices = false;    ///< market caps come from prices, if there are any
  std::optional<Day> newest_prices;  ///< of the largest symbols, if the run was to measure
  std::string plan_digest;
  std::string approval;  ///< for a dry run: the command that runs exactly its plan
  std::vector<GuardResult> guards;
  std::vector<TaskReport> tasks;
  std::vector<Warning> warnings;
  std::vector<Message> messages;  ///< about what was written, and the end
  std::size_t universe_events_omitted = 0;
  int step = 0;                 ///< the last one that began
  tables::Standing standing;    ///< what to journal besides the plan
  bool has_old_events = false;  ///< events pending for too long
};

/// What a run did, or would do. Everything printed comes from here.
struct Report : Attempt {
  Mode mode = Mode::full;
  bool dry_run = false;
  std::string run_id;  ///< empty for a dry run
  std::string undone;  ///< the run being undone; empty in every other mode
  std::optional<Day> as_of;
  RunStatus status = RunStatus::failed;
  bool committed = false;
  std::string started_at;
  std::string finished_at;
  double ended_at = 0;  ///< finished_at in seconds since 1970
  double duration_seconds = 0;

  std::uint64_t events_published = 0;
  std::uint64_t events_pending = 0;  ///< of this run; without an outbox: lost
  /// How many received the final event of this run, if known.
  std::optional<std::int64_t> listeners;
  bool has_outbox = false;
  std::optional<std::uint64_t> outbox_pending;  ///< of all runs, if the run was to measure

  std::optional<Error> failure;  ///< what ended the run, or prevented delivery of its events

  [[nodiscard]] std::uint64_t total_changes() const;
  /// Returns the writes of the tasks that did not fail.
  [[nodiscard]] std::vector<const EntryWrite*> writes() const;
  /// Returns the failure and the errors of tasks, each once, the most important first: the one that
  /// the exit status tells of.
  [[nodiscard]] std::vector<Error> errors() const;
};

/// Returns the record of a run as far as it has got.
RunRecord record_of(const Report& report, const RunOptions& options, const RunClock& clock);

/// Writes the array of guards as the document and the record show it.
void write_guards(json::Writer& json, const std::vector<GuardResult>& guards);

}  // namespace tickstock::sync
