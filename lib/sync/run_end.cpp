#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <span>

#include "domain/text.hpp"
#include "sync/delivery.hpp"
#include "sync/walk.hpp"
#include "tables/entries.hpp"
#include "tables/outbox.hpp"
#include "tables/past.hpp"
#include "tables/runs.hpp"

namespace tickstock::sync {

namespace {

constexpr std::chrono::milliseconds pause_between_tries{250};
/// The time limits for the last events of a run, and of a failed run.
constexpr std::chrono::milliseconds last_words_time{1'000};
constexpr std::chrono::milliseconds last_words_of_failure_time{500};

/// Returns the step of a task; none of the five is about undoing.
int step_of(Task task) {
  constexpr std::array<int, 5> steps{2, 3, 3, 4, 1};
  return steps[static_cast<std::size_t>(task)];
}

RunStatus status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::refused:
    case ErrorKind::not_approved: return RunStatus::refused;
    case ErrorKind::interrupted: return RunStatus::interrupted;
    default: return RunStatus::failed;
  }
}

/// Makes the events about what was written, and about the end of the run. \throws Error (failed)
/// for one that Redis could not take.
void add_messages(const Job& job, Report& report) {
  const RunOptions& options = job.options;
  const Snapshot& snapshot = *report.snapshot;
  report.messages.clear();
  report.universe_events_omitted = 0;
  for (std::size_t i = 0; i < report.tasks.size(); ++i) {
    if (report.tasks[i].error) continue;
    for (Message& message :
         events::task_events(options.run_id, report.written_at, snapshot.plan.tasks[i],
                             snapshot.plan.waiting, snapshot.market, options.policy.ipo_days,
                             options.max_universe_events, report.universe_events_omitted)) {
      report.messages.push_back(std::move(message));
    }
  }
  report.messages.push_back(events::sync_completed(record_of(job, report), job.clock.now()));
  events::require_sendable(report.messages);
}

/// Returns what stores who waits after the run. A failed task leaves its universes and their
/// waiting members as they were.
std::optional<postgres::Statement> waiting_statement(const Job& job, const Report& report) {
  const Plan& plan = report.snapshot->plan;
  std::set<std::string_view> unwritten;
  for (const auto& universe : plan.universes) {
    for (const TaskReport& task : report.tasks) {
      if (task.error && task.task == universe->task) unwritten.insert(universe->name);
    }
  }
  const bool keeps_all = job.options.undo && report.status == RunStatus::completed_with_errors;
  const auto stays = [&](const Waiting& each) {
    return keeps_all || unwritten.contains(each.universe);
  };
  std::vector<Waiting> waited = plan.waited;
  std::vector<Waiting> waiting = plan.waiting;
  std::erase_if(waited, stays);
  std::erase_if(waiting, stays);
  return tables::store_waiting(job.environment.tables, job.options.run_id, report.snapshot->market,
                               waited, waiting);
}

/// Returns what to write after the tasks. It is asked for again if one of them failed.
std::vector<postgres::Statement> closing(const Job& job, const Session& session, Report& report) {
  const tables::TableNames& names = job.environment.tables;
  const std::string& run_id = job.options.run_id;
  const bool has_failed = std::ranges::any_of(
      report.tasks, [](const TaskReport& task) { return task.error.has_value(); });
  report.status = has_failed ? RunStatus::completed_with_errors : RunStatus::completed;
  if (job.options.events) add_messages(job, report);
  if (!report.has_outbox) return {};
  std::vector<postgres::Statement> closing;
  if (auto waiting = waiting_statement(job, report)) closing.push_back(*std::move(waiting));
  if (job.options.events) {
    for (postgres::Statement& each :
         tables::store_events(session.database, run_id, report.written_at, report.messages)) {
      closing.push_back(std::move(each));
    }
  }
  closing.push_back(tables::finish_run(names, record_of(job, report)));
  std::map<std::string, std::uint64_t> left = report.standing.kept;
  const auto leave = [&](const EntryWrite& write) {
    // From a difference, nobody could tell a list that can't be read from an empty one, or how
    // often a name is repeated.
    const Entry& after = *write.after;
    const bool is_told = after.readable && after.members.size() == write.diff.after();
    left[write.universe] = is_told ? 0 : fingerprint_of(after, report.snapshot->market);
  };
  for (const tables::Edit& edit : report.standing.edits) leave(edit.write);
  for (const EntryWrite* write : report.writes()) leave(*write);
  if (!left.empty()) closing.push_back(tables::store_states(names, run_id, left));
  return closing;
}

/// Asks on another connection whether the run committed. \param lost why that is not known
/// \throws Error (outcome_unknown).
bool find_outcome(const Job& job, Session& session, const Report& report, const Error& lost) {
  const io::Settling settling(job.patience);
  const bool can_tell = report.has_outbox;
  const io::Deadline deadline = job.patience.step(job.environment.database.commit_timeout);
  while (can_tell && !deadline.over() && !job.patience.over()) {
    try {
      postgres::ConnectionSettings settings = job.environment.database;
      settings.connect_timeout = std::min(settings.connect_timeout, deadline.left());
      session.database.connection = postgres::Connection::open(settings, job.patience);
      return tables::has_committed(session.database, job.options.run_id, deadline.left());
    } catch (const Error&) {
      job.patience.pause(pause_between_tries);
    }
  }
  throw Error(
      ErrorKind::outcome_unknown,
      fmt::format("outcome unknown: {}, and {}", lost.problem(),
                  can_tell ? "asking again gave no answer"
                           : "the tables of 'tickstock-cache init', which would record it, do not "
                             "exist"),
      {.object = "PostgreSQL",
       .hint = can_tell ? "See 'tickstock-cache status " + job.options.run_id +
                              "' once it answers, then run again."
                        : "Run again."});
}

/// Returns what deletes old rows; it travels with the marks of published events if there are any.
std::vector<postgres::Statement> tidying(const Job& job) {
  std::vector<postgres::Statement> statements =
      tables::pruning(job.environment.tables, job.environment.retention);
  if (job.options.measure) {
    statements.push_back(tables::asking_for_pending(job.environment.tables, {}));
  }
  return statements;
}

/// Checks that a server that took over has the run. \throws Error (unavailable) if it doesn't.
void require_still_committed(const Job& job, Session& session, Report& report) {
  bool is_there = true;
  try {
    const io::Settling settling(job.patience);
    is_there = tables::is_recorded_as_committed(session.database, job.options.run_id);
  } catch (const Error&) {
    // Without an answer, rely on the answer to COMMIT.
  }
  if (is_there) return;
  // Its events are not there either, so none of them would ever be pending.
  report.committed = false;
  throw Error(ErrorKind::unavailable,
              "PostgreSQL lost the committed run in a failover: the server that took over does not "
              "have it",
              {.object = "PostgreSQL",
               .hint = "Run again, and make the primary wait for its standby "
                       "(synchronous_standby_names)."});
}

/// Publishes what the outbox holds. \throws Error if another server has taken over, without the
/// run.
Delivery deliver_stored(const Job& job, Session& session, Report& report) {
  const io::Deadline deadline = job.patience.step(job.environment.redis.publish_timeout);
  const std::string name = job.application_name(report.step);
  OldEvents old;
  if (report.has_old_events) {
    old = give_up_old_events(session.database, name, job.environment.retention.outbox_max_age,
                             deadline);
  }
  if (!old.warning.empty()) report.warnings.emplace_back(std::move(old.warning));
  Delivery delivery =
      deliver(session.database, name, *job.publisher, deadline, job.options.run_id, tidying(job));
  if (old.reconnected || delivery.reconnected) require_still_committed(job, session, report);
  return delivery;
}

/// Publishes the events of a run that nothing stores.
Delivery deliver_once(const Job& job, Report& report) {
  report.messages.back() = events::sync_completed(record_of(job, report), job.clock.now());
  const io::Deadline deadline = io::Deadline::after(job.environment.redis.publish_timeout);
  events::Publisher::Published published =
      job.publisher->publish(report.messages, deadline, job.patience);
  Delivery delivery;
  delivery.failure = std::move(published.failure);
  delivery.pending = report.messages.size() - published.receivers.size();
  if (delivery.pending == 0) delivery.listeners = published.receivers.back();
  return delivery;
}

/// Announces the end of the phase, which only a full run is, and sends what is queued.
void announce_phase(Job& job, const Report& report, std::chrono::milliseconds time) {
  if (job.options.mode == Mode::full) announce(job, report, events::phase_completed);
  const io::Settling settling(job.patience);
  if (job.publisher) job.publisher->flush(io::Deadline::after(time), job.patience);
}

void record_failure(const Job& job, Session& session, const Report& report) {
  const io::Settling settling(job.patience);
  try {
    if (!session.database.connection.usable()) {
      session.database.connection =
          postgres::Connection::open(job.environment.database, job.patience);
    }
    postgres::Transaction transaction(session.database.connection, {.read_committed = true});
    transaction.commit({tables::finish_failed_run(job.environment.tables, record_of(job, report))});
  } catch (const Error& error) {
    session.warnings.push_back(std::string("how the run ended is not in its record: ") +
                               error.what());
  }
}

void announce_failure(Job& job, bool had_lock, const Report& report) {
  const Error& error = *report.failure;
  if (job.publisher) job.publisher->renew();
  // A mistake of the caller is no processing error. An id used before is the name of another run,
  // whose end was already announced.
  const bool wrong_call = error.kind() == ErrorKind::usage || error.kind() == ErrorKind::config;
  const bool had_a_turn = had_lock && error.kind() != ErrorKind::usage;
  if (had_a_turn || !(wrong_call || error.kind() == ErrorKind::locked)) {
    announce(job, report, events::sync_error, error.kind(), std::string(error.what()));
  }
  if (had_a_turn) announce(job, report, events::sync_completed);
  announce_phase(job, report, last_words_of_failure_time);
}

}  // namespace

void connect_to_redis(Job& job) {
  if (!job.options.events || job.options.dry_run) return;
  job.publisher =
      std::make_unique<events::Publisher>(job.environment.redis, job.environment.stream);
  job.publisher->nudge();
}

void apply(const Job& job, const Session& session, postgres::Transaction& transaction,
           Report& report) {
  const Snapshot& snapshot = *report.snapshot;
  const MemberReasons reasons(snapshot.market, snapshot.entries, snapshot.plan.universes,
                              job.options.policy.ipo_days);
  const tables::WriteContext context{job.environment.tables, snapshot.market,   reasons,
                                     job.options.run_id,     report.written_at, report.has_outbox};
  tables::Writes writes{.opening = {},
                        .tasks = snapshot.plan.tasks,
                        .begin_task =
                            [&](const TaskPlan& task) {
                              begin_step(job, report, step_of(task.task));
                              return job.application_name(step_of(task.task));
                            },
                        .closing = [&] { return closing(job, session, report); }};
  if (job.options.measure && session.can_read_prices()) {
    writes.opening = tables::ask_newest_prices(job.environment.tables, snapshot.market);
  }
  const std::size_t questions = writes.opening.size();
  const auto open_with = [&writes](std::vector<postgres::Statement> statements) {
    for (postgres::Statement& each : statements) writes.opening.push_back(std::move(each));
  };
  if (!snapshot.plan.empty() || !report.standing.edits.empty()) {
    open_with(tables::preparing_to_write());
  }
  open_with(tables::journal_edits(context, report.standing.edits));
  std::size_t first = 0;
  for (;;) {
    const tables::Written outcome = tables::write_tasks(transaction, context, writes, first);
    if (!writes.opening.empty()) {
      const std::span answers(outcome.opening);
      report.newest_prices = tables::newest_price_day(answers.first(questions));
      writes.opening.clear();
    }
    if (!outcome.failure) return;
    const auto& [failed, error] = *outcome.failure;
    if (job.options.approve_plan) throw Error(error);
    report.tasks[failed].error = error;
    report.tasks[failed].changes.clear();
    first = failed + 1;
  }
}

void commit(const Job& job, Session& session, postgres::Transaction& transaction, Report& report) {
  // From here on a signal only shortens the rest.
  const io::Settling settling(job.patience);
  try {
    transaction.commit();
    if (const std::string& warning = session.database.connection.commit_warning();
        !warning.empty()) {
      report.warnings.push_back("PostgreSQL warned at COMMIT: " + warning);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::outcome_unknown) throw;
    job.observer.note(error.problem() + ", asking for the outcome");
    if (!find_outcome(job, session, report, error)) {
      throw Error(ErrorKind::unavailable,
                  "the connection was lost before COMMIT, and the transaction was rolled back",
                  {.object = "PostgreSQL", .hint = "Run again."});
    }
  }
  report.committed = true;
}

void publish(Job& job, Session& session, Report& report) {
  job.publisher->renew();
  begin_step(job, report, 5);
  const Delivery delivery =
      report.has_outbox ? deliver_stored(job, session, report) : deliver_once(job, report);
  // Count unknown events as pending, so that nobody assumes they were delivered.
  const std::uint64_t events = report.messages.size();
  report.events_pending = std::min(delivery.pending.value_or(events), events);
  report.events_published = events - report.events_pending;
  report.listeners = delivery.listeners;
  if (report.events_pending > 0) {
    const std::string state =
        counted(report.events_pending, "event of this run is ", "events of this run are ") +
        (report.has_outbox ? "pending: " : "lost: ");
    report.failure =
        delivery.failure
            ? delivery.failure->as(ErrorKind::redis).after(state)
            : Error(ErrorKind::redis, state + "Redis did not take them",
                    {.object = job.publisher->server().object(), .hint = "Check Redis."});
    // The failure itself may already say which delivery helps.
    if (report.has_outbox && report.failure->hint().find(" deliver") == std::string::npos) {
      report.failure = report.failure->advised("Run 'tickstock-cache deliver' later.");
    }
  } else {
    announce(job, report, events::progress, 5, 5);
  }
  for (const TaskReport& task : report.tasks) {
    if (!task.error) continue;
    announce(job, report, events::sync_error, ErrorKind::failed, task.error->what());
  }
  announce_phase(job, report, last_words_time);
}

void tidy(const Job& job, Session& session, Report& report) {
  try {
    auto answers = postgres::results_after_commit(session.database.connection);
    if (!answers) {
      // If the run should end now, old rows can wait.
      const std::vector<postgres::Statement> statements = tidying(job);
      if (job.patience.ending() || statements.empty()) return;
      answers = postgres::write_at_once(session.database.connection, {.read_committed = true},
                                        statements);
    }
    if (job.options.measure) {
      report.outbox_pending = static_cast<std::uint64_t>(answers->back().integer(0, 0));
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) return;
    report.warnings.push_back(std::string("old records were not deleted: ") + error.what());
  }
}

void measure(const Job& job, Session& session, Report& report) {
  if (!job.options.measure || !session.database.connection.usable()) return;
  const io::Settling settling(job.patience);
  try {
    // A refused run has written nothing, so it had no round trip to ask this along with.
    if (!report.committed && report.snapshot && session.can_read_prices()) {
      report.newest_prices = tables::newest_price_day(postgres::read_at_once(
          session.database.connection, {.timezone = job.environment.timezone},
          tables::ask_newest_prices(job.environment.tables, report.snapshot->market)));
    }
    if (report.has_outbox && !report.outbox_pending) {
      report.outbox_pending = static_cast<std::uint64_t>(tables::count_pending(session.database));
    }
  } catch (const Error&) {
    // Leave unknown values out. The reason of the failure was already reported.
  }
}

void fail(Job& job, Session* session, Report& report, const Error& error) {
  report.failure = reassured(error);
  report.status = status_of(error.kind());
  // A dry run still shows what a guard would refuse.
  if (report.dry_run && report.snapshot) return;
  report.tasks.clear();
  for (const Task task : tasks_of(job.options.mode, job.options.policy))
    report.tasks.push_back({task, {}, report.failure});
  if (report.dry_run) return;
  const bool may_have_record =
      session != nullptr && (session->has_record || session->may_have_record);
  if (may_have_record && error.kind() != ErrorKind::outcome_unknown) {
    record_failure(job, *session, report);
  }
  announce_failure(job, session != nullptr && session->had_lock, report);
}

void announce_unstarted(const RunOptions& options, const Environment& environment,
                        const Error& error) noexcept {
  if (!options.events || options.mode != Mode::full) return;
  try {
    Report report;
    report.failure = error;
    const RunClock clock;
    events::Publisher publisher(environment.redis);
    publisher.announce(events::phase_completed(record_of(report, options, clock), clock.now()));
    io::Patience unshared;
    publisher.flush(io::Deadline::after(last_words_of_failure_time), unshared);
  } catch (const std::exception&) {
    // The status and the line on standard error report it anyway.
  }
}

}  // namespace tickstock::sync
