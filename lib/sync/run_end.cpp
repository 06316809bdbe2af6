#include <algorithm>
#include <chrono>
#include <set>
#include <span>

#include "domain/text.hpp"
#include "sync/delivery.hpp"
#include "sync/run_state.hpp"
#include "tables/entries.hpp"
#include "tables/outbox.hpp"
#include "tables/runs.hpp"
#include "tables/waiting.hpp"

namespace tickstock::sync {

namespace {

constexpr std::chrono::milliseconds pause_between_tries{250};

int step_of(Task task) {
  switch (task) {
    case Task::market_cap: return 2;
    case Task::ipo:
    case Task::themes: return 3;
    case Task::delisted: return 4;
    // None of the five steps is about undoing.
    case Task::undo: return 1;
  }
  return 0;
}

RunStatus status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::refused:
    case ErrorKind::not_approved: return RunStatus::refused;
    case ErrorKind::interrupted: return RunStatus::interrupted;
    default: return RunStatus::failed;
  }
}

}  // namespace

void Run::apply(postgres::Transaction& transaction) {
  const Snapshot& snapshot = *report_.snapshot;
  const MemberReasons reasons(snapshot.market, snapshot.entries, snapshot.plan.universes,
                              options_.policy.ipo_days);
  const tables::WriteContext context{environment_.tables, snapshot.market,    reasons,
                                     options_.run_id,     report_.written_at, report_.has_outbox};
  tables::Writes writes{.opening = {},
                        .tasks = snapshot.plan.tasks,
                        .begin_task =
                            [this](const TaskPlan& task) {
                              begin_step(step_of(task.task));
                              return application_name(step_of(task.task));
                            },
                        .closing = [this, &context] { return closing(context); }};
  if (options_.measure && can_read_prices()) {
    writes.opening = tables::ask_newest_prices(environment_.tables, snapshot.market);
  }
  const std::size_t questions = writes.opening.size();
  const auto open_with = [&writes](std::vector<postgres::Statement> statements) {
    for (postgres::Statement& each : statements) writes.opening.push_back(std::move(each));
  };
  if (!snapshot.plan.empty() || !standing_.edits.empty()) open_with(tables::preparing_to_write());
  open_with(tables::journal_edits(context, standing_.edits));
  std::size_t first = 0;
  for (;;) {
    const tables::Written outcome = tables::write_tasks(transaction, context, writes, first);
    if (!writes.opening.empty()) {
      const std::span answers(outcome.opening);
      report_.newest_prices = tables::newest_price_day(answers.first(questions));
      writes.opening.clear();
    }
    if (!outcome.failure) return;
    const auto& [failed, error] = *outcome.failure;
    if (options_.approve_plan) throw Error(error);
    report_.tasks[failed].error = error;
    report_.tasks[failed].changes.clear();
    first = failed + 1;
  }
}

std::vector<postgres::Statement> Run::closing(const tables::WriteContext& context) {
  const Snapshot& snapshot = *report_.snapshot;
  report_.messages.clear();
  report_.universe_events_omitted = {};
  report_.status = RunStatus::completed;
  for (std::size_t i = 0; i < report_.tasks.size(); ++i) {
    if (report_.tasks[i].error) {
      report_.status = RunStatus::completed_with_errors;
    } else if (options_.events) {
      for (Message& message :
           events::task_events(options_.run_id, context.written_at, snapshot.plan.tasks[i],
                               snapshot.plan.waiting, snapshot.market, options_.policy.ipo_days,
                               options_.max_universe_events, report_.universe_events_omitted)) {
        report_.messages.push_back(std::move(message));
      }
    }
  }
  if (options_.events) {
    report_.messages.push_back(events::sync_completed(record(), clock_.now()));
  }
  events::require_sendable(report_.messages);
  if (!report_.has_outbox) return {};
  // A failed task leaves its universes and their waiting members as they were.
  std::set<std::string_view> unwritten;
  for (const auto& universe : snapshot.plan.universes) {
    for (const TaskReport& task : report_.tasks) {
      if (task.error && task.task == universe->task) unwritten.insert(universe->name);
    }
  }
  const bool keeps_all = options_.undo && report_.status == RunStatus::completed_with_errors;
  const auto stays = [&](const Waiting& each) {
    return keeps_all || unwritten.contains(each.universe);
  };
  std::vector<Waiting> waited = snapshot.plan.waited;
  std::vector<Waiting> waiting = snapshot.plan.waiting;
  std::erase_if(waited, stays);
  std::erase_if(waiting, stays);
  std::vector<postgres::Statement> closing =
      tables::store_waiting(environment_.tables, options_.run_id, snapshot.market, waited, waiting);
  if (options_.events) {
    for (postgres::Statement& each :
         tables::store_events(*database_, options_.run_id, context.written_at, report_.messages)) {
      closing.push_back(std::move(each));
    }
  }
  closing.push_back(tables::finish_run(environment_.tables, record()));
  std::set<std::string> changed;
  for (const tables::Edit& edit : standing_.edits) changed.insert(edit.write.universe);
  for (const EntryWrite* write : report_.writes()) changed.insert(write->universe);
  std::erase_if(standing_.kept, [&](const auto& each) { return changed.contains(each.first); });
  if (!changed.empty() || !standing_.kept.empty()) {
    closing.push_back(tables::store_states(environment_.tables, options_.run_id,
                                           {changed.begin(), changed.end()}, standing_.kept));
  }
  return closing;
}

void Run::commit(postgres::Transaction& transaction) {
  // From here on a signal only shortens the rest.
  const io::Settling settling(patience_);
  try {
    transaction.commit();
    if (const std::string& warning = database_->connection.commit_warning(); !warning.empty()) {
      report_.warnings.push_back("PostgreSQL warned at COMMIT: " + warning);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::outcome_unknown) throw;
    observer_.note(error.problem() + ", asking for the outcome");
    if (!find_outcome()) {
      throw Error(ErrorKind::unavailable,
                  "the connection was lost before COMMIT, and the transaction was rolled back",
                  {.object = "PostgreSQL", .hint = "Run again."});
    }
  }
  report_.committed = true;
}

bool Run::find_outcome() {
  const io::Settling settling(patience_);
  const bool can_tell = report_.has_outbox;
  const io::Deadline deadline = patience_.step(environment_.database.commit_timeout);
  while (can_tell && !deadline.over() && !patience_.over()) {
    try {
      postgres::ConnectionSettings settings = environment_.database;
      settings.connect_timeout = std::min(settings.connect_timeout, deadline.left());
      database_->connection = postgres::Connection::open(settings, patience_);
      return tables::has_committed(*database_, options_.run_id, deadline.left());
    } catch (const Error&) {
      patience_.pause(pause_between_tries);
    }
  }
  throw Error(
      ErrorKind::outcome_unknown,
      std::string("outcome unknown: the connection was lost during COMMIT, and ") +
          (can_tell ? "PostgreSQL could not be asked again"
                    : "the tables of 'tickstock-cache init', which would record it, do not exist"),
      {.object = "PostgreSQL",
       .hint = can_tell ? "See 'tickstock-cache status " + options_.run_id +
                              "' once it answers, then run again."
                        : "Run again."});
}

void Run::publish() {
  begin_step(5);
  events::Publisher& publisher = *publisher_;
  std::optional<Error> failure;
  if (report_.has_outbox) {
    const io::Deadline deadline = patience_.step(environment_.redis.publish_timeout);
    OldEvents old;
    if (has_old_events_) {
      old = give_up_old_events(*database_, application_name(step_),
                               environment_.retention.outbox_max_age, deadline);
    }
    if (!old.warning.empty()) report_.warnings.emplace_back(std::move(old.warning));
    const Delivery delivery = deliver(*database_, application_name(step_), publisher, deadline,
                                      options_.run_id, tidying());
    if (old.reconnected || delivery.reconnected) require_still_committed();
    // Count unknown events as pending, so that nobody assumes they were delivered.
    report_.events_pending = std::min<std::uint64_t>(
        delivery.pending.value_or(report_.messages.size()), report_.messages.size());
    failure = delivery.failure;
    report_.listeners = delivery.listeners;
  } else {
    report_.events_pending = report_.messages.size();
    const io::Deadline deadline = io::Deadline::after(environment_.redis.publish_timeout);
    events::Publisher::Published published =
        publisher.publish(report_.messages, deadline, patience_);
    report_.events_pending -= published.receivers.size();
    if (report_.events_pending == 0) report_.listeners = published.receivers.back();
    failure = std::move(published.failure);
  }
  report_.events_published = report_.messages.size() - report_.events_pending;
  if (report_.events_pending > 0) {
    const std::string what = report_.events_pending == 1 ? "1 event of this run is "
                                                         : std::to_string(report_.events_pending) +
                                                               " events of this run are ";
    const std::string state = what + (report_.has_outbox ? "pending: " : "lost: ");
    report_.failure = failure ? failure->as(ErrorKind::redis).after(state)
                              : Error(ErrorKind::redis, state + "Redis did not take them");
    // The failure itself may already say which delivery helps.
    if (report_.has_outbox && report_.failure->hint().find(" deliver") == std::string::npos) {
      report_.failure = report_.failure->advised("Run 'tickstock-cache deliver' later.");
    }
  } else {
    announce(events::progress, 5, 5);
  }
  for (const TaskReport& task : report_.tasks) {
    if (task.error) announce(events::sync_error, ErrorKind::failed, task.error->what());
  }
  announce_phase(last_words_time);
}

void Run::require_still_committed() {
  bool is_there = true;
  try {
    const io::Settling settling(patience_);
    is_there = tables::is_recorded_as_committed(*database_, options_.run_id);
  } catch (const Error&) {
    // Without an answer, rely on the answer to COMMIT.
  }
  if (is_there) return;
  // Its events are not there either, so none of them would ever be pending.
  report_.committed = false;
  throw Error(ErrorKind::unavailable,
              "PostgreSQL lost the committed run in a failover: the server that took over does not "
              "have it",
              {.object = "PostgreSQL",
               .hint = "Run again, and make the primary wait for its standby "
                       "(synchronous_standby_names)."});
}

std::vector<postgres::Statement> Run::tidying() const {
  std::vector<postgres::Statement> statements =
      tables::pruning(environment_.tables, environment_.retention);
  if (options_.measure) statements.push_back(tables::asking_for_pending(environment_.tables, {}));
  return statements;
}

void Run::tidy() {
  try {
    auto answers = postgres::results_after_commit(database_->connection);
    if (!answers) {
      // If the run should end now, old rows can wait.
      const std::vector<postgres::Statement> statements = tidying();
      if (patience_.ending() || statements.empty()) return;
      answers =
          postgres::write_at_once(database_->connection, {.read_committed = true}, statements);
    }
    if (options_.measure) {
      report_.outbox_pending = static_cast<std::uint64_t>(answers->back().integer(0, 0));
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) return;
    report_.warnings.push_back(std::string("old records were not deleted: ") + error.what());
  }
}

void Run::measure() {
  if (!options_.measure || !database_ || !database_->connection.usable()) return;
  const io::Settling settling(patience_);
  try {
    // A refused run has written nothing, so it had no round trip to ask this along with.
    if (!report_.committed && report_.snapshot && can_read_prices()) {
      report_.newest_prices = tables::newest_price_day(postgres::read_at_once(
          database_->connection, {.timezone = environment_.timezone},
          tables::ask_newest_prices(environment_.tables, report_.snapshot->market)));
    }
    if (report_.has_outbox && !report_.outbox_pending) {
      report_.outbox_pending = static_cast<std::uint64_t>(tables::count_pending(*database_));
    }
  } catch (const Error&) {
    // Leave unknown values out. The reason of the failure was already reported.
  }
}

void Run::fail(const Error& error) {
  report_.failure = reassured(error);
  report_.status = status_of(error.kind());
  // A dry run still shows what a guard would refuse.
  if (report_.dry_run && report_.snapshot) return;
  report_.tasks.clear();
  for (const Task task : tasks_of(options_.mode, options_.policy))
    report_.tasks.push_back({task, {}, report_.failure});
  if (report_.dry_run) return;
  const bool may_have_record = has_record_ || may_have_record_;
  if (may_have_record && error.kind() != ErrorKind::outcome_unknown) record_failure();
  announce_failure(*report_.failure);
}

void Run::record_failure() {
  const io::Settling settling(patience_);
  try {
    if (!database_ || !database_->connection.usable()) {
      database_->connection = postgres::Connection::open(environment_.database, patience_);
    }
    postgres::Transaction transaction(database_->connection, {.read_committed = true});
    transaction.commit({tables::finish_failed_run(environment_.tables, record())});
  } catch (const Error& error) {
    early_warnings_.push_back(std::string("how the run ended is not in its record: ") +
                              error.what());
  }
}

void Run::announce_failure(const Error& error) {
  // A mistake of the caller is no processing error. An id used before is the name of another run,
  // whose end was already announced.
  const bool wrong_call = error.kind() == ErrorKind::usage || error.kind() == ErrorKind::config;
  const bool had_a_turn = had_lock_ && error.kind() != ErrorKind::usage;
  if (had_a_turn || !(wrong_call || error.kind() == ErrorKind::locked)) {
    announce(events::sync_error, error.kind(), std::string(error.what()));
  }
  if (had_a_turn) announce(events::sync_completed);
  announce_phase(last_words_of_failure_time);
}

void Run::connect_to_redis() {
  if (!options_.events || options_.dry_run) return;
  publisher_ = std::make_unique<events::Publisher>(environment_.redis, environment_.stream);
  // The connection gets established while the database is being read.
  publisher_->nudge();
}

void Run::announce_trigger() {
  if (!std::exchange(has_trigger_, true)) announce(events::sync_triggered);
}

void Run::announce_phase(std::chrono::milliseconds time) {
  if (options_.mode == Mode::full) announce(events::phase_completed);
  const io::Settling settling(patience_);
  if (publisher_) publisher_->flush(io::Deadline::after(time), patience_);
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
