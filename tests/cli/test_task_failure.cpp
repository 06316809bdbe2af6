// Exit status 3: a task fails because of an error in one of its entries, and is rolled back on its
// own.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// The small market with the program's tables, where writing this universe fails.
struct Broken {
  Fixture fixture;
  Subscriber subscriber{fixture.redis()};

  explicit Broken(const std::string& universe, const std::string& sqlstate = "P0001") {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    break_universe(fixture, universe, sqlstate);
  }

  std::string sql(const std::string& query) { return fixture.database().value(query); }
};

}  // namespace

TEST_CASE("a task that fails is rolled back on its own, without a trace in journal and outbox") {
  // The last universe of the first task: eight others are written before it.
  Broken broken("top_2000");
  const ProcessResult result = run_task(broken.fixture, {"sync", "--run-id", "night"});
  check_failure(result, 3, "writing universe 'top_2000' failed: the desk of top_2000 is closed");
  CHECK(broken.fixture.universes() == Names{"recent_ipos", "tech"});
  CHECK(broken.fixture.members("recent_ipos") == Names{"NEW"});
  CHECK(broken.fixture.members("tech") == Names{"MID", "MEGA"});
  CHECK(broken.fixture.database().column("SELECT task || ' ' || universe FROM cache_sync_changes "
                                         "ORDER BY id") ==
        Names{"ipo_assignment recent_ipos", "delisted_cleanup tech"});
  CHECK(announced_universes(broken.subscriber.drain()) == Names{"recent_ipos", "tech"});
  CHECK_THAT(result.out, contains("market_cap_recalculation: failed, rolled back on its own"));
}

TEST_CASE("only a value, a constraint, a name or a raised error is an error of an entry") {
  for (const std::string sqlstate : {"22023", "23514", "42703", "P0001"}) {
    INFO(sqlstate);
    Broken broken("top_2000", sqlstate);
    check_failure(run_task(broken.fixture, {"sync"}), 3, "SQLSTATE " + sqlstate);
    CHECK(broken.fixture.universes() == Names{"recent_ipos", "tech"});
  }
  for (const std::string sqlstate : {"38000", "54000", "TS001", "XX001"}) {
    INFO(sqlstate);
    Broken broken("top_2000", sqlstate);
    check_failure(run_task(broken.fixture, {"sync"}), 1, "SQLSTATE " + sqlstate);
    CHECK(broken.fixture.universes() == Names{"tech"});
  }
}

TEST_CASE("the document, the record and the events of such a run tell of the failed task") {
  Broken broken("recent_ipos", "23514");
  const Json done = run_json(broken.fixture, {"sync", "--run-id", "night"}, 3);
  CHECK(done.at("success").boolean());
  CHECK(done.at("exit_code").integer() == 3);
  CHECK(done.at("status").str() == "completed");
  CHECK(done.at("sync_status").str() == "completed_with_errors");
  CHECK(task_lines(done) == Names{"market_cap_recalculation success 9", "ipo_assignment failed 0",
                                  "delisted_cleanup success 1"});
  CHECK(done.at("total_changes").integer() == 10);
  CHECK_THAT(done.at("error").str(), contains("writing universe 'recent_ipos'"));
  CHECK(done.at("task_results.ipo_assignment.error").str() == done.at("error").str());
  CHECK(done.at("task_results.market_cap_recalculation.error").is_null());

  CHECK(broken.sql("SELECT status FROM cache_sync_runs") == "completed_with_errors");
  CHECK(broken.sql("SELECT error FROM cache_sync_runs") == done.at("error").str());
  CHECK(broken.sql("SELECT total_changes FROM cache_sync_runs") == "10");
  const Json status = Json::parse(broken.fixture.run({"status", "--format", "json"}).out);
  CHECK(status.at("status").str() == "completed");
  CHECK(status.at("sync_status").str() == "completed_with_errors");
  CHECK(status.at("task_results.ipo_assignment.status").str() == "failed");

  const auto events = broken.subscriber.drain();
  CHECK(messages(events, "tickstock:cache:ipo_assignment").empty());
  const auto ends = messages(events, "tickstock:cache:sync_complete");
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].at("payload.status").str() == "completed");
  CHECK(ends[0].at("payload.sync_status").str() == "completed_with_errors");
  CHECK(ends[0].at("payload.total_changes").integer() == 10);
  CHECK(task_lines(ends[0].at("payload")) == task_lines(done));
  CHECK(ends[0].at("payload.error").str() == done.at("error").str());
  const auto errors = messages(events, "tickstock:errors");
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].at("payload.message").str() == done.at("error").str());
  const auto phases = messages(events, "tickstock:processing:status");
  REQUIRE(phases.size() == 1);
  CHECK(phases[0].at("payload.status").str() == "completed");
  CHECK(phases[0].at("payload.stats.success").boolean());
}

TEST_CASE("the tasks besides a failed one are applied as planned") {
  Broken broken("mega_cap");
  // The first task removes GONE from large_cap, so the last one has nothing to do there.
  broken.fixture.set_entry("large_cap", "market_cap", R"({"symbols": ["GONE"], "count": 1})");
  const Json done = run_json(broken.fixture, {"sync"}, 3);
  CHECK(task_lines(done) == Names{"market_cap_recalculation failed 0", "ipo_assignment success 1",
                                  "delisted_cleanup success 1"});
  CHECK(broken.fixture.members("large_cap") == Names{"GONE"});
  broken.fixture.database().execute("DROP TRIGGER refuse ON cache_entries");
  CHECK(task_lines(run_json(broken.fixture, {"sync"})) ==
        Names{"market_cap_recalculation success 9", "ipo_assignment success 0",
              "delisted_cleanup success 0"});
  CHECK(broken.fixture.members("large_cap") == Names{"LARGE"});
}

TEST_CASE("the journal knows what a failed task left as it was") {
  Broken broken("mega_cap");
  broken.fixture.set_entry("large_cap", "market_cap", R"({"symbols": ["GONE"], "count": 1})");
  REQUIRE(run_task(broken.fixture, {"sync", "--run-id", "night"}).status == 3);
  broken.fixture.set_entry("large_cap", "market_cap", R"({"symbols": ["MID"], "count": 1})");
  const ProcessResult result =
      broken.fixture.run({"members", "large_cap", "--as-of", "2026-08-21", "--format", "json"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const Json members = Json::parse(result.out);
  CHECK(members.at("run_id").str() == "night");
  REQUIRE(members.at("members").items().size() == 1);
  CHECK(members.at("members").items()[0].at("symbol").str() == "GONE");
}

TEST_CASE("a failed task counts more than undelivered events, and more than changes") {
  Broken broken("tech");
  // The document is about what the status is about.
  const Json done =
      Json::parse(run_task(broken.fixture, {"sync", "--format", "json"}, redis_down()).out);
  CHECK(done.at("exit_code").integer() == 3);
  CHECK_THAT(done.at("error").str(), contains("writing universe 'tech' failed"));
  CHECK(done.at("object").str() == "universe tech");
  CHECK_THAT(done.at("errors").items()[1].str(), contains("cannot connect to Redis"));
  CHECK(broken.sql("SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") == "12");
  CHECK(run_task(broken.fixture, {"sync", "--detailed-exitcode"}).status == 3);
}

TEST_CASE("under an approved plan one failing entry fails the whole run") {
  Broken broken("tech");
  const std::string digest = run_json(broken.fixture, {"dry-run"}).at("plan_digest").str();
  check_fails(broken.fixture, {"sync", "--approve-plan", digest}, 1,
              "writing universe 'tech' failed");
  CHECK(broken.fixture.universes() == Names{"tech"});
  CHECK(broken.sql("SELECT count(*) FROM cache_sync_changes") == "0");
  CHECK(broken.sql("SELECT count(*) FROM cache_sync_outbox") == "0");
  CHECK(broken.sql("SELECT string_agg(DISTINCT status, ' ') FROM cache_sync_runs") == "failed");
}

TEST_CASE("an error that is not one of an entry fails the whole run") {
  Broken broken("tech", "XX000");
  check_fails(broken.fixture, {"sync"}, 1, "SQLSTATE XX000");
  CHECK(broken.fixture.universes() == Names{"tech"});
  CHECK(announced_universes(broken.subscriber.drain()).empty());
}

TEST_CASE("an entry that something keeps from being written fails the run and is named") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute(R"(
    CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER swallow BEFORE UPDATE ON cache_entries
      FOR EACH ROW WHEN (NEW.universe = 'tech') EXECUTE FUNCTION swallow())");
  check_fails(fixture, {"sync"}, 1, "writing universe 'tech' failed: the row was not written");
  CHECK(fixture.universes() == Names{"tech"});
}
