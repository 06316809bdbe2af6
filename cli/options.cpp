#include "options.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <string_view>

#include "domain/error.hpp"
#include "tables/grants.hpp"
#include "version.hpp"

namespace tickstock::cli {

namespace {

constexpr std::int64_t largest_page = 1'000'000;
constexpr std::int64_t longest_past = 36'500;

std::string version_text() {
  return std::string("tickstock-cache ") + version + " (libpq " +
         std::to_string(PQlibVersion() / 10000) + "." + std::to_string(PQlibVersion() % 10000) +
         ")";
}

/// Refuses what looks like the next option, which CLI11 would swallow as a value.
std::string no_option(const std::string& value) {
  return value.starts_with('-') ? "needs a value" : "";
}

std::string non_empty(const std::string& value) { return value.empty() ? "needs a value" : ""; }

std::string check_day(const std::string& value) {
  return parse_day(value) ? "" : "must be a day of the calendar, written YYYY-MM-DD";
}

std::string check_digest(const std::string& value) {
  const bool digits =
      value.size() == 64 && value.find_first_not_of("0123456789abcdef") == std::string::npos;
  return digits ? "" : "must be the 64 hexadecimal digits that a dry run prints";
}

/// No character that the command line of Redis could take for more, and not everybody's user.
std::string check_redis_user(const std::string& value) {
  if (value == "default") return "must not be default, the user of everybody who does not log in";
  return check_word(value);
}

std::string check_uuid(const std::string& value) {
  constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  const bool fits =
      std::equal(value.begin(), value.end(), form.begin(), form.end(), [](char each, char wanted) {
        return wanted == '-' ? each == '-' : std::isxdigit(static_cast<unsigned char>(each)) != 0;
      });
  return fits ? "" : "must be the id of an event, a UUID";
}

using Check = std::function<std::string(const std::string&)>;

Check within(std::int64_t lowest, std::int64_t highest) {
  return [lowest, highest](const std::string& value) {
    const auto number = parse_whole(value);
    const bool fits = number && *number >= lowest && *number <= highest;
    return fits ? "" : fmt::format("must be a whole number from {} to {}", lowest, highest);
  };
}

/// Builds the command line out of small blocks, each as the man page lists it.
class CommandLine {
 public:
  /// \param words those of a command line; a command that is not among them gets no options, which
  /// would take a millisecond to make. Without a list all commands get theirs.
  explicit CommandLine(std::optional<std::vector<std::string_view>> words)
      : words_(std::move(words)) {
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(36);
    everywhere(app_);
    task("sync", "Bring all universes in line: the three tasks", Mode::full);
    task("market-cap", "Only the categories by market cap and the top lists", Mode::market_cap);
    task("ipo", "Only the recent listings", Mode::ipos);
    task("delisted", "Only take delisted symbols out", Mode::delisted);
    task("dry-run", "Show what sync would change", Mode::full, true);
    command("init", "Create the program's own tables, and cache_entries where it is missing",
            Command::init, &CommandLine::init);
    command("status", "Show the record of a run", Command::status, &CommandLine::status);
    command("history", "List the last runs, or the changes of a universe or a symbol",
            Command::history, &CommandLine::history);
    command("universes", "List the entries with type, count and last change", Command::universes,
            &CommandLine::looking);
    command("check", "Look at everything that a run needs; write nothing", Command::check,
            &CommandLine::looking);
    command("deliver", "Publish the events that are still pending", Command::deliver,
            &CommandLine::deliver);
    command("config", "Show the settings that hold, and where each comes from", Command::config,
            &CommandLine::config);
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
    const Options& given = options_;
    exclude("-v", verbose_, "-q", quiet_);
    exclude("--database-url", given.gives(cli::setting("database.url")), "--database-url-file",
            given.database_url_file.has_value());
    exclude("--redis-url", given.gives(cli::setting("redis.url")), "--redis-url-file",
            given.redis_url_file.has_value());
    exclude("--print-sql", given.print_sql, "--print-grants", given.print_grants.has_value());
    for (const auto& [name, is_given] :
         {std::pair("--print-sql", given.print_sql),
          std::pair("--print-grants", given.print_grants.has_value())}) {
      exclude(name, is_given, "--print-redis-acl", given.print_redis_acl.has_value());
    }
    return options_;
  }

  [[nodiscard]] const CLI::App& app() const { return app_; }

  [[nodiscard]] std::vector<std::string> commands() const {
    std::vector<std::string> names;
    for (const CLI::App* each : app_.get_subcommands({})) names.push_back(each->get_name());
    return names;
  }

 private:
  static void exclude(const char* one, bool is_given, const char* other, bool other_is_given) {
    if (!is_given || !other_is_given) return;
    throw Error(
        ErrorKind::usage,
        fmt::format("{} and {} exclude each other; see 'tickstock-cache --help'", one, other));
  }

  static std::string meant(const std::string& word, const std::vector<std::string>& known) {
    const auto guess = nearest(word, known);
    return guess ? "; did you mean " + *guess + "?" : "";
  }

  static std::vector<std::string> options_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* each : app.get_options()) {
      for (const std::string& name : each->get_lnames()) names.push_back("--" + name);
    }
    return names;
  }

  /// What was wrong, without repeating a value: it could be a secret in the wrong place.
  [[nodiscard]] std::string message_of(const CLI::ParseError& error) const {
    const auto chosen = app_.get_subcommands();
    const std::string help = "; see 'tickstock-cache " +
                             (chosen.empty() ? std::string() : chosen.front()->get_name() + " ") +
                             "--help'";
    const std::vector<std::string> extras = app_.remaining(true);
    const bool misses_command =
        error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
    if (misses_command && extras.empty()) return "a command is needed" + help;
    if (misses_command || error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
      const std::string first = extras.front().substr(0, extras.front().find('='));
      if (first.starts_with('-')) {
        const std::vector<std::string> known = options_of(chosen.empty() ? app_ : *chosen.front());
        const bool is_misplaced = std::find(known.begin(), known.end(), first) != known.end();
        if (is_misplaced) return first + " stands behind the command" + help;
        return "unknown option " + first + meant(first, known) + help;
      }
      if (!chosen.empty()) return "an argument too many" + help;
      return "there is no such command" + meant(first, commands()) + help;
    }
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text + help;
  }

  /// An option with a value, at most once.
  static void option(CLI::App& app, const std::string& name, const std::string& type,
                     const std::string& description, const Check& check,
                     const std::function<void(const std::string&)>& take) {
    CLI::Option* added =
        app.add_option_function<std::string>(name, [name, check, take](const std::string& value) {
          for (const Check& each : {Check(no_option), Check(non_empty), check}) {
            const std::string problem = each ? each(value) : "";
            if (!problem.empty()) throw CLI::ValidationError(name + " " + problem);
          }
          take(value);
        });
    added->description(description)->type_name(type);
  }

  static void text(CLI::App& app, const std::string& name, const std::string& type,
                   const std::string& description, std::optional<std::string>& target,
                   const Check& check = {}) {
    option(app, name, type, description, check,
           [&target](const std::string& value) { target = value; });
  }

  static void flag(CLI::App& app, const std::string& name, const std::string& description,
                   bool& target) {
    app.add_flag(name, target)->description(description);
  }

  /// The flag of a setting.
  void setting(CLI::App& app, std::string_view name) {
    const Setting& setting = cli::setting(name);
    const auto take = [this, &setting](Value value) {
      options_.given.push_back({&setting, std::move(value), {Origin::Kind::flag, setting.flag}});
    };
    if (setting.accepts.called.empty()) {
      app.add_flag_callback(setting.flag, [take, &setting] { take(setting.switches_on()); })
          ->description(setting.help());
      return;
    }
    const Check check = [&setting](const std::string& text) {
      const auto value = parse_value(setting, text);
      std::string problem = problem_of(setting, value.value_or(Value()));
      if (!problem.empty() || !setting.is_address() || !setting.has_password(text)) return problem;
      return "holds a password, which everyone on this machine can read; put it into " +
             setting.variable() + " or " + setting.flag + "-file";
    };
    option(app, setting.flag, setting.accepts.called, setting.help(), check,
           [take, &setting](const std::string& text) { take(*parse_value(setting, text)); });
  }

  void level(CLI::App& app, const std::string& name, const std::string& word,
             const std::string& description, bool& given) {
    app.add_flag_callback(
           name,
           [this, word, &given] {
             given = true;
             const Setting& setting = cli::setting("log.level");
             options_.given.push_back({&setting, word, {Origin::Kind::flag, "--" + word}});
           })
        ->description(description);
  }

  void everywhere(CLI::App& app) {
    app.set_version_flag("--version", version_text(), "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    setting(app, "log.format");
    setting(app, "output.color");
    setting(app, "output.progress");
    level(app, "-v,--verbose", "verbose", "Log more", verbose_);
    level(app, "-q,--quiet", "quiet", "Print nothing when the run succeeds; log errors only",
          quiet_);
  }

  void connecting(CLI::App& app) {
    setting(app, "database.url");
    text(app, "--database-url-file", "FILE", "File of mode 0600 that holds it",
         options_.database_url_file);
    setting(app, "redis.url");
    text(app, "--redis-url-file", "FILE", "File of mode 0600 that holds it",
         options_.redis_url_file);
    text(app, "--config", "FILE", "Configuration in TOML (TICKSTOCK_CACHE_CONFIG)",
         options_.config_file);
    setting(app, "run.timezone");
    setting(app, "run.timeout");
  }

  void task_settings(CLI::App& app) {
    for (const char* each :
         {"run.triggered_by", "run.lock_wait", "market_cap.from", "eod.wait", "eod.timeout",
          "events.max_universe_events", "events.enabled", "run.detailed_exitcode", "output.full",
          "output.format", "metrics.file"}) {
      setting(app, each);
    }
  }

  void command(const std::string& name, const std::string& description, Command command,
               void (CommandLine::*add_options)(CLI::App&), Mode mode = Mode::full,
               bool dry_run = false) {
    CLI::App& app = *app_.add_subcommand(name, description);
    app.final_callback([this, command, mode, dry_run] {
      options_.command = command;
      options_.mode = mode;
      options_.dry_run = options_.dry_run || dry_run;
    });
    if (!is_named(name)) return;
    (this->*add_options)(app);
    connecting(app);
    everywhere(app);
  }

  void task(const std::string& name, const std::string& description, Mode mode,
            bool dry_run = false) {
    command(name, description, Command::task, &CommandLine::run, mode, dry_run);
  }

  void run(CLI::App& app) {
    flag(app, "--dry-run", "Show what would change, and change nothing", options_.dry_run);
    option(app, "--as-of", "DAY", "Day to compute for, YYYY-MM-DD (today)", check_day,
           [this](const std::string& value) { options_.as_of = parse_day(value); });
    text(app, "--run-id", "ID", "Name of the run, used once (manual-cache-sync-XXXXXXXX)",
         options_.run_id, check_word);
    text(app, "--approve-plan", "DIGEST",
         "Run only if the plan has this digest, and then in spite of the guards",
         options_.approve_plan, check_digest);
    task_settings(app);
  }

  void init(CLI::App& app) {
    flag(app, "--print-sql", "Print the SQL instead of running it", options_.print_sql);
    text(app, "--print-grants", "ROLE", "Print the SQL that grants a role what the job needs",
         options_.print_grants, tables::role_problem);
    text(app, "--print-redis-acl", "USER", "Print the command that makes a user of Redis for it",
         options_.print_redis_acl, check_redis_user);
  }

  /// What `universes` and `check` have.
  void looking(CLI::App& app) { setting(app, "output.format"); }

  void status(CLI::App& app) {
    text(app, "RUN_ID", "", "The run; the last one where not given", options_.run_id, check_word);
    looking(app);
  }

  void history(CLI::App& app) {
    text(app, "--universe", "NAME", "List the changes of this universe", options_.universe);
    text(app, "--symbol", "SYMBOL", "List the changes in which this symbol came, went or moved",
         options_.symbol);
    option(app, "--days", "N", "Only what the last N days of 24 hours brought",
           within(1, longest_past),
           [this](const std::string& value) { options_.days = parse_whole(value); });
    option(app, "--limit", "N", "How many to list (20)", within(1, largest_page),
           [this](const std::string& value) { options_.limit = *parse_whole(value); });
    option(app, "--offset", "N", "How many to leave out first (0)", within(0, largest_page),
           [this](const std::string& value) { options_.offset = *parse_whole(value); });
    looking(app);
  }

  void deliver(CLI::App& app) {
    text(app, "--discard", "EVENT_ID", "Give this pending event up first, unpublished",
         options_.discard, check_uuid);
  }

  void config(CLI::App& app) {
    flag(app, "--example", "Print a configuration file with all settings and their defaults",
         options_.example);
    task_settings(app);
  }

  [[nodiscard]] bool is_named(const std::string& command) const {
    return !words_ || std::count(words_->begin(), words_->end(), command) > 0;
  }

  std::optional<std::vector<std::string_view>> words_;
  Options options_;
  bool verbose_ = false;
  bool quiet_ = false;
  CLI::App app_{"Keeps TickStock's universes of stock symbols in line with the symbols table",
                "tickstock-cache"};
};

}  // namespace

std::variant<Options, Answer> parse_command_line(int argc, const char* const* argv) {
  return CommandLine(std::vector<std::string_view>(argv, argv + argc)).parse(argc, argv);
}

Options salvage_command_line(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const auto given = [&words](const std::string& flag) {
    return std::find_if(words.begin(), words.end(), [&flag](const std::string& word) {
      return word == flag || word.starts_with(flag + "=");
    });
  };
  const auto value_of = [&](const std::string& flag) -> std::optional<std::string> {
    const auto word = given(flag);
    if (word == words.end()) return std::nullopt;
    if (*word != flag) return word->substr(flag.size() + 1);
    return word + 1 != words.end() ? std::optional(*(word + 1)) : std::nullopt;
  };
  Options options;
  const std::vector<std::string> commands = CommandLine(std::vector<std::string_view>()).commands();
  const auto command =
      std::find_first_of(words.begin(), words.end(), commands.begin(), commands.end());
  const bool is_sync =
      command != words.end() && *command == "sync" && given("--dry-run") == words.end();
  options.command = is_sync ? Command::task : Command::config;
  options.config_file = value_of("--config");
  options.redis_url_file = value_of("--redis-url-file");
  if (const auto id = value_of("--run-id"); id && is_word(*id)) options.run_id = id;
  for (const char* name : {"output.format", "log.format", "redis.url"}) {
    const Setting& setting = cli::setting(name);
    const auto text = value_of(setting.flag);
    if (!text || !problem_of(setting, *text).empty()) continue;
    options.given.push_back({&setting, *text, {Origin::Kind::flag, setting.flag}});
  }
  const Setting& events = cli::setting("events.enabled");
  if (given(events.flag) != words.end()) {
    options.given.push_back({&events, false, {Origin::Kind::flag, events.flag}});
  }
  return options;
}

void look_at_command_line(const std::function<void(const CLI::App&)>& look) {
  const CommandLine whole(std::nullopt);
  look(whole.app());
}

}  // namespace tickstock::cli
