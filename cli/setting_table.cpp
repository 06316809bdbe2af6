#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "domain/error.hpp"
#include "options.hpp"
#include "setting.hpp"
#include "setting_builder.hpp"
#include "settings.hpp"

namespace tickstock::cli {

namespace {

using namespace setting_builder;

constexpr std::int64_t most_days = 36'500;
constexpr std::int64_t most_rows = 1'000'000;

std::string decapitalized(std::string text) {
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] += 'a' - 'A';
  return text;
}

/// Only PostgreSQL knows the names; what can't be one would garble its answer.
std::string check_zone(const std::string& value) {
  const bool plain =
      std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return plain && !value.empty() && value.size() <= 64
             ? ""
             : "must be a time zone such as America/New_York";
}

/// No character that an access list of Redis could take for more than itself.
std::string check_list(const std::string& value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("*?[]\\\"'").find(c) == std::string_view::npos;
  });
  return plain && !value.empty() && value.size() <= 256
             ? ""
             : "must be names of 1 to 256 letters, digits and signs other than * ? [ ] \\ \" '";
}

std::string check_database(const std::string& value) {
  const std::string problem = postgres::conninfo_problem(value);
  return problem.empty() ? "" : "can't be used: " + problem;
}

std::string check_redis(const std::string& value) {
  try {
    redis::parse_redis_url(value);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

/// A new address leaves alone what else is set of Redis.
void set_redis(Settings& settings, const Value& value) {
  redis::RedisSettings& redis = settings.environment.redis;
  redis::RedisSettings parsed = redis::parse_redis_url(std::get<std::string>(value));
  parsed.ca_file = std::move(redis.ca_file);
  parsed.connect_timeout = redis.connect_timeout;
  parsed.publish_timeout = redis.publish_timeout;
  redis = std::move(parsed);
}

Setting database_url() {
  Setting url = text(
      "database", "url", "PostgreSQL as a URL or conninfo",
      [](auto& s) { return &s.environment.database.conninfo; }, check_database);
  url.example = "postgresql://tickstock@db.example/tickstock";
  url.has_password = postgres::conninfo_has_password;
  url.variable = "DATABASE_URL";
  url.get = [](const Settings& s) {
    return Value(postgres::shown_conninfo(s.environment.database.conninfo));
  };
  return url;
}

Setting redis_url() {
  Setting url = text(
      "redis", "url", "Redis as redis://, rediss:// or unix://",
      [](auto& s) { return &s.environment.redis.host; }, check_redis);
  url.has_password = [](const std::string& value) {
    return !redis::parse_redis_url(value).password.empty();
  };
  url.variable = "REDIS_URL";
  url.set = set_redis;
  url.get = [](const Settings& s) {
    const redis::RedisSettings& redis = s.environment.redis;
    std::string shown = redis.shown();
    if (!redis.password.empty()) {
      shown.insert(shown.find("://") + 3, redis.user + ":********@");
    }
    return Value(shown);
  };
  return url;
}

using Table = std::vector<Setting>;

void add(Table& table, Table more) {
  std::move(more.begin(), more.end(), std::back_inserter(table));
}

Table servers() {
  return {
      with_flag(database_url(), "--database-url", "URL"),
      such_as(whole("database", "connections", 1, 2,
                    "Connections to read with; where not set, two if both tables are large",
                    [](auto& s) { return &s.environment.database.connections; }),
              std::int64_t{1}),
      with_flag(redis_url(), "--redis-url", "URL"),
      such_as(
          text("redis", "ca_file", "Certificates to trust with rediss://; if empty, the system's",
               [](auto& s) { return &s.environment.redis.ca_file; }),
          "/etc/ssl/redis-ca.pem"),
      boolean("security", "require_tls",
              "Refuse a server on another machine whose certificate is not verified",
              [](auto& s) { return &s.environment.database.require_tls; }),
  };
}

Table tables() {
  return {
      text("tables", "schema", "Schema of the tables that are named without one",
           [](auto& s) { return &s.tables.schema; }),
      text("tables", "symbols", "Table or view of the symbols",
           [](auto& s) { return &s.tables.symbols; }),
      text("tables", "prices", "Table or view of the daily prices",
           [](auto& s) { return &s.tables.prices; }),
      text("tables", "entries", "Table of the universes",
           [](auto& s) { return &s.tables.entries; }),
  };
}

Table runs() {
  return {
      with_flag(text(
                    "run", "timezone", "Zone of the as-of day",
                    [](auto& s) { return &s.environment.timezone; }, check_zone),
                "--timezone", "ZONE"),
      with_flag(text(
                    "run", "triggered_by", "Who or what started the run",
                    [](auto& s) { return &s.run.triggered_by; }, check_word),
                "--triggered-by", "WORD"),
      with_flag(whole("run", "lock_wait", 0, longest_time, "Seconds to wait for another run to end",
                      [](auto& s) { return &s.run.lock_wait; }),
                "--lock-wait", "N"),
      with_flag(seconds("run", "timeout", "Seconds for the command as a whole",
                        [](auto& s) { return &s.environment.timeout; }),
                "--timeout", "N"),
      with_switch(boolean("run", "detailed_exitcode", "End with 2 where there are changes",
                          [](auto& s) { return &s.output.detailed_exitcode; }),
                  "--detailed-exitcode", true),
      with_flag(choice("market_cap", "from", {"column", "prices"},
                       "Where market caps come from: the column market_cap, or close times shares",
                       [](auto& s) { return &s.run.policy.market_cap_from; }),
                "--market-cap-from", "column|prices"),
      whole("market_cap", "max_price_age_days", 0, most_days,
            "With prices: how many days before the as-of day the latest close may lie",
            [](auto& s) { return &s.run.policy.max_price_age_days; }),
      text("market", "issuer",
           "Column of symbols that tells the company, for universes with lines = \"primary\"",
           [](auto& s) { return &s.run.policy.issuer; }),
      boolean("universes", "builtin", "Keep the ten built-in universes",
              [](auto& s) { return &s.run.policy.builtin; }),
      list(
          "delisted", "types", "Types of the entries that are cleaned of delisted symbols",
          [](auto& s) { return &s.run.policy.cleaned_types; },
          [](const std::string& value) {
            return value.empty() ? std::string("must not hold an empty text") : std::string();
          }),
      whole("ipo", "days", 1, most_days,
            "Days in which a listing is recent, the as-of day included",
            [](auto& s) { return &s.run.policy.ipo_days; }),
  };
}

Table day_ends() {
  return {
      with_flag(whole("eod", "wait", 0, longest_time,
                      "Seconds to wait for the import of the day to be complete, 0 for not at all",
                      [](auto& s) { return &s.run.eod.wait; }),
                "--wait-for-eod", "N"),
      with_flag(choice("eod", "timeout", {"continue", "fail"},
                       "What happens when it is not complete by then",
                       [](auto& s) { return &s.run.eod.required; }),
                "--eod-timeout", "continue|fail"),
      list(
          "eod", "lists", "Lists of Redis on which the import tells that it is complete",
          [](auto& s) { return &s.run.eod.lists; }, check_list),
  };
}

Table guards() {
  return {
      percent("max_vanished_percent",
              "Percent of the symbols in the categories that may stop being eligible at once",
              [](auto& s) { return &s.run.policy.guards.max_vanished_percent; }),
      percent("max_appeared_percent", "Percent of that number that may be new in them at once",
              [](auto& s) { return &s.run.policy.guards.max_appeared_percent; }),
      percent("max_removed_percent", "Percent of its members that a universe may lose at once",
              [](auto& s) { return &s.run.policy.guards.max_removed_percent; }),
      such_as(
          whole("guards", "max_data_age_days", 1, most_days,
                "Refuse a run without a price in so many days; where not set, prices are not asked",
                [](auto& s) { return &s.run.policy.guards.max_data_age_days; }),
          std::int64_t{4}),
  };
}

Table announcements() {
  return {
      with_switch(boolean("events", "enabled", "Store and send events",
                          [](auto& s) { return &s.run.events; }),
                  "--no-events", false),
      with_flag(whole("events", "max_universe_events", 0, most_rows,
                      "Announce the first N universes of a task, 0 for all",
                      [](auto& s) { return &s.run.max_universe_events; }),
                "--max-universe-events", "N"),
      whole("outbox", "max_age", 0, most_days,
            "Days after which a pending event is given up, 0 for never",
            [](auto& s) { return &s.environment.retention.outbox_max_age; }),
      whole("outbox", "keep_days", 0, most_days,
            "Days for which a published event is kept, 0 for ever",
            [](auto& s) { return &s.environment.retention.outbox_days; }),
      whole("journal", "keep_days", 0, most_days, "Days for which a run is kept, 0 for ever",
            [](auto& s) { return &s.environment.retention.journal_days; }),
      whole("journal", "keep_runs", 0, most_rows, "Runs that are kept whatever their age",
            [](auto& s) { return &s.environment.retention.journal_runs; }),
  };
}

Table timeouts() {
  return {
      seconds("timeouts", "connect", "Seconds to reach one address of PostgreSQL",
              [](auto& s) { return &s.environment.database.connect_timeout; }),
      seconds("timeouts", "statement", "Seconds for one statement",
              [](auto& s) { return &s.environment.database.statement_timeout; }),
      seconds("timeouts", "lock", "Seconds to wait for a row that another program has locked",
              [](auto& s) { return &s.environment.database.lock_timeout; }),
      seconds("timeouts", "commit", "Seconds for COMMIT, and for finding out what came of it",
              [](auto& s) { return &s.environment.database.commit_timeout; }),
      seconds("timeouts", "redis", "Seconds to reach Redis",
              [](auto& s) { return &s.environment.redis.connect_timeout; }),
      seconds("timeouts", "publish", "Seconds for publishing the events of a run",
              [](auto& s) { return &s.environment.redis.publish_timeout; }),
  };
}

Table output() {
  return {
      with_flag(choice("output", "format", {"text", "json"}, "Format of the result",
                       [](auto& s) { return &s.output.format; }),
                "--format", "text|json"),
      with_switch(boolean("output", "full", "Name every member that came, went or moved",
                          [](auto& s) { return &s.output.full; }),
                  "--full", true),
      with_flag(choice("output", "color", {"auto", "always", "never"},
                       "Colour in result and log: auto for on a terminal, without NO_COLOR",
                       [](auto& s) { return &s.output.color; }),
                "--color", "auto|always|never"),
      with_flag(choice("output", "progress", {"auto", "always", "never"},
                       "A line on the terminal that says what a run is at",
                       [](auto& s) { return &s.output.progress; }),
                "--progress", "auto|always|never"),
      with_flag(choice("log", "format", {"text", "json"}, "Format of the log on standard error",
                       [](auto& s) { return &s.output.log_format; }),
                "--log-format", "text|json"),
      choice("log", "level", {"quiet", "normal", "verbose"},
             "How much is logged: quiet as with -q, verbose as with -v",
             [](auto& s) { return &s.output.log_level; }),
  };
}

Table monitoring() {
  return {
      such_as(with_flag(text("metrics", "file",
                             "File for Prometheus' textfile collector; none where empty",
                             [](auto& s) { return &s.output.metrics_file; }),
                        "--metrics-file", "FILE"),
              "/var/lib/prometheus/node-exporter/tickstock-cache.prom"),
  };
}

Table make_table() {
  Table table;
  for (const auto& part :
       {servers, tables, runs, day_ends, guards, announcements, timeouts, output, monitoring}) {
    add(table, part());
  }
  return table;
}

}  // namespace

std::string Setting::help() const {
  if (is_address()) return meaning + ", without a password (" + variable + ")";
  if (flag_type.empty()) return flag_value ? meaning : "Do not " + decapitalized(meaning);
  const std::optional<Value> fallback = get(Settings());
  if (!fallback) return meaning;
  const auto* text = std::get_if<std::string>(&*fallback);
  if (text != nullptr && text->empty()) return meaning;
  return meaning + " (" + (text != nullptr ? *text : toml_text(*fallback)) + ")";
}

const std::vector<Setting>& setting_table() {
  static const Table table = make_table();
  return table;
}

const Setting& setting(std::string_view name) {
  for (const Setting& each : setting_table()) {
    if (each.section.size() + 1 + each.key.size() == name.size() &&
        name.starts_with(each.section) && name.ends_with("." + each.key)) {
      return each;
    }
  }
  throw std::out_of_range("there is no setting " + std::string(name));
}

}  // namespace tickstock::cli
