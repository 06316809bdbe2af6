// One run at a time: the lock, and runs that are started simultaneously.

#include <set>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Takes the lock of a run in a transaction that stays open.
void take_lock(Session& session) {
  session.execute("BEGIN");
  session.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
}

}  // namespace

TEST_CASE("a run that meets the lock ends with 11, names the holder, and leaves no record") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Subscriber subscriber(fixture.redis());
  Session holder = fixture.database().connect();
  holder.execute("SET application_name = 'tickstock-cache other-run 2/5'");
  take_lock(holder);
  for (const std::string task : {"sync", "market-cap", "ipo", "delisted"}) {
    check_fails(fixture, {task}, 11,
                fmt::format("process {} ('tickstock-cache other-run 2/5')", holder.backend_pid()));
  }
  check_fails(fixture, {"sync", "--lock-wait", "1"}, 11, "another run holds the lock");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "0");
  // The phase has failed, and no run has begun.
  CHECK(event_lines(subscriber.drain()) == Names(4, "phase_completed"));
  CHECK(run_task(fixture, {"dry-run"}).status == 0);

  holder.execute("ROLLBACK");
  CHECK(run_task(fixture, {"sync"}).status == 0);
}

TEST_CASE("without own tables the lock counts as well") {
  Fixture fixture;
  add_small_market(fixture);
  Session holder = fixture.database().connect();
  take_lock(holder);
  check_fails(fixture, {"sync"}, 11, "another run holds the lock");
}

TEST_CASE("--lock-wait goes on when the lock is released") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Session holder = fixture.database().connect();
  take_lock(holder);
  Process waiting =
      fixture.start({"sync", "--as-of", market_day, "--lock-wait", "60", "--run-id", "patient"});
  wait_until("the run to try the lock", [&] {
    return fixture.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND application_name = 'tickstock-cache patient'") == "1";
  });
  // The run that waited must see what the holder commits.
  holder.execute("UPDATE symbols SET market_cap = 250000000000 WHERE symbol = 'LARGE'");
  CHECK(waiting.running());
  holder.execute("COMMIT");
  const ProcessResult result = waiting.wait();
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(fixture.members("mega_cap") == Names{"MEGA", "LARGE"});
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs WHERE run_id = 'patient'") ==
        "completed");
}

TEST_CASE("another table of entries has a lock of its own") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute("CREATE TABLE trial (LIKE cache_entries INCLUDING ALL)");
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[tables]\nentries = 'trial'\n");
  Session holder = fixture.database().connect();
  take_lock(holder);
  CHECK(run_task(fixture, {"sync", "--no-events", "--config", config}).status == 0);
  CHECK(fixture.database().value("SELECT count(*) FROM trial") == "10");
  check_fails(fixture, {"sync"}, 11, "another run holds the lock");
}

TEST_CASE("of runs started together each ends with 0 or 11, and all is done and said once") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Subscriber subscriber(fixture.redis());
  Names caps{"300000000000", "5000000000", "400000000"};
  std::set<std::string> ids;
  std::size_t events_seen = 0;
  for (std::size_t round = 0; round < caps.size(); ++round) {
    fixture.database().execute("UPDATE symbols SET market_cap = $1 WHERE symbol = 'MID'",
                               {caps[round]});
    std::vector<std::unique_ptr<Process>> runs;
    for (int i = 0; i < 8; ++i) {
      runs.push_back(std::make_unique<Process>(
          Fixture::command({"sync", "--as-of", market_day, "--format", "json", "--run-id",
                            fmt::format("r{}-{}", round, i), "--lock-wait", i < 4 ? "0" : "60"}),
          fixture.options()));
    }
    int with_changes = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const ProcessResult result = runs[i]->wait();
      INFO("round " << round << ", run " << i << ": " << result.err);
      CHECK((result.status == 0 || (result.status == 11 && i < 4)));
      if (result.status == 0 && Json::parse(result.out).at("total_changes").integer() > 0) {
        ++with_changes;
      }
    }
    CHECK(with_changes == 1);
    const std::vector<Event> events = without_progress(subscriber.drain());
    const Names announced = announced_universes(events);
    CHECK(std::set<std::string>(announced.begin(), announced.end()).size() == announced.size());
    CHECK_FALSE(announced.empty());
    for (const std::string& id : event_ids(events)) ids.insert(id);
    events_seen += events.size();
    const Json foretold = run_json(fixture, {"dry-run"});
    CHECK(foretold.at("total_changes").integer() == 0);
  }
  CHECK(ids.size() == events_seen);
  CHECK(fixture.members("small_cap") == Names{"SMALL", "MID"});
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_outbox "
                                 "WHERE published_at IS NULL") == "0");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs "
                                 "WHERE status <> 'completed'") == "0");
}
