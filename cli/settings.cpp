#include "settings.hpp"

#include <fmt/chrono.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <initializer_list>
#include <numeric>
#include <random>

#include "environment.hpp"
#include "options.hpp"
#include "redis/link.hpp"

namespace tickstock::cli {

namespace {

/// Returns the number of edits between two words: insertions, deletions, replacements, and swaps of
/// neighboring letters.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  std::iota(cost[0].begin(), cost[0].end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    cost[i][0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

/// Returns which of these variables are set, as a list of their names.
std::string set_among(std::initializer_list<const char*> names) {
  std::string list;
  for (const char* name : names) {
    if (variable(name)) list += (list.empty() ? "" : ", ") + std::string(name);
  }
  return list;
}

/// Takes an address from its flag, its file or its variable. \return whether there is one.
bool apply_address(Settings& settings, const Options& options, const Setting& setting,
                   const std::optional<std::string>& file) {
  for (const Given& each : options.given) {
    if (each.setting == &setting) return true;
  }
  const auto url = file ? read_secret_file(*file) : variable(setting.variable().c_str());
  if (!url) return false;
  std::string hint;
  if (const std::string problem = problem_of(setting, *url, &hint); !problem.empty()) {
    const std::string where = file ? "the address in " + *file : setting.variable();
    throw Error(ErrorKind::config, where + " " + problem,
                {.object = file ? *file : setting.variable(), .hint = hint});
  }
  const Origin from_file{Origin::Kind::flag, setting.flag + "-file " + file.value_or("")};
  const Origin from_variable{Origin::Kind::environment, setting.variable()};
  settings.apply({&setting, *url, file ? from_file : from_variable});
  return true;
}

/// Returns the address of Redis that the environment gives in parts. \throws Error (config) naming
/// the invalid part.
std::string redis_from_parts() {
  const std::string host = variable("REDIS_HOST").value_or("127.0.0.1");
  const std::string port = variable("REDIS_PORT").value_or("6379");
  const std::string database = variable("REDIS_DB").value_or("0");
  const auto require = [](bool sound, const std::string& variable, const char* problem,
                          const char* hint = "") {
    if (sound) return;
    throw Error(ErrorKind::config, variable + problem, {.object = variable, .hint = hint});
  };
  require(port.find("://") == std::string::npos, "REDIS_PORT",
          " is an address (tcp://…), as Kubernetes sets it for a service that is named redis",
          "Set REDIS_URL, or enableServiceLinks: false for the pod.");
  const std::string address = host.find(':') == std::string::npos ? host : "[" + host + "]";
  // Check each part together with valid others.
  const auto makes_address = [](const std::string& url) {
    return problem_of(setting("redis.url"), url).empty();
  };
  const auto is_number = [](const std::string& text) {
    return text.find_first_not_of("0123456789") == std::string::npos;
  };
  require(
      address.find_first_of("@/?#,&;=") == std::string::npos && makes_address("redis://" + address),
      "REDIS_HOST", " must be only the name or the address of a host");
  require(is_number(port) && makes_address("redis://h:" + port + "/0"), "REDIS_PORT",
          " must be a number from 1 to 65535");
  require(is_number(database) && makes_address("redis://h/" + database), "REDIS_DB",
          " must be a number from 0 to 1000000");
  return "redis://" + address + ":" + port + "/" + database;
}

void apply_redis(Settings& settings, const Options& options) {
  const Setting& redis = setting("redis.url");
  if (apply_address(settings, options, redis, options.redis_url_file)) return;
  const std::string parts = set_among({"REDIS_HOST", "REDIS_PORT", "REDIS_DB"});
  if (parts.empty()) return;
  settings.apply({&redis, redis_from_parts(), {Origin::Kind::environment, parts}});
}

void apply_database(Settings& settings, const Options& options) {
  const Setting& database = setting("database.url");
  apply_address(settings, options, database, options.database_url_file);
  // What libpq itself takes from the environment if no address is given.
  const std::string parts =
      set_among({"PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER"});
  if (!parts.empty()) {
    settings.origins.try_emplace(database.name, Origin{Origin::Kind::environment, parts});
  }
}

/// A connect_timeout of the address, or from libpq's other sources, overrides ours.
void take_connect_timeout(Settings& settings) {
  const auto seconds = postgres::connect_timeout_of(settings.environment.database.conninfo);
  if (!seconds) return;
  const Setting& timeout = setting("timeouts.connect");
  Origin origin = settings.origin("database.url");
  if (origin.kind == Origin::Kind::fallback) origin = {Origin::Kind::environment, "libpq's own"};
  origin.name = "connect_timeout of " + origin.name;
  settings.apply(
      {&timeout, std::min<std::int64_t>(seconds->count(), timeout.accepts.highest), origin});
}

/// Reads the named configuration file, or else the default one. A default file that exists but
/// can't be read is an error too: a run must not plan anything its administrator doesn't expect.
/// \return what is wrong with it.
std::optional<Error> apply_config_file(Settings& settings, const Options& options,
                                       const std::string& default_file) {
  auto path = options.config_file ? options.config_file : variable("TICKSTOCK_CACHE_CONFIG");
  if (!path && !default_file.empty()) {
    std::error_code unknown;
    if (!std::filesystem::exists(default_file, unknown) && !unknown) {
      settings.missing_config_file = default_file;
    } else {
      path = default_file;
    }
  }
  if (!path) return std::nullopt;
  settings.config_file = *path;
  const Config config = read_config_file(*path);
  for (const Given& each : config.given) settings.apply(each);
  settings.declared = config.universes;
  settings.run.policy.declared = config.universes.universes;
  return config.problem;
}

void name_tables(Settings& settings) {
  // The schema goes through the same check as any other name.
  const auto named = [&settings](const std::string& text, const std::string& key) {
    return tables::parse_table_name(text, settings.tables.schema, "[tables] " + key);
  };
  const auto& [schema, symbols, prices, entries] = settings.tables;
  settings.environment.tables = {named(symbols, "symbols"), named(prices, "prices"),
                                 named(entries, "entries")};
}

/// Returns the current day in a time zone by this machine's clock, which is good enough for a name.
std::string day_in(const std::string& timezone) {
  // Nothing else here shows local time.
  ::setenv("TZ", (":" + timezone).c_str(), 1);
  const std::time_t now = std::time(nullptr);
  std::tm day{};
  ::localtime_r(&now, &day);
  ::unsetenv("TZ");
  return fmt::format("{:%Y-%m-%d}", day);
}

/// Returns a new run id; if a machine starts runs every night, one that sorts by day.
std::string new_run_id(const sync::RunOptions& run, const std::string& timezone) {
  const bool is_scheduled = run.triggered_by == "timer" || run.triggered_by == "cron";
  const std::string head = !is_scheduled
                               ? "manual-cache-sync"
                               : fmt::format("{}-{}", run.triggered_by,
                                             run.as_of ? to_string(*run.as_of) : day_in(timezone));
  return fmt::format("{}-{:08x}", head, std::random_device()());
}

void take_run(const Options& options, const std::string& timezone, sync::RunOptions& run) {
  run.mode = options.mode;
  run.dry_run = options.dry_run;
  run.as_of = options.as_of;
  run.run_id = options.run_id.value_or(new_run_id(run, timezone));
  run.approve_plan = options.approve_plan;
  run.undo = options.undo;
}

void require_transport(Settings& settings, const Options& options) {
  const bool announces = settings.run.events;
  const bool talks_to_redis =
      options.command == Command::deliver || (options.command == Command::check && announces) ||
      (options.is_run() && (announces || settings.run.eod.wait.count() > 0));
  if (!talks_to_redis) return;
  redis::RedisSettings& redis = settings.environment.redis;
  if (redis.cert_file.empty() != redis.key_file.empty()) {
    const char* const set = redis.cert_file.empty() ? "key" : "cert";
    const char* const missing = redis.cert_file.empty() ? "cert" : "key";
    throw Error(ErrorKind::config,
                fmt::format("[redis] {}_file is set without {}_file", set, missing),
                {.object = fmt::format("[redis] {}_file", missing), .hint = "Set both."});
  }
  if (redis.transport == redis::RedisSettings::Transport::tls) {
    // Check these first: the connection would only report that nothing is trusted.
    for (const std::string& file : {redis.ca_file, redis.cert_file, redis.key_file}) {
      if (file.empty()) continue;
      const FileContent content = read_file(file);
      if (file == redis.key_file) require_private(content, file);
    }
    try {
      redis::make_tls_context(redis);
    } catch (const Error& error) {
      throw error.as(ErrorKind::config);
    }
  }
  redis.require_tls = settings.environment.database.require_tls;
  const std::string weakness = redis.transport_weakness();
  if (redis.require_tls && !weakness.empty()) {
    throw Error(ErrorKind::config, "[security] require_tls: " + weakness,
                {.object = "Redis at " + redis.name(), .hint = redis.transport_hint()});
  }
}

}  // namespace

void Settings::apply(const Given& given) {
  const auto row = given.setting - setting_table().data();
  rows_of(*this)[static_cast<std::size_t>(row)].set(given.value);
  origins[given.setting->name] = given.origin;
}

Origin Settings::origin(const std::string& setting) const {
  return origins.contains(setting) ? origins.at(setting) : Origin();
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  // A word longer than every name is no typo, and would take long to compare.
  constexpr std::size_t longest = 64;
  if (word.size() > longest || candidates.empty()) return std::nullopt;
  const auto distance = [word](const std::string& each) { return edit_distance(word, each); };
  const std::string& best = *std::ranges::min_element(candidates, {}, distance);
  if (distance(best) > word.size() / 3) return std::nullopt;
  return best;
}

std::optional<Error> resolve_settings(const Options& options, Settings& settings,
                                      const std::string& default_file) {
  std::optional<Error> problem = apply_config_file(settings, options, default_file);
  const auto attempt = [&problem](const auto& step) {
    try {
      step();
      return true;
    } catch (const Error& error) {
      if (!problem) problem = error;
      return false;
    }
  };
  settings.environment.program_version = version;
  settings.environment.database.home = variable("HOME").value_or("");
  const bool knows_redis = attempt([&] { apply_redis(settings, options); });
  attempt([&] { apply_database(settings, options); });
  for (const Given& each : options.given) settings.apply(each);
  take_run(options, settings.environment.timezone, settings.run);
  settings.output.summary = options.summary;
  const std::string configured = settings.output.json() ? "json" : "text";
  settings.output.listing = options.listing.empty() ? configured : options.listing;
  attempt([&] { take_connect_timeout(settings); });
  attempt([&] { name_tables(settings); });
  if (settings.origin("run.timezone").kind == Origin::Kind::flag) {
    settings.environment.unknown_timezone = ErrorKind::usage;
  }
  settings.run.measure = options.is_run() && !settings.output.metrics_file.empty();
  const bool may_talk = attempt([&] { require_transport(settings, options); });
  // A file that could not be used may have named another Redis than the default one.
  const bool is_default = settings.origin("redis.url").kind == Origin::Kind::fallback;
  settings.can_announce = knows_redis && may_talk && settings.run.events &&
                          !(problem && !settings.config_file.empty() && is_default);
  return problem;
}

}  // namespace tickstock::cli
