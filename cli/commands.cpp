#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "domain/text.hpp"
#include "environment.hpp"
#include "events/messages.hpp"
#include "events/publisher.hpp"
#include "exit_status.hpp"
#include "logging.hpp"
#include "options.hpp"
#include "show/output.hpp"
#include "sync/delivery.hpp"
#include "tables/outbox.hpp"
#include "tables/past.hpp"
#include "tables/schema.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t names_of_a_warning = 10;

/// One command, with all that it works with.
struct Run {
  const Options& options;
  const Settings& settings;
  Log& log;
  io::Patience& patience;
  const sync::Environment& environment = settings.environment;
  const Output& output = settings.output;

  int command() {
    switch (options.command) {
      case Command::task: return task();
      case Command::init: return init();
      case Command::check: return check();
      case Command::deliver: return deliver();
      case Command::status: print(status()); break;
      case Command::history: print(history()); break;
      case Command::universes: print(universes()); break;
      case Command::events: print(events()); break;
      case Command::members: print(members()); break;
      case Command::replay: print(replay()); break;
      case Command::explain: print(explain()); break;
      case Command::config: print(options.example ? config_example() : show_config(settings));
    }
    return status_done;
  }

  /// Returns whether a success prints nothing.
  [[nodiscard]] bool is_silent(int status) const {
    return output.quiet() && (status == status_done || status == status_changes);
  }

  void print(std::string_view text, Tells tells = Tells::what_is) const {
    cli::print(text, patience, tells);
  }

  /// Prints the result. \return `status`, or that of the output if printing failed and nothing is
  /// more important.
  int finish(const std::string& text, Tells tells, int status) {
    try {
      print(text, tells);
    } catch (const Error& error) {
      log.error(error.what());
      if (status == status_done || status == status_changes) return status_output;
    }
    return status;
  }

  [[nodiscard]] tables::Database connect() const {
    return {postgres::Connection::open(environment.database, patience), environment.tables};
  }

  /// Connects, and requires what the command needs.
  [[nodiscard]] tables::Database open(const std::vector<tables::Need>& needs,
                                      const std::vector<std::string>& labels = {}) const {
    tables::Database database = connect();
    database.look_around(environment.timezone, environment.unknown_timezone);
    tables::require(database, needs, labels);
    return database;
  }

  int task() {
    log.debug(fmt::format("{} with Redis at {}",
                          options.dry_run ? "dry run" : "run " + settings.run.run_id,
                          environment.redis.shown()));
    sync::RunOptions run = settings.run;
    run.plan_flags = flags_of_plan();
    if (log.begin_progress()) patience.set_tick([this] { log.draw_progress(); });
    sync::Report report = sync::run(run, environment, log, patience);
    patience.set_tick({});
    log.end_progress();
    const bool names_all = output.log_level == LogLevel::verbose;
    for (const Warning& warning : report.warnings) {
      log.warning(warning.words(names_all ? warning.names.size() : names_of_a_warning));
    }
    const std::vector<Error> errors = report.errors();
    for (const Error& error : errors) log.error(error.what());
    if (report.listeners == 0) log.debug("nobody listened: no subscriber received the events");

    int status = status_of(report, output.detailed_exitcode, caught_signal());
    if (output.json() || !is_silent(status)) {
      status = finish(show_report(report, status, settings.run.policy.ipo_days, output),
                      report.committed ? Tells::what_a_run_did : Tells::what_is, status);
    }
    if (!report.dry_run) {
      record_run(output.metrics_file, log, report.mode, status, report.ended_at,
                 report.duration_seconds, &report);
      ping(output.ping_url, log, status, errors.empty() ? "" : errors.front().what(),
           patience.step(ping_time).left());
    }
    return status;
  }

  /// Returns the flags on which a plan and its run depend besides those of the run itself, quoted
  /// for a shell.
  [[nodiscard]] std::string flags_of_plan() const {
    std::string flags;
    const auto add = [&flags](const std::string& flag, const std::string& value) {
      constexpr std::string_view plain =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-";
      const bool is_plain = value.find_first_not_of(plain) == std::string::npos;
      flags += fmt::format(" {} {}", flag, is_plain ? value : shell_quoted(value));
    };
    if (options.config_file) add("--config", *options.config_file);
    if (options.database_url_file) add("--database-url-file", *options.database_url_file);
    if (options.redis_url_file) add("--redis-url-file", *options.redis_url_file);
    for (const Given& each : options.given) {
      const bool counts = each.setting->is_address() || each.setting->name == "market_cap.from" ||
                          each.setting->name == "run.timezone";
      if (counts) add(each.setting->flag, std::get<std::string>(each.value));
      // What was tried in silence must not be announced.
      if (each.setting->name == "events.enabled") flags += " " + each.setting->flag;
    }
    return flags;
  }

  int init() {
    const tables::TableNames& tables = environment.tables;
    if (options.print_grants) {
      const Policy& policy = settings.run.policy;
      print(tables::grants_sql(tables, *options.print_grants, policy.price_days().has_value(),
                               policy.columns()));
    } else if (options.print_redis_acl) {
      const sync::EodOptions& eod = settings.run.eod;
      print(events::redis_acl(*options.print_redis_acl,
                              eod.wait.count() > 0 ? eod.lists : std::vector<std::string>(),
                              environment.stream.key));
    } else if (options.print_sql) {
      print(fmt::format("{};\n", fmt::join(tables::schema_sql(tables), ";\n")));
    } else {
      tables::Database database = connect();
      const std::vector<std::string> created = tables::create_schema(database);
      if (output.quiet()) return status_done;
      print(created.empty() ? "nothing to create: all tables exist\n"
                            : fmt::format("{}\n", fmt::join(created, "\n")),
            created.empty() ? Tells::what_is : Tells::what_was_done);
    }
    return status_done;
  }

  [[nodiscard]] std::string status() const {
    tables::Database database = open({tables::Need::read_own_tables});
    return show_run(tables::require_run(database, options.run_id), output);
  }

  [[nodiscard]] std::string history() const {
    tables::Database database = open({tables::Need::read_own_tables});
    tables::ChangeFilter filter = options.changes;
    if (options.run_id) filter.run_id = tables::require_run(database, options.run_id).record.run_id;
    if (!filter.universe && !filter.symbol && !filter.run_id) {
      return show_history(tables::read_history(database, options.page), output);
    }
    filter.with_names = output.listing == "json";
    const tables::Changes found = tables::read_changes(database, filter, options.page);
    if (found.total == 0 && filter.universe) {
      require_known("universe", *filter.universe, known_universes(database));
    }
    if (found.total == 0 && filter.symbol && !tables::is_named(database, *filter.symbol)) {
      require_known("symbol", *filter.symbol, tables::known_symbols(database));
    }
    return show_changes(found, output);
  }

  /// \throws Error (failed) for a name that is not among the known ones, suggesting the closest;
  /// accepts any name if none is known.
  static void require_known(const char* what, const std::string& name,
                            const std::vector<std::string>& known) {
    if (known.empty() || std::ranges::count(known, name) > 0) return;
    const auto same = [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) ==
             std::tolower(static_cast<unsigned char>(b));
    };
    const auto found = std::ranges::find_if(
        known, [&](const std::string& each) { return std::ranges::equal(each, name, same); });
    const auto meant = found == known.end() ? nearest(name, known) : std::optional(*found);
    throw Error(
        ErrorKind::failed, fmt::format("no {} '{}' is known", what, name),
        {.object = fmt::format("{} {}", what, name),
         .hint = meant ? fmt::format("Did you mean '{}'?", *meant) : "Check the spelling."});
  }

  /// Returns the universes that have an entry or a change, or may get one.
  [[nodiscard]] std::vector<std::string> known_universes(tables::Database& database) const {
    std::vector<std::string> names = tables::known_universes(database);
    if (names.empty()) return names;  // then no name can be called unknown
    for (const auto& universe : settings.run.policy.universes()) {
      if (universe->each.empty()) names.push_back(universe->name);
    }
    return names;
  }

  /// Explains from the journal alone.
  [[nodiscard]] std::string explain_past() const {
    tables::Database database = open({tables::Need::read_own_tables, tables::Need::read_entries});
    sync::ExplainReport report{.symbol = *options.symbol, .past = options.as_of};
    std::optional<Error> failure;
    try {
      report.universes =
          tables::read_memberships(database, *options.symbol, options.universe, *options.as_of);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::failed) throw;
      failure = error;
    }
    const bool is_member =
        std::ranges::any_of(report.universes, [](const auto& each) { return each.why.member; });
    if (!is_member && !tables::is_named(database, *options.symbol)) {
      require_known("symbol", *options.symbol, tables::known_symbols(database));
    }
    if (!failure) return show_explanation(report, output);
    if (options.universe) {
      require_known("universe", *options.universe, known_universes(database));
    }
    throw Error(*failure);
  }

  [[nodiscard]] std::string explain() const {
    if (options.as_of) return explain_past();
    const Policy& policy = settings.run.policy;
    std::vector<tables::Need> needs{tables::Need::read_market, tables::Need::read_entries};
    if (policy.price_days()) needs.push_back(tables::Need::price_market);
    tables::Database database = open(needs, policy.columns());
    const sync::ExplainReport report =
        sync::explain(database, *options.symbol, options.universe, policy, environment);
    if (report.known_symbols) require_known("symbol", *options.symbol, *report.known_symbols);
    if (report.known_universes) {
      require_known("universe", *options.universe, *report.known_universes);
    }
    return show_explanation(report, output);
  }

  [[nodiscard]] std::string replay() const {
    sync::ReplayOptions days{*options.from, *options.to, {settings.run.policy}};
    std::vector<std::string> files{settings.config_file};
    if (options.against) {
      Options other = options;
      other.config_file = options.against;
      Settings of_other;
      if (const auto problem = resolve_settings(other, of_other)) throw Error(*problem);
      days.policies.push_back(of_other.run.policy);
      files.push_back(of_other.config_file);
    }
    if (log.begin_progress()) patience.set_tick([this] { log.draw_progress(); });
    const sync::ReplayReport report = sync::replay(days, environment, log, patience);
    patience.set_tick({});
    log.end_progress();
    return show_replay(report, files, output);
  }

  [[nodiscard]] std::string members() const {
    using tables::Need;
    const Policy& policy = settings.run.policy;
    std::vector<Need> needs{Need::read_entries};
    needs.push_back(options.as_of ? Need::read_own_tables : Need::read_market);
    if (!options.as_of && policy.price_days()) needs.push_back(Need::price_market);
    tables::Database database = open(needs);
    try {
      return show_members(
          sync::members(database, environment, policy, *options.universe, options.as_of), output);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::failed && tables::has(database, Need::read_own_tables)) {
        require_known("universe", *options.universe, known_universes(database));
      }
      throw;
    }
  }

  [[nodiscard]] std::string events() const {
    tables::Database database = open({tables::Need::read_own_tables});
    return show_events(tables::read_events(database, options.after, options.most_events), output);
  }

  [[nodiscard]] std::string universes() const {
    tables::Database database = open({tables::Need::list_entries});
    std::vector<tables::EntrySummary> entries = tables::list_entries(database);
    const Universes universes = settings.run.policy.universes();
    // A family's universes are those of its type that have no place of their own.
    const auto place = [&universes](const tables::EntrySummary& entry) {
      const auto own = std::ranges::find_if(
          universes, [&](const auto& each) { return each->name == entry.universe; });
      if (own != universes.end()) return own;
      return std::ranges::find_if(universes, [&](const auto& each) {
        const std::size_t open = each->name.find('{');
        const std::string_view name = each->name;
        return !each->each.empty() && each->type == entry.type && entry.universe &&
               entry.universe->starts_with(name.substr(0, open)) &&
               entry.universe->ends_with(name.substr(name.rfind('}') + 1));
      });
    };
    std::ranges::stable_sort(entries, {}, place);
    return show_universes(entries, output);
  }

  int check() {
    const auto findings = sync::check(environment, settings.run, patience);
    const int ended = caught_signal() == 0 ? status_done : status_signal + caught_signal();
    int status = ended;
    for (const int each : {ended, int{status_usage}, int{status_config}, int{status_unavailable},
                           int{status_failed}, int{status_undelivered}}) {
      const auto deciding = std::ranges::find_if(findings, [each](const sync::Finding& finding) {
        return finding.kind && status_of(*finding.kind, caught_signal()) == each;
      });
      if (deciding == findings.end()) continue;
      if (ended == status_done) status = each;
      log.error(deciding->words());
      break;
    }
    if (!output.json() && is_silent(status)) return status;
    return finish(show_findings(findings, status, output), Tells::what_is, status);
  }

  int deliver() {
    using tables::Need;
    tables::Database database =
        open({Need::writable_server, Need::read_own_tables, Need::own_tables});
    const std::string name = "tickstock-cache deliver";
    const std::chrono::milliseconds time = environment.redis.publish_timeout;
    events::Publisher publisher(environment.redis, environment.stream);
    if (options.renumber && publisher.stream() == nullptr) {
      throw Error(ErrorKind::usage, "--renumber requires a stream",
                  {.object = "--renumber",
                   .hint = "Name its key in [events] stream of the configuration file."});
    }
    if (options.discard) sync::discard_event(database, name, *options.discard, patience.step(time));
    std::optional<std::uint64_t> renumbered;
    if (options.renumber) {
      renumbered = sync::renumber(database, name, publisher, patience.step(time));
    }
    const io::Deadline deadline = patience.step(time);
    const sync::OldEvents old =
        sync::give_up_old_events(database, name, environment.retention.outbox_max_age, deadline);
    // Without a connection, or time, nothing can be delivered.
    const bool can_go_on = database.connection.usable() && !patience.ran_out();
    if (old.failure && !can_go_on) throw Error(*old.failure);
    const std::uint64_t given_up = old.given_up + (options.discard ? 1 : 0);
    if (!old.warning.empty()) log.warning(old.warning);
    const sync::Delivery delivery =
        sync::deliver(database, name, publisher, deadline, std::nullopt);
    if (!publisher.warning().empty()) log.warning(publisher.warning());
    int status = status_done;
    if (delivery.failure) {
      log.error(fmt::format("{} still pending: {}",
                            delivery.pending ? counted(*delivery.pending, "event is", "events are")
                                             : "it is not known how many events are",
                            delivery.failure->what()));
      status = status_of(delivery.failure->kind(), caught_signal());
    }
    if (delivery.pending) record_pending(output.metrics_file, log, *delivery.pending);
    if (is_silent(status)) return status;
    return finish(
        fmt::format("{}{}{} published, {} pending\n",
                    renumbered ? counted(*renumbered, "event", "events") + " renumbered, " : "",
                    given_up > 0 ? counted(given_up, "event", "events") + " dropped, " : "",
                    counted(delivery.sent, "event", "events"),
                    delivery.pending ? std::to_string(*delivery.pending) : "unknown"),
        Tells::what_was_done, status);
  }
};

}  // namespace

int run_command(const Options& options, const Settings& settings, Log& log,
                const io::Interrupt& interrupt) {
  const bool is_run = options.is_run();
  if (is_run) log.set_run_id(settings.run.run_id);
  // A run's wait for the end of the day does not count towards the time limit of the command.
  const std::chrono::milliseconds wait = is_run ? settings.run.eod.wait : std::chrono::seconds(0);
  io::Patience patience(interrupt, io::Deadline::after(settings.environment.timeout + wait));
  return Run{options, settings, log, patience}.command();
}

}  // namespace tickstock::cli
