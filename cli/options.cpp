#include "options.hpp"

#include <libpq-fe.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <functional>
#include <string_view>

#include "domain/error.hpp"
#include "events/redis_settings.hpp"
#include "store/connection.hpp"
#include "store/grants.hpp"
#include "version.hpp"

namespace tickstock::cli {

namespace {

constexpr std::int64_t longest_wait = 86'400;
constexpr std::int64_t largest_page = 1'000'000;

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

std::string check_word(const std::string& value) {
  return is_word(value) ? "" : "must be 1 to 64 of A-Z a-z 0-9 . _ : -";
}

std::string check_day(const std::string& value) {
  return parse_day(value) ? "" : "must be a day of the calendar, written YYYY-MM-DD";
}

/// Only PostgreSQL knows the names; what can't be one would garble its answer.
std::string check_zone(const std::string& value) {
  const bool plain =
      std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return plain && value.size() <= 64 ? "" : "must be a time zone such as America/New_York";
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

std::string check_database_url(const std::string& value) {
  if (const std::string problem = store::conninfo_problem(value); !problem.empty()) {
    return "can't be used: " + problem;
  }
  return store::conninfo_has_password(value) ? "holds a password, which everyone on this machine "
                                               "can read; put it into DATABASE_URL, "
                                               "~/.pgpass or --database-url-file"
                                             : "";
}

std::string check_redis_url(const std::string& value) {
  try {
    return events::parse_redis_url(value).password.empty()
               ? ""
               : "holds a password, which everyone on this machine can read; put it into REDIS_URL "
                 "or "
                 "--redis-url-file";
  } catch (const Error& error) {
    return error.what();
  }
}

/// A whole number in decimal: CLI11 itself would take 010 for eight.
std::optional<std::int64_t> parse_number(const std::string& text, std::int64_t lowest,
                                         std::int64_t highest) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < lowest ||
      value > highest) {
    return std::nullopt;
  }
  return value;
}

/// Builds the command line out of small blocks, each as the man page lists it.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(34);
    everywhere(app_);
    task("sync", "Bring all universes in line: the three tasks", Mode::full);
    task("market-cap", "Only the categories by market cap and the top lists", Mode::market_cap);
    task("ipo", "Only the recent listings", Mode::ipos);
    task("delisted", "Only take delisted symbols out", Mode::delisted);
    task("dry-run", "Show what sync would change", Mode::full, true);
    init();
    status();
    history();
    check();
    deliver();
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
    exclude(options_.verbose, "-v", options_.quiet, "-q");
    exclude(options_.database_url.has_value(), "--database-url",
            options_.database_url_file.has_value(), "--database-url-file");
    exclude(options_.redis_url.has_value(), "--redis-url", options_.redis_url_file.has_value(),
            "--redis-url-file");
    exclude(options_.print_sql, "--print-sql", options_.print_grants.has_value(), "--print-grants");
    exclude(options_.print_sql || options_.print_grants.has_value(),
            options_.print_sql ? "--print-sql" : "--print-grants",
            options_.print_redis_acl.has_value(), "--print-redis-acl");
    return options_;
  }

 private:
  using Check = std::function<std::string(const std::string&)>;

  static void exclude(bool one, const char* name, bool other, const char* other_name) {
    if (one && other) {
      throw Error(ErrorKind::usage, std::string(name) + " and " + other_name +
                                        " exclude each other; see 'tickstock-cache --help'");
    }
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
      const std::string& first = extras.front();
      if (first.starts_with('-'))
        return "unknown option " + first.substr(0, first.find('=')) + help;
      return (chosen.empty() ? "there is no such command" : "an argument too many") + help;
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

  template <typename Target>
  static void number(CLI::App& app, const std::string& name, const std::string& description,
                     std::int64_t lowest, std::int64_t highest, Target& target) {
    const Check check = [lowest, highest](const std::string& value) {
      return parse_number(value, lowest, highest)
                 ? std::string()
                 : "must be a whole number from " + std::to_string(lowest) + " to " +
                       std::to_string(highest);
    };
    option(app, name, "N", description, check,
           [&target, lowest, highest](const std::string& value) {
             target = *parse_number(value, lowest, highest);
           });
  }

  template <typename Value>
  static void choice(CLI::App& app, const std::string& name, const std::string& description,
                     Value& target) {
    const Check check = [](const std::string& value) {
      return value == "text" || value == "json" ? "" : "must be text or json";
    };
    option(app, name, "text|json", description, check, [&target](const std::string& value) {
      target = value == "json" ? Value::json : Value::text;
    });
  }

  static void flag(CLI::App& app, const std::string& name, const std::string& description,
                   bool& target) {
    app.add_flag(name, target)->description(description);
  }

  void everywhere(CLI::App& app) {
    app.set_version_flag("--version", version_text(), "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    choice(app, "--log-format", "Format of the log on standard error (text)", options_.log_format);
    flag(app, "-v,--verbose", "Log more", options_.verbose);
    flag(app, "-q,--quiet", "Print nothing when the run succeeds; log errors only", options_.quiet);
  }

  void connecting(CLI::App& app) {
    text(app, "--database-url", "URL",
         "PostgreSQL as a URL or conninfo, without a password (DATABASE_URL)",
         options_.database_url, check_database_url);
    text(app, "--database-url-file", "FILE", "File of mode 0600 that holds it",
         options_.database_url_file);
    text(app, "--redis-url", "URL",
         "Redis as redis://, rediss:// or unix://, without a password (REDIS_URL)",
         options_.redis_url, check_redis_url);
    text(app, "--redis-url-file", "FILE", "File of mode 0600 that holds it",
         options_.redis_url_file);
    text(app, "--config", "FILE", "Configuration in TOML (TICKSTOCK_CACHE_CONFIG)",
         options_.config_file);
    text(app, "--timezone", "ZONE", "Zone of the as-of day (America/New_York)", options_.timezone,
         check_zone);
    number(app, "--timeout", "Seconds for the command as a whole (900)", 1, longest_wait,
           options_.timeout_seconds);
  }

  void task(const std::string& name, const std::string& description, Mode mode,
            bool dry_run = false) {
    CLI::App& app = *app_.add_subcommand(name, description);
    app.final_callback([this, mode, dry_run] {
      options_.command = Command::task;
      options_.mode = mode;
      options_.dry_run = options_.dry_run || dry_run;
    });
    flag(app, "--dry-run", "Show what would change, and change nothing", options_.dry_run);
    option(app, "--as-of", "DAY", "Day to compute for, YYYY-MM-DD (today)", check_day,
           [this](const std::string& value) { options_.as_of = parse_day(value); });
    text(app, "--run-id", "ID", "Name of the run, used once (manual-cache-sync-XXXXXXXX)",
         options_.run_id, check_word);
    text(app, "--triggered-by", "WORD", "Who or what started the run (manual)",
         options_.triggered_by, check_word);
    text(app, "--approve-plan", "DIGEST",
         "Run only if the plan has this digest, and then in spite of the guards",
         options_.approve_plan, check_digest);
    number(app, "--lock-wait", "Seconds to wait for another run to end (0)", 0, longest_wait,
           options_.lock_wait_seconds);
    number(app, "--max-universe-events", "Announce the first N universes of a task, 0 for all (10)",
           0, largest_page, options_.max_universe_events);
    flag(app, "--no-events", "Store and send no events", options_.no_events);
    flag(app, "--detailed-exitcode", "End with 2 where there are changes",
         options_.detailed_exitcode);
    flag(app, "--full", "Name every member that came, went or moved", options_.full);
    choice(app, "--format", "Format of the result (text)", options_.format);
    connecting(app);
    everywhere(app);
  }

  CLI::App& command(const std::string& name, const std::string& description, Command command) {
    CLI::App& app = *app_.add_subcommand(name, description);
    app.final_callback([this, command] { options_.command = command; });
    return app;
  }

  void init() {
    CLI::App& app =
        command("init", "Create the program's own tables, and cache_entries where it is missing",
                Command::init);
    flag(app, "--print-sql", "Print the SQL instead of running it", options_.print_sql);
    text(app, "--print-grants", "ROLE", "Print the SQL that grants a role what the job needs",
         options_.print_grants, store::role_problem);
    text(app, "--print-redis-acl", "USER", "Print the command that makes a user of Redis for it",
         options_.print_redis_acl, check_redis_user);
    connecting(app);
    everywhere(app);
  }

  void status() {
    CLI::App& app = command("status", "Show the record of a run", Command::status);
    option(app, "RUN_ID", "", "The run; the last one where not given", check_word,
           [this](const std::string& value) { options_.run_id = value; });
    choice(app, "--format", "Format of the result (text)", options_.format);
    connecting(app);
    everywhere(app);
  }

  void history() {
    CLI::App& app =
        command("history", "List the last runs, or the changes of a universe or a symbol",
                Command::history);
    text(app, "--universe", "NAME", "List the changes of this universe", options_.universe);
    text(app, "--symbol", "SYMBOL", "List the changes in which this symbol came, went or moved",
         options_.symbol);
    number(app, "--limit", "How many to list (20)", 1, largest_page, options_.limit);
    number(app, "--offset", "How many to leave out first (0)", 0, largest_page, options_.offset);
    choice(app, "--format", "Format of the result (text)", options_.format);
    connecting(app);
    everywhere(app);
  }

  void check() {
    CLI::App& app =
        command("check", "Look at everything that a run needs; write nothing", Command::check);
    choice(app, "--format", "Format of the result (text)", options_.format);
    connecting(app);
    everywhere(app);
  }

  void deliver() {
    CLI::App& app =
        command("deliver", "Publish the events that are still pending", Command::deliver);
    text(app, "--discard", "EVENT_ID", "Give this pending event up first, unpublished",
         options_.discard, check_uuid);
    connecting(app);
    everywhere(app);
  }

  Options options_;
  CLI::App app_{"Keeps TickStock's universes of stock symbols in line with the symbols table",
                "tickstock-cache"};
};

}  // namespace

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '-';
  });
}

std::variant<Options, Answer> parse_command_line(int argc, const char* const* argv) {
  return CommandLine().parse(argc, argv);
}

}  // namespace tickstock::cli
