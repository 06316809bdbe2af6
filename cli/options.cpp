#include "options.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <CLI/CLI.hpp>
#include <map>
#include <set>

#include "command_table.hpp"
#include "domain/error.hpp"
#include "show/screen.hpp"

namespace tickstock::cli {

namespace {

std::string version_text() {
  return fmt::format("tickstock-cache {} (libpq {}.{})", version, PQlibVersion() / 10000,
                     PQlibVersion() % 10000);
}

const CommandRow& row_of(const CLI::App& command) {
  return *std::ranges::find(command_table, command.get_name(), &CommandRow::name);
}

bool is_listed(const CLI::Option* option) { return !option->get_group().empty(); }
bool is_positional(const CLI::Option* option) { return option->get_positional(); }

constexpr Screen help_screen{.width = 80};
constexpr std::size_t column_of_options = 34;
constexpr std::size_t column_of_commands = 14;

/// Returns one entry of the help: a name, and its meaning starting in this column.
std::string help_line(const std::string& name, const std::string& meaning, std::size_t column) {
  std::string line = "  " + name;
  line += line.size() + 2 > column ? "\n" + std::string(column, ' ')
                                   : std::string(column - line.size(), ' ');
  return line + wrapped(meaning, column, help_screen);
}

/// Builds the command line from these tables, as the man page lists them.
class CommandLine {
 public:
  /// \param words those of the command line. A command that is not among them gets no options,
  /// which would take a millisecond to create. Without a list, all commands get theirs.
  explicit CommandLine(std::optional<std::vector<std::string_view>> words)
      : words_(std::move(words)) {
    app_.require_subcommand(1);
    add(app_, everywhere, "");
    for (const CommandRow& row : command_table) {
      CLI::App& app = *app_.add_subcommand(row.name, row.description);
      app.final_callback([this, &row] {
        options_.command = row.command;
        options_.mode = row.mode;
        options_.dry_run = options_.dry_run || row.dry_run;
      });
      if (words_ && std::ranges::count(*words_, row.name) == 0) continue;
      add(app, flags_of(row), row.unlisted);
    }
  }

  std::variant<Options, Answer> parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      return Answer{help()};
    } catch (const CLI::CallForVersion&) {
      return Answer{version_text() + "\n"};
    } catch (const CLI::ParseError& error) {
      throw error_of(error);
    }
    for (const char* flags : exclusive) {
      std::vector<std::string> given = CLI::detail::split(flags, ' ');
      std::erase_if(given, [this](const std::string& flag) { return !flags_.contains(flag); });
      if (given.size() < 2) continue;
      throw Error(ErrorKind::usage, fmt::format("{} and {} cannot be combined", given[0], given[1]),
                  {.object = given[0], .hint = see_help()});
    }
    require_needed();
    if (options_.from && *options_.from > *options_.to) {
      throw Error(ErrorKind::usage, "--from is after --to",
                  {.object = "--from", .hint = "Swap the days."});
    }
    if (!options_.listing.empty()) {
      // Whatever has no csv or markdown, such as a failure, is then text.
      give(setting("output.format"), options_.listing == "json" ? "json" : "text", "--format");
    }
    if (options_.listing == "markdown" && !options_.dry_run) {
      throw Error(ErrorKind::usage, "--format markdown requires a dry run",
                  {.object = "--format", .hint = "Add --dry-run, or use text or json."});
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
    for (const CLI::Option* option : app.get_options(is_listed)) {
      // With commas between them; a positional argument has the name of its value.
      const std::string names = option->get_name(true, true);
      rows += fmt::format("{};{};{};{}\n", command, CLI::detail::find_and_replace(names, ",", " "),
                          option->get_expected_max() > 0 ? option->get_type_name() : "",
                          option->get_description());
    }
    return rows;
  }

  /// Returns the given command, or the program if there is none.
  [[nodiscard]] const CLI::App& chosen() const {
    const auto commands = app_.get_subcommands();
    return commands.empty() ? app_ : *commands.front();
  }

  /// Returns what the user typed up to the command: `tickstock-cache sync`.
  [[nodiscard]] std::string called() const {
    return app_.get_name() + (&chosen() == &app_ ? "" : " " + chosen().get_name());
  }

  [[nodiscard]] std::string see_help() const { return fmt::format("See '{} --help'.", called()); }

  /// Returns what was wrong, without repeating a value: it could be a misplaced secret.
  [[nodiscard]] Error error_of(const CLI::ParseError& error) const {
    const CLI::App& app = chosen();
    const auto is = [&error](CLI::ExitCodes code) {
      return error.get_exit_code() == static_cast<int>(code);
    };
    const auto of = [this](const std::string& problem, const std::string& object = {},
                           const std::string& hint = {}) {
      return Error(
          ErrorKind::usage, problem,
          {.object = object.empty() ? called() : object, .hint = with_hint(hint, see_help())});
    };
    std::vector<std::string> extras = app_.remaining(true);
    std::erase(extras, "--");
    const bool misses_command = is(CLI::ExitCodes::RequiredError);
    if (misses_command && extras.empty()) return of("a command is required");
    if (misses_command || is(CLI::ExitCodes::ExtrasError)) {
      const std::string first = extras.front().substr(0, extras.front().find('='));
      const bool is_option = first.starts_with('-');
      if (!is_option && &app != &app_) {
        // It is not repeated, since it could be part of a password.
        const std::size_t most = app.get_options(is_positional).size();
        return of(fmt::format("unexpected argument: {} takes {}", app.get_name(),
                              most == 0 ? "only options" : counted(most, "argument", "arguments")));
      }
      std::vector<std::string> known;
      for (const CommandRow& row : command_table) {
        if (!is_option) known.emplace_back(row.name);
      }
      for (const CLI::Option* each : app.get_options()) {
        for (const std::string& name : each->get_lnames()) {
          if (is_option) known.push_back("--" + name);
        }
      }
      if (is_option && std::ranges::count(known, first) > 0) {
        return of(first + " must come after the command", first);
      }
      const auto guess = nearest(first, known);
      return of(is_option ? "unknown option " + first : "unknown command", is_option ? first : "",
                guess ? "Did you mean " + *guess + "?" : "");
    }
    std::string text = error.what();
    std::ranges::replace(text, '\n', ' ');
    if (is(CLI::ExitCodes::ArgumentMismatch)) {
      if (text.find("flag override") != std::string::npos) {
        const std::string flag = "--" + text.substr(0, text.find(' '));
        return of(flag + " takes no value", flag);
      }
      const std::string name = text.substr(0, text.find(':'));
      const bool is_missing = text.find("missing") != std::string::npos;
      return of(name + (is_missing ? " needs a value" : " may be given only once"), name);
    }
    return of(text, object_, hint_);
  }

  /// \throws Error (usage) if a required option is missing.
  void require_needed() const {
    const CommandRow& row = row_of(chosen());
    for (const std::string& flag : CLI::detail::split(row.needed.flags, ' ')) {
      if (flag.empty() || flags_.contains(flag)) continue;
      throw Error(ErrorKind::usage, fmt::format("{} requires {}", row.name, row.needed.called),
                  {.object = flag.substr(0, flag.find('/')), .hint = row.needed.hint});
    }
  }

  /// Returns the help of the command, or of the program: at most 80 columns, and no word broken.
  [[nodiscard]] std::string help() const {
    const CLI::App& app = chosen();
    const bool is_program = &app == &app_;
    std::string usage = called() + " [OPTIONS]";
    std::map<std::string, std::string> groups;
    for (const CLI::Option* option : app.get_options(is_listed)) {
      const std::string name = option->get_name(true, true);
      const bool has_value = option->get_expected_max() > 0;
      if (option->get_positional()) {
        const bool needed = std::string_view(row_of(app).needed.flags).starts_with(name);
        usage += needed ? " " + name : fmt::format(" [{}]", name);
      }
      groups[option->get_group()] +=
          help_line(has_value && !option->get_positional()
                        ? fmt::format("{} {}", name, option->get_type_name())
                        : name,
                    option->get_description(), column_of_options);
    }
    if (is_program) {
      usage += " COMMAND";
      for (const CommandRow& row : command_table) {
        groups["Commands"] += help_line(row.name, row.description, column_of_commands);
      }
    }
    std::string text = fmt::format("{}\n\nUsage: {}\n", app.get_description(), usage);
    for (const char* title :
         {"Commands", "Arguments", "Plan", "Data", "Events", "Output", "Connection", "Help"}) {
      if (groups.contains(title)) text += fmt::format("\n{}:\n{}", title, groups[title]);
    }
    const std::string examples =
        is_program ? "tickstock-cache check\ntickstock-cache dry-run" : row_of(app).examples;
    return text + fmt::format("\nExamples:\n  {}\n\nSee 'man {}' for details.\n",
                              CLI::detail::find_and_replace(examples, "\n", "\n  "),
                              CLI::detail::find_and_replace(called(), " ", "-"));
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

  /// Returns whether a word was typed as `--option=WORD`, or behind `--`.
  [[nodiscard]] bool is_surely_value(const std::string& name, const std::string& word) const {
    if (!words_) return false;
    const auto rest = std::ranges::find(*words_, "--");
    return std::ranges::count(*words_, name + "=" + word) > 0 ||
           std::ranges::find(rest, words_->end(), word) != words_->end();
  }

  /// Adds options, each allowed once, and those for version and help. Rejects a value that is or
  /// looks like another option, which CLI11 would swallow.
  void add(CLI::App& app, const std::string& flags, const std::string& unlisted) {
    for (const std::string& flag : CLI::detail::split(flags, ' ')) {
      if (flag.empty()) continue;
      const Setting& option = option_of(flag);
      const std::string group = holds(unlisted, flag) ? "" : group_of(flag);
      if (option.is_switch()) {
        app.add_flag_callback(option.flag, [&] { take(option, option.switches_on()); })
            ->disable_flag_override()
            ->description(option.help())
            ->group(group);
        continue;
      }
      const std::string name = option.flag.substr(0, option.flag.find('/'));
      const auto check_and_take = [this, &app, &option, name](const std::string& text) {
        const Value value = parse_value(option, text).value_or(Value());
        const bool is_value =
            !text.empty() &&
            (is_surely_value(name, text) ||
             (!text.starts_with("--") && app.get_option_no_throw(text) == nullptr));
        std::string problem = is_value ? problem_of(option, value, &hint_) : "needs a value";
        if (problem.empty() && option.is_address() && option.has_password(text)) {
          problem = "holds a password, which everyone on this machine can read";
          hint_ = "Put it into " + option.variable() + " or " + option.flag + "-file.";
        }
        object_ = name;
        if (!problem.empty()) throw CLI::ValidationError(name + " " + problem);
        object_.clear();
        take(option, value);
      };
      app.add_option_function<std::string>(name, check_and_take)
          ->description(option.help())
          ->type_name(option.accepts.called)
          ->group(group);
    }
    app.set_version_flag("--version", version_text(), "Print the version")->group("Help");
    app.set_help_flag("-h,--help", "Print this help")->group("Help");
  }

  Options options_;
  bool verbose_ = false;
  bool quiet_ = false;
  std::optional<std::vector<std::string_view>> words_;
  std::vector<Setting> own_ = own_options(options_, verbose_, quiet_);
  std::set<std::string> flags_;  ///< that were given
  // The option whose value is refused, and what to do about it
  std::string object_;
  std::string hint_;
  CLI::App app_{"Keeps TickStock's universes of stock symbols in line with the symbols table",
                "tickstock-cache"};
};

}  // namespace

std::variant<Options, Answer> parse_command_line(int argc, const char* const* argv) {
  return CommandLine(std::vector<std::string_view>(argv, argv + argc)).parse(argc, argv);
}

Options salvage_command_line(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  // The first of each counts, with the value that follows it or should.
  std::map<std::string, std::string> given;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    const std::string next = i + 1 < words.size() ? words[i + 1] : "";
    given.try_emplace(words[i].substr(0, equals),
                      equals == std::string::npos ? next : words[i].substr(equals + 1));
  }
  const auto command = std::ranges::find_first_of(words, command_table, {}, {}, &CommandRow::name);
  Options options;
  options.command = Command::config;
  if (command != words.end() && !given.contains("--dry-run")) {
    const CommandRow& row = *std::ranges::find(command_table, *command, &CommandRow::name);
    options.command = row.command;
    options.mode = row.mode;
    options.dry_run = row.dry_run;
  }
  for (const char* name :
       {"output.format", "log.format", "redis.url", "events.enabled", "metrics.file"}) {
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

std::string shell_quoted(const std::string& text) {
  return "'" + CLI::detail::find_and_replace(text, "'", "'\\''") + "'";
}

std::string completion_table() { return CommandLine(std::nullopt).table(); }

}  // namespace tickstock::cli
