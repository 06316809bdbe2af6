#include "settings.hpp"

#include <string>
#include <utility>

#include "config_file.hpp"
#include "domain/error.hpp"
#include "environment.hpp"
#include "events/sha256.hpp"
#include "secret_file.hpp"
#include "version.hpp"

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

/// The parts of the address that the environment may give one by one.
std::string redis_from_parts() {
  const std::string host = variable("REDIS_HOST").value_or("127.0.0.1");
  const std::string address = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return "redis://" + address + ":" + variable("REDIS_PORT").value_or("6379") + "/" +
         variable("REDIS_DB").value_or("0");
}

void apply_redis_parts(Settings& settings, const Setting& setting) {
  std::string given;
  for (const char* name : {"REDIS_HOST", "REDIS_PORT", "REDIS_DB"}) {
    if (variable(name)) given += (given.empty() ? "" : ", ") + std::string(name);
  }
  if (given.empty()) return;
  const std::string url = redis_from_parts();
  if (!problem_of(setting, url).empty()) {
    throw Error(ErrorKind::config,
                "REDIS_HOST, REDIS_PORT and REDIS_DB must be a host, a port and a number");
  }
  settings.apply({&setting, url, {Origin::Kind::environment, given}});
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

void apply_addresses(Settings& settings, const Options& options) {
  const auto apply = [&settings](const Setting& setting, const Text& file, const char* flag) {
    if (file) {
      apply_address(settings, setting, read_secret_file(*file), "the address in " + *file,
                    {Origin::Kind::flag, std::string(flag) + " " + *file});
    } else if (const Text url = variable(setting.variable.c_str())) {
      apply_address(settings, setting, *url, setting.variable,
                    {Origin::Kind::environment, setting.variable});
    } else {
      return false;
    }
    return true;
  };
  const Setting& database = setting("database.url");
  const Setting& redis = setting("redis.url");
  if (!options.gives(database)) apply(database, options.database_url_file, "--database-url-file");
  if (!options.gives(redis) && !apply(redis, options.redis_url_file, "--redis-url-file")) {
    apply_redis_parts(settings, redis);
  }
  note_libpq_variables(settings, database);
}

void name_tables(Settings& settings) {
  const TableSettings& tables = settings.tables;
  // The schema goes through the same check as every other name.
  const auto named = [&tables](const std::string& text, const char* key) {
    return store::parse_table_name(text, tables.schema, "[tables] " + std::string(key));
  };
  settings.environment.tables = {named(tables.symbols, "symbols"), named(tables.prices, "prices"),
                                 named(tables.entries, "entries")};
}

void take_run(const Options& options, sync::RunOptions& run) {
  run.mode = options.mode;
  run.dry_run = options.dry_run;
  run.as_of = options.as_of;
  run.run_id = options.run_id.value_or("manual-cache-sync-" + events::random_hex(4));
  run.approve_plan = options.approve_plan;
}

void require_transport(const Settings& settings, Command command) {
  const bool talks_to_redis = command == Command::deliver || command == Command::check ||
                              (command == Command::task && !settings.run.dry_run &&
                               (settings.run.events || settings.run.eod.wait.count() > 0));
  const std::string weakness = settings.environment.redis.transport_weakness();
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

Output output_of_flags(const Options& options) {
  Settings settings;
  for (const Given& each : options.given) settings.apply(each);
  return settings.output;
}

Settings resolve_settings(const Options& options) {
  Settings settings;
  const Text path = options.config_file ? options.config_file : variable("TICKSTOCK_CACHE_CONFIG");
  if (path) {
    settings.config_file = *path;
    for (const Given& each : read_config_file(*path)) settings.apply(each);
  }
  apply_addresses(settings, options);
  for (const Given& each : options.given) settings.apply(each);
  name_tables(settings);
  take_run(options, settings.run);
  settings.run.measure = !settings.output.metrics_file.empty();
  settings.environment.program_version = version;
  require_transport(settings, options.command);
  return settings;
}

}  // namespace tickstock::cli
