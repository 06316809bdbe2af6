#include "options.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <CLI/CLI.hpp>
#include <regex>

#include "domain/error.hpp"
#include "tables/grants.hpp"

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

/// Returns what is wrong with a text, or nothing.
using Check = std::function<std::string(const std::string&)>;

Check matching(const char* pattern, const char* problem) {
  return [pattern, problem](const std::string& value) {
    return std::regex_match(value, std::regex(pattern)) ? "" : problem;
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
    everywhere();
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
    const bool prints_sql = options_.print_sql;
    const bool prints_grants = options_.print_grants.has_value();
    const bool prints_acl = options_.print_redis_acl.has_value();
    exclude("-v", verbose_, "-q", quiet_);
    exclude("--database-url", options_.gives(cli::setting("database.url")), "--database-url-file",
            options_.database_url_file.has_value());
    exclude("--redis-url", options_.gives(cli::setting("redis.url")), "--redis-url-file",
            options_.redis_url_file.has_value());
    exclude("--print-sql", prints_sql, "--print-grants", prints_grants);
    exclude("--print-sql", prints_sql, "--print-redis-acl", prints_acl);
    exclude("--print-grants", prints_grants, "--print-redis-acl", prints_acl);
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
      const bool is_option = first.starts_with('-');
      if (!is_option && !chosen.empty()) return "an argument too many" + help;
      const std::vector<std::string> known =
          is_option ? options_of(chosen.empty() ? app_ : *chosen.front()) : commands();
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

  /// An option with a value, at most once, which is refused where it looks like the next option:
  /// CLI11 would swallow that. \param take what is wrong with the value, where it can't be taken
  void option(const std::string& name, const std::string& type, const std::string& description,
              const Check& take) {
    const auto take_or_refuse = [name, take](const std::string& value) {
      const bool is_value = !value.empty() && !value.starts_with('-');
      const std::string problem = is_value ? take(value) : "needs a value";
      if (!problem.empty()) throw CLI::ValidationError(name + " " + problem);
    };
    app_now_->add_option_function<std::string>(name, take_or_refuse)
        ->description(description)
        ->type_name(type);
  }

  void text(const char* name, const char* type, const char* description,
            std::optional<std::string>& target, const Check& check = {}) {
    option(name, type, description, [&target, check](const std::string& value) {
      target = value;
      return check ? check(value) : "";
    });
  }

  template <typename Target>
  void number(const char* name, const char* description, std::int64_t lowest, std::int64_t highest,
              Target& target) {
    option(name, "N", description, [&target, lowest, highest](const std::string& value) {
      const auto number = parse_whole(value);
      const bool fits = number && *number >= lowest && *number <= highest;
      if (fits) target = *number;
      return fits ? "" : fmt::format("must be a whole number from {} to {}", lowest, highest);
    });
  }

  void flag(const char* name, const char* description, bool& target) {
    app_now_->add_flag(name, target)->description(description);
  }

  void give(const Setting& setting, Value value, const std::string& flag) {
    options_.given.push_back({&setting, std::move(value), {Origin::Kind::flag, flag}});
  }

  /// The flag of a setting.
  void setting(std::string_view name) {
    const Setting& setting = cli::setting(name);
    if (setting.accepts.called.empty()) {
      const auto take = [this, &setting] { give(setting, setting.switches_on(), setting.flag); };
      app_now_->add_flag_callback(setting.flag, take)->description(setting.help());
      return;
    }
    const Check take = [this, &setting](const std::string& text) -> std::string {
      const Value value = parse_value(setting, text).value_or(Value());
      if (std::string problem = problem_of(setting, value); !problem.empty()) return problem;
      if (setting.is_address() && setting.has_password(text)) {
        return "holds a password, which everyone on this machine can read; put it into " +
               setting.variable() + " or " + setting.flag + "-file";
      }
      give(setting, value, setting.flag);
      return "";
    };
    option(setting.flag, setting.accepts.called, setting.help(), take);
  }

  void level(const char* name, const char* word, const char* description, bool& given) {
    const auto take = [this, word, &given] {
      given = true;
      give(cli::setting("log.level"), std::string(word), std::string("--") + word);
    };
    app_now_->add_flag_callback(name, take)->description(description);
  }

  void everywhere() {
    app_now_->set_version_flag("--version", version_text(), "Print the version");
    app_now_->set_help_flag("-h,--help", "Print this help");
    setting("log.format");
    setting("output.color");
    setting("output.progress");
    level("-v,--verbose", "verbose", "Log more", verbose_);
    level("-q,--quiet", "quiet", "Print nothing when the run succeeds; log errors only", quiet_);
  }

  void connecting() {
    setting("database.url");
    text("--database-url-file", "FILE", "File of mode 0600 that holds it",
         options_.database_url_file);
    setting("redis.url");
    text("--redis-url-file", "FILE", "File of mode 0600 that holds it", options_.redis_url_file);
    text("--config", "FILE", "Configuration in TOML (TICKSTOCK_CACHE_CONFIG)",
         options_.config_file);
    setting("run.timezone");
    setting("run.timeout");
  }

  void task_settings() {
    for (const char* each :
         {"run.triggered_by", "run.lock_wait", "market_cap.from", "eod.wait", "eod.timeout",
          "events.max_universe_events", "events.enabled", "run.detailed_exitcode", "output.full",
          "output.format", "metrics.file"}) {
      setting(each);
    }
  }

  void command(const char* name, const char* description, Command command,
               void (CommandLine::*add_options)(), Mode mode = Mode::full, bool dry_run = false) {
    app_now_ = app_.add_subcommand(name, description);
    app_now_->final_callback([this, command, mode, dry_run] {
      options_.command = command;
      options_.mode = mode;
      options_.dry_run = options_.dry_run || dry_run;
    });
    if (!is_named(name)) return;
    (this->*add_options)();
    connecting();
    everywhere();
  }

  void task(const char* name, const char* description, Mode mode, bool dry_run = false) {
    command(name, description, Command::task, &CommandLine::run, mode, dry_run);
  }

  void run() {
    flag("--dry-run", "Show what would change, and change nothing", options_.dry_run);
    option("--as-of", "DAY", "Day to compute for, YYYY-MM-DD (today)",
           [this](const std::string& value) {
             options_.as_of = parse_day(value);
             return options_.as_of ? "" : "must be a day of the calendar, written YYYY-MM-DD";
           });
    text("--run-id", "ID", "Name of the run, used once (manual-cache-sync-XXXXXXXX)",
         options_.run_id, check_word);
    text("--approve-plan", "DIGEST",
         "Run only if the plan has this digest, and then in spite of the guards",
         options_.approve_plan,
         matching("[0-9a-f]{64}", "must be the 64 hexadecimal digits that a dry run prints"));
    task_settings();
  }

  void init() {
    flag("--print-sql", "Print the SQL instead of running it", options_.print_sql);
    text("--print-grants", "ROLE", "Print the SQL that grants a role what the job needs",
         options_.print_grants, tables::role_problem);
    text("--print-redis-acl", "USER", "Print the command that makes a user of Redis for it",
         options_.print_redis_acl, check_redis_user);
  }

  /// What `universes` and `check` have.
  void looking() { setting("output.format"); }

  void status() {
    text("RUN_ID", "", "The run; the last one where not given", options_.run_id, check_word);
    looking();
  }

  void history() {
    text("--universe", "NAME", "List the changes of this universe", options_.universe);
    text("--symbol", "SYMBOL", "List the changes in which this symbol came, went or moved",
         options_.symbol);
    number("--days", "Only what the last N days of 24 hours brought", 1, longest_past,
           options_.days);
    number("--limit", "How many to list (20)", 1, largest_page, options_.limit);
    number("--offset", "How many to leave out first (0)", 0, largest_page, options_.offset);
    looking();
  }

  void deliver() {
    text("--discard", "EVENT_ID", "Give this pending event up first, unpublished", options_.discard,
         matching("[[:xdigit:]]{8}(-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}",
                  "must be the id of an event, a UUID"));
  }

  void config() {
    flag("--example", "Print a configuration file with all settings and their defaults",
         options_.example);
    task_settings();
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
  CLI::App* app_now_ = &app_;  ///< whose options are being added
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
  const auto value_of = [&given](const std::string& flag) -> std::optional<std::string> {
    const auto found = given.find(flag);
    if (found == given.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
  const std::vector<std::string> commands = CommandLine(std::vector<std::string_view>()).commands();
  const auto command =
      std::find_first_of(words.begin(), words.end(), commands.begin(), commands.end());
  Options options;
  const bool is_sync = command != words.end() && *command == "sync" && !given.contains("--dry-run");
  options.command = is_sync ? Command::task : Command::config;
  options.config_file = value_of("--config");
  options.redis_url_file = value_of("--redis-url-file");
  if (const auto id = value_of("--run-id"); id && check_word(*id).empty()) options.run_id = id;
  const auto give = [&options](const Setting& setting, const Value& value) {
    if (!problem_of(setting, value).empty()) return;
    options.given.push_back({&setting, value, {Origin::Kind::flag, setting.flag}});
  };
  for (const char* name : {"output.format", "log.format", "redis.url"}) {
    if (const auto text = value_of(setting(name).flag)) give(setting(name), *text);
  }
  if (given.contains("--no-events")) give(setting("events.enabled"), false);
  return options;
}

void look_at_command_line(const std::function<void(const CLI::App&)>& look) {
  const CommandLine whole(std::nullopt);
  look(whole.app());
}

}  // namespace tickstock::cli
