#include "settings.hpp"

#include <chrono>
#include <cstdlib>
#include <string>

#include "config_file.hpp"
#include "domain/error.hpp"
#include "events/sha256.hpp"
#include "secret_file.hpp"
#include "version.hpp"

namespace tickstock::cli {

namespace {

using Text = std::optional<std::string>;

/// A variable of the environment; an empty one counts as not set.
Text variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Text first_of(const Text& a, const Text& b) { return a ? a : b; }

ConfigFile load_config(const Options& options) {
  const Text path = first_of(options.config_file, variable("TICKSTOCK_CACHE_CONFIG"));
  return path ? read_config_file(*path) : ConfigFile{};
}

std::string database_url(const Options& options, const ConfigFile& file) {
  if (options.database_url) return *options.database_url;
  Text url;
  std::string origin;
  if (options.database_url_file) {
    url = read_secret_file(*options.database_url_file);
    origin = *options.database_url_file;
  } else if ((url = variable("DATABASE_URL"))) {
    origin = "DATABASE_URL";
  } else if ((url = file.database_url)) {
    origin = "[database] url";
  } else {
    return "";  // libpq's own environment
  }
  if (const std::string problem = store::conninfo_problem(*url); !problem.empty()) {
    throw Error(ErrorKind::config, "the database URL in " + origin + " can't be used: " + problem);
  }
  return *url;
}

/// The parts of the address that the environment may give one by one.
events::RedisSettings redis_from_parts() {
  const Text host = variable("REDIS_HOST");
  const Text port = variable("REDIS_PORT");
  const Text database = variable("REDIS_DB");
  const std::string name = host.value_or("127.0.0.1");
  const std::string address = name.find(':') == std::string::npos ? name : "[" + name + "]";
  try {
    return events::parse_redis_url("redis://" + address + ":" + port.value_or("6379") + "/" +
                                   database.value_or("0"));
  } catch (const Error&) {
    throw Error(ErrorKind::config,
                "REDIS_HOST, REDIS_PORT and REDIS_DB must be a host, a port and a number");
  }
}

events::RedisSettings redis_settings(const Options& options, const ConfigFile& file) {
  events::RedisSettings settings;
  if (options.redis_url) {
    settings = events::parse_redis_url(*options.redis_url);
  } else if (options.redis_url_file) {
    settings = events::parse_redis_url(read_secret_file(*options.redis_url_file));
  } else if (const Text url = variable("REDIS_URL")) {
    settings = events::parse_redis_url(*url);
  } else if (variable("REDIS_HOST") || variable("REDIS_PORT") || variable("REDIS_DB")) {
    settings = redis_from_parts();
  } else if (file.redis_url) {
    settings = events::parse_redis_url(*file.redis_url);
  }
  settings.ca_file = file.redis_ca_file.value_or("");
  return settings;
}

store::TableNames table_names(const ConfigFile& file) {
  // The schema goes through the same check as every other name.
  const std::string schema = file.schema.value_or("public");
  const auto named = [&schema](const Text& text, const char* fallback, const std::string& key) {
    return store::parse_table_name(text.value_or(fallback), schema, "[tables] " + key);
  };
  return {named(file.symbols, "symbols", "symbols"), named(file.prices, "ohlcv_daily", "prices"),
          named(file.entries, "cache_entries", "entries")};
}

void take_guards(const ConfigFile& file, GuardLimits& guards) {
  guards.max_vanished_percent = file.max_vanished_percent.value_or(guards.max_vanished_percent);
  guards.max_appeared_percent = file.max_appeared_percent.value_or(guards.max_appeared_percent);
  guards.max_removed_percent = file.max_removed_percent.value_or(guards.max_removed_percent);
  if (file.max_data_age_days) guards.max_data_age_days = static_cast<int>(*file.max_data_age_days);
}

void take_timeouts(const Options& options, const ConfigFile& file, sync::Environment& environment) {
  const auto take = [](const std::optional<std::int64_t>& seconds,
                       std::chrono::milliseconds& target) {
    if (seconds) target = std::chrono::seconds(*seconds);
  };
  take(options.timeout_seconds ? options.timeout_seconds : file.timeout, environment.timeout);
  take(file.connect_timeout, environment.database.connect_timeout);
  take(file.statement_timeout, environment.database.statement_timeout);
  take(file.lock_timeout, environment.database.lock_timeout);
  take(file.commit_timeout, environment.database.commit_timeout);
  take(file.redis_timeout, environment.redis.connect_timeout);
  take(file.publish_timeout, environment.redis.publish_timeout);
}

void take_retention(const ConfigFile& file, store::Retention& retention) {
  const auto take = [](const std::optional<std::int64_t>& setting, int& target) {
    if (setting) target = static_cast<int>(*setting);
  };
  take(file.outbox_max_age, retention.outbox_max_age);
  take(file.outbox_keep_days, retention.outbox_days);
  take(file.journal_keep_days, retention.journal_days);
  take(file.journal_keep_runs, retention.journal_runs);
}

sync::RunOptions run_options(const Options& options, const ConfigFile& file) {
  sync::RunOptions run;
  run.mode = options.mode;
  run.dry_run = options.dry_run;
  run.as_of = options.as_of;
  run.run_id = options.run_id.value_or("manual-cache-sync-" + events::random_hex(4));
  run.triggered_by = options.triggered_by.value_or(file.triggered_by.value_or(run.triggered_by));
  if (!is_word(run.triggered_by)) {
    throw Error(ErrorKind::config, "[run] triggered_by must be 1 to 64 of A-Z a-z 0-9 . _ : -");
  }
  run.approve_plan = options.approve_plan;
  run.lock_wait =
      std::chrono::seconds(options.lock_wait_seconds.value_or(file.lock_wait.value_or(0)));
  run.events = !options.no_events && file.events.value_or(true);
  if (const auto most =
          options.max_universe_events ? options.max_universe_events : file.max_universe_events) {
    run.max_universe_events = static_cast<std::size_t>(*most);
  }
  run.policy.ipo_days = static_cast<int>(file.ipo_days.value_or(run.policy.ipo_days));
  take_guards(file, run.policy.guards);
  return run;
}

}  // namespace

Settings resolve_settings(const Options& options) {
  const ConfigFile file = load_config(options);
  Settings settings;
  settings.environment.database.conninfo = database_url(options, file);
  settings.environment.database.connections = file.connections;
  settings.environment.redis = redis_settings(options, file);
  settings.environment.tables = table_names(file);
  take_retention(file, settings.environment.retention);
  settings.environment.timezone =
      first_of(options.timezone, file.timezone).value_or(settings.environment.timezone);
  settings.environment.program_version = version;
  settings.run = run_options(options, file);
  take_timeouts(options, file, settings.environment);
  settings.environment.database.require_tls = file.require_tls.value_or(false);
  const bool talks_to_redis =
      options.command == Command::deliver || options.command == Command::check ||
      (options.command == Command::task && !options.dry_run && settings.run.events);
  if (const std::string weakness = settings.environment.redis.transport_weakness();
      settings.environment.database.require_tls && talks_to_redis && !weakness.empty()) {
    throw Error(ErrorKind::config, "[security] require_tls: " + weakness);
  }
  return settings;
}

}  // namespace tickstock::cli
