#include "options.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <CLI/CLI.hpp>
#include <array>
#include <limits>
#include <regex>
#include <set>

#include "domain/error.hpp"
#include "tables/schema.hpp"

namespace tickstock::cli {

namespace {

constexpr std::int64_t largest_page = 1'000'000;
constexpr std::int64_t longest_past = 36'500;

std::string version_text() {
  return fmt::format("tickstock-cache {} (libpq {}.{})", version, PQlibVersion() / 10000,
                     PQlibVersion() % 10000);
}

/// No character that the command line of Redis could take for more, and not everybody's user.
std::string check_redis_user(const std::string& value) {
  if (value == "default") return "must not be default, the user of everybody who does not log in";
  return check_word(value);
}

std::string check_day(const std::string& value) {
  return parse_day(value) ? "" : "must be a day of the calendar, written YYYY-MM-DD";
}

/// A text that this pattern matches as a whole.
Accepts like(const char* pattern, const char* problem, const std::string& called) {
  const auto check = [=](const std::string& value) {
    return std::regex_match(value, std::regex(pattern)) ? "" : problem;
  };
  return text(check, called);
}

/// The options that are no settings, with the fields of `options`.
std::vector<Setting> own_options(Options& options, bool& verbose, bool& quiet) {
  const auto own = [](const char* flag, const Field& field, const char* meaning,
                      const Accepts& accepts = {}) {
    return Setting{"", field, flag, meaning, accepts};
  };
  const Accepts file = text(nullptr, "FILE");
  return {
      own("-v,--verbose", &verbose, "Log more"),
      own("-q,--quiet", &quiet, "Print nothing when the run succeeds; log errors only"),
      own("--database-url-file", &options.database_url_file, "File of mode 0600 that holds it",
          file),
      own("--redis-url-file", &options.redis_url_file, "File of mode 0600 that holds it", file),
      own("--config", &options.config_file, "Configuration in TOML (TICKSTOCK_CACHE_CONFIG)", file),
      own("--dry-run", &options.dry_run, "Show what would change, and change nothing"),
      own("--as-of", &options.as_of, "Day to compute for, YYYY-MM-DD (today)",
          text(check_day, "DAY")),
      own("--run-id", &options.run_id, "Name of the run, used once (manual-cache-sync-XXXXXXXX)",
          text(check_word, "ID")),
      own("--approve-plan", &options.approve_plan,
          "Run only if the plan has this digest, and then in spite of the guards",
          like("[0-9a-f]{64}", "must be the 64 hexadecimal digits that a dry run prints",
               "DIGEST")),
      own("--summary", &options.summary, "A line for each universe, without names"),
      own("--format/run", &options.listing, "Format of the result; markdown of a dry run (text)",
          one_of({"text", "json", "markdown"})),
      own("--print-sql", &options.print_sql, "Print the SQL instead of running it"),
      own("--print-grants", &options.print_grants,
          "Print the SQL that grants a role what the job needs",
          text(tables::role_problem, "ROLE")),
      own("--print-redis-acl", &options.print_redis_acl,
          "Print the command that makes a user of Redis for it", text(check_redis_user, "USER")),
      own("RUN_ID", &options.run_id, "The run; the last one where not given", text(check_word)),
      own("RUN_ID/undo", &options.undo, "The run, named by the beginning of its id",
          text(check_word)),
      own("SYMBOL", &options.symbol, "The symbol", text(nullptr)),
      own("UNIVERSE", &options.universe, "The universe", text(nullptr)),
      own("UNIVERSE/one", &options.universe, "The universe; all of them where not given",
          text(nullptr)),
      own("--as-of/past", &options.as_of, "Day in the past, YYYY-MM-DD, by the journal",
          text(check_day, "DAY")),
      own("--universe", &options.changes.universe, "List the changes of this universe",
          text(nullptr, "NAME")),
      own("--symbol", &options.changes.symbol,
          "List the changes in which this symbol came, went or moved", text(nullptr, "SYMBOL")),
      own("--of-run", &options.run_id,
          "List the changes of this run, named by the beginning of its id", text(check_word, "ID")),
      own("--days", &options.page.days, "Only what the last N days of 24 hours brought",
          within(1, longest_past)),
      own("--limit", &options.page.limit, "How many to list", within(1, largest_page)),
      own("--offset", &options.page.offset, "How many to leave out first", within(0, largest_page)),
      own("--discard", &options.discard, "Give this pending event up first, unpublished",
          like("[[:xdigit:]]{8}(-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}",
               "must be the id of an event, a UUID", "EVENT_ID")),
      own("--renumber", &options.renumber,
          "Give the pending events ids behind the stream's last first, after a restore"),
      own("--after", &options.after, "List the events after this id (0)",
          within(0, std::numeric_limits<std::int64_t>::max())),
      own("--limit/events", &options.most_events, "How many to list (1000)",
          within(1, largest_page)),
      own("--from", &options.from, "First day, YYYY-MM-DD", text(check_day, "DAY")),
      own("--to", &options.to, "Last day, YYYY-MM-DD", text(check_day, "DAY")),
      own("--against", &options.against, "Another configuration file, to compare with", file),
      own("--format/csv", &options.listing, "Format of the result (text)",
          one_of({"text", "json", "csv"})),
      own("--example", &options.example,
          "Print a configuration file with all settings and their defaults"),
  };
}

/// What the program itself and every command take, besides help and version.
constexpr const char* everywhere = "--log-format --color --progress -v,--verbose -q,--quiet";

/// What every command takes.
constexpr const char* connecting =
    "--database-url --database-url-file --redis-url --redis-url-file --config --timezone --timeout";

/// The settings of a run.
constexpr const char* run_settings =
    "--triggered-by --lock-wait --market-cap-from --wait-for-eod --eod-timeout "
    "--max-universe-events --no-events --detailed-exitcode --full --metrics-file";

constexpr const char* task = "--dry-run --as-of --run-id --approve-plan --summary --format/run";

/// Flags of which only one may be given.
constexpr std::array exclusive{"-v -q", "--database-url --database-url-file",
                               "--redis-url --redis-url-file", "--summary --full",
                               "--print-sql --print-grants --print-redis-acl"};

struct CommandRow {
  const char* name;
  const char* description;
  Command command;
  const char* flags;  ///< that it has for itself
  Mode mode = Mode::full;
  bool dry_run = false;
  const char* needed = "";  ///< the flags among them that must be given
  const char* remedy = "";  ///< what is said where one is not
};

constexpr std::array<CommandRow, 18> command_table{{
    {"sync", "Bring all universes in line: the three tasks", Command::task, task},
    {"market-cap", "Only the categories by market cap and the top lists", Command::task, task,
     Mode::market_cap},
    {"ipo", "Only the recent listings", Command::task, task, Mode::ipos},
    {"themes", "Only the universes that the configuration declares", Command::task, task,
     Mode::themes},
    {"delisted", "Only take delisted symbols out", Command::task, task, Mode::delisted},
    {"undo", "Put back what a run changed", Command::task,
     "RUN_ID/undo --dry-run --run-id --approve-plan --summary --format/run", Mode::undo, false,
     "RUN_ID/undo", "the id of a run; 'tickstock-cache history' lists them"},
    {"dry-run", "Show what sync would change", Command::task, task, Mode::full, true},
    {"init", "Create the program's own tables, and cache_entries where it is missing",
     Command::init, "--print-sql --print-grants --print-redis-acl"},
    {"status", "Show the record of a run", Command::status, "RUN_ID --format"},
    {"history", "List the last runs, or the changes of a universe or a symbol", Command::history,
     "--universe --symbol --of-run --days --limit --offset --format/csv"},
    {"explain", "Show why a symbol is in a universe, or not", Command::explain,
     "SYMBOL UNIVERSE/one --as-of/past --format", Mode::full, false, "SYMBOL",
     "a symbol; see 'tickstock-cache explain --help'"},
    {"universes", "List the entries with type, count and last change", Command::universes,
     "--format"},
    {"members", "List the members of a universe, today or on a day of the past", Command::members,
     "UNIVERSE --as-of/past --format/csv", Mode::full, false, "UNIVERSE",
     "the name of a universe; 'tickstock-cache universes' lists them"},
    {"check", "Look at everything that a run needs; write nothing", Command::check, "--format"},
    {"deliver", "Publish the events that are still pending", Command::deliver,
     "--discard --renumber"},
    {"events", "List the stored events after an id, oldest first", Command::events,
     "--after --limit/events --format"},
    {"replay", "Show how the universes would have changed over days of prices", Command::replay,
     "--from --to --against --format/csv", Mode::full, false, "--from --to",
     "--from and --to, the first and the last day; see 'tickstock-cache replay --help'"},
    {"config", "Show the settings that hold, and where each comes from", Command::config,
     "--example --format"},
}};

std::vector<std::string> names_of_commands() {
  std::vector<std::string> names;
  for (const CommandRow& row : command_table) names.emplace_back(row.name);
  return names;
}

/// Builds the command line out of these tables, as the man page lists them.
class CommandLine {
 public:
  /// \param words those of a command line; a command that is not among them gets no options, which
  /// would take a millisecond to make. Without a list all commands get theirs.
  explicit CommandLine(const std::optional<std::vector<std::string_view>>& words) {
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(36);
    add_everywhere(app_);
    for (const CommandRow& row : command_table) {
      CLI::App& app = *app_.add_subcommand(row.name, row.description);
      app.final_callback([this, &row] {
        options_.command = row.command;
        options_.mode = row.mode;
        options_.dry_run = options_.dry_run || row.dry_run;
      });
      if (words && std::count(words->begin(), words->end(), row.name) == 0) continue;
      add(app, row.flags);
      const bool runs = row.command == Command::task || row.command == Command::config;
      if (runs) add(app, run_settings);
      add(app, connecting);
      add_everywhere(app);
    }
  }

  std::variant<Options, Answer> parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      const auto chosen = app_.get_subcommands();
      return Answer{chosen.empty() ? app_.help() : chosen.front()->help("tickstock-cache")};
    } catch (const CLI::CallForVersion&) {
      return Answer{version_text() + "\n"};
    } catch (const CLI::ParseError& error) {
      throw Error(ErrorKind::usage, message_of(error));
    }
    for (const char* flags : exclusive) {
      std::vector<std::string> given = CLI::detail::split(flags, ' ');
      std::erase_if(given, [this](const std::string& flag) { return !flags_.contains(flag); });
      if (given.size() < 2) continue;
      throw Error(ErrorKind::usage,
                  fmt::format("{} and {} exclude each other; see 'tickstock-cache --help'",
                              given[0], given[1]));
    }
    require_needed();
    if (options_.from && *options_.from > *options_.to) {
      throw Error(ErrorKind::usage, "--from lies after --to; exchange the days");
    }
    const bool is_common = options_.listing == "text" || options_.listing == "json";
    if (is_common) {
      give(setting("output.format"), options_.listing, "--format");
    } else if (flags_.contains("--format/run") && !options_.dry_run) {
      throw Error(ErrorKind::usage,
                  "--format markdown is of a dry run; add --dry-run, or use text or json");
    }
    if (verbose_) give(setting("log.level"), "verbose", "--verbose");
    if (quiet_) give(setting("log.level"), "quiet", "--quiet");
    return options_;
  }

  [[nodiscard]] std::string table() const {
    std::string table = rows_of(app_, "");
    for (const CLI::App* command : app_.get_subcommands({})) {
      const std::string name = command->get_name();
      table += fmt::format("{};;;{}\n", name, command->get_description()) + rows_of(*command, name);
    }
    return table;
  }

 private:
  static std::string rows_of(const CLI::App& app, const std::string& command) {
    std::string rows;
    for (const CLI::Option* option : app.get_options({})) {
      // With commas between them; what is given without an option has the name of its value.
      const std::string names = option->get_name(true, true);
      rows += fmt::format("{};{};{};{}\n", command, CLI::detail::find_and_replace(names, ",", " "),
                          option->get_expected_max() > 0 ? option->get_type_name() : "",
                          option->get_description());
    }
    return rows;
  }

  /// What was wrong, without repeating a value: it could be a secret in the wrong place.
  [[nodiscard]] std::string message_of(const CLI::ParseError& error) const {
    const auto chosen = app_.get_subcommands();
    const CLI::App& app = chosen.empty() ? app_ : *chosen.front();
    const std::string help =
        fmt::format("; see 'tickstock-cache {}--help'", chosen.empty() ? "" : app.get_name() + " ");
    const std::vector<std::string> extras = app_.remaining(true);
    const bool misses_command =
        error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
    if (misses_command && extras.empty()) return "a command is needed" + help;
    if (misses_command || error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
      const std::string first = extras.front().substr(0, extras.front().find('='));
      const bool is_option = first.starts_with('-');
      if (!is_option && !chosen.empty()) return "an argument too many" + help;
      std::vector<std::string> known;
      for (const CLI::Option* each : app.get_options()) {
        for (const std::string& name : each->get_lnames()) known.push_back("--" + name);
      }
      if (!is_option) known = names_of_commands();
      if (is_option && std::count(known.begin(), known.end(), first) > 0) {
        return first + " stands behind the command" + help;
      }
      const auto guess = nearest(first, known);
      return (is_option ? "unknown option " + first : "there is no such command") +
             (guess ? "; did you mean " + *guess + "?" : "") + help;
    }
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text + help;
  }

  /// \throws Error (usage) where the command lacks what it needs.
  void require_needed() const {
    const std::string name = app_.get_subcommands().front()->get_name();
    const auto row = std::find_if(command_table.begin(), command_table.end(),
                                  [&name](const CommandRow& each) { return each.name == name; });
    for (const std::string& flag : CLI::detail::split(row->needed, ' ')) {
      if (flag.empty() || flags_.contains(flag)) continue;
      throw Error(ErrorKind::usage, fmt::format("{} needs {}", name, row->remedy));
    }
  }

  void give(const Setting& setting, const Value& value, const std::string& flag) {
    options_.given.push_back({&setting, value, {Origin::Kind::flag, flag}});
  }

  void take(const Setting& option, const Value& value) {
    flags_.insert(option.flag.substr(0, option.flag.find(',')));
    if (option.name.empty()) {
      option.set(value);
    } else {
      give(option, value, option.flag);
    }
  }

  [[nodiscard]] const Setting& option_of(const std::string& flag) const {
    for (const std::vector<Setting>* table : {&own_, &setting_table()}) {
      for (const Setting& each : *table) {
        if (each.flag == flag) return each;
      }
    }
    throw std::out_of_range("there is no option " + flag);
  }

  /// Adds options, each to be given at most once; what follows a slash tells two of one flag apart.
  /// A value that looks like the next option is refused, which CLI11 would swallow.
  void add(CLI::App& app, const char* flags) {
    for (const std::string& flag : CLI::detail::split(flags, ' ')) {
      const Setting& option = option_of(flag);
      if (option.is_switch()) {
        app.add_flag_callback(option.flag, [&] { take(option, option.switches_on()); })
            ->description(option.help());
        continue;
      }
      const std::string name = option.flag.substr(0, option.flag.find('/'));
      const auto check_and_take = [this, &option, name](const std::string& text) {
        const Value value = parse_value(option, text).value_or(Value());
        const bool is_value = !text.empty() && !text.starts_with('-');
        std::string problem = is_value ? problem_of(option, value) : "needs a value";
        if (problem.empty() && option.is_address() && option.has_password(text)) {
          problem = "holds a password, which everyone on this machine can read; put it into " +
                    option.variable() + " or " + option.flag + "-file";
        }
        if (!problem.empty()) throw CLI::ValidationError(name + " " + problem);
        take(option, value);
      };
      app.add_option_function<std::string>(name, check_and_take)
          ->description(option.help())
          ->type_name(option.accepts.called);
    }
  }

  void add_everywhere(CLI::App& app) {
    app.set_version_flag("--version", version_text(), "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    add(app, everywhere);
  }

  Options options_;
  bool verbose_ = false;
  bool quiet_ = false;
  std::vector<Setting> own_ = own_options(options_, verbose_, quiet_);
  std::set<std::string> flags_;  ///< that were given
  CLI::App app_{"Keeps TickStock's universes of stock symbols in line with the symbols table",
                "tickstock-cache"};
};

}  // namespace

std::variant<Options, Answer> parse_command_line(int argc, const char* const* argv) {
  return CommandLine(std::vector<std::string_view>(argv, argv + argc)).parse(argc, argv);
}

Options salvage_command_line(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  // The first of each counts, with the value that follows it or would.
  std::map<std::string, std::string> given;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    const std::string next = i + 1 < words.size() ? words[i + 1] : "";
    given.try_emplace(words[i].substr(0, equals),
                      equals == std::string::npos ? next : words[i].substr(equals + 1));
  }
  const std::vector<std::string> commands = names_of_commands();
  const auto command =
      std::find_first_of(words.begin(), words.end(), commands.begin(), commands.end());
  Options options;
  const bool is_sync = command != words.end() && *command == "sync" && !given.contains("--dry-run");
  options.command = is_sync ? Command::task : Command::config;
  for (const char* name : {"output.format", "log.format", "redis.url", "events.enabled"}) {
    const Setting& asked = setting(name);
    if (!given.contains(asked.flag)) continue;
    const Value value = asked.is_switch() ? Value(asked.switches_on()) : Value(given[asked.flag]);
    if (!problem_of(asked, value).empty()) continue;
    options.given.push_back({&asked, value, {Origin::Kind::flag, asked.flag}});
  }
  if (!given["--config"].empty()) options.config_file = given["--config"];
  if (!given["--redis-url-file"].empty()) options.redis_url_file = given["--redis-url-file"];
  if (check_word(given["--run-id"]).empty()) options.run_id = given["--run-id"];
  return options;
}

std::string completion_table() { return CommandLine(std::nullopt).table(); }

}  // namespace tickstock::cli
