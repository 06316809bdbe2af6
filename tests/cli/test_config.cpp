// `config`: the effective settings, and their origins.

#include <map>
#include <regex>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Runs `config`, which needs no service, with nothing but this in the environment.
ProcessResult config(const Names& arguments, const Environment& environment = {}) {
  return run_process(with({TICKSTOCK_CACHE_PROGRAM, "config"}, arguments),
                     {.environment = environment});
}

/// Returns the settings that don't have their default: value and origin.
std::map<std::string, std::string> given(const Names& arguments, const Environment& environment) {
  const ProcessResult result = config(with({"--format", "json"}, arguments), environment);
  INFO(result.err);
  REQUIRE(result.status == 0);
  std::map<std::string, std::string> found;
  for (const Json& each : Json::parse(result.out).at("settings").items()) {
    if (each.at("origin").str() == "default") {
      CHECK(each.at("given_by").is_null());
      continue;
    }
    found[each.at("section").str() + "." + each.at("key").str()] =
        each.at("value").text() + " " + each.at("origin").str() + " " + each.at("given_by").str();
  }
  found.erase("output.format");
  return found;
}

/// Returns a configuration with nothing commented out.
std::string uncommented(const std::string& example) {
  return std::regex_replace(example, std::regex("\n#(\\w+ = |\\[\\[)"), "\n$1");
}

}  // namespace

TEST_CASE("config tells of each value whether flag, environment, file or default gave it") {
  const TemporaryDirectory directory;
  const std::string file = directory.write("c.toml",
                                           "[run]\nlock_wait = 60\ntimezone = 'UTC'\n"
                                           "[redis]\nurl = 'redis://file/1'\n");
  const std::map<std::string, std::string> found =
      given({"--config", file, "--timezone", "Europe/Berlin", "--no-events"},
            {{"DATABASE_URL", "postgresql://h/d"}, {"REDIS_URL", "redis://r:1/2"}});
  CHECK(found == std::map<std::string, std::string>{
                     {"run.lock_wait", "60 file " + file + ":2"},
                     {"run.timezone", "\"Europe/Berlin\" flag --timezone"},
                     {"events.enabled", "false flag --no-events"},
                     {"database.url", "\"dbname=d host=h\" environment DATABASE_URL"},
                     {"redis.url", "\"redis://r:1/2\" environment REDIS_URL"}});
}

TEST_CASE("config shows the parts from which an address is made") {
  CHECK(given({}, {{"REDIS_HOST", "cache"}, {"REDIS_DB", "3"}}).at("redis.url") ==
        "\"redis://cache:6379/3\" environment REDIS_HOST, REDIS_DB");
  const std::string database =
      given({}, {{"PGHOST", "db"}, {"PGDATABASE", "market"}, {"PGUSER", "night"}})
          .at("database.url");
  for (const char* part : {"host=db", "dbname=market", "user=night", "PGHOST, PGDATABASE, PGUSER"})
    CHECK_THAT(database, contains(part));
}

TEST_CASE("config never shows a password, wherever it comes from") {
  const TemporaryDirectory directory;
  const std::string file = directory.write("c.toml",
                                           "[database]\nurl = 'host=h user=u password=CANARY'\n"
                                           "[redis]\nurl = 'redis://u:CANARY@r'\n",
                                           0600);
  const std::string ping =
      directory.write("p.toml", "[monitoring]\nping_url = 'https://ping.example/CANARY'\n", 0600);
  const std::string secret = directory.write("url", "postgresql://u:CANARY@h/d\n", 0600);
  const std::vector<std::pair<Names, Environment>> ways{
      {{"--config", file}, {}},
      {{"--config", ping}, {}},
      {{"--database-url-file", secret}, {}},
      {{}, {{"DATABASE_URL", "postgresql://u@h/d?sslpassword=CANARY"}}},
      {{}, {{"REDIS_URL", "unix://:CANARY@/s"}}},
      {{}, {{"PGPASSWORD", "CANARY"}}}};
  for (const auto& [arguments, environment] : ways) {
    for (const char* format : {"text", "json"}) {
      const ProcessResult result = config(with({"--format", format}, arguments), environment);
      CHECK(result.status == 0);
      CHECK_THAT(result.out, !contains("CANARY"));
      if (environment.count("PGPASSWORD") == 0) CHECK_THAT(result.out, contains("********"));
    }
  }
}

TEST_CASE("what config prints is a configuration file that says the same") {
  const TemporaryDirectory directory;
  const Names flags{"--lock-wait",           "5", "--timezone", "UTC", "--full",
                    "--max-universe-events", "0"};
  const std::string given =
      directory.write("given.toml", "[guards]\nmax_removed_percent = 99.99999999\n");
  const ProcessResult first = config(with(flags, {"--config", given}));
  REQUIRE(first.status == 0);
  CHECK_THAT(first.out, contains("max_removed_percent = 99.99999999 "));
  const ProcessResult second = config({"--config", directory.write("c.toml", first.out)});
  REQUIRE(second.status == 0);
  const auto without_origins = [](const std::string& text) {
    return std::regex_replace(text, std::regex(" *# .*"), "");
  };
  CHECK(without_origins(first.out) == without_origins(second.out));
}

TEST_CASE("the example names every setting, changes nothing, and holds when it is uncommented") {
  const TemporaryDirectory directory;
  const ProcessResult example = config({"--example"});
  REQUIRE(example.status == 0);
  CHECK(given({"--config", directory.write("c.toml", example.out)}, {}).empty());

  const std::string path = directory.write("all.toml", uncommented(example.out));
  const ProcessResult all = config({"--format", "json", "--config", path});
  const ProcessResult none = config({"--format", "json"});
  REQUIRE(all.status == 0);
  const std::vector<Json> settings = Json::parse(all.out).at("settings").items();
  const std::vector<Json> defaults = Json::parse(none.out).at("settings").items();
  REQUIRE(settings.size() == defaults.size());
  Names examples;
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const std::string name = settings[i].at("section").str() + "." + settings[i].at("key").str();
    INFO(name);
    if (name != "output.format") CHECK(settings[i].at("origin").str() == "file");
    if (settings[i].at("value").text() != defaults[i].at("value").text()) examples.push_back(name);
  }
  CHECK(examples == Names{"database.url", "database.connections", "redis.ca_file",
                          "redis.cert_file", "redis.key_file", "stability.band", "stability.nights",
                          "stability.buffer", "guards.max_data_age_days", "events.stream",
                          "metrics.file", "monitoring.ping_url"});
  const std::vector<Json> universes = Json::parse(all.out).at("universes").items();
  REQUIRE(universes.size() == 2);
  CHECK(universes[0].at("name").str() == "sector_{sector}");
  CHECK(universes[1].at("first").integer() == 10);
}

TEST_CASE("a setting of the file holds for a run, and its flag wins") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const std::string file =
      directory.write("c.toml",
                      "[run]\ndetailed_exitcode = true\n[output]\nformat = 'json'\n"
                      "[log]\nformat = 'json'\nlevel = 'verbose'\n");
  const ProcessResult first = run_task(fixture, {"sync", "--config", file});
  CHECK(first.status == 2);
  CHECK(Json::parse(first.out).at("total_changes").integer() == 11);
  CHECK_THAT(first.err, contains(R"({"level":"debug","run_id":")"));
  const ProcessResult second = run_task(
      fixture, {"-q", "sync", "--config", file, "--format", "text", "--log-format", "text"});
  CHECK(second.status == 0);
  CHECK(second.out.empty());
  CHECK(second.err.empty());
}

TEST_CASE("a slip of the pen is answered with what was meant") {
  const auto says = [](const Names& arguments) {
    const ProcessResult result = run_process(with({TICKSTOCK_CACHE_PROGRAM}, arguments), {});
    CHECK(result.status == 64);
    return result.err;
  };
  CHECK_THAT(says({"sync", "--timezon", "UTC"}), contains("Did you mean --timezone?"));
  CHECK_THAT(says({"dryrun"}), contains("Did you mean dry-run?"));
  CHECK_THAT(says({"sync", "--xyz"}), !contains("Did you mean"));
}
