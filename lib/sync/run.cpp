#include "sync/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "sync/planning.hpp"
#include "sync/run_state.hpp"
#include "tables/runs.hpp"
#include "tables/schema.hpp"
#include "tables/undo.hpp"
#include "tables/waiting.hpp"

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
  throw Error(ErrorKind::failed,
              fmt::format("run {} is {} and changed nothing, so there is nothing to undo",
                          run.record.run_id, to_string(run.record.status)),
              {.object = "run " + run.record.run_id});
}

/// Says how long the run waited for the lock, if it waited as long as it may.
std::string waited_words(milliseconds lock_wait, bool ran_out) {
  if (ran_out || lock_wait.count() == 0) return "";
  return ", and did not end within " + std::to_string(lock_wait.count() / 1000) + " s";
}

/// Returns advice for a run that did not get the lock. \param ran_out whether the time for the
/// whole command ended before the wait did
std::string advice_on_waiting(milliseconds lock_wait, bool ran_out) {
  if (ran_out && lock_wait.count() > 0) {
    return "The wait was cut short by --timeout: give the command more time.";
  }
  if (lock_wait.count() > 0) return "Wait for it to end, or use a longer --lock-wait.";
  return "Wait for it to end, or use --lock-wait.";
}

}  // namespace

Report run(const RunOptions& options, const Environment& environment, Observer& observer,
           io::Patience& patience) {
  return Run(options, environment, observer, patience).execute();
}

Run::Run(const RunOptions& options, const Environment& environment, Observer& observer,
         io::Patience& patience)
    : options_(options), environment_(environment), observer_(observer), patience_(patience) {
  report_.mode = options.mode;
  report_.dry_run = options.dry_run;
  if (!options.dry_run) report_.run_id = options.run_id;
  connect_to_redis();
}

Report Run::execute() {
  observer_.follow(reading_);
  try {
    work();
  } catch (const Error& error) {
    fail(error);
  }
  measure();
  report_.started_at = clock_.started();
  report_.finished_at = clock_.now();
  report_.ended_at = clock_.seconds();
  report_.duration_seconds = clock_.elapsed();
  report_.warnings.insert(report_.warnings.begin(), early_warnings_.begin(), early_warnings_.end());
  if (publisher_ && !publisher_->warning().empty()) {
    report_.warnings.emplace_back(publisher_->warning());
  }
  return std::move(report_);
}

void Run::work() {
  prepare();
  attempt_until_settled();
  if (report_.committed && options_.events) publish();
  if (report_.committed && report_.has_outbox) tidy();
}

void Run::prepare() {
  postgres::ConnectionSettings database = environment_.database;
  database.application_name = application_name(0);
  database_ =
      tables::Database{postgres::Connection::open(database, patience_), environment_.tables};
  look_around();
  clock_.set(database_->catalog.clock);
  report_.as_of = options_.as_of.value_or(database_->catalog.today);
  // During hours of waiting, tables may have appeared, vanished or been upgraded.
  if (wait_for_day_end()) look_around();
  if (options_.undo) {
    const tables::RunView run = tables::require_run(*database_, options_.undo);
    to_undo_ = changed_by(run);
    undoes_undo_ = run.record.mode == to_string(Mode::undo);
    report_.undone = run.record.run_id;
  }
  open_companion();

  if (!report_.has_outbox) {
    early_warnings_.emplace_back(
        "the tables cache_sync_* do not exist: no history is kept, and events that "
        "Redis doesn't take are lost",
        std::vector<std::string>(), "Run 'tickstock-cache init'.");
  }
}

void Run::look_around() {
  database_->look_around(environment_.timezone, environment_.unknown_timezone);
  report_.has_outbox = database_->catalog.has_own_tables();
  using tables::Need;
  std::vector<Need> needs{Need::read_market, Need::read_entries};
  if (!options_.dry_run) {
    needs = {Need::writable_server, Need::read_market, Need::write_entries, Need::own_tables};
  }
  if (options_.policy.guards.max_data_age_days && !options_.undo) {
    needs.push_back(Need::read_prices);
  }
  if (price_days(options_.policy, options_.mode)) needs.push_back(Need::price_market);
  // A run that writes has already checked them, if there are any.
  const bool has_looked = !options_.dry_run && database_->catalog.has_any_own_table();
  const bool needs_journal = lets_wait(options_.policy.universes()) || options_.undo;
  if (needs_journal && !has_looked) needs.push_back(Need::read_own_tables);
  tables::require(*database_, needs, options_.policy.columns());
  // A dry run may be made by someone without access to the history.
  can_read_history_ = tables::has(*database_, Need::read_own_tables);
}

void Run::open_companion() {
  const std::optional<std::int64_t>& connections = environment_.database.connections;
  const bool large = database_->catalog.symbols.pages >= pages_worth_two_connections &&
                     database_->catalog.entries.pages >= pages_worth_two_connections;
  if (connections ? *connections > 1 : large) {
    companion_ = postgres::Companion::open(database_->connection);
  }
}

postgres::TransactionOptions Run::joinable(postgres::TransactionOptions options) const {
  options.export_snapshot = companion_ != nullptr;
  options.settings =
      options_.undo ? tables::wanted_entries(to_undo_) : tables::wanted_entries(options_.policy);
  if (companion_) options.idle_time += postgres::Companion::idle_time;
  return options;
}

std::unique_ptr<postgres::Transaction> Run::begin_locked() {
  const milliseconds lock_wait =
      has_record_ ? std::max(options_.lock_wait, patience_for_main_lock) : options_.lock_wait;
  const io::Deadline deadline = patience_.step(lock_wait);
  for (bool waited = false;; waited = true) {
    try {
      const bool had_record = has_record_;
      if (auto transaction = try_lock()) return transaction;
      if (has_record_ && !had_record) return begin_locked();
    } catch (const Error&) {
      // The time for the whole command may also end during another attempt to get the lock.
      if (!waited || !patience_.ran_out() || patience_.signalled()) throw;
      throw_locked(lock_wait);
    }
    // Waiting inside the transaction would keep a snapshot older than the other run's COMMIT.
    if (!patience_.pause(std::min(pause_between_tries, deadline.left()))) {
      throw Error(ErrorKind::interrupted, "interrupted by a signal while waiting for the lock");
    }
    if (deadline.over()) throw_locked(lock_wait);
  }
}

std::unique_ptr<postgres::Transaction> Run::try_lock() {
  postgres::TransactionOptions options{.timezone = environment_.timezone,
                                       .lock = database_->run_lock(),
                                       .application_name = application_name(1)};
  const bool opens = report_.has_outbox && !has_record_;
  if (opens) {
    options.ahead =
        tables::opening_run(environment_.tables, record(), environment_.program_version);
    may_have_record_ = true;
  }
  auto transaction = std::make_unique<postgres::Transaction>(
      database_->connection, joinable(std::move(options)), first_questions());
  // If no snapshot can be exported, don't try again with every attempt to get the lock.
  if (!transaction->snapshot()) companion_.reset();
  may_have_record_ = false;
  if (opens && tables::is_opened(*transaction, environment_.tables, options_.run_id)) {
    had_lock_ = true;
    has_record_ = true;
    announce_trigger();
  }
  // Another run may have come in between the two transactions.
  if (!transaction->has_lock() || (report_.has_outbox && !has_record_)) return nullptr;
  had_lock_ = true;
  return transaction;
}

std::vector<postgres::Statement> Run::first_questions() const {
  std::vector<postgres::Statement> questions;
  if (can_read_history_) questions = tables::ask_past(environment_.tables, environment_.retention);
  const std::optional<int>& max_age = options_.policy.guards.max_data_age_days;
  if (max_age && !options_.undo) {
    questions.push_back(tables::ask_recent_prices(environment_.tables, *report_.as_of, *max_age));
  }
  return questions;
}

void Run::throw_locked(milliseconds lock_wait) {
  const bool ran_out = patience_.ran_out();
  std::string holder;
  try {
    const io::Settling settling(patience_);
    holder = tables::run_lock_holder(*database_);
  } catch (const Error&) {
    // The holder's name is only nice to have.
  }
  throw Error(ErrorKind::locked,
              "another run holds the lock" + (holder.empty() ? "" : ": " + holder) +
                  waited_words(lock_wait, ran_out),
              {.hint = advice_on_waiting(lock_wait, ran_out)});
}

void Run::attempt_until_settled() {
  milliseconds backoff = first_backoff;
  for (int number = 1;; ++number) {
    try {
      attempt();
      return;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::retryable) throw;
      if (number == max_attempts) {
        // Nothing conflicts with a reader except the clean-up that a standby replays.
        const std::string attempts = ", given up after " + std::to_string(number) + " attempts";
        throw Error(ErrorKind::unavailable, error.problem() + attempts, error.details())
            .advised(options_.dry_run
                         ? "Set hot_standby_feedback on this standby, or ask the primary."
                         : "Another program writes the same rows: run again once it is done.");
      }
      observer_.note("another transaction was in the way (SQLSTATE " + error.sqlstate() +
                     "), starting over");
    }
    if (!patience_.pause(backoff)) {
      throw Error(ErrorKind::interrupted, "interrupted by a signal before a new attempt");
    }
    backoff *= 2;
  }
}

void Run::attempt() {
  static_cast<Attempt&>(report_) = Attempt();
  step_ = 0;
  if (options_.dry_run) {
    begin_step(1);
    postgres::Transaction transaction(
        database_->connection, joinable({.read_only = true, .timezone = environment_.timezone}),
        first_questions());
    make_plan(transaction);
    report_.status = RunStatus::completed;
    report_.approval = approval(options_, report_);
    require_approval(report_, options_);
    return;
  }
  const auto transaction = begin_locked();
  announce_trigger();
  begin_step(1);
  make_plan(*transaction);
  require_approval(report_, options_);
  apply(*transaction);
  commit(*transaction);
}

void Run::make_plan(postgres::Transaction& transaction) {
  const tables::TableNames& names = environment_.tables;
  const std::optional<int> days = price_days(options_.policy, options_.mode);
  // Close it once the tables are read or reading fails; another attempt does without.
  std::unique_ptr<postgres::Companion> companion = std::move(companion_);
  auto [market, entries] = tables::read_sources(
      transaction, companion.get(), names, database_->catalog,
      {*report_.as_of, days,
       options_.dry_run ? columns_with_decay(options_.policy, database_->catalog)
                        : options_.policy.columns()},
      reading_);
  companion.reset();
  const std::span answers(transaction.first_results());
  tables::Past past;
  if (can_read_history_) {
    past = tables::past_of(answers.first(tables::statements_of_past), market.symbols());
  }
  has_old_events_ = past.has_old_events;
  standing_ = {};
  if (can_read_history_ && !options_.dry_run) {
    standing_ = tables::compare_states(transaction, names, past.states, entries, market.symbols());
  }
  if (past.last_as_of && *report_.as_of < *past.last_as_of && !options_.undo) {
    report_.warnings.push_back("the as-of day " + to_string(*report_.as_of) +
                               " is before that of the last completed run, which is " +
                               to_string(*past.last_as_of));
  }
  const GuardLimits& limits = options_.policy.guards;
  const bool fresh = !limits.max_data_age_days || options_.undo || answers.back().rows() > 0;

  Plan plan = plan_of(transaction, market, entries, past);
  const auto described = described_symbols(plan, market, options_.policy.ipo_days);
  std::optional<postgres::Statement> asked;
  if (!described.empty()) asked = tables::ask_companies(transaction, names, market, described);
  report_.looked_for_prices = days.has_value();
  for (const TaskPlan& task : plan.tasks) {
    report_.warnings.insert(report_.warnings.end(), task.warnings.begin(), task.warnings.end());
  }
  report_.guards = evaluate_guards(
      {options_.mode, market, entries, plan, limits, database_->catalog.today, fresh});
  report_.written_at = clock_.now();
  report_.plan_digest = plan_digest(plan, market);
  if (asked) tables::take_companies(transaction, *asked, market);
  report_.snapshot = std::make_unique<const Snapshot>(
      Snapshot{std::move(market), std::move(entries), std::move(plan)});
  for (const TaskPlan& task : report_.snapshot->plan.tasks) {
    report_.tasks.push_back({task.task, changes_of(task, report_.snapshot->market), std::nullopt});
  }
}

Plan Run::plan_of(postgres::Transaction& transaction, Market& market, const Entries& entries,
                  const tables::Past& past) {
  if (!options_.undo) {
    for (Warning& warning : data_warnings(transaction, environment_, database_->catalog,
                                          options_.policy, options_.mode, market, entries)) {
      report_.warnings.push_back(std::move(warning));
    }
    return tickstock::make_plan(options_.mode, market, entries, options_.policy, past.waiting);
  }
  tables::UndoneRun undone = tables::read_undone(transaction, environment_.tables, report_.undone,
                                                 past.waiting, market.symbols());
  Plan plan = plan_undo(report_.undone, undone.universes, entries);
  plan.waited = std::move(undone.waited);
  plan.waiting = std::move(undone.waiting);
  plan.waiting_elsewhere = past.waiting.size() - plan.waited.size();
  // An undone undo brings back what the data may no longer give.
  report_.warnings.emplace_back(
      undoes_undo_
          ? "the next run brings the universes back in line with the data and overrides this undo"
          : "the next run on the same data makes the changes of run " + report_.undone + " again");
  return plan;
}

void Run::begin_step(int step) {
  if (step <= step_) return;
  step_ = step;
  observer_.step(step, events::step_names[static_cast<std::size_t>(step - 1)]);
  announce(events::progress, step, step - 1);
}

std::string Run::application_name(int step) const {
  // PostgreSQL keeps 63 bytes, which must include the step at the end.
  constexpr std::size_t longest_id = 63 - sizeof("tickstock-cache  3/5") + 1;
  if (options_.dry_run) return "tickstock-cache dry-run";
  const std::string id = options_.run_id.substr(0, longest_id);
  return "tickstock-cache " + id + (step > 0 ? " " + std::to_string(step) + "/5" : "");
}

}  // namespace tickstock::sync
