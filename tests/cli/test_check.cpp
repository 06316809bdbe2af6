// check: everything that a run needs is looked at, nothing is written, and every finding is told.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

struct Checked {
  Fixture fixture;

  Checked() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    fixture.database().execute(
        "INSERT INTO ohlcv_daily (symbol, date, close) "
        "VALUES ('LARGE', '2020-01-02', 1), ('MEGA', now()::date, 1), ('MID', '2020-01-03', 1)");
  }

  /// The findings of one level, with this exit status.
  Names findings(const std::string& level, int status, const Environment& extra = {}) {
    const Names before = fixture.entries_dump();
    const ProcessResult result = fixture.run({"check", "--format", "json"}, extra);
    INFO(result.out << result.err);
    CHECK(result.status == status);
    CHECK(fixture.entries_dump() == before);
    const Json document = Json::parse(result.out);
    CHECK(document.at("exit_code").integer() == status);
    CHECK(document.at("success").boolean() == (status == 0));
    Names found;
    for (const Json& finding : document.at("findings").items()) {
      if (finding.at("level").str() == level) found.push_back(finding.at("message").str());
    }
    return found;
  }
};

}  // namespace

TEST_CASE("a sound installation passes the check without a warning") {
  Checked scene;
  CHECK(scene.findings("warning", 0).empty());
  CHECK(scene.findings("failed", 0).empty());
  const std::string good = fmt::format("{}", fmt::join(scene.findings("ok", 0), "\n"));
  CHECK_THAT(good, contains("connected to PostgreSQL") && contains("8 symbols, of which 7") &&
                       contains("connected to Redis at redis://127.0.0.1") &&
                       contains("no run is on record yet") && contains("no event is pending"));
  const ProcessResult text = scene.fixture.run({"check"});
  CHECK(text.status == 0);
  for (const std::string& line : lines_of(text.out)) CHECK_THAT(line, starts_with("ok  "));
  CHECK(scene.fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "0");
  CHECK(scene.fixture.run({"check", "-q"}).out.empty());
}

TEST_CASE("the check tells all that is wrong at once") {
  Checked scene;
  const std::string role = make_role(scene.fixture);
  const std::string all =
      fmt::format("{}", fmt::join(scene.findings("failed", 1, as_role(scene.fixture, role)), "\n"));
  for (const std::string grant :
       {"SELECT ON public.symbols", "SELECT ON public.cache_entries",
        "INSERT ON public.cache_entries", "UPDATE ON public.cache_entries",
        "SELECT ON public.cache_sync_runs", "INSERT ON public.cache_sync_runs",
        "UPDATE ON public.cache_sync_runs", "INSERT ON public.cache_sync_changes",
        "UPDATE ON public.cache_sync_outbox", "DELETE ON public.cache_sync_runs",
        "DELETE ON public.cache_sync_outbox"}) {
    CHECK_THAT(all, contains("GRANT " + grant + " TO " + role));
  }
  scene.fixture.database().execute("ALTER TABLE symbols DROP sector");
  const Names failed = scene.findings("failed", 1, redis_down());
  REQUIRE(failed.size() == 2);
  CHECK_THAT(failed[0], contains("no column sector"));
  CHECK_THAT(failed[1], contains("redis://127.0.0.1:1/0"));
}

TEST_CASE("prices that can't be read fail the check only where a setting reads them") {
  Checked scene;
  scene.fixture.database().execute("DROP TABLE ohlcv_daily");
  const Names warnings = scene.findings("warning", 0);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], contains("public.ohlcv_daily"));
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[guards]\nmax_data_age_days = 3\n");
  const Names failed = scene.findings("failed", 1, {{"TICKSTOCK_CACHE_CONFIG", config}});
  REQUIRE(failed.size() == 1);
  CHECK_THAT(failed[0], contains("public.ohlcv_daily does not exist"));
}

TEST_CASE("the check ends with the first that applies of 78, 5, 1 and 6") {
  Checked scene;
  CHECK(scene.findings("failed", 6, redis_down()).size() == 1);
  Environment nowhere = redis_down();
  nowhere["DATABASE_URL"] = "postgresql://127.0.0.1:1/x";
  CHECK(scene.findings("failed", 5, nowhere).size() == 2);
  scene.fixture.database().execute("DROP TABLE symbols");
  CHECK(scene.findings("failed", 1, redis_down()).size() == 2);
  check_failure(scene.fixture.run({"check", "--config", "/nonexistent"}), 78, "/nonexistent");
  const ProcessResult zone =
      scene.fixture.run({"check", "--timezone", "Mars/Olympus"}, redis_down());
  CHECK(zone.status == 78);
  CHECK_THAT(zone.out, contains("Mars/Olympus"));
}

TEST_CASE("the check warns of old prices, pending events and unreadable contents") {
  Checked scene;
  Fixture& fixture = scene.fixture;
  fixture.database().execute("UPDATE ohlcv_daily SET date = '2024-06-28' WHERE symbol = 'MEGA'");
  fixture.set_entry("odd", "theme", "[]");
  REQUIRE(run_task(fixture, {"ipo", "--run-id", "night"}, redis_down()).status == 6);
  const std::string all = fmt::format("{}", fmt::join(scene.findings("warning", 0), "\n"));
  CHECK_THAT(all, contains("the newest prices are of 2024-06-28") && contains("entry 'odd'") &&
                      contains("3 events are pending, the oldest for less than an hour; run "
                               "'tickstock-cache deliver'"));
  CHECK_THAT(fixture.run({"check"}).out, contains("the last run, night, is completed"));
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_outbox "
                                 "WHERE published_at IS NULL") == "3");
  fixture.database().execute(
      "UPDATE symbols SET market_cap = NULL; DROP TABLE ohlcv_daily, "
      "cache_sync_runs, cache_sync_changes, cache_sync_outbox");
  const std::string more = fmt::format("{}", fmt::join(scene.findings("warning", 0), "\n"));
  CHECK_THAT(more, contains("0 are eligible; a run would be refused") &&
                       contains("public.ohlcv_daily") && contains("run 'tickstock-cache init'"));
}
