#include "options.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <CLI/CLI.hpp>
#include <regex>

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

std::string check_digest(const std::string& value) {
  static const std::regex digest("[0-9a-f]{64}");
  return std::regex_match(value, digest)
             ? ""
             : "must be the 64 hexadecimal digits that a dry run prints";
}

std::string check_uuid(const std::string& value) {
  static const std::regex uuid("[[:xdigit:]]{8}(-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}");
  return std::regex_match(value, uuid) ? "" : "must be the id of an event, a UUID";
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
    task("themes", "Only the universes that the configuration declares", Mode::themes);
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
    using Flags = std::pair<const char*, const char*>;
    for (const auto& [one, other] :
         {Flags("-v", "-q"), Flags("--database-url", "--database-url-file"),
          Flags("--redis-url", "--redis-url-file"), Flags("--print-sql", "--print-grants"),
          Flags("--print-sql", "--print-redis-acl"),
          Flags("--print-grants", "--print-redis-acl")}) {
      if (!is_given(one) || !is_given(other)) continue;
      throw Error(
          ErrorKind::usage,
          fmt::format("{} and {} exclude each other; see 'tickstock-cache --help'", one, other));
    }
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

  [[nodiscard]] std::vector<std::string> commands() const {
    std::vector<std::string> names;
    for (const CLI::App* each : app_.get_subcommands({})) names.push_back(each->get_name());
    return names;
  }

 private:
  /// Whether an option stands on the command line, before the command or behind it.
  [[nodiscard]] bool is_given(const char* flag) const {
    std::vector<const CLI::App*> apps{&app_};
    for (const CLI::App* chosen : app_.get_subcommands()) apps.push_back(chosen);
    return std::any_of(apps.begin(), apps.end(), [flag](const CLI::App* app) {
      const CLI::Option* option = app->get_option_no_throw(flag);
      return option != nullptr && option->count() > 0;
    });
  }

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
      std::vector<std::string> known = commands();
      if (is_option) {
        known.clear();
        for (const CLI::Option* each : app.get_options()) {
          for (const std::string& name : each->get_lnames()) known.push_back("--" + name);
        }
        if (app.get_option_no_throw(first) != nullptr) {
          return first + " stands behind the command" + help;
        }
      }
      const auto guess = nearest(first, known);
      return (is_option ? "unknown option " + first : "there is no such command") +
             (guess ? "; did you mean " + *guess + "?" : "") + help;
    }
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text + help;
  }

  /// An option, at most once. A value that looks like the next option is refused, which CLI11 would
  /// swallow.
  template <typename Take>
  void add(const Setting& option, const Take& take) {
    if (option.is_switch()) {
      app_now_->add_flag_callback(option.flag, [&option, take] { take(option.switches_on()); })
          ->description(option.help());
      return;
    }
    const auto check_and_take = [&option, take](const std::string& text) {
      const Value value = parse_value(option, text).value_or(Value());
      const bool is_value = !text.empty() && !text.starts_with('-');
      std::string problem = is_value ? problem_of(option, value) : "needs a value";
      if (problem.empty() && option.is_address() && option.has_password(text)) {
        problem = "holds a password, which everyone on this machine can read; put it into " +
                  option.variable() + " or " + option.flag + "-file";
      }
      if (!problem.empty()) throw CLI::ValidationError(option.flag + " " + problem);
      take(value);
    };
    app_now_->add_option_function<std::string>(option.flag, check_and_take)
        ->description(option.help())
        ->type_name(option.accepts.called);
  }

  /// The flag of a setting.
  void setting(std::string_view name) {
    const Setting& setting = cli::setting(name);
    add(setting, [this, &setting](const Value& value) { give(setting, value, setting.flag); });
  }

  /// An option that is no setting.
  void own(const char* flag, Field field, const char* meaning, const Accepts& accepts = {}) {
    const Setting& option = own_.emplace_back(Setting{"", "", field, flag, meaning, accepts});
    add(option, [&option](const Value& value) { option.set(value); });
  }

  /// A flag that sets the level of the log to this word.
  void level(const char* flags, const std::string& word, const char* meaning) {
    const auto take = [this, word] { give(cli::setting("log.level"), word, "--" + word); };
    app_now_->add_flag_callback(flags, take)->description(meaning);
  }

  void give(const Setting& setting, const Value& value, const std::string& flag) {
    options_.given.push_back({&setting, value, {Origin::Kind::flag, flag}});
  }

  void everywhere() {
    app_now_->set_version_flag("--version", version_text(), "Print the version");
    app_now_->set_help_flag("-h,--help", "Print this help");
    setting("log.format");
    setting("output.color");
    setting("output.progress");
    level("-v,--verbose", "verbose", "Log more");
    level("-q,--quiet", "quiet", "Print nothing when the run succeeds; log errors only");
  }

  void connecting() {
    setting("database.url");
    const Accepts file = text(nullptr, "FILE");
    own("--database-url-file", &options_.database_url_file, "File of mode 0600 that holds it",
        file);
    setting("redis.url");
    own("--redis-url-file", &options_.redis_url_file, "File of mode 0600 that holds it", file);
    own("--config", &options_.config_file, "Configuration in TOML (TICKSTOCK_CACHE_CONFIG)", file);
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
    own("--dry-run", &options_.dry_run, "Show what would change, and change nothing");
    own("--as-of", &options_.as_of, "Day to compute for, YYYY-MM-DD (today)",
        text(check_day, "DAY"));
    own("--run-id", &options_.run_id, "Name of the run, used once (manual-cache-sync-XXXXXXXX)",
        text(check_word, "ID"));
    own("--approve-plan", &options_.approve_plan,
        "Run only if the plan has this digest, and then in spite of the guards",
        text(check_digest, "DIGEST"));
    task_settings();
  }

  void init() {
    own("--print-sql", &options_.print_sql, "Print the SQL instead of running it");
    own("--print-grants", &options_.print_grants,
        "Print the SQL that grants a role what the job needs", text(tables::role_problem, "ROLE"));
    own("--print-redis-acl", &options_.print_redis_acl,
        "Print the command that makes a user of Redis for it", text(check_redis_user, "USER"));
  }

  /// What `universes` and `check` have.
  void looking() { setting("output.format"); }

  void status() {
    own("RUN_ID", &options_.run_id, "The run; the last one where not given", text(check_word, ""));
    looking();
  }

  void history() {
    own("--universe", &options_.universe, "List the changes of this universe",
        text(nullptr, "NAME"));
    own("--symbol", &options_.symbol, "List the changes in which this symbol came, went or moved",
        text(nullptr, "SYMBOL"));
    own("--days", &options_.days, "Only what the last N days of 24 hours brought",
        within(1, longest_past));
    own("--limit", &options_.limit, "How many to list", within(1, largest_page));
    own("--offset", &options_.offset, "How many to leave out first", within(0, largest_page));
    looking();
  }

  void deliver() {
    own("--discard", &options_.discard, "Give this pending event up first, unpublished",
        text(check_uuid, "EVENT_ID"));
  }

  void config() {
    own("--example", &options_.example,
        "Print a configuration file with all settings and their defaults");
    task_settings();
  }

  [[nodiscard]] bool is_named(const std::string& command) const {
    return !words_ || std::count(words_->begin(), words_->end(), command) > 0;
  }

  std::optional<std::vector<std::string_view>> words_;
  Options options_;
  std::deque<Setting> own_;  ///< the options that are no settings
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
  for (const char* name : {"output.format", "log.format", "redis.url"}) {
    const Setting& asked = setting(name);
    const auto text = value_of(asked.flag);
    if (!text || !problem_of(asked, *text).empty()) continue;
    options.given.push_back({&asked, *text, {Origin::Kind::flag, asked.flag}});
  }
  if (given.contains("--no-events")) {
    options.given.push_back(
        {&setting("events.enabled"), false, {Origin::Kind::flag, "--no-events"}});
  }
  return options;
}

std::string completion_table() { return CommandLine(std::nullopt).table(); }

}  // namespace tickstock::cli
