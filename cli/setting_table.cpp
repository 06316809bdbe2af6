#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <concepts>
#include <regex>
#include <stdexcept>
#include <type_traits>

#include "domain/error.hpp"
#include "environment.hpp"
#include "settings.hpp"

namespace tickstock::cli {

namespace {

constexpr std::int64_t longest_time = 86'400;
constexpr std::int64_t most_days = 36'500;
constexpr std::int64_t most_rows = 1'000'000;

std::string check_type(const std::string& value) {
  return value.empty() ? "must not contain an empty string" : "";
}

std::string check_schema(const std::string& value) {
  return tables::is_identifier(value) ? ""
                                      : "must be a name of 1 to 63 letters, digits, _ and $, not "
                                        "beginning with a digit or pg_";
}

/// Accepts what Redis' command line takes literally, where permissions are printed.
Accepts redis_key(const char* called, int shortest) {
  return like(fmt::format("[!#-&()+->@-Z^-~]{{{},256}}", shortest),
              fmt::format("must be {} of 1 to 256 letters, digits and signs other than "
                          "* ? [ ] \\ \" '",
                          called));
}

std::string check_ping_url(const std::string& url) {
  const bool is_web = url.starts_with("https://") || url.starts_with("http://");
  const std::size_t host = url.find("://") + 3;
  const bool has_login = url.find('@') < url.find('/', host);
  const bool is_plain = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f; });
  return url.empty() || (is_web && is_plain && host < url.size() && !has_login)
             ? ""
             : "must be an http:// or https:// URL without user and password";
}

/// Returns what is wrong with an address, and what to do about it.
std::string address_problem(const Setting& setting, const std::string& address, std::string* hint) {
  if (std::holds_alternative<postgres::ConnectionSettings*>(setting.field)) {
    const std::string problem = postgres::conninfo_problem(address, hint);
    if (problem.empty()) return "";
    if (hint != nullptr && hint->empty()) {
      *hint = "Write postgresql://user@host:port/database, or host=… dbname=….";
    }
    return "can't be used: " + problem;
  }
  try {
    redis::parse_redis_url(address);
    return "";
  } catch (const Error& error) {
    if (hint != nullptr) *hint = error.hint();
    return error.problem();
  }
}

/// Sets a new address without changing the other settings of Redis.
void set_address(redis::RedisSettings& redis, const std::string& url) {
  const redis::RedisSettings before = std::exchange(redis, redis::parse_redis_url(url));
  redis.ca_file = before.ca_file;
  redis.cert_file = before.cert_file;
  redis.key_file = before.key_file;
  redis.connect_timeout = before.connect_timeout;
  redis.publish_timeout = before.publish_timeout;
}

std::string shown_address(const redis::RedisSettings& redis) {
  std::string shown = redis.shown();
  if (!redis.password.empty()) shown.insert(shown.find("://") + 3, redis.user + ":********@");
  return shown;
}

std::string toml_quoted(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    const bool is_control = (c >= 0 && c < ' ') || c == 0x7f;
    result += is_control ? fmt::format("\\u{:04x}", c) : std::string(1, c);
  }
  return '"' + result + '"';
}

}  // namespace

Accepts within(std::int64_t lowest, std::int64_t highest) { return {"N", lowest, highest}; }

Accepts one_of(const std::vector<std::string>& words) {
  return {fmt::format("{}", fmt::join(words, "|")), 0, 0, words};
}

Accepts text(const Accepts::Check& check, const std::string& called) {
  return {called, 0, 0, {}, check};
}

Accepts like(const std::string& pattern, const std::string& problem, const std::string& called) {
  const auto check = [=](const std::string& value) {
    return std::regex_match(value, std::regex(pattern)) ? "" : problem;
  };
  return text(check, called);
}

std::vector<Setting> rows_of(Settings& s) {
  postgres::ConnectionSettings& database = s.environment.database;
  redis::RedisSettings& redis = s.environment.redis;
  tables::Retention& retention = s.environment.retention;
  Policy& policy = s.run.policy;
  GuardLimits& guards = policy.guards;
  Output& output = s.output;
  const Accepts seconds = within(1, longest_time);
  const Accepts days = within(0, most_days);
  const Accepts format = one_of({"text", "json"});
  const Accepts when = one_of({"auto", "always", "never"});
  return {
      {"database.url", &database, "--database-url", "PostgreSQL as a URL or conninfo",
       Accepts{"URL"}, "postgresql://tickstock@db.example/tickstock"},
      {"database.connections", &database.connections, "",
       "Connections to read with; if unset, two where both tables are large", within(1, 2),
       std::int64_t{1}},
      {"redis.url", &redis, "--redis-url",
       "Redis as redis://, rediss://, redis+sentinel://, rediss+sentinel:// or unix://",
       Accepts{"URL"}},
      {"redis.ca_file", &redis.ca_file, "",
       "CA certificates to trust for rediss://; if empty, the system's", Accepts(),
       "/etc/ssl/redis-ca.pem"},
      {"redis.cert_file", &redis.cert_file, "",
       "Client certificate for rediss://, if the server requires one", Accepts(),
       "/etc/ssl/tickstock.pem"},
      {"redis.key_file", &redis.key_file, "", "Key of that certificate, readable only by you",
       Accepts(), "/etc/ssl/private/tickstock.key"},
      {"security.require_tls", &database.require_tls, "",
       "Refuse a remote server whose certificate is not verified"},
      {"tables.schema", &s.tables.schema, "", "Schema of tables named without one",
       text(check_schema)},
      {"tables.symbols", &s.tables.symbols, "", "Table or view of the symbols"},
      {"tables.prices", &s.tables.prices, "", "Table or view of the daily prices"},
      {"tables.entries", &s.tables.entries, "", "Table of the universes"},
      {"run.timezone", &s.environment.timezone, "--timezone", "Time zone of the as-of day",
       like("[!-~]{1,64}", "must be a time zone such as America/New_York", "ZONE")},
      {"run.triggered_by", &s.run.triggered_by, "--triggered-by", "Who or what starts the run",
       text(check_word, "WORD")},
      {"run.lock_wait", &s.run.lock_wait, "--lock-wait",
       "Seconds to wait for another run to finish", within(0, longest_time)},
      {"run.timeout", &s.environment.timeout, "--timeout", "Seconds for the command as a whole",
       seconds},
      {"run.detailed_exitcode", &output.detailed_exitcode, "--detailed-exitcode",
       "Exit with 2 if there are changes"},
      {"market_cap.from", &policy.market_cap_from, "--market-cap-from",
       "Source of market caps: the column market_cap, or close times shares",
       one_of({"column", "prices"})},
      {"market_cap.max_price_age_days", &policy.max_price_age_days, "",
       "With prices: maximum age of the latest close, in days before the as-of day", days},
      {"market.issuer", &policy.issuer, "",
       "Column of symbols that identifies the company, for lines = \"primary\""},
      {"stability.band", &policy.stability.band, "",
       "Percent by which a member may exceed its market cap bounds; 10, with two nights, leaves a "
       "quarter of the changes",
       within(0, 99), std::int64_t{10}},
      {"stability.nights", &policy.stability.nights, "",
       "As-of days in a row that a member must be out of its universe to leave", within(1, 60),
       std::int64_t{2}},
      {"stability.buffer", &policy.stability.buffer, "",
       "Percent by which the rank of a member may exceed first; 10 leaves a fifth of the changes",
       within(0, 99), std::int64_t{10}},
      {"universes.builtin", &policy.builtin, "", "Keep the ten built-in universes"},
      {"delisted.types", &policy.cleaned_types, "",
       "Types of entries from which delisted symbols are removed", text(check_type)},
      {"ipo.days", &policy.ipo_days, "",
       "Days for which a listing is recent, including the as-of day", within(1, most_days)},
      {"eod.wait", &s.run.eod.wait, "--wait-for-eod",
       "Seconds to wait for the import of the day to complete, 0 not to wait",
       within(0, longest_time)},
      {"eod.timeout", &s.run.eod.required, "--eod-timeout",
       "What to do if it is not complete by then", one_of({"continue", "fail"})},
      {"eod.lists", &s.run.eod.lists, "",
       "Redis lists on which the import signals that it is complete", redis_key("names", 1)},
      {"guards.max_vanished_percent", &guards.max_vanished_percent, "",
       "Percent of the symbols in the categories that may leave them in one run"},
      {"guards.max_appeared_percent", &guards.max_appeared_percent, "",
       "Percent of that number that may enter them in one run"},
      {"guards.max_removed_percent", &guards.max_removed_percent, "",
       "Percent of its members that a universe may lose in one run"},
      {"guards.max_data_age_days", &guards.max_data_age_days, "",
       "Refuse a run if there is no price in this many days; if unset, prices are not read",
       within(1, most_days), std::int64_t{4}},
      {"events.enabled", &s.run.events, "--no-events", "Announce changes to Redis"},
      {"events.max_universe_events", &s.run.max_universe_events, "--max-universe-events",
       "Announce only the first N universes of each task, 0 for all", within(0, most_rows)},
      {"events.stream", &s.environment.stream.key, "",
       "Key of a Redis Stream that keeps events for consumers that are away; empty for none",
       redis_key("a name", 0), "tickstock:cache:events"},
      {"events.stream_max_length", &s.environment.stream.max_length, "",
       "About how many events the stream keeps", within(1'000, 100'000'000)},
      {"outbox.max_age", &retention.outbox_max_age, "",
       "Days after which a pending event is dropped, 0 for never", days},
      {"outbox.keep_days", &retention.outbox_days, "",
       "Days for which a published event is kept, 0 for forever", days},
      {"journal.keep_days", &retention.journal_days, "",
       "Days for which a run is kept, 0 for forever", days},
      {"journal.keep_runs", &retention.journal_runs, "", "Runs that are kept regardless of age",
       within(0, most_rows)},
      {"timeouts.connect", &database.connect_timeout, "",
       "Seconds to connect to one address of PostgreSQL", seconds},
      {"timeouts.statement", &database.statement_timeout, "", "Seconds for one statement", seconds},
      {"timeouts.lock", &database.lock_timeout, "",
       "Seconds to wait for a row locked by another program", seconds},
      {"timeouts.commit", &database.commit_timeout, "",
       "Seconds for COMMIT, and for learning its outcome", seconds},
      {"timeouts.redis", &redis.connect_timeout, "", "Seconds to connect to Redis", seconds},
      {"timeouts.publish", &redis.publish_timeout, "", "Seconds to publish the events of a run",
       seconds},
      {"output.format", &output.format, "--format", "Format of the result", format},
      {"output.full", &output.full, "--full", "Name every member that was added, removed or moved"},
      {"output.color", &output.color, "--color",
       "Use color: auto means on a terminal, unless NO_COLOR is set", when},
      {"output.progress", &output.progress, "--progress", "Show a progress line on the terminal",
       when},
      {"log.format", &output.log_format, "--log-format", "Format of the log on standard error",
       format},
      {"log.level", &output.log_level, "", "How much to log: quiet as with -q, verbose as with -v",
       one_of({"quiet", "normal", "verbose"})},
      {"metrics.file", &output.metrics_file, "--metrics-file",
       "File for Prometheus' textfile collector", Accepts{"FILE"},
       "/var/lib/prometheus/node-exporter/tickstock-cache.prom"},
      {"monitoring.ping_url", &output.ping_url, "",
       "URL to get after a successful run, and with /fail to post to after any other; empty for "
       "none",
       text(check_ping_url), "https://hc-ping.com/00000000-0000-4000-8000-000000000000"},
  };
}

const std::vector<Setting>& setting_table() {
  static Settings defaults;
  static const std::vector<Setting> table = rows_of(defaults);
  return table;
}

const Setting& setting(std::string_view name) {
  for (const Setting& each : setting_table()) {
    if (each.name == name) return each;
  }
  throw std::out_of_range("there is no setting " + std::string(name));
}

std::string ping_server(const std::string& url) {
  return url.substr(0, url.find_first_of("/?#", url.find("://") + 3));
}

std::string Setting::variable() const {
  if (std::holds_alternative<postgres::ConnectionSettings*>(field)) return "DATABASE_URL";
  return std::holds_alternative<redis::RedisSettings*>(field) ? "REDIS_URL" : "";
}

bool Setting::has_password(const std::string& address) const {
  return std::holds_alternative<redis::RedisSettings*>(field)
             ? !redis::parse_redis_url(address).password.empty()
             : postgres::conninfo_has_password(address);
}

std::string Setting::help() const {
  if (is_address()) return meaning + ", without a password (" + variable() + ")";
  if (is_switch() && !switches_on()) {
    return fmt::format("Do not {}{}", static_cast<char>(std::tolower(meaning[0])),
                       meaning.substr(1));
  }
  const std::optional<Value> fallback = value();
  if (is_switch() || !fallback || *fallback == Value("")) return meaning;
  const auto* text = std::get_if<std::string>(&*fallback);
  return fmt::format("{} ({})", meaning, text != nullptr ? *text : toml_text(*fallback));
}

std::optional<Value> Setting::value() const {
  const auto value_in = [this](const auto* at) -> std::optional<Value> {
    using T = std::remove_cvref_t<decltype(*at)>;
    if constexpr (std::same_as<T, bool> || std::is_enum_v<T>) {
      if (is_switch()) return static_cast<bool>(*at);
      return accepts.words[static_cast<std::size_t>(*at)];
    } else if constexpr (std::same_as<T, std::chrono::milliseconds>) {
      return std::chrono::duration_cast<std::chrono::seconds>(*at).count();
    } else if constexpr (std::integral<T>) {
      return static_cast<std::int64_t>(*at);
    } else if constexpr (std::same_as<T, postgres::ConnectionSettings>) {
      return postgres::shown_conninfo(at->conninfo);
    } else if constexpr (std::same_as<T, redis::RedisSettings>) {
      return shown_address(*at);
    } else if constexpr (std::constructible_from<Value, T>) {
      return *at;
    } else if constexpr (std::integral<typename T::value_type>) {
      return *at ? std::optional<Value>(std::int64_t{**at}) : std::nullopt;
    } else {
      return std::nullopt;  // an option of one command is not shown
    }
  };
  std::optional<Value> shown = std::visit(value_in, field);
  if (name == "monitoring.ping_url" && shown != Value("")) {
    shown = ping_server(std::get<std::string>(*shown)) + "/********";
  }
  return shown;
}

void Setting::set(const Value& value) const {
  const auto set_in = [&](auto* at) {
    using T = std::remove_pointer_t<decltype(at)>;
    if constexpr (std::same_as<T, bool> || std::is_enum_v<T>) {
      const auto* word = std::get_if<std::string>(&value);
      const auto& words = accepts.words;
      *at = word == nullptr ? static_cast<T>(std::get<bool>(value))
                            : static_cast<T>(std::ranges::find(words, *word) - words.begin());
    } else if constexpr (std::same_as<T, std::chrono::milliseconds>) {
      *at = std::chrono::seconds(std::get<std::int64_t>(value));
    } else if constexpr (std::same_as<T, postgres::ConnectionSettings>) {
      at->conninfo = std::get<std::string>(value);
    } else if constexpr (std::same_as<T, redis::RedisSettings>) {
      set_address(*at, std::get<std::string>(value));
    } else if constexpr (std::same_as<T, double> || std::same_as<T, std::vector<std::string>>) {
      *at = std::get<T>(value);
    } else if constexpr (std::constructible_from<T, std::string>) {
      *at = std::get<std::string>(value);
    } else if constexpr (std::same_as<T, std::optional<Day>>) {
      *at = parse_day(std::get<std::string>(value));
    } else {
      *at = static_cast<T>(std::get<std::int64_t>(value));
    }
  };
  std::visit(set_in, field);
}

std::string problem_of(const Setting& setting, const Value& value, std::string* hint) {
  const auto& [called, lowest, highest, words, check] = setting.accepts;
  const auto* text = std::get_if<std::string>(&value);
  const auto* list = std::get_if<std::vector<std::string>>(&value);
  const auto unless = [](bool fits, const std::string& demand) {
    return fits ? "" : "must be " + demand;
  };
  if (!words.empty()) {
    return unless(
        text != nullptr && std::ranges::count(words, *text) == 1,
        fmt::format("{} or {}", fmt::join(words.begin(), words.end() - 1, ", "), words.back()));
  }
  if (highest > 0) {
    const auto* number = std::get_if<std::int64_t>(&value);
    return unless(number != nullptr && *number >= lowest && *number <= highest,
                  fmt::format("a whole number from {} to {}", lowest, highest));
  }
  if (std::holds_alternative<double*>(setting.field)) {
    const auto* percent = std::get_if<double>(&value);
    return unless(percent != nullptr && *percent >= 0 && *percent <= 100, "a number from 0 to 100");
  }
  if (setting.is_switch()) return unless(std::holds_alternative<bool>(value), "true or false");
  const bool takes_list = std::holds_alternative<std::vector<std::string>*>(setting.field);
  if (takes_list && (list == nullptr || list->empty())) {
    return "must be a list of strings, at least one";
  }
  if (!takes_list && text == nullptr) return "must be a string";
  for (const std::string& each : takes_list ? *list : std::vector<std::string>{*text}) {
    // Whoever takes the value would take it for the end.
    if (each.find('\0') != std::string::npos) return "must not hold a NUL";
    std::string problem = setting.is_address() ? address_problem(setting, each, hint)
                          : check              ? check(each)
                                               : "";
    if (!problem.empty()) return problem;
  }
  return "";
}

std::optional<Value> parse_value(const Setting& setting, const std::string& text) {
  if (setting.is_address()) return without_line_end(text);
  if (setting.accepts.highest == 0) return text;
  return number_of<std::int64_t>(text);
}

std::string toml_text(const Value& value) {
  const auto to_toml = [](const auto& each) -> std::string {
    using T = std::remove_cvref_t<decltype(each)>;
    if constexpr (std::same_as<T, std::string>) {
      return toml_quoted(each);
    } else if constexpr (std::same_as<T, std::vector<std::string>>) {
      std::vector<std::string> quoted(each.size());
      std::ranges::transform(each, quoted.begin(), toml_quoted);
      return fmt::format("[{}]", fmt::join(quoted, ", "));
    } else {
      return fmt::format("{}", each);
    }
  };
  return std::visit(to_toml, value);
}

std::string check_word(const std::string& text) {
  return like("[A-Za-z0-9._:-]{1,64}", "must be 1 to 64 of A-Z a-z 0-9 . _ : -").check(text);
}

}  // namespace tickstock::cli
