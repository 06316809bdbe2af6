// What runs delete from the journal and the outbox, and what they never delete.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// The program's tables with records of earlier runs, and a configuration.
struct Journal {
  Fixture fixture;
  TemporaryDirectory directory;

  Journal() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
  }

  /// Adds a record of a run this many days ago, with one change.
  void add_run(const std::string& id, int days, const std::string& status = "completed",
               const std::string& entries = "public.cache_entries") {
    fixture.database().execute(
        "INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of, "
        "events_enabled, approved, started_at, program_version) VALUES ($1, $2, 'full', 'cron', "
        "$3, '2024-06-01', true, false, now() - make_interval(days => $4), '1')",
        {id, entries, status, std::to_string(days)});
    fixture.database().execute(
        "INSERT INTO cache_sync_changes (run_id, task, universe, action, added, removed, moved, "
        "reason, changed_at) VALUES ($1, 'ipo_assignment', 'recent_ipos', 'updated', '{A}', '{}', "
        "'{}', 'x', now())",
        {id});
  }

  /// Adds an event from this many days ago in which one of these columns is set.
  void add_event(const std::string& run_id, int days, const std::string& column) {
    fixture.database().execute(
        "INSERT INTO cache_sync_outbox (event_id, run_id, channel, event, message, created_at" +
            (column.empty() ? std::string() : ", " + column) +
            ") SELECT gen_random_uuid(), $1, 'c', 'e', 'm', age" + (column.empty() ? "" : ", age") +
            " FROM (SELECT now() - make_interval(days => $2)) a(age)",
        {run_id, std::to_string(days)});
  }

  /// Runs the task delisted, which writes `tech` once and then nothing.
  ProcessResult run(const std::string& settings, const Names& more = {}) {
    const std::string config = directory.write("c.toml", settings);
    return run_task(fixture, with({"delisted", "--run-id", "last", "--config", config}, more));
  }

  Names runs() {
    const Names changed = fixture.database().column(
        "SELECT DISTINCT run_id FROM cache_sync_changes WHERE universe = 'recent_ipos' ORDER BY 1");
    Names left = fixture.database().column(
        "SELECT run_id FROM cache_sync_runs WHERE run_id <> 'last' ORDER BY 1");
    CHECK(changed == left);
    return left;
  }

  std::string events() {
    return fixture.database().value("SELECT count(*) FROM cache_sync_outbox WHERE channel = 'c'");
  }
};

}  // namespace

TEST_CASE("a run deletes records that are older than the setting") {
  Journal scene;
  scene.add_run("a-old", 401);
  scene.add_run("b-refused", 500, "refused");
  scene.add_run("c-young", 399);
  const ProcessResult result = scene.run("");
  CHECK(result.status == 0);
  CHECK(log_lines(result, "warning").empty());
  CHECK(scene.runs() == Names{"c-young"});
}

TEST_CASE("a run deletes the oldest of too many records") {
  Journal scene;
  for (int i = 1; i <= 6; ++i) scene.add_run(fmt::format("day-{}", i), i);
  // The run itself is one of the four.
  REQUIRE(scene.run("[journal]\nkeep_runs = 4\n").status == 0);
  CHECK(scene.runs() == Names{"day-1", "day-2", "day-3"});
}

TEST_CASE("a run that waited for others is the last one, and keeps its record") {
  Journal scene;
  scene.add_run("began-later", -1);
  REQUIRE(scene.run("[journal]\nkeep_runs = 1\n").status == 0);
  CHECK(scene.fixture.run({"status", "last"}).status == 0);
  CHECK_THAT(scene.fixture.run({"dry-run", "--as-of", "2024-06-15"}).err,
             contains("is before that of the last completed run, which is 2024-06-28"));
}

TEST_CASE("with 0 nothing is too old and nothing too much") {
  Journal scene;
  scene.add_run("ancient", 5000);
  scene.add_event("ancient", 5000, "published_at");
  REQUIRE(scene.run("[journal]\nkeep_days = 0\nkeep_runs = 0\n[outbox]\nkeep_days = 0\n").status ==
          0);
  CHECK(scene.runs() == Names{"ancient"});
  CHECK(scene.events() == "1");
}

TEST_CASE("some records are never deleted") {
  Journal scene;
  scene.add_run("a-plain", 900);
  scene.add_run("b-pending", 900);
  scene.add_event("b-pending", 1, "");
  scene.add_run("c-elsewhere", 900, "completed", "trial.cache_entries");
  // Its events no longer prevent deletion.
  scene.add_run("d-delivered", 900);
  scene.add_event("d-delivered", 1, "given_up_at");
  REQUIRE(scene.run("", {"--no-events"}).status == 0);
  CHECK(scene.runs() == Names{"b-pending", "c-elsewhere"});
  CHECK(scene.events() == "2");
}

TEST_CASE("what stays keeps the committed runs after it, so that every day has its answer") {
  Journal scene;
  const auto night = [&scene](int day, int status = 0, const Names& more = {},
                              const Environment& extra = {}) {
    scene.fixture.database().execute("UPDATE symbols SET market_cap = $1 WHERE symbol = 'MID'",
                                     {day % 2 == 0 ? "1000000000" : "3000000000"});
    const std::string config = scene.directory.write("c.toml", "[journal]\nkeep_runs = 2\n");
    const ProcessResult result =
        scene.fixture.run(with({"sync", "--as-of", fmt::format("2024-07-0{}", day), "--run-id",
                                fmt::format("night-{}", day), "--config", config},
                               more),
                          extra);
    INFO(result.err);
    REQUIRE(result.status == status);
  };
  const auto runs = [&scene] {
    return scene.fixture.database().column("SELECT run_id FROM cache_sync_runs ORDER BY position");
  };
  const auto mid_cap = [&scene](int day) {
    return scene.fixture.run(
        {"members", "mid_cap", "--as-of", fmt::format("2024-07-0{}", day), "--format", "json"});
  };
  const auto since = [&scene] {
    const ProcessResult result =
        scene.fixture.run({"explain", "MID", "mid_cap", "--format", "json"});
    return Json::parse(result.out).at("universes").items().at(0).at("run_id").str();
  };
  night(1, 6, {}, redis_down());
  for (const int day : {2, 3, 4}) night(day, 0, {"--no-events"});
  CHECK(runs() == Names{"night-1", "night-2", "night-3", "night-4"});
  CHECK(symbols_of(mid_cap(1)) == Names{"NEW", "MID"});
  CHECK(symbols_of(mid_cap(2)) == Names{"NEW"});
  CHECK(symbols_of(mid_cap(3)) == Names{"NEW", "MID"});
  CHECK(since() == "night-4");
  night(5);
  CHECK(runs() == Names{"night-4", "night-5"});
  CHECK(mid_cap(3).status == 1);
  CHECK(symbols_of(mid_cap(4)) == Names{"NEW"});
  CHECK(since() == "night-5");
}

TEST_CASE("published and given-up events are deleted by their age, pending ones never") {
  Journal scene;
  scene.add_run("night", 50);
  for (const int days : {29, 31}) {
    for (const std::string column : {"published_at", "given_up_at", ""}) {
      scene.add_event("night", days, column);
    }
  }
  REQUIRE(scene.run("[outbox]\nmax_age = 0\n", {"--no-events"}).status == 0);
  CHECK(scene.fixture.database().column(
            "SELECT (now()::date - created_at::date) || ' ' || CASE WHEN published_at IS NOT NULL "
            "THEN 'published' WHEN given_up_at IS NOT NULL THEN 'given up' ELSE 'pending' END "
            "FROM cache_sync_outbox ORDER BY 1") ==
        Names{"29 given up", "29 pending", "29 published", "31 pending"});
}

TEST_CASE("a run deletes a limited number of rows, and the next ones continue") {
  Journal scene;
  scene.fixture.database().execute(R"(
    INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of,
      events_enabled, approved, started_at, program_version)
    SELECT 'old-' || i, 'public.cache_entries', 'full', 'cron', 'completed', '2020-01-01', true,
           false, now() - interval '500 days' - make_interval(mins => i), '1'
      FROM generate_series(1, 1500) i;
    INSERT INTO cache_sync_outbox (event_id, run_id, channel, event, message, created_at,
      published_at)
    SELECT gen_random_uuid(), 'old-1', 'c', 'e', 'm', now() - interval '40 days',
           now() - interval '40 days'
      FROM generate_series(1, 25000) i)");
  REQUIRE(run_task(scene.fixture, {"delisted"}).status == 0);
  // The oldest first.
  CHECK(scene.fixture.database().column(
            "SELECT count(*) || ' ' || max(substr(run_id, 5)::int) FROM cache_sync_runs "
            "WHERE run_id LIKE 'old-%'") == Names{"500 500"});
  CHECK(scene.events() == "5000");
  REQUIRE(run_task(scene.fixture, {"delisted"}).status == 0);
  CHECK(scene.fixture.database().value(
            "SELECT count(*) FROM cache_sync_runs WHERE run_id LIKE 'old-%'") == "0");
  CHECK(scene.events() == "0");
}

TEST_CASE("a deletion that fails is a warning, and the run is as good as without it") {
  Journal scene;
  scene.add_run("old", 900);
  scene.fixture.database().execute(
      "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "RAISE EXCEPTION 'kept for the auditors'; END $$;"
      "CREATE TRIGGER keep BEFORE DELETE ON cache_sync_runs FOR EACH ROW EXECUTE FUNCTION keep()");
  Subscriber subscriber(scene.fixture.redis());
  const ProcessResult result = scene.run("");
  CHECK(result.status == 0);
  const Names warnings = log_lines(result, "warning");
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0],
             contains("old records were not deleted: ") && contains("kept for the auditors"));
  CHECK(scene.runs() == Names{"old"});
  CHECK(scene.fixture.database().value(
            "SELECT status FROM cache_sync_runs WHERE run_id = 'last'") == "completed");
}

TEST_CASE("a run that did not commit and a dry run delete nothing") {
  Journal scene;
  scene.add_run("old", 900);
  REQUIRE(run_task(scene.fixture, {"dry-run"}).status == 0);
  scene.fixture.database().execute("UPDATE symbols SET market_cap = NULL");
  REQUIRE(run_task(scene.fixture, {"market-cap"}).status == 4);
  CHECK(scene.fixture.database().value(
            "SELECT count(*) FROM cache_sync_runs WHERE run_id = 'old'") == "1");
}

TEST_CASE("a row that somebody else holds is left for another night") {
  Journal scene;
  scene.add_run("held", 900);
  scene.add_run("old", 800);
  Session other = scene.fixture.database().connect();
  other.execute("BEGIN");
  other.execute("SELECT FROM cache_sync_runs WHERE run_id = 'held' FOR UPDATE");
  const ProcessResult result = scene.run("");
  CHECK(result.status == 0);
  CHECK(log_lines(result, "warning").empty());
  other.execute("ROLLBACK");
  CHECK(scene.runs() == Names{"held"});
}
