// What happens at COMMIT.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Every write to this table runs this body of a trigger function at COMMIT.
void at_commit(Fixture& fixture, const std::string& table, const std::string& body) {
  fixture.database().execute(
      "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body +
      " RETURN NULL; END $$");
  fixture.database().execute(
      "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON " + table +
      " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()");
}

constexpr const char* end_backend =
    "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);";

}  // namespace

TEST_CASE("a connection that is lost during COMMIT is asked after: nothing was committed") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  at_commit(fixture, "cache_entries", end_backend);
  Subscriber subscriber(fixture.redis());
  const Names before = fixture.entries_dump();

  const ProcessResult result = run_task(fixture, {"sync", "--run-id", "night"});
  check_failure(result, 5,
                "the connection was lost before COMMIT; the transaction was rolled back");
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "failed");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_outbox") == "0");
  CHECK(announced_universes(subscriber.drain()).empty());
}

TEST_CASE("without the program's own tables nothing tells the outcome") {
  Fixture fixture;
  add_small_market(fixture);
  at_commit(fixture, "cache_entries", end_backend);
  const ProcessResult result = run_task(fixture, {"sync"});
  check_failure(result, 8, "outcome unknown");
  CHECK_THAT(log_lines(result, "error").front(), contains("run again"));
}

TEST_CASE("an error at COMMIT rolls everything back and is a failure of the run") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  at_commit(fixture, "cache_entries", "RAISE EXCEPTION 'no commit today';");
  const Names before = fixture.entries_dump();
  check_failure(run_task(fixture, {"sync"}), 1, "no commit today");
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "failed");
}

TEST_CASE("a connection that is lost while the record is opened ends the run with 5") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  at_commit(fixture, "cache_sync_runs", end_backend);
  const Names before = fixture.entries_dump();
  check_failure(run_task(fixture, {"sync"}), 5, "while the record of the run was opened");
  CHECK(fixture.entries_dump() == before);
}

TEST_CASE("events whose delivery could not be marked are sent once more, with the same ids") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}, redis_down()).status == 6);
  at_commit(fixture, "cache_sync_outbox", end_backend);
  Subscriber subscriber(fixture.redis());
  check_failure(fixture.run({"deliver"}), 5,
                "still pending: the connection was lost during COMMIT");
  const Names first = event_ids(subscriber.drain());
  CHECK_FALSE(first.empty());

  fixture.database().execute("DROP TRIGGER at_commit ON cache_sync_outbox");
  CHECK(fixture.run({"deliver"}).status == 0);
  CHECK(event_ids(subscriber.drain()) == first);
}

TEST_CASE("a COMMIT whose answer is lost is asked after: it was committed, and is announced") {
  // A COMMIT that waits for a standby is done already in the server itself; ending its backend
  // loses nothing but the answer.
  Postgres postgres(
      {.settings = {"synchronous_standby_names = 'nobody'", "synchronous_commit = local"}});
  Fixture fixture({}, postgres);
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute(
      "CREATE FUNCTION wait_for_standby() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "PERFORM set_config('synchronous_commit', 'on', true); RETURN NEW; END $$");
  fixture.database().execute(
      "CREATE TRIGGER wait_for_standby BEFORE INSERT OR UPDATE ON cache_entries "
      "FOR EACH ROW EXECUTE FUNCTION wait_for_standby()");
  Subscriber subscriber(fixture.redis());

  Process run = fixture.start({"sync", "--as-of", market_day, "--run-id", "night"});
  wait_until("the COMMIT to wait for a standby", [&] {
    return fixture.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1";
  });
  fixture.database().execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  const ProcessResult result = run.wait();
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("the connection was lost during COMMIT; asking for the outcome"));
  CHECK(fixture.members("tech") == Names{"MID", "MEGA"});
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "completed");
  CHECK(fixture.database().value(
            "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") == "0");
  CHECK(announced_universes(subscriber.drain()) == small_market_writes);
}
