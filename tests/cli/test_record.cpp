// The contents of cache_sync_runs and cache_sync_changes, and what status and history show of them.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

struct Recorded {
  Fixture fixture;

  Recorded() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
  }

  /// Returns the columns of a record as one line.
  std::string record(const std::string& run_id, const std::string& columns) {
    return fixture.database().value(
        "SELECT concat_ws(' ', " + columns + ") FROM cache_sync_runs WHERE run_id = $1", {run_id});
  }

  Json status(const std::string& run_id) {
    return Json::parse(fixture.run({"status", run_id, "--format", "json"}).out);
  }

  /// Leaves a record behind as a killed run does.
  void leave_running(const std::string& run_id) {
    REQUIRE(run_task(fixture, {"sync", "--run-id", run_id}).status == 0);
    fixture.database().execute(
        "UPDATE cache_sync_runs SET status = 'running', finished_at = NULL, error = NULL, "
        "duration_seconds = NULL WHERE run_id = $1",
        {run_id});
  }
};

const std::string counts =
    "total_changes, universes_changed, members_added, members_removed, members_moved, events";

}  // namespace

TEST_CASE("the record of a completed run holds what it did") {
  Recorded scene;
  const Json done =
      run_json(scene.fixture, {"sync", "--run-id", "night-1", "--triggered-by", "cron:2.5"});
  CHECK(scene.record("night-1", "mode, triggered_by, status, as_of, events_enabled, approved") ==
        "full cron:2.5 completed 2024-06-28 t f");
  CHECK(scene.record("night-1", "symbols, eligible") == "8 7");
  // Six in categories, seven in each of four lists, one recent listing; one left the theme.
  CHECK(scene.record("night-1", counts) == "11 11 35 1 0 14");
  CHECK(scene.record("night-1", "plan_digest") == done.at("plan_digest").str());
  CHECK(scene.record("night-1",
                     "error IS NULL, finished_at >= started_at, "
                     "duration_seconds > 0") == "t t t");
  CHECK(Json::parse(scene.record("night-1", "guards")).size() == done.at("guards").size());
  CHECK(scene.record("night-1",
                     "to_char(started_at AT TIME ZONE 'UTC', "
                     "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')") == done.at("sync_start").str());

  scene.fixture.database().execute(
      "UPDATE symbols SET market_cap = 350000000000 WHERE symbol = 'SMALL'");
  REQUIRE(run_task(scene.fixture, {"market-cap", "--run-id", "night-2", "--no-events"}).status ==
          0);
  CHECK(scene.record("night-2", "mode, triggered_by, status, events_enabled") ==
        "market_cap manual completed f");
  // SMALL joins mega_cap and leaves small_cap; it moves to the front of four lists.
  CHECK(scene.record("night-2", counts) == "6 6 1 1 4 0");
}

TEST_CASE("the record of a refused run holds why, and no changes") {
  Recorded scene;
  REQUIRE(run_task(scene.fixture, {"sync"}).status == 0);
  scene.fixture.database().execute("UPDATE symbols SET is_active = false");
  const Names before = scene.fixture.entries_dump();
  REQUIRE(run_task(scene.fixture, {"sync", "--run-id", "bad"}).status == 4);
  CHECK(scene.fixture.entries_dump() == before);
  CHECK(scene.record("bad", "status") == "refused");
  CHECK(scene.record("bad", counts) == "0 0 0 0 0 0");
  CHECK_THAT(scene.record("bad", "error"), contains("no symbol is eligible"));
  CHECK(scene.record("bad", "guards->0->>'name', guards->0->>'refused'") ==
        "no_eligible_symbols true");
  CHECK(scene.record("bad", "length(plan_digest)") == "64");
  const Json status = scene.status("bad");
  CHECK(status.at("status").str() == "failed");
  CHECK(status.at("sync_status").str() == "refused");
}

TEST_CASE("a run that was killed is shown as interrupted, and readers write nothing") {
  Recorded scene;
  scene.leave_running("killed");
  const std::string row = scene.record("killed", "xmin");

  Session holder = scene.fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  CHECK(scene.status("killed").at("sync_status").str() == "running");
  CHECK(scene.status("killed").at("status").str() == "running");
  CHECK_THAT(scene.fixture.run({"status", "killed"}).out, starts_with("run killed: running"));
  holder.execute("ROLLBACK");

  CHECK(scene.status("killed").at("sync_status").str() == "interrupted");
  CHECK(scene.status("killed").at("status").str() == "failed");
  CHECK_THAT(scene.fixture.run({"status"}).out, starts_with("run killed: interrupted\n"));
  const Json history = Json::parse(scene.fixture.run({"history", "--format", "json"}).out);
  CHECK(history.at("runs.0.sync_status").str() == "interrupted");
  CHECK(scene.record("killed", "xmin") == row);
  CHECK(scene.record("killed", "status") == "running");
}

TEST_CASE("the next run writes interrupted into the record of one that was killed") {
  Recorded scene;
  scene.leave_running("killed");
  REQUIRE(run_task(scene.fixture, {"ipo"}).status == 0);
  CHECK(scene.record("killed", "status, finished_at IS NOT NULL, error IS NOT NULL") ==
        "interrupted t t");
}

TEST_CASE("the id of a run that was killed stays used") {
  Recorded scene;
  scene.leave_running("killed");
  check_failure(run_task(scene.fixture, {"sync", "--run-id", "killed"}), 64,
                "with status interrupted");
}

TEST_CASE("the journal has a row per changed universe with the content before") {
  Recorded scene;
  Fixture& fixture = scene.fixture;
  // Numbers, order and repeated members must be restored exactly.
  fixture.set_entry("small_cap", "market_cap",
                    R"({"symbols": ["SMALL", "MEGA", "SMALL"], "big": 1e400, "count": 1.0})");
  const std::string old_content =
      fixture.database().value("SELECT content FROM cache_entries WHERE universe = 'small_cap'");
  const std::string old_theme =
      fixture.database().value("SELECT content FROM cache_entries WHERE universe = 'tech'");
  REQUIRE(run_task(fixture, {"sync", "--run-id", "night"}).status == 0);
  CHECK(fixture.database().column("SELECT universe FROM cache_sync_changes ORDER BY id") ==
        small_market_writes);
  const auto row = [&fixture](const std::string& universe) {
    return fixture.database().rows(
        "SELECT task, action, added, removed, moved, reason, content_before, cache_type_before, "
        "run_id FROM cache_sync_changes WHERE universe = $1",
        {universe})[0];
  };
  CHECK(row("mid_cap") == Names{"market_cap_recalculation", "updated", "{NEW,MID}", "{}", "{}",
                                "Market cap recalculation: 2 symbols", "", "", "night"});
  CHECK(fixture.database().value("SELECT content_before IS NULL FROM cache_sync_changes "
                                 "WHERE universe = 'mid_cap'") == "t");
  CHECK(row("small_cap") == Names{"market_cap_recalculation", "updated", "{}", "{MEGA}", "{}",
                                  "Market cap recalculation: 1 symbols", old_content, "market_cap",
                                  "night"});
  CHECK(row("top_100")[5] == "Top 100 by market cap");
  CHECK(row("recent_ipos")[0] == "ipo_assignment");
  CHECK(row("tech") == Names{"delisted_cleanup", "cleaned", "{}", "{GONE}", "{}",
                             "Removed 1 delisted symbols", old_theme, "theme", "night"});

  fixture.database().execute("UPDATE symbols SET market_cap = 2e12 WHERE symbol = 'TINY'");
  REQUIRE(run_task(fixture, {"sync", "--run-id", "next"}).status == 0);
  CHECK(fixture.database().value("SELECT moved FROM cache_sync_changes "
                                 "WHERE universe = 'top_500' AND run_id = 'next'") == "{TINY}");
  REQUIRE(run_task(fixture, {"sync", "--run-id", "idle"}).status == 0);
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_changes "
                                 "WHERE run_id = 'idle'") == "0");
}

TEST_CASE("if two tasks change one universe, the journal has what each started with") {
  Recorded scene;
  Fixture& fixture = scene.fixture;
  // The delisted task alone would clean it; but the market-cap task writes it first, and leaves it
  // clean.
  fixture.set_entry("large_cap", "market_cap", R"({"symbols": ["GONE", "LARGE"], "count": 2})");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.database().column("SELECT task FROM cache_sync_changes "
                                  "WHERE universe = 'large_cap'") ==
        Names{"market_cap_recalculation"});
}

TEST_CASE("status shows the last run, or one by its id") {
  Recorded scene;
  check_failure(scene.fixture.run({"status"}), 1, "no run is on record yet");
  REQUIRE(run_task(scene.fixture, {"sync", "--run-id", "first"}).status == 0);
  REQUIRE(run_task(scene.fixture, {"ipo", "--run-id", "second", "--no-events"}).status == 0);
  CHECK_THAT(scene.fixture.run({"status"}).out, starts_with("run second: completed\n"));
  const std::string text = scene.fixture.run({"status", "first"}).out;
  CHECK_THAT(text, starts_with("run first: completed\n") && contains("as of         2024-06-28") &&
                       contains("11 in 11 universes; 35 members added, 1 removed, 0 moved") &&
                       contains("events        14 published, 0 pending"));
  CHECK_THAT(scene.fixture.run({"status", "second"}).out, contains("switched off"));

  const Json first = scene.status("first");
  CHECK(first.at("run_id").str() == "first");
  CHECK(first.at("status").str() == "completed");
  CHECK(first.at("sync_status").str() == "completed");
  CHECK(first.at("mode").str() == "full");
  CHECK(first.at("total_changes").integer() == 11);
  Names tasks = task_lines(first);
  std::sort(tasks.begin(), tasks.end());
  CHECK(tasks == Names{"delisted_cleanup success 1", "ipo_assignment success 1",
                       "market_cap_recalculation success 9"});
  CHECK(first.at("error").is_null());
  CHECK(first.at("progress").is_null());
}

TEST_CASE("status of an unknown run ends with 1, and so does its document") {
  Recorded scene;
  REQUIRE(run_task(scene.fixture, {"sync"}).status == 0);
  const ProcessResult text = scene.fixture.run({"status", "nobody"});
  check_failure(text, 1, "there is no record of run 'nobody'");
  CHECK(text.out.empty());
  check_failure_document(scene.fixture.run({"status", "nobody", "--format", "json"}), 1,
                         "there is no record of run 'nobody'");
}

TEST_CASE("history lists the last runs first, page by page, with their total") {
  Recorded scene;
  for (int i = 1; i <= 5; ++i) {
    REQUIRE(run_task(scene.fixture, {"ipo", "--run-id", fmt::format("run-{}", i)}).status == 0);
  }
  const auto page = [&scene](const Names& arguments) {
    return Json::parse(scene.fixture.run(with({"history", "--format", "json"}, arguments)).out);
  };
  const auto ids = [](const Json& document) {
    Names found;
    for (const Json& run : document.at("runs").items()) found.push_back(run.at("run_id").str());
    return found;
  };
  const Json all = page({});
  CHECK(ids(all) == Names{"run-5", "run-4", "run-3", "run-2", "run-1"});
  CHECK(all.at("total").integer() == 5);
  CHECK(all.at("limit").integer() == 20);
  CHECK(all.at("offset").integer() == 0);
  const Json some = page({"--limit", "2", "--offset", "1"});
  CHECK(ids(some) == Names{"run-4", "run-3"});
  CHECK(some.at("total").integer() == 5);
  CHECK(some.at("limit").integer() == 2);
  CHECK(some.at("offset").integer() == 1);
  CHECK(ids(page({"--offset", "9"})).empty());

  const Names text = lines_of(scene.fixture.run({"history", "--limit", "2"}).out);
  REQUIRE(text.size() == 4);
  CHECK_THAT(text[1], contains("run-5") && contains("ipos") && contains("completed"));
  CHECK(text[3] == "2 of 5 runs");
}

TEST_CASE("history tells how the runs of some days ended") {
  Recorded scene;
  Fixture& fixture = scene.fixture;
  const auto statistics = [&fixture](const Names& more) {
    const Json document = Json::parse(fixture.run(with({"history", "--format", "json"}, more)).out);
    return fmt::format("{} of {}: {}", document.at("runs").size(), document.at("total").integer(),
                       document.at("statistics").text());
  };
  CHECK(statistics({}) ==
        R"(0 of 0: {"completed":0,"failed":0,"running":0,"average_duration_seconds":null})");
  for (const std::string id : {"old", "good", "odd", "bad", "dead"}) {
    REQUIRE(run_task(fixture, {"ipo", "--run-id", id, "--no-events"}).status == 0);
  }
  fixture.database().execute(R"(
    UPDATE cache_sync_runs SET duration_seconds = 0.5;
    UPDATE cache_sync_runs SET started_at = now() - interval '7 days 1 minute',
      duration_seconds = 9 WHERE run_id = 'old';
    UPDATE cache_sync_runs SET status = 'completed_with_errors', duration_seconds = 1
     WHERE run_id = 'odd';
    UPDATE cache_sync_runs SET status = 'refused', duration_seconds = 99 WHERE run_id = 'bad';
    UPDATE cache_sync_runs SET status = 'running', duration_seconds = NULL WHERE run_id = 'dead')");
  CHECK(statistics({"--limit", "1"}) ==
        R"(1 of 5: {"completed":3,"failed":2,"running":0,"average_duration_seconds":3.5})");
  const std::string of_a_week =
      R"({"completed":2,"failed":2,"running":0,"average_duration_seconds":0.75})";
  CHECK(statistics({"--days", "7"}) == "4 of 4: " + of_a_week);
  CHECK(statistics({"--days", "7", "--offset", "3"}) == "1 of 4: " + of_a_week);
  CHECK_THAT(fixture.run({"history", "--days", "7"}).out, contains("4 of 4 runs\n"));

  Session holder = fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  CHECK(statistics({"--days", "7"}) ==
        R"(4 of 4: {"completed":2,"failed":1,"running":1,"average_duration_seconds":0.75})");
}

TEST_CASE("an as-of day before that of the last completed run, or after today, is warned of") {
  Recorded scene;
  const auto warnings = [&scene](const std::string& day, const std::string& command) {
    return log_lines(scene.fixture.run({command, "--as-of", day}), "warning");
  };
  CHECK(warnings(market_day, "sync").empty());
  for (const std::string command : {"dry-run", "sync"}) {
    const Names earlier = warnings("2024-06-27", command);
    REQUIRE(earlier.size() == 1);
    CHECK_THAT(earlier[0], contains("2024-06-27 is before that of the last completed run"));
  }
}

TEST_CASE("a run for a day after today is refused, unless its plan is approved") {
  Recorded scene;
  const Names before = scene.fixture.entries_dump();
  const ProcessResult later = scene.fixture.run({"dry-run", "--as-of", "2999-01-01"});
  CHECK(later.status == 4);
  CHECK_THAT(later.err, contains("the as-of day 2999-01-01 is after today"));
  const ProcessResult refused = scene.fixture.run({"sync", "--as-of", "2999-01-01"});
  CHECK(refused.status == 4);
  CHECK(scene.fixture.entries_dump() == before);
  const Json plan =
      Json::parse(scene.fixture.run({"dry-run", "--as-of", "2999-01-01", "--format", "json"}).out);
  CHECK(scene.fixture
            .run({"sync", "--as-of", "2999-01-01", "--approve-plan", plan.at("plan_digest").str()})
            .status == 0);
  const std::string status = scene.fixture.run({"status"}).out;
  CHECK_THAT(status, contains("\noverrode      future_as_of: "));
  CHECK_THAT(status, !contains("refused by"));
}

TEST_CASE("the time that writing takes counts, in the record and in the event about the end") {
  const bool has_tables = GENERATE(true, false);
  CAPTURE(has_tables);
  Fixture fixture;
  add_small_market(fixture);
  if (has_tables) REQUIRE(fixture.run({"init"}).status == 0);
  Database& database = fixture.database();
  database.execute(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "IF NEW.universe = 'mega_cap' THEN PERFORM pg_sleep(0.4); END IF; RETURN NEW; END $$");
  database.execute(
      "CREATE TRIGGER slow BEFORE INSERT ON cache_entries FOR EACH ROW EXECUTE FUNCTION slow()");
  Subscriber subscriber(fixture.redis());
  const Json done = run_json(fixture, {"sync", "--run-id", "slow"});
  const Json end = Json::parse(subscriber.wait_for("tickstock:cache:sync_complete").back().message);
  CHECK(end.at("payload").at("duration_seconds").num() >= 0.4);
  CHECK(end.at("timestamp").str() > done.at("sync_start").str());
  if (!has_tables) return;
  CHECK(database.value("SELECT concat_ws(' ', finished_at >= started_at + interval '0.4 s', "
                       "duration_seconds >= 0.4) FROM cache_sync_runs") == "t t");
}
