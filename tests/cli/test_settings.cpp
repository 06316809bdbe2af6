// The origins of settings, and their defaults.

#include <regex>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const Environment no_url{{"DATABASE_URL", std::nullopt}};

/// Returns an environment without a database URL and with these variables.
Environment instead(const Environment& variables) {
  Environment environment = no_url;
  for (const auto& [name, value] : variables) environment[name] = value;
  return environment;
}

}  // namespace

TEST_CASE("without a URL libpq's own environment says where the database is") {
  Fixture fixture;
  add_small_market(fixture);
  const Postgres& postgres = fixture.database().postgres();
  const TemporaryDirectory directory;
  const std::string service = directory.write(
      "pg_service.conf",
      fmt::format("[night]\nhost={}\nport={}\ndbname={}\nuser=postgres\n",
                  postgres.socket_directory(), postgres.port(), fixture.database().name()));
  CHECK(run_json(fixture, {"sync"}, 0,
                 instead({{"PGHOST", postgres.socket_directory()},
                          {"PGPORT", std::to_string(postgres.port())},
                          {"PGDATABASE", fixture.database().name()},
                          {"PGUSER", "postgres"}}))
            .at("total_changes")
            .integer() == 11);
  CHECK(
      run_json(fixture, {"sync"}, 0, instead({{"PGSERVICEFILE", service}, {"PGSERVICE", "night"}}))
          .at("total_changes")
          .integer() == 0);
}

TEST_CASE("a password file of libpq is used") {
  Postgres postgres({.access_rules = {"host all job 127.0.0.1/32 scram-sha-256"}});
  Fixture fixture({}, postgres);
  add_small_market(fixture);
  fixture.database().execute("CREATE ROLE job SUPERUSER LOGIN PASSWORD 'right-word'");
  const TemporaryDirectory directory;
  const std::string passfile = directory.write("pass", "*:*:*:job:right-word\n", 0600);
  const std::string url = fixture.database().tcp_url("job");
  CHECK(run_task(fixture, {"sync", "--database-url", url}, instead({{"PGPASSFILE", passfile}}))
            .status == 0);
}

TEST_CASE("for the database, too, a flag wins over the environment, and that over the file") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const std::string good =
      directory.write("good.toml", "[database]\nurl = '" + fixture.database().url() + "'\n");
  const std::string bad =
      directory.write("bad.toml", "[database]\nurl = 'postgresql://127.0.0.1:1/x'\n");
  const Environment down{{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}};
  const std::string url = fixture.database().url();
  CHECK(run_task(fixture, {"sync", "--config", good}, no_url).status == 0);
  CHECK(run_task(fixture, {"sync", "--config", bad}, no_url).status == 5);
  CHECK(run_task(fixture, {"sync", "--config", bad}).status == 0);
  CHECK(run_task(fixture, {"sync", "--config", good}, down).status == 5);
  CHECK(run_task(fixture, {"sync", "--database-url", url}, down).status == 0);
  const std::string conninfo = fmt::format(
      "host={} port={} dbname={} user=postgres", fixture.database().postgres().socket_directory(),
      fixture.database().postgres().port(), fixture.database().name());
  CHECK(run_task(fixture, {"sync", "--database-url", conninfo}, down).status == 0);
}

TEST_CASE("the file of settings is named by a flag or by the environment") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const TemporaryDirectory directory;
  const std::string path = directory.write(
      "c.toml", "[run]\ntriggered_by = 'file'\n[events]\nmax_universe_events = 1\n");
  const auto triggered_by = [&fixture](const Names& arguments, const Environment& extra) {
    const Json done = run_json(fixture, with({"ipo"}, arguments), 0, extra);
    return fixture.database().value("SELECT triggered_by FROM cache_sync_runs WHERE run_id = $1",
                                    {done.at("run_id").str()});
  };
  CHECK(triggered_by({}, {}) == "manual");
  CHECK(triggered_by({"--config", path}, {}) == "file");
  CHECK(triggered_by({}, {{"TICKSTOCK_CACHE_CONFIG", path}}) == "file");
  CHECK(triggered_by({"--config", path, "--triggered-by", "flag"}, {}) == "flag");
  Subscriber subscriber(fixture.redis());
  REQUIRE(run_task(fixture, {"market-cap", "--config", path}).status == 0);
  CHECK(announced_universes(subscriber.drain()) == Names{"mega_cap"});
}

TEST_CASE("a run without an id of its own gets one, and each task has its mode") {
  Fixture fixture;
  add_small_market(fixture);
  const std::vector<std::pair<std::string, std::string>> modes{
      {"sync", "full"}, {"market-cap", "market_cap"}, {"ipo", "ipos"}, {"delisted", "delisted"}};
  Names ids;
  for (const auto& [command, mode] : modes) {
    const Json done = run_json(fixture, {command});
    CHECK(done.at("mode").str() == mode);
    ids.push_back(done.at("run_id").str());
    CHECK(std::regex_match(ids.back(), std::regex("manual-cache-sync-[0-9a-f]{8}")));
  }
  // Scheduled runs get an id that sorts and shows its day.
  const std::regex scheduled("(timer|cron)-2024-06-28-[0-9a-f]{8}");
  for (const std::string word : {"timer", "cron"}) {
    ids.push_back(run_json(fixture, {"sync", "--triggered-by", word}).at("run_id").str());
    CHECK(ids.back().starts_with(word));
    CHECK(std::regex_match(ids.back(), scheduled));
  }
  const std::string today = Json::parse(fixture
                                            .run({"sync", "--triggered-by", "cron", "--timezone",
                                                  "Asia/Tokyo", "--format", "json"})
                                            .out)
                                .at("run_id")
                                .str();
  CHECK(today.substr(0, 15) ==
        "cron-" + fixture.database().value("SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date"));
  std::sort(ids.begin(), ids.end());
  CHECK(std::unique(ids.begin(), ids.end()) == ids.end());
}

TEST_CASE("the day is that of PostgreSQL's clock in the time zone") {
  Fixture fixture;
  add_small_market(fixture);
  const auto today = [&fixture](const std::string& zone) {
    return fixture.database().value("SELECT (now() AT TIME ZONE $1)::date", {zone});
  };
  const auto as_of = [&fixture](const Names& flag) {
    const ProcessResult result = fixture.run(with({"dry-run", "--format", "json"}, flag));
    CHECK(log_lines(result, "warning").size() == 1);
    return Json::parse(result.out).at("as_of").str();
  };
  // The two are 26 hours apart, so their days never agree.
  for (const std::string zone : {"Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"}) {
    const std::string before = today(zone);
    const std::string day = as_of(zone == "America/New_York" ? Names{} : Names{"--timezone", zone});
    CHECK((day == before || day == today(zone)));
  }
  CHECK(as_of({"--timezone", "Pacific/Kiritimati"}) != as_of({"--timezone", "Etc/GMT+12"}));
}
