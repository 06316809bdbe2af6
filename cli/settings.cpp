#include "settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <utility>

#include "config_file.hpp"
#include "domain/error.hpp"
#include "environment.hpp"
#include "secret_file.hpp"

namespace tickstock::cli {

namespace {

using Text = std::optional<std::string>;

/// An address, from where it was found. \param where as a sentence about it begins
void apply_address(Settings& settings, const Setting& setting, const std::string& url,
                   const std::string& where, Origin origin) {
  if (const std::string problem = problem_of(setting, url); !problem.empty()) {
    throw Error(ErrorKind::config, where + " " + problem);
  }
  settings.apply({&setting, url, std::move(origin)});
}

/// The address that the environment gives in parts. \throws Error (config) naming the part that is
/// wrong.
std::string redis_from_parts() {
  const std::string port = variable("REDIS_PORT").value_or("6379");
  if (port.find("://") != std::string::npos) {
    throw Error(ErrorKind::config,
                "REDIS_PORT is an address (tcp://…), as Kubernetes sets it for a service that is "
                "named redis; set REDIS_URL, or enableServiceLinks: false for the pod");
  }
  const std::string host = variable("REDIS_HOST").value_or("127.0.0.1");
  const std::string database = variable("REDIS_DB").value_or("0");
  const std::string address = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const Setting& redis = setting("redis.url");
  // Each part is tried with sound others.
  const auto require = [&redis](const char* name, const std::string& url, const char* what) {
    if (!problem_of(redis, url).empty()) {
      throw Error(ErrorKind::config, std::string(name) + " must be " + what);
    }
  };
  const auto is_number = [](const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (address.find_first_of("@/?#,&;=") != std::string::npos) {
    throw Error(ErrorKind::config, "REDIS_HOST must be the name or the address of a host alone");
  }
  require("REDIS_HOST", "redis://" + address, "the name or the address of a host alone");
  require("REDIS_PORT", is_number(port) ? "redis://h:" + port + "/0" : "",
          "a number from 1 to 65535");
  require("REDIS_DB", is_number(database) ? "redis://h/" + database : "",
          "a number from 0 to 1000000");
  return "redis://" + address + ":" + port + "/" + database;
}

void apply_redis_parts(Settings& settings, const Setting& setting) {
  std::string given;
  for (const char* name : {"REDIS_HOST", "REDIS_PORT", "REDIS_DB"}) {
    if (variable(name)) given += (given.empty() ? "" : ", ") + std::string(name);
  }
  if (given.empty()) return;
  settings.apply({&setting, redis_from_parts(), {Origin::Kind::environment, given}});
}

/// What libpq itself takes from the environment where no address is given.
void note_libpq_variables(Settings& settings, const Setting& setting) {
  std::string given;
  for (const char* name : {"PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER"}) {
    if (variable(name)) given += (given.empty() ? "" : ", ") + std::string(name);
  }
  Origin& origin = settings.origin(setting);
  if (!given.empty() && origin.kind == Origin::Kind::fallback) {
    origin = {Origin::Kind::environment, given};
  }
}

/// Takes an address from its file or its variable. \return whether there is one.
bool apply_url(Settings& settings, const Setting& setting, const Text& file) {
  if (file) {
    apply_address(settings, setting, read_secret_file(*file), "the address in " + *file,
                  {Origin::Kind::flag, setting.flag + "-file " + *file});
  } else if (const Text url = variable(setting.variable.c_str())) {
    apply_address(settings, setting, *url, setting.variable,
                  {Origin::Kind::environment, setting.variable});
  } else {
    return false;
  }
  return true;
}

void apply_redis(Settings& settings, const Options& options) {
  const Setting& redis = setting("redis.url");
  if (options.gives(redis) || apply_url(settings, redis, options.redis_url_file)) return;
  apply_redis_parts(settings, redis);
}

void apply_database(Settings& settings, const Options& options) {
  const Setting& database = setting("database.url");
  if (!options.gives(database)) apply_url(settings, database, options.database_url_file);
  note_libpq_variables(settings, database);
}

/// A connect_timeout of the address, or of where else libpq finds one, counts more than ours.
void take_connect_timeout(Settings& settings) {
  const auto seconds = postgres::connect_timeout_of(settings.environment.database.conninfo);
  if (!seconds) return;
  const Setting& timeout = setting("timeouts.connect");
  Origin origin = settings.origin(setting("database.url"));
  if (origin.kind == Origin::Kind::fallback) origin = {Origin::Kind::environment, "libpq's own"};
  origin.name = "connect_timeout of " + origin.name;
  settings.apply({&timeout, std::min<std::int64_t>(seconds->count(), timeout.highest), origin});
}

/// Reads the configuration file that is named, else the default one. A default file that exists but
/// can't be read is an error too: a run must not plan otherwise than its administrator thinks.
/// \return what is wrong with it.
std::optional<Error> apply_config_file(Settings& settings, const Options& options,
                                       const std::string& default_file) {
  Text path = options.config_file ? options.config_file : variable("TICKSTOCK_CACHE_CONFIG");
  if (!path && !default_file.empty()) {
    std::error_code unknown;
    if (std::filesystem::status(default_file, unknown).type() ==
        std::filesystem::file_type::not_found) {
      settings.missing_config_file = default_file;
    } else {
      path = default_file;
    }
  }
  if (!path) return std::nullopt;
  settings.config_file = *path;
  const Config config = read_config_file(*path);
  for (const Given& each : config.given) settings.apply(each);
  settings.run.policy.declared = config.universes;
  settings.universes_toml = config.universes_toml;
  settings.universes_json = config.universes_json;
  return config.problem;
}

void name_tables(Settings& settings) {
  const TableSettings& tables = settings.tables;
  // The schema goes through the same check as every other name.
  const auto named = [&tables](const std::string& text, const char* key) {
    return tables::parse_table_name(text, tables.schema, "[tables] " + std::string(key));
  };
  settings.environment.tables = {named(tables.symbols, "symbols"), named(tables.prices, "prices"),
                                 named(tables.entries, "entries")};
}

void take_run(const Options& options, sync::RunOptions& run) {
  run.mode = options.mode;
  run.dry_run = options.dry_run;
  run.as_of = options.as_of;
  run.run_id =
      options.run_id.value_or(fmt::format("manual-cache-sync-{:08x}", std::random_device()()));
  run.approve_plan = options.approve_plan;
}

void require_transport(const Settings& settings, Command command) {
  const bool talks_to_redis = command == Command::deliver ||
                              (command == Command::check && settings.run.events) ||
                              (command == Command::task && !settings.run.dry_run &&
                               (settings.run.events || settings.run.eod.wait.count() > 0));
  const std::string weakness = settings.environment.redis.transport_weakness();
  const redis::RedisSettings& redis = settings.environment.redis;
  if (talks_to_redis && redis.transport == redis::RedisSettings::Transport::tls &&
      !redis.ca_file.empty()) {
    // Named before a connection that would only say that nothing is trusted.
    read_file(redis.ca_file);
  }
  if (settings.environment.database.require_tls && talks_to_redis && !weakness.empty()) {
    throw Error(ErrorKind::config, "[security] require_tls: " + weakness);
  }
}

}  // namespace

Settings::Settings() : origins_(setting_table().size()) {}

std::size_t Settings::index_of(const Setting& setting) {
  return static_cast<std::size_t>(&setting - setting_table().data());
}

void Settings::apply(const Given& given) {
  given.setting->set(*this, given.value);
  origin(*given.setting) = given.origin;
}

void resolve_settings(const Options& options, Settings& settings, const std::string& default_file) {
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
  take_run(options, settings.run);
  settings.environment.program_version = version;
  settings.environment.database.home = variable("HOME").value_or("");
  const bool knows_redis = attempt([&] { apply_redis(settings, options); });
  attempt([&] { apply_database(settings, options); });
  for (const Given& each : options.given) settings.apply(each);
  attempt([&] { take_connect_timeout(settings); });
  attempt([&] { name_tables(settings); });
  if (settings.origin(setting("run.timezone")).kind == Origin::Kind::flag) {
    settings.environment.unknown_timezone = ErrorKind::usage;
  }
  settings.run.measure = !settings.output.metrics_file.empty();
  const bool may_talk = attempt([&] { require_transport(settings, options.command); });
  // A file that could not be used may have named another Redis than the default one.
  const bool is_default = settings.origin(setting("redis.url")).kind == Origin::Kind::fallback;
  settings.can_announce = knows_redis && may_talk && settings.run.events &&
                          !(problem && !settings.config_file.empty() && is_default);
  if (problem) throw Error(*problem);
}

void resolve_what_is_sound(const Options& options, Settings& settings) {
  try {
    resolve_settings(options, settings);
  } catch (const Error&) {
    // The problem of the command line came first.
  }
}

}  // namespace tickstock::cli
