#include "command_table.hpp"

#include <fmt/format.h>

#include <limits>

#include "domain/text.hpp"
#include "tables/schema.hpp"

namespace tickstock::cli {

namespace {

constexpr std::int64_t largest_page = 1'000'000;
constexpr std::int64_t longest_past = 36'500;

/// Accepts only characters without special meaning on Redis' command line, and not the default
/// user.
std::string check_redis_user(const std::string& value) {
  if (value == "default") return "must not be default, the user of clients that do not log in";
  return check_word(value);
}

std::string check_name(const std::string& value) {
  return is_utf8(value) ? "" : "must be text in UTF-8";
}

std::string check_day(const std::string& value) {
  return parse_day(value) ? "" : "must be a day of the calendar, written YYYY-MM-DD";
}

/// The options of a task, in addition to the settings of a run.
constexpr const char* task = "--as-of --dry-run --run-id --approve-plan --summary --format/run";

/// The settings of a run.
constexpr const char* of_runs =
    "--market-cap-from --detailed-exitcode --full --triggered-by --lock-wait --wait-for-eod "
    "--eod-timeout --max-universe-events --no-events --metrics-file";

constexpr const char* connecting =
    "--database-url --database-url-file --config --timeout --redis-url --redis-url-file";

/// Without effect on commands that only look something up, and on those whose answer depends on a
/// day.
constexpr const char* lookup = "--redis-url --redis-url-file --timezone --progress";
constexpr const char* lookup_of_a_day = "--redis-url --redis-url-file --progress";

constexpr Needed nothing{};
constexpr Needed a_run{"RUN_ID/undo", "the id of a run",
                       "Run 'tickstock-cache history' for a list of the runs."};
constexpr Needed a_symbol{"SYMBOL", "a symbol", "See 'tickstock-cache explain --help'."};
constexpr Needed a_universe{"UNIVERSE", "the name of a universe",
                            "Run 'tickstock-cache universes' for a list of the universes."};
constexpr Needed two_days{"--from --to", "--from and --to, the first and the last day",
                          "See 'tickstock-cache replay --help'."};

/// The headings of the help, and the options under them.
constexpr std::array<std::pair<const char*, const char*>, 5> groups{{
    {"Arguments", "RUN_ID RUN_ID/undo SYMBOL UNIVERSE UNIVERSE/one"},
    {"Plan", "--dry-run --run-id --approve-plan --triggered-by --lock-wait"},
    {"Data",
     "--as-of --as-of/past --timezone --market-cap-from --wait-for-eod --eod-timeout --from "
     "--to --against --universe --symbol --of-run --days --limit --limit/events --offset "
     "--after"},
    {"Events", "--no-events --max-universe-events --discard --renumber"},
    {"Connection", connecting},
}};

}  // namespace

bool holds(const std::string& flags, const std::string& flag) {
  return (" " + flags + " ").find(" " + flag + " ") != std::string::npos;
}

std::vector<Setting> own_options(Options& options, bool& verbose, bool& quiet) {
  const auto own = [](const char* flag, const Field& field, const char* meaning,
                      const Accepts& accepts = {}) {
    return Setting{"", field, flag, meaning, accepts};
  };
  const Accepts file{"FILE"};
  return {
      own("-v,--verbose", &verbose, "Log more"),
      own("-q,--quiet", &quiet, "Print nothing on success; log errors only"),
      own("--database-url-file", &options.database_url_file,
          "Read the URL of PostgreSQL from this file of mode 0600", file),
      own("--redis-url-file", &options.redis_url_file,
          "Read the URL of Redis from this file of mode 0600", file),
      own("--config", &options.config_file, "Configuration in TOML (TICKSTOCK_CACHE_CONFIG)", file),
      own("--dry-run", &options.dry_run, "Show what would change, and change nothing"),
      own("--as-of", &options.as_of, "Day to compute for, YYYY-MM-DD (today)",
          text(check_day, "DAY")),
      own("--run-id", &options.run_id, "Unique name of the run (manual-cache-sync-XXXXXXXX)",
          text(check_word, "ID")),
      own("--approve-plan", &options.approve_plan,
          "Run only if the plan has this digest, and override the guards",
          like("[0-9a-f]{64}", "must be the 64 hexadecimal digits that a dry run prints",
               "DIGEST")),
      own("--summary", &options.summary, "Show one line for each universe, without names"),
      own("--format/run", &options.listing,
          "Format of the result; markdown for dry runs only (text)",
          one_of({"text", "json", "markdown"})),
      own("--print-sql", &options.print_sql, "Print the SQL instead of running it"),
      own("--print-grants", &options.print_grants,
          "Print the SQL that grants a role the privileges of the job",
          text(tables::role_problem, "ROLE")),
      own("--print-redis-acl", &options.print_redis_acl,
          "Print the command that creates a Redis user for the job",
          text(check_redis_user, "USER")),
      own("RUN_ID", &options.run_id, "The run; the last one if omitted", text(check_word)),
      own("RUN_ID/undo", &options.undo, "The run to undo; a unique prefix of its id is enough",
          text(check_word)),
      own("SYMBOL", &options.symbol, "The symbol", text(check_name)),
      own("UNIVERSE", &options.universe, "The universe", text(check_name)),
      own("UNIVERSE/one", &options.universe, "The universe; all of them if omitted",
          text(check_name)),
      own("--as-of/past", &options.as_of, "Past day, YYYY-MM-DD, answered from the journal",
          text(check_day, "DAY")),
      own("--universe", &options.changes.universe, "List the changes of this universe",
          text(check_name, "NAME")),
      own("--symbol", &options.changes.symbol,
          "List the changes that added, removed or moved this symbol", text(check_name, "SYMBOL")),
      own("--of-run", &options.run_id, "List the changes of this run; a unique prefix is enough",
          text(check_word, "ID")),
      own("--days", &options.page.days, "List only the last N days, of 24 hours each",
          within(1, longest_past)),
      own("--limit", &options.page.limit, "List at most N", within(1, largest_page)),
      own("--offset", &options.page.offset, "Skip the first N", within(0, largest_page)),
      own("--discard", &options.discard, "Drop this event unpublished, then deliver the rest",
          like("[[:xdigit:]]{8}(-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}",
               "must be the id of an event, a UUID", "EVENT_ID")),
      own("--renumber", &options.renumber,
          "After a restore, first give pending events ids after the stream's last"),
      own("--after", &options.after, "List the events after this id",
          within(0, std::numeric_limits<std::int64_t>::max())),
      own("--limit/events", &options.most_events, "List at most N", within(1, largest_page)),
      own("--from", &options.from, "First day, YYYY-MM-DD", text(check_day, "DAY")),
      own("--to", &options.to, "Last day, YYYY-MM-DD", text(check_day, "DAY")),
      own("--against", &options.against, "Another configuration file to compare with", file),
      own("--format/csv", &options.listing, "Format of the result (text)",
          one_of({"text", "json", "csv"})),
      own("--example", &options.example,
          "Print a configuration file with all settings and their defaults"),
  };
}

const std::array<CommandRow, 18> command_table{{
    {"sync", "Bring all universes in line with the symbols table",
     "tickstock-cache sync\n"
     "tickstock-cache sync -q --detailed-exitcode || status=$?",
     Command::task, task},
    {"market-cap", "Update only the categories by market cap and the top lists",
     "tickstock-cache market-cap --dry-run --as-of 2026-08-21", Command::task, task, "", nothing,
     Mode::market_cap},
    {"ipo", "Update only the recent listings", "tickstock-cache ipo --dry-run --as-of 2026-08-21",
     Command::task, task, "--market-cap-from", nothing, Mode::ipos},
    {"themes", "Update only the universes that the configuration declares",
     "tickstock-cache themes --dry-run --as-of 2026-08-21 --config sectors.toml", Command::task,
     task, "", nothing, Mode::themes},
    {"delisted", "Remove delisted symbols only",
     "tickstock-cache delisted --as-of 2026-08-21 --run-id cleanup-1", Command::task, task, "",
     nothing, Mode::delisted},
    {"undo", "Undo what a run changed",
     "tickstock-cache history --limit 2\n"
     "tickstock-cache undo night-2026-08-21 --dry-run --summary",
     Command::task, "RUN_ID/undo --dry-run --run-id --approve-plan --summary --format/run",
     "--market-cap-from --wait-for-eod --eod-timeout", a_run, Mode::undo},
    {"dry-run", "Show what sync would change, and change nothing",
     "tickstock-cache dry-run --as-of 2026-08-21 --summary", Command::task, task,
     "--dry-run --run-id --triggered-by --lock-wait --wait-for-eod --eod-timeout "
     "--max-universe-events --no-events --metrics-file --redis-url --redis-url-file",
     nothing, Mode::full, true},
    {"init", "Create the program's own tables, and cache_entries if it is missing",
     "tickstock-cache init\n"
     "tickstock-cache init --print-grants job > grants.sql",
     Command::init, "--print-sql --print-grants --print-redis-acl", lookup},
    {"status", "Show the record of a run", "tickstock-cache status night-2026-08-21",
     Command::status, "RUN_ID --format", lookup},
    {"history", "List the last runs, or the changes of a universe or a symbol",
     "tickstock-cache history --limit 5\n"
     "tickstock-cache history --symbol RWH --universe theme_space",
     Command::history, "--universe --symbol --of-run --days --limit --offset --format/csv", lookup},
    {"explain", "Show why a symbol is or is not in a universe", "tickstock-cache explain IVO",
     Command::explain, "SYMBOL UNIVERSE/one --as-of/past --format", lookup_of_a_day, a_symbol},
    {"universes", "List the universes with type, size and last change", "tickstock-cache universes",
     Command::universes, "--format", lookup},
    {"members", "List the members of a universe, today or on a past day",
     "tickstock-cache members theme_space\n"
     "tickstock-cache members theme_space --as-of 2026-08-20",
     Command::members, "UNIVERSE --as-of/past --format/csv", lookup_of_a_day, a_universe},
    {"check", "Check everything that a run needs, and write nothing", "tickstock-cache check",
     Command::check, "--format", "--progress"},
    {"deliver", "Publish the events that are still pending", "tickstock-cache deliver",
     Command::deliver, "--discard --renumber", "--timezone --progress"},
    {"events", "List the stored events after an id, oldest first",
     "tickstock-cache events --after 19", Command::events, "--after --limit/events --format",
     lookup},
    {"replay", "Show how the universes would have changed over past days",
     "tickstock-cache replay --from 2026-08-17 --to 2026-08-21 --against still.toml",
     Command::replay, "--from --to --against --format/csv", "--redis-url --redis-url-file",
     two_days},
    {"config", "Show the effective settings and their origin",
     "tickstock-cache config --example > tickstock-cache.toml", Command::config,
     "--example --format", "--progress"},
}};

std::string flags_of(const CommandRow& row) {
  const bool shapes_runs = row.command == Command::task || row.command == Command::config;
  return fmt::format("{} {} {} {} --timezone", row.flags, shapes_runs ? of_runs : "", everywhere,
                     connecting);
}

std::string group_of(const std::string& flag) {
  for (const auto& [title, flags] : groups) {
    if (holds(flags, flag)) return title;
  }
  return "Output";
}

}  // namespace tickstock::cli
