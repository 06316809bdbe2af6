#include "commands.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <limits>

#include "domain/error.hpp"
#include "events/messages.hpp"
#include "events/publisher.hpp"
#include "exit_status.hpp"
#include "metrics.hpp"
#include "settings.hpp"
#include "show/output.hpp"
#include "show/printable.hpp"
#include "show/progress_line.hpp"
#include "signals.hpp"
#include "sync/check.hpp"
#include "sync/delivery.hpp"
#include "sync/run.hpp"
#include "tables/entries.hpp"
#include "tables/preflight.hpp"
#include "tables/runs.hpp"
#include "tables/schema.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t names_of_a_warning = 10;

/// Puts what a run says of itself into the log, and its steps on the line of progress where there
/// is one.
class LogObserver : public sync::Observer {
 public:
  LogObserver(Log& log, ProgressLine& progress) : log_(log), progress_(progress) {
    log_.set_progress(&progress_);
  }
  ~LogObserver() override { log_.set_progress(nullptr); }
  LogObserver(const LogObserver&) = delete;
  LogObserver& operator=(const LogObserver&) = delete;

  void follow(const tables::Reading& reading) override { reading_ = &reading; }
  void step(int number, std::string_view name) override {
    reads_ = number == 1;
    if (!progress_.enabled()) return log_.step(number, name);
    progress_.say(fmt::format("step {}/5 {}", number, name));
  }
  void tell(const std::string& sentence) override {
    if (!progress_.enabled()) return log_.info(sentence);
    progress_.say(sentence);
  }
  void note(const std::string& sentence) override { log_.warning(sentence); }

  /// Draws the line anew.
  void tick() { progress_.draw(reads_ ? *reading_ : nothing_); }

 private:
  Log& log_;
  ProgressLine& progress_;
  tables::Reading nothing_;
  const tables::Reading* reading_ = &nothing_;
  bool reads_ = false;
};

/// A connection and what its catalog says, for commands that read or publish.
struct Session {
  postgres::Connection connection;
  tables::Catalog catalog;

  Session(const Settings& settings, io::Patience& patience)
      : connection(postgres::Connection::open(settings.environment.database, patience)),
        catalog(tables::read_catalog(connection, settings.environment.tables,
                                     settings.environment.timezone,
                                     settings.environment.unknown_timezone)) {}
};

/// What standard output can show.
Screen screen(const Settings& settings) { return screen_of(STDOUT_FILENO, settings.output.color); }

/// Prints the result. \return `status`, or that of the output where it failed and nothing counts
/// more.
int print_result(const std::string& text, Tells tells, int status, Log& log) {
  try {
    print(text, tells);
  } catch (const Error& error) {
    log.error(error.what());
    if (status == status_done || status == status_changes) return status_output;
  }
  return status;
}

int print_report(const sync::Report& report, const Settings& settings, int status, Log& log) {
  const Tells tells = report.committed ? Tells::what_was_done : Tells::what_is;
  if (settings.output.format == OutputFormat::json) {
    return print_result(json_report(report, status), tells, status, log);
  }
  const bool silent =
      settings.output.quiet() && (status == status_done || status == status_changes);
  if (silent) return status;
  return print_result(
      text_report(report, {settings.output.full, settings.run.policy.ipo_days, screen(settings)}),
      tells, status, log);
}

int run_task(const Options& options, const Settings& settings, Log& log, io::Patience& patience) {
  log.debug(fmt::format("{} with Redis at {}",
                        options.dry_run ? "dry run" : "run " + settings.run.run_id,
                        settings.environment.redis.shown()));
  const Output& output = settings.output;
  ProgressLine progress(output.log_format == LogFormat::text &&
                        output.log_level == LogLevel::normal && can_redraw(output.progress));
  LogObserver observer(log, progress);
  if (progress.enabled()) patience.set_tick([&observer] { observer.tick(); });
  const sync::Report report = sync::run(settings.run, settings.environment, observer, patience);
  patience.set_tick({});
  progress.clear();
  const std::size_t most_names = output.log_level == LogLevel::verbose
                                     ? std::numeric_limits<std::size_t>::max()
                                     : names_of_a_warning;
  for (const Warning& warning : report.warnings) log.warning(warning.words(most_names));
  for (const std::string& error : report.errors()) log.error(error);

  const int status = print_report(
      report, settings, status_of(report, settings.output.detailed_exitcode, caught_signal()), log);
  if (!report.dry_run) {
    change_metrics(output.metrics_file, log, [&](MetricsFile& metrics) {
      metrics.set_outcome(report.mode, status, report.ended_at, report.duration_seconds);
      metrics.set_data(report);
    });
  }
  return status;
}

int run_init(const Options& options, const Settings& settings, io::Patience& patience) {
  if (options.print_grants) {
    print(tables::grants_sql(settings.environment.tables, *options.print_grants,
                             settings.run.policy.price_days().has_value(),
                             settings.run.policy.columns()));
    return status_done;
  }
  if (options.print_redis_acl) {
    const sync::EodOptions& eod = settings.run.eod;
    print(events::redis_acl(*options.print_redis_acl,
                            eod.wait.count() > 0 ? eod.lists : std::vector<std::string>()));
    return status_done;
  }
  if (options.print_sql) {
    std::string sql;
    for (const std::string& statement : tables::schema_sql(settings.environment.tables))
      sql += statement + ";\n";
    print(sql);
    return status_done;
  }
  postgres::Connection connection =
      postgres::Connection::open(settings.environment.database, patience);
  const auto created = tables::create_schema(connection, settings.environment.tables);
  if (settings.output.quiet()) return status_done;
  std::string text;
  for (const std::string& sentence : created) text += sentence + "\n";
  print(text.empty() ? "nothing to create: all tables are there\n" : text,
        text.empty() ? Tells::what_is : Tells::what_was_done);
  return status_done;
}

int run_status(const Options& options, const Settings& settings, io::Patience& patience) {
  Session session(settings, patience);
  tables::require(session.catalog, {tables::Need::read_own_tables}, session.connection.user());
  const auto view = tables::read_run(session.connection, settings.environment.tables,
                                     session.catalog, options.run_id);
  if (!view) {
    throw Error(ErrorKind::failed, options.run_id
                                       ? "there is no record of run '" + *options.run_id +
                                             "'; 'tickstock-cache history' lists those that are"
                                       : "no run is on record yet");
  }
  print(settings.output.format == OutputFormat::json ? json_status(*view)
                                                     : text_status(*view, screen(settings)));
  return status_done;
}

int run_history(const Options& options, const Settings& settings, io::Patience& patience) {
  Session session(settings, patience);
  tables::require(session.catalog, {tables::Need::read_own_tables}, session.connection.user());
  if (options.universe || options.symbol) {
    const tables::Changes found = tables::read_changes(
        session.connection, settings.environment.tables,
        {options.universe, options.symbol, options.days}, options.limit, options.offset);
    print(settings.output.format == OutputFormat::json
              ? json_changes(found, options.symbol, options.limit, options.offset)
              : text_changes(found, options.symbol, screen(settings)));
    return status_done;
  }
  const tables::History history =
      tables::read_history(session.connection, settings.environment.tables, session.catalog,
                           {options.days, options.limit, options.offset});
  print(settings.output.format == OutputFormat::json
            ? json_history(history, options.limit, options.offset)
            : text_history(history, screen(settings)));
  return status_done;
}

int run_universes(const Settings& settings, io::Patience& patience) {
  Session session(settings, patience);
  tables::require(session.catalog, {tables::Need::list_entries}, session.connection.user());
  const auto entries = tables::list_entries(session.connection, settings.environment.tables);
  print(settings.output.format == OutputFormat::json ? json_universes(entries, status_done)
                                                     : text_universes(entries, screen(settings)));
  return status_done;
}

int run_check(const Settings& settings, Log& log, io::Patience& patience) {
  const auto findings = sync::check(settings.environment, settings.run, patience);
  int status = status_done;
  // The first of these that applies.
  for (const int each : {int{status_usage}, int{status_config}, int{status_unavailable},
                         int{status_failed}, int{status_undelivered}}) {
    for (const sync::Finding& finding : findings) {
      if (status == status_done && finding.kind &&
          status_of(*finding.kind, caught_signal()) == each)
        status = each;
    }
  }
  const int outcome = caught_signal() != 0 ? status_signal + caught_signal() : status;
  const bool json = settings.output.format == OutputFormat::json;
  if (!json && settings.output.quiet() && status == status_done) return outcome;
  return print_result(
      json ? json_findings(findings, status) : text_findings(findings, screen(settings)),
      Tells::what_is, outcome, log);
}

int run_deliver(const Options& options, const Settings& settings, Log& log,
                io::Patience& patience) {
  Session session(settings, patience);
  tables::require(
      session.catalog,
      {tables::Need::writable_server, tables::Need::read_own_tables, tables::Need::own_tables},
      session.connection.user());
  const std::string name = "tickstock-cache deliver";
  const tables::TableNames& tables = settings.environment.tables;
  std::uint64_t given_up = 0;
  if (options.discard) {
    sync::discard_event(session.connection, tables, session.catalog, name, *options.discard,
                        settings.environment.redis.publish_timeout, patience);
    ++given_up;
  }
  const sync::OldEvents old =
      sync::give_up_old_events(session.connection, tables, session.catalog, name,
                               settings.environment.retention.outbox_max_age);
  // Nothing more is to be had of a connection that is gone.
  if (old.failure && !session.connection.usable()) throw Error(*old.failure);
  given_up += old.given_up;
  if (!old.warning.empty()) log.warning(old.warning);
  events::Publisher publisher(settings.environment.redis);
  const sync::Delivery delivery =
      sync::deliver(session.connection, tables, session.catalog, name, publisher,
                    settings.environment.redis.publish_timeout, patience, std::nullopt);
  if (!publisher.warning().empty()) log.warning(publisher.warning());
  int status = status_done;
  if (delivery.failure) {
    log.error(fmt::format("{} still pending: {}",
                          delivery.pending ? counted(*delivery.pending, "event is", "events are")
                                           : "it is not known how many events are",
                          delivery.failure->what()));
    status = status_of(delivery.failure->kind(), caught_signal());
  }
  if (delivery.pending) {
    change_metrics(settings.output.metrics_file, log,
                   [&](MetricsFile& metrics) { metrics.set_pending(*delivery.pending); });
  }
  const std::string pending = delivery.pending ? std::to_string(*delivery.pending) : "unknown";
  const std::string text =
      fmt::format("{}{} published, {} pending\n",
                  given_up > 0 ? counted(given_up, "event", "events") + " given up, " : "",
                  counted(delivery.sent, "event", "events"), pending);
  return settings.output.quiet() && status == status_done
             ? status
             : print_result(text, Tells::what_was_done, status, log);
}

int run_config(const Options& options, const Settings& settings) {
  print(options.example                                ? config_example()
        : settings.output.format == OutputFormat::json ? json_config(settings)
                                                       : text_config(settings));
  return status_done;
}

}  // namespace

int run_command(const Options& options, const Settings& settings, Log& log,
                const io::Interrupt& interrupt) {
  if (options.command == Command::task && !options.dry_run) log.set_run_id(settings.run.run_id);
  // A run's wait for the end of the day is not the time that the command takes.
  const bool may_wait = options.command == Command::task && !options.dry_run;
  io::Patience patience(interrupt, io::Deadline::after(settings.environment.timeout +
                                                       (may_wait ? settings.run.eod.wait
                                                                 : std::chrono::milliseconds{0})));
  switch (options.command) {
    case Command::task: return run_task(options, settings, log, patience);
    case Command::init: return run_init(options, settings, patience);
    case Command::status: return run_status(options, settings, patience);
    case Command::history: return run_history(options, settings, patience);
    case Command::universes: return run_universes(settings, patience);
    case Command::check: return run_check(settings, log, patience);
    case Command::deliver: return run_deliver(options, settings, log, patience);
    case Command::config: return run_config(options, settings);
  }
  return status_failed;
}

}  // namespace tickstock::cli
