#include "commands.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "domain/counted.hpp"
#include "domain/error.hpp"
#include "environment.hpp"
#include "events/acl.hpp"
#include "events/publisher.hpp"
#include "exit_status.hpp"
#include "metrics.hpp"
#include "options.hpp"
#include "show/output.hpp"
#include "sync/check.hpp"
#include "sync/delivery.hpp"
#include "sync/giving_up.hpp"
#include "sync/run.hpp"
#include "tables/entries_list.hpp"
#include "tables/grants.hpp"
#include "tables/preflight.hpp"
#include "tables/runs.hpp"
#include "tables/schema.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t names_of_a_warning = 10;

/// A connection and what its catalog says, which must satisfy what the command needs.
struct Session {
  postgres::Connection connection;
  tables::Catalog catalog;

  Session(const sync::Environment& environment, io::Patience& patience,
          const std::vector<tables::Need>& needs)
      : connection(postgres::Connection::open(environment.database, patience)),
        catalog(tables::read_catalog(connection, environment.tables, environment.timezone,
                                     environment.unknown_timezone)) {
    tables::require(catalog, needs, connection.user());
  }
};

/// One command, with all that it works with.
class Run {
 public:
  Run(const Options& options, const Settings& settings, Log& log, io::Patience& patience)
      : options_(options),
        settings_(settings),
        environment_(settings.environment),
        output_(settings.output),
        log_(log),
        patience_(patience) {}

  int command() {
    switch (options_.command) {
      case Command::task: return task();
      case Command::init: return init();
      case Command::status: return status();
      case Command::history: return history();
      case Command::universes: return universes();
      case Command::check: return check();
      case Command::deliver: return deliver();
      case Command::config:
        print(options_.example ? config_example() : show_config(settings_, look()));
        return status_done;
    }
    return status_failed;
  }

 private:
  /// How standard output shows a result.
  [[nodiscard]] Look look() const {
    return {output_.format == OutputFormat::json, output_.full,
            screen_of(STDOUT_FILENO, output_.color)};
  }

  /// Whether nothing is to be printed of a success.
  [[nodiscard]] bool is_silent(int status) const {
    return output_.quiet() && (status == status_done || status == status_changes);
  }

  /// Prints the result. \return `status`, or that of the output where it failed and nothing counts
  /// more.
  int finish(const std::string& text, Tells tells, int status) {
    try {
      print(text, tells);
    } catch (const Error& error) {
      log_.error(error.what());
      if (status == status_done || status == status_changes) return status_output;
    }
    return status;
  }

  int task() {
    log_.debug(fmt::format("{} with Redis at {}",
                           options_.dry_run ? "dry run" : "run " + settings_.run.run_id,
                           environment_.redis.shown()));
    if (log_.begin_progress()) patience_.set_tick([this] { log_.draw_progress(); });
    const sync::Report report = sync::run(settings_.run, environment_, log_, patience_);
    patience_.set_tick({});
    log_.end_progress();
    const std::size_t most_names = output_.log_level == LogLevel::verbose
                                       ? std::numeric_limits<std::size_t>::max()
                                       : names_of_a_warning;
    for (const Warning& warning : report.warnings) log_.warning(warning.words(most_names));
    for (const std::string& error : report.errors()) log_.error(error);

    int status = status_of(report, output_.detailed_exitcode, caught_signal());
    if (look().json || !is_silent(status)) {
      status = finish(show_report(report, status, settings_.run.policy.ipo_days, look()),
                      report.committed ? Tells::what_was_done : Tells::what_is, status);
    }
    if (!report.dry_run) {
      record_run(output_.metrics_file, log_, report.mode, status, report.ended_at,
                 report.duration_seconds, &report);
    }
    return status;
  }

  int init() {
    const tables::TableNames& tables = environment_.tables;
    if (options_.print_grants) {
      print(tables::grants_sql(tables, *options_.print_grants,
                               settings_.run.policy.price_days().has_value()));
      return status_done;
    }
    if (options_.print_redis_acl) {
      const sync::EodOptions& eod = settings_.run.eod;
      print(events::redis_acl(*options_.print_redis_acl,
                              eod.wait.count() > 0 ? eod.lists : std::vector<std::string>()));
      return status_done;
    }
    if (options_.print_sql) {
      print(fmt::format("{};\n", fmt::join(tables::schema_sql(tables), ";\n")));
      return status_done;
    }
    postgres::Connection connection = postgres::Connection::open(environment_.database, patience_);
    const std::vector<std::string> created = tables::create_schema(connection, tables);
    if (output_.quiet()) return status_done;
    if (created.empty()) {
      print("nothing to create: all tables are there\n");
    } else {
      print(fmt::format("{}\n", fmt::join(created, "\n")), Tells::what_was_done);
    }
    return status_done;
  }

  int status() {
    Session session(environment_, patience_, {tables::Need::read_own_tables});
    const auto view =
        tables::read_run(session.connection, environment_.tables, session.catalog, options_.run_id);
    if (!view) {
      throw Error(ErrorKind::failed, options_.run_id
                                         ? "there is no record of run '" + *options_.run_id +
                                               "'; 'tickstock-cache history' lists those that are"
                                         : "no run is on record yet");
    }
    print(show_run(*view, look()));
    return status_done;
  }

  int history() {
    Session session(environment_, patience_, {tables::Need::read_own_tables});
    const Page page{options_.limit, options_.offset};
    if (options_.universe || options_.symbol) {
      const tables::ChangeFilter filter{options_.universe, options_.symbol, options_.days};
      print(show_changes(tables::read_changes(session.connection, environment_.tables, filter,
                                              page.limit, page.offset),
                         options_.symbol, page, look()));
    } else {
      print(show_history(
          tables::read_history(session.connection, environment_.tables, session.catalog,
                               {options_.days, page.limit, page.offset}),
          page, look()));
    }
    return status_done;
  }

  int universes() {
    Session session(environment_, patience_, {tables::Need::list_entries});
    print(show_universes(tables::list_entries(session.connection, environment_.tables), look()));
    return status_done;
  }

  int check() {
    const auto findings = sync::check(environment_, settings_.run, patience_);
    int status = status_done;
    // The first of these that applies.
    for (const int each :
         {status_usage, status_config, status_unavailable, status_failed, status_undelivered}) {
      const bool applies =
          std::any_of(findings.begin(), findings.end(), [each](const auto& finding) {
            return finding.kind && status_of(*finding.kind, caught_signal()) == each;
          });
      if (status == status_done && applies) status = each;
    }
    const int outcome = caught_signal() != 0 ? status_signal + caught_signal() : status;
    if (!look().json && is_silent(status)) return outcome;
    return finish(show_findings(findings, status, look()), Tells::what_is, outcome);
  }

  int deliver() {
    using tables::Need;
    Session session(environment_, patience_,
                    {Need::writable_server, Need::read_own_tables, Need::own_tables});
    const std::string name = "tickstock-cache deliver";
    const tables::TableNames& tables = environment_.tables;
    const std::chrono::milliseconds time = environment_.redis.publish_timeout;
    std::uint64_t given_up = 0;
    if (options_.discard) {
      sync::discard_event(session.connection, tables, session.catalog, name, *options_.discard,
                          time, patience_);
      ++given_up;
    }
    const sync::OldEvents old = sync::give_up_old_events(
        session.connection, tables, session.catalog, name, environment_.retention.outbox_max_age);
    // Nothing more is to be had of a connection that is gone.
    if (old.failure && !session.connection.usable()) throw Error(*old.failure);
    given_up += old.given_up;
    if (!old.warning.empty()) log_.warning(old.warning);
    events::Publisher publisher(environment_.redis);
    const sync::Delivery delivery = sync::deliver(session.connection, tables, session.catalog, name,
                                                  publisher, time, patience_, std::nullopt);
    if (!publisher.warning().empty()) log_.warning(publisher.warning());
    int status = status_done;
    if (delivery.failure) {
      log_.error(fmt::format("{} still pending: {}",
                             delivery.pending ? counted(*delivery.pending, "event is", "events are")
                                              : "it is not known how many events are",
                             delivery.failure->what()));
      status = status_of(delivery.failure->kind(), caught_signal());
    }
    if (delivery.pending) record_pending(output_.metrics_file, log_, *delivery.pending);
    if (is_silent(status)) return status;
    return finish(
        fmt::format("{}{} published, {} pending\n",
                    given_up > 0 ? counted(given_up, "event", "events") + " given up, " : "",
                    counted(delivery.sent, "event", "events"),
                    delivery.pending ? std::to_string(*delivery.pending) : "unknown"),
        Tells::what_was_done, status);
  }

  const Options& options_;
  const Settings& settings_;
  const sync::Environment& environment_;
  const Output& output_;
  Log& log_;
  io::Patience& patience_;
};

}  // namespace

int run_command(const Options& options, const Settings& settings, Log& log,
                const io::Interrupt& interrupt) {
  const bool is_run = options.command == Command::task && !options.dry_run;
  if (is_run) log.set_run_id(settings.run.run_id);
  // A run's wait for the end of the day is not the time that the command takes.
  const std::chrono::milliseconds wait = is_run ? settings.run.eod.wait : std::chrono::seconds(0);
  io::Patience patience(interrupt, io::Deadline::after(settings.environment.timeout + wait));
  return Run(options, settings, log, patience).command();
}

}  // namespace tickstock::cli
