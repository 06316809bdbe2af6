#include "sync/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "sync/planning.hpp"
#include "sync/walk.hpp"
#include "tables/past.hpp"
#include "tables/runs.hpp"
#include "tables/schema.hpp"

namespace tickstock::sync {

using std::chrono::milliseconds;

namespace {

constexpr int max_attempts = 6;
constexpr milliseconds first_backoff{50};
constexpr milliseconds pause_between_tries{100};
/// If a run had the lock and another run came in between, it waits this long to get it again.
constexpr milliseconds patience_for_main_lock{10'000};
/// Read in parallel if both tables have at least this many pages of 8 KB; for smaller tables, a
/// second connection costs more than it saves.
constexpr std::int64_t pages_worth_two_connections = 128;

/// Returns the universes of a run to undo.
std::vector<std::string> changed_by(const tables::RunView& run) {
  if (application_status(run.record.status) == "completed") return run.universes;
  if (run.record.status == RunStatus::running) {
    throw Error(ErrorKind::failed, fmt::format("run {} is still running", run.record.run_id),
                {.object = "run " + run.record.run_id, .hint = "Undo it once it has ended."});
  }
  throw Error(ErrorKind::failed,
              fmt::format("run {} is {} and changed nothing, so there is nothing to undo",
                          run.record.run_id, to_string(run.record.status)),
              {.object = "run " + run.record.run_id,
               .hint = "Run 'tickstock-cache history' for a list of the recorded runs."});
}

/// Reads the catalog, and checks that it has what the run needs. \throws Error.
void look_around(const Job& job, Session& session, Report& report) {
  const RunOptions& options = job.options;
  tables::Database& database = session.database;
  database.look_around(job.environment.timezone, job.environment.unknown_timezone);
  report.has_outbox = database.catalog.has_own_tables();
  using tables::Need;
  std::vector<Need> needs{Need::read_market, Need::read_entries};
  if (!options.dry_run) {
    needs = {Need::writable_server, Need::read_market, Need::write_entries, Need::own_tables};
  }
  if (options.policy.guards.max_data_age_days && !options.undo) needs.push_back(Need::read_prices);
  if (price_days(options.policy, options.mode)) needs.push_back(Need::price_market);
  // A run that writes has already checked them, if there are any.
  const bool has_looked = !options.dry_run && database.catalog.has_any_own_table();
  const bool needs_journal = lets_wait(options.policy.universes()) || options.undo;
  if (needs_journal && !has_looked) needs.push_back(Need::read_own_tables);
  tables::require(database, needs, options.policy.columns());
  // A dry run may be made by someone without access to the history.
  session.can_read_history = tables::has(database, Need::read_own_tables);
}

/// Opens a second connection if it is worth it. \return null if not
std::unique_ptr<postgres::Companion> companion_of(const Job& job,
                                                  const tables::Database& database) {
  const std::optional<std::int64_t>& connections = job.environment.database.connections;
  const bool large = database.catalog.symbols.pages >= pages_worth_two_connections &&
                     database.catalog.entries.pages >= pages_worth_two_connections;
  const bool wanted = connections ? *connections > 1 : large;
  return wanted ? postgres::Companion::open(database.connection) : nullptr;
}

/// Does everything before the first transaction. \throws Error.
void prepare(Job& job, Session& session, Report& report) {
  const tables::Catalog& catalog = session.database.catalog;
  const double asked = job.clock.elapsed();
  look_around(job, session, report);
  job.clock.set(catalog.clock, asked);
  report.as_of = job.options.as_of.value_or(catalog.today);
  // During hours of waiting, tables may have appeared, vanished or been upgraded.
  if (wait_for_day_end(job, session, *report.as_of)) look_around(job, session, report);
  if (job.options.undo) {
    const tables::RunView run = tables::require_run(session.database, job.options.undo);
    session.undone = changed_by(run);
    session.undoes_undo = run.record.mode == to_string(Mode::undo);
    report.undone = run.record.run_id;
  }
  session.companion = companion_of(job, session.database);
  if (report.has_outbox) return;
  session.warnings.emplace_back(
      "the tables cache_sync_* do not exist: no history is kept, and events that "
      "Redis doesn't take are lost",
      "Run 'tickstock-cache init'.");
}

/// Returns the options that let a companion, if there is one, join the transaction.
postgres::TransactionOptions joinable(const Job& job, const Session& session,
                                      postgres::TransactionOptions options) {
  options.timezone = job.environment.timezone;
  options.export_snapshot = session.companion != nullptr;
  options.settings = tables::wanted_entries(job.options.policy, session.undone);
  if (session.companion) options.idle_time += postgres::Companion::idle_time;
  return options;
}

/// Returns the questions to ask as the main transaction begins; they depend on nothing that it
/// reads.
std::vector<postgres::Statement> first_questions(const Job& job, const Session& session,
                                                 Day as_of) {
  const tables::TableNames& names = job.environment.tables;
  std::vector<postgres::Statement> questions;
  if (session.can_read_history) questions = tables::ask_past(names, job.environment.retention);
  const std::optional<int>& max_age = job.options.policy.guards.max_data_age_days;
  if (max_age && !job.options.undo) {
    questions.push_back(tables::ask_recent_prices(names, as_of, *max_age));
  }
  return questions;
}

[[noreturn]] void throw_locked(const Job& job, Session& session, milliseconds lock_wait) {
  const bool ran_out = job.patience.ran_out();
  std::string holder;
  try {
    const io::Settling settling(job.patience);
    holder = tables::run_lock_holder(session.database);
  } catch (const Error&) {
    // The holder's name is only nice to have.
  }
  const bool waits = lock_wait.count() > 0;
  const std::string waited =
      waits && !ran_out ? fmt::format(", and did not end within {} s", lock_wait.count() / 1000)
                        : "";
  const std::string hint =
      waits && ran_out
          ? "The wait was cut short by --timeout: give the command more time."
          : fmt::format("Wait for it to end, or use {}--lock-wait.", waits ? "a longer " : "");
  throw Error(ErrorKind::locked,
              "another run holds the lock" + (holder.empty() ? "" : ": " + holder) + waited,
              {.object = "the lock of " + session.database.names.entries.shown(), .hint = hint});
}

void announce_trigger(const Job& job, Session& session, const Report& report) {
  if (std::exchange(session.has_trigger, true)) return;
  // Redis may have closed it during a long wait for the lock.
  if (job.publisher) job.publisher->renew();
  announce(job, report, events::sync_triggered);
}

/// Tries once to begin the main transaction. \return null if the lock was taken
std::unique_ptr<postgres::Transaction> try_lock(const Job& job, Session& session,
                                                const Report& report) {
  const tables::TableNames& names = job.environment.tables;
  postgres::TransactionOptions options{.lock = session.database.run_lock(),
                                       .application_name = job.application_name(1)};
  std::vector<postgres::Statement> questions = first_questions(job, session, *report.as_of);
  if (report.has_outbox) {
    options.ahead = tables::opening_run(names, record_of(job, report),
                                        job.environment.program_version, session.has_record);
    session.may_have_record = true;
    questions.push_back(tables::asking_if_running(names, job.options.run_id));
  }
  auto transaction = std::make_unique<postgres::Transaction>(
      session.database.connection, joinable(job, session, std::move(options)), questions);
  // If no snapshot can be exported, don't try again with every attempt to get the lock.
  if (!transaction->snapshot()) session.companion.reset();
  session.may_have_record = false;
  if (!transaction->had_lock_ahead()) return nullptr;
  if (report.has_outbox && tables::is_opened(*transaction, job.options.run_id)) {
    session.had_lock = true;
    session.has_record = true;
    announce_trigger(job, session, report);
  }
  // Another run may have come in between the two transactions. If it committed between the snapshot
  // and the lock of this one, this one must not rely on what it read; that run took its record for
  // dead.
  if (!transaction->has_lock() ||
      (report.has_outbox && transaction->first_results().back().rows() == 0)) {
    return nullptr;
  }
  session.had_lock = true;
  return transaction;
}

/// Begins the main transaction, which holds the lock, and opens the run's record before it.
/// \throws Error, (locked) if another run holds the lock for too long.
std::unique_ptr<postgres::Transaction> begin_locked(const Job& job, Session& session,
                                                    const Report& report) {
  const bool had_record = session.has_record;
  const milliseconds lock_wait =
      had_record ? std::max(job.options.lock_wait, patience_for_main_lock) : job.options.lock_wait;
  const io::Deadline deadline = job.patience.step(lock_wait);
  for (bool waited = false;; waited = true) {
    try {
      if (auto transaction = try_lock(job, session, report)) return transaction;
      if (session.has_record && !had_record) return begin_locked(job, session, report);
    } catch (const Error&) {
      // The time for the whole command may also end during another attempt to get the lock.
      if (!waited || !job.patience.ran_out() || job.patience.signalled()) throw;
      throw_locked(job, session, lock_wait);
    }
    // Waiting inside the transaction would keep a snapshot older than the other run's COMMIT.
    if (!job.patience.pause(std::min(pause_between_tries, deadline.left()))) {
      throw Error(ErrorKind::interrupted, "interrupted by a signal while waiting for the lock");
    }
    if (deadline.over()) throw_locked(job, session, lock_wait);
  }
}

/// Makes the plan that undoes a run. \param market gets names that only the journal knows
Plan undoing_plan(Session& session, Market& market, const Entries& entries,
                  const tables::Past& past, Report& report) {
  tables::UndoneRun undone = tables::read_undone(session.database, report.undone, market.symbols());
  Plan plan = plan_undo(report.undone, undone.universes, entries);
  plan.waited = std::move(undone.waited);
  plan.waiting = std::move(undone.waiting);
  plan.waiting_elsewhere = past.waiting.size() - plan.waited.size();
  // An undone undo brings back what the data may no longer give.
  if (!undone.universes.empty()) {
    report.warnings.emplace_back(session.undoes_undo
                                     ? "the next run brings the universes in line with the data "
                                       "again, which may override this undo"
                                     : "the next run on the same data makes the changes of run " +
                                           report.undone + " again");
  }
  return plan;
}

/// Reads, plans and judges. \throws Error.
void make_plan(const Job& job, Session& session, const postgres::Transaction& transaction,
               Report& report) {
  const RunOptions& options = job.options;
  const Policy& policy = options.policy;
  tables::Database& database = session.database;
  const tables::Catalog& catalog = database.catalog;
  const std::optional<int> days = price_days(policy, options.mode);
  // Close it once the tables are read or reading fails; another attempt does without.
  std::unique_ptr<postgres::Companion> companion = std::move(session.companion);
  auto [market, entries] = tables::read_sources(
      database, transaction,
      {*report.as_of, days,
       options.dry_run ? columns_with_decay(policy, catalog) : policy.columns(),
       session.can_read_history, companion.get(), &job.reading});
  companion.reset();
  const std::span answers(transaction.first_results());
  tables::Past past;
  if (session.can_read_history) {
    past = tables::past_of(answers.first(tables::statements_of_past), market.symbols());
    report.has_old_events = past.has_old_events;
    if (!options.dry_run) {
      report.standing = tables::compare_states(database, past.states, entries, market.symbols());
    }
  }
  if (past.last_as_of && *report.as_of < *past.last_as_of && !options.undo) {
    report.warnings.push_back("the as-of day " + to_string(*report.as_of) +
                              " is before that of the last completed run, which is " +
                              to_string(*past.last_as_of));
  }
  Plan plan;
  if (options.undo) {
    plan = undoing_plan(session, market, entries, past, report);
  } else {
    for (Warning& warning :
         data_warnings(database, job.environment.timezone, policy, options.mode, market, entries)) {
      report.warnings.push_back(std::move(warning));
    }
    plan = tickstock::make_plan(options.mode, market, entries, policy, past.waiting);
  }
  const auto described = described_symbols(plan, market, policy.ipo_days);
  std::optional<postgres::Statement> asked;
  if (!described.empty()) asked = tables::ask_companies(database, market, described);
  report.looked_for_prices = days.has_value();
  for (const TaskPlan& task : plan.tasks) {
    report.warnings.insert(report.warnings.end(), task.warnings.begin(), task.warnings.end());
  }
  const GuardLimits& limits = policy.guards;
  const std::size_t prices = session.can_read_history ? tables::statements_of_past : 0;
  const bool fresh = !limits.max_data_age_days || options.undo || answers[prices].rows() > 0;
  report.guards =
      evaluate_guards({options.mode, market, entries, plan, limits, catalog.today, fresh});
  report.written_at = job.clock.now();
  report.plan_digest = plan_digest(plan, market);
  if (asked) tables::take_companies(database, *asked, market);
  report.snapshot = std::make_unique<const Snapshot>(
      Snapshot{std::move(market), std::move(entries), std::move(plan)});
  for (const TaskPlan& task : report.snapshot->plan.tasks) {
    report.tasks.push_back({task.task, changes_of(task, report.snapshot->market), std::nullopt});
  }
}

void attempt(const Job& job, Session& session, Report& report) {
  if (job.options.dry_run) {
    begin_step(job, report, 1);
    postgres::Transaction transaction(session.database.connection,
                                      joinable(job, session, {.read_only = true}),
                                      first_questions(job, session, *report.as_of));
    make_plan(job, session, transaction, report);
    report.status = RunStatus::completed;
    report.approval = approval(job.options, report);
    require_approval(report, job.options);
    return;
  }
  const auto transaction = begin_locked(job, session, report);
  announce_trigger(job, session, report);
  begin_step(job, report, 1);
  make_plan(job, session, *transaction, report);
  require_approval(report, job.options);
  apply(job, session, *transaction, report);
  commit(job, session, *transaction, report);
}

void attempt_until_settled(const Job& job, Session& session, Report& report) {
  milliseconds backoff = first_backoff;
  for (int number = 1;; ++number) {
    static_cast<Attempt&>(report) = Attempt();
    try {
      return attempt(job, session, report);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::retryable) throw;
      if (number == max_attempts) {
        // Besides a rewritten table, only the clean-up that a standby replays conflicts with a
        // reader.
        const std::string attempts = ", given up after " + std::to_string(number) + " attempts";
        throw Error(
            ErrorKind::unavailable, error.problem() + attempts,
            {.object = error.object(),
             .hint = error.sqlstate().empty() ? error.hint()
                     : job.options.dry_run
                         ? "Set hot_standby_feedback on this standby, or ask the primary."
                         : "Another program writes the same rows: run again once it is done.",
             .sqlstate = error.sqlstate()});
      }
      const std::string why =
          error.sqlstate().empty()
              ? error.problem()
              : "another transaction was in the way (SQLSTATE " + error.sqlstate() + ")";
      job.observer.note(why + ", starting over");
    }
    if (!job.patience.pause(backoff)) {
      throw Error(ErrorKind::interrupted, "interrupted by a signal before a new attempt");
    }
    backoff *= 2;
  }
}

}  // namespace

std::string Job::application_name(int step) const {
  // PostgreSQL keeps 63 bytes, which must include the step at the end.
  constexpr std::size_t longest_id = 63 - sizeof("tickstock-cache  3/5") + 1;
  if (options.dry_run) return "tickstock-cache dry-run";
  const std::string id = options.run_id.substr(0, longest_id);
  return "tickstock-cache " + id + (step > 0 ? " " + std::to_string(step) + "/5" : "");
}

postgres::Connection connect_to_database(const Job& job) {
  postgres::ConnectionSettings settings = job.environment.database;
  settings.application_name = job.application_name(0);
  return postgres::Connection::open(settings, job.patience);
}

void begin_step(const Job& job, Report& report, int step) {
  if (step <= report.step) return;
  report.step = step;
  job.observer.step(step, events::step_names[static_cast<std::size_t>(step - 1)]);
  announce(job, report, events::progress, step, step - 1);
}

Report run(const RunOptions& options, const Environment& environment, Observer& observer,
           io::Patience& patience) {
  tables::Reading reading;
  Job job{options, environment, observer, patience, reading};
  Report report;
  report.mode = options.mode;
  report.dry_run = options.dry_run;
  if (!options.dry_run) report.run_id = options.run_id;
  connect_to_redis(job);
  observer.follow(reading);
  std::optional<Session> session;
  try {
    session.emplace(Session{{connect_to_database(job), environment.tables}});
    prepare(job, *session, report);
    attempt_until_settled(job, *session, report);
    if (report.committed && options.events) publish(job, *session, report);
    if (report.committed && report.has_outbox) tidy(job, *session, report);
  } catch (const Error& error) {
    fail(job, session ? &*session : nullptr, report, error);
  }
  if (session) {
    measure(job, *session, report);
    const std::vector<Warning>& first = session->warnings;
    report.warnings.insert(report.warnings.begin(), first.begin(), first.end());
  }
  report.started_at = job.clock.started();
  report.finished_at = job.clock.now();
  report.ended_at = job.clock.seconds();
  report.duration_seconds = job.clock.elapsed();
  if (job.publisher && !job.publisher->warning().empty()) {
    report.warnings.emplace_back(job.publisher->warning());
  }
  return report;
}

}  // namespace tickstock::sync
