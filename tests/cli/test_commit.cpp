// What happens at COMMIT, and before it when another transaction is in the way.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// The small market, where every write of an entry runs this body of a trigger function.
void on_write(Fixture& fixture, const std::string& timing, const std::string& body) {
  fixture.database().execute(
      "CREATE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body +
      " RETURN NULL; END $$");
  fixture.database().execute(
      "CREATE CONSTRAINT TRIGGER on_write AFTER INSERT OR UPDATE ON cache_entries " + timing +
      " FOR EACH ROW EXECUTE FUNCTION on_write()");
}

constexpr const char* at_commit = "DEFERRABLE INITIALLY DEFERRED";
constexpr const char* at_once = "NOT DEFERRABLE";
constexpr const char* end_backend =
    "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);";

}  // namespace

TEST_CASE("a connection that is lost during COMMIT is asked after: nothing was committed") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  on_write(fixture, at_commit, end_backend);
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
  on_write(fixture, at_commit, end_backend);
  const ProcessResult result = run_task(fixture, {"sync"});
  check_failure(result, 8, "outcome unknown");
  CHECK_THAT(log_lines(result, "error").front(), contains("run again"));
}

TEST_CASE("an error at COMMIT rolls everything back and is a failure of the run") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  on_write(fixture, at_commit, "RAISE EXCEPTION 'no commit today';");
  const Names before = fixture.entries_dump();
  check_failure(run_task(fixture, {"sync"}), 1, "no commit today");
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "failed");
}

TEST_CASE(
    "a run that another transaction got in the way of begins anew, and does everything once") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  // A sequence is not rolled back: the third attempt gets through.
  fixture.database().execute("CREATE SEQUENCE attempts");
  on_write(
      fixture, at_once,
      "IF NEW.universe = 'mega_cap' AND nextval('public.attempts') < 3 THEN "
      "RAISE EXCEPTION USING errcode = 'serialization_failure', message = 'try again'; END IF;");
  Subscriber subscriber(fixture.redis());
  const ProcessResult result = run_task(fixture, {"sync"});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(log_lines(result, "warning").size() == 2);
  CHECK(fixture.database().value("SELECT last_value FROM attempts") == "3");
  CHECK(announced_universes(subscriber.drain()) == small_market_writes);
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_changes") == "11");
}

TEST_CASE("a run gives up when others are in the way for ever") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  on_write(fixture, at_once,
           "RAISE EXCEPTION USING errcode = 'deadlock_detected', message = 'never';");
  const Names before = fixture.entries_dump();
  check_failure(run_task(fixture, {"sync"}), 5, "given up after 6 attempts");
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "failed");
}
