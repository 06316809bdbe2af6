#include <algorithm>
#include <chrono>

#include "sync/run_state.hpp"
#include "tables/entries.hpp"
#include "tables/runs.hpp"

namespace tickstock::sync {

namespace {

constexpr std::chrono::milliseconds pause_between_tries{250};

int step_of(Task task) {
  switch (task) {
    case Task::market_cap: return 2;
    case Task::ipo:
    case Task::themes: return 3;
    case Task::delisted: return 4;
  }
  return 0;
}

}  // namespace

void Run::apply(postgres::Transaction& transaction) {
  const Snapshot& snapshot = *report_.snapshot;
  const MemberReasons reasons(snapshot.market, snapshot.entries, snapshot.plan.universes,
                              options_.policy.ipo_days);
  const tables::WriteContext context{environment_.tables, snapshot.market,    reasons,
                                     options_.run_id,     report_.written_at, report_.has_outbox};
  if (!snapshot.plan.empty()) tables::prepare_writing(transaction);
  for (std::size_t i = 0; i < snapshot.plan.tasks.size(); ++i) {
    const TaskPlan& task = snapshot.plan.tasks[i];
    TaskReport& task_report = report_.tasks[i];
    begin_step(step_of(task.task));
    if (const auto error = tables::write_task(transaction, context, task, application_name())) {
      if (options_.approve_plan) throw Error(*error);
      task_report.error = error->what();
      task_report.changes.clear();
      continue;
    }
    if (!options_.events) continue;
    for (Message& message : events::task_events(
             announcer_.facts(), context.written_at, task, snapshot.market,
             options_.policy.ipo_days, options_.max_universe_events, omitted_universe_events_)) {
      messages_.push_back(std::move(message));
    }
  }
  report_.status = RunStatus::completed;
  for (const TaskReport& task : report_.tasks) {
    if (task.error) report_.status = RunStatus::completed_with_errors;
  }
  if (options_.events) {
    messages_.push_back(events::sync_completed(announcer_.facts(), clock_.now(), completion()));
  }
  events::require_sendable(messages_);
  if (!report_.has_outbox) return;
  std::vector<postgres::Statement> closing;
  if (options_.events) {
    closing.push_back(tables::store_messages(environment_.tables, options_.run_id,
                                             context.written_at, messages_));
  }
  closing.push_back(tables::finish_run(environment_.tables, record()));
  transaction.run_pipeline(std::move(closing)).value();
}

void Run::commit(postgres::Transaction& transaction) {
  // From here on a signal only shortens what is left.
  const io::Settling settling(patience_);
  try {
    transaction.commit();
    if (const std::string& warning = connection_->commit_warning(); !warning.empty()) {
      report_.warnings.push_back("PostgreSQL warned at COMMIT: " + warning);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::outcome_unknown) throw;
    observer_.note(std::string(error.what()) + "; asking for the outcome");
    if (!find_outcome()) {
      throw Error(
          ErrorKind::unavailable,
          "the connection was lost before COMMIT; the transaction was rolled back, run again");
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
      connection_ = postgres::Connection::open(settings, patience_);
      return tables::has_committed(*connection_, environment_.tables,
                                   tables::run_lock_key(catalog_), options_.run_id,
                                   deadline.left());
    } catch (const Error&) {
      patience_.pause(pause_between_tries);
    }
  }
  throw Error(
      ErrorKind::outcome_unknown,
      "outcome unknown: the connection was lost during COMMIT, and " +
          std::string(
              can_tell ? "PostgreSQL could not be asked again; see 'tickstock-cache status " +
                             options_.run_id + "' once it answers, then run again"
                       : "without the tables of 'tickstock-cache init' nothing tells; run again"));
}

}  // namespace tickstock::sync
