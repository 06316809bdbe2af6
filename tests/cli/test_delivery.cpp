// Exit status 6, and how undelivered events get delivered later.

#include <algorithm>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::string pending_sql = "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL";

Names stored_ids(Fixture& fixture) {
  return fixture.database().column("SELECT event_id FROM cache_sync_outbox ORDER BY id");
}

/// Returns the ids of the stored events, without best-effort ones.
Names kept_ids(const std::vector<Event>& events) {
  Names ids;
  for (const Event& event : events) {
    const bool kept = event.channel == "tickstock:universe:updated" ||
                      event.channel == "tickstock:cache:ipo_assignment" ||
                      event.channel == "tickstock:cache:delisting_cleanup" ||
                      event.channel == "tickstock:cache:sync_complete";
    if (kept) ids.push_back(Json::parse(event.message).at("event_id").str());
  }
  return ids;
}

}  // namespace

TEST_CASE("without Redis a run commits, ends with 6, and its events are pending") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Subscriber subscriber(fixture.redis());
  const ProcessResult result = run_task(fixture, {"sync", "--run-id", "night"}, redis_down());
  check_failure(result, 6,
                "14 events of this run are pending: cannot connect to Redis at "
                "redis://127.0.0.1:1/0: Connection refused. Check the server and the URL. Run "
                "'tickstock-cache deliver' later.");
  CHECK_THAT(result.err, contains("redis://127.0.0.1:1/0"));
  CHECK_THAT(result.out, contains("0 events published, 14 pending"));
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
  CHECK(fixture.database().value(pending_sql) == "14");
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "completed");
  CHECK(subscriber.drain().empty());
  const Json status = Json::parse(fixture.run({"status", "--format", "json"}).out);
  CHECK(status.at("events.pending").integer() == 14);
  CHECK(status.at("events.published").integer() == 0);

  // Pending events are looked at without being changed, and delivered once.
  check_failure(fixture.run({"deliver"}, redis_down()), 6, "14 events are still pending");
  const ProcessResult delivered = fixture.run({"deliver"});
  CHECK(delivered.status == 0);
  CHECK(delivered.out == "14 events published, 0 pending\n");
  const auto events = subscriber.drain();
  CHECK(kept_ids(events) == stored_ids(fixture));
  CHECK(announced_universes(events) == small_market_writes);
  CHECK(fixture.run({"deliver"}).out == "0 events published, 0 pending\n");
  CHECK(fixture.run({"deliver", "-q"}).out.empty());
  CHECK(subscriber.drain().empty());
}

TEST_CASE("the document of a run with undelivered events is a success with status 6") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const Json done = run_json(fixture, {"sync"}, 6, redis_down());
  CHECK(done.at("success").boolean());
  CHECK(done.at("exit_code").integer() == 6);
  CHECK(done.at("status").str() == "completed");
  CHECK(done.at("sync_status").str() == "completed");
  CHECK(done.at("events.published").integer() == 0);
  CHECK(done.at("events.pending").integer() == 14);
  CHECK_THAT(done.at("error").str(), contains("14 events of this run are pending"));
  CHECK(run_json(fixture, {"sync", "--detailed-exitcode"}, 6, redis_down())
            .at("total_changes")
            .integer() == 0);
}

TEST_CASE("a later run sends older events first and its own last") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}, redis_down()).status == 6);
  fixture.database().execute("UPDATE symbols SET market_cap = 1 WHERE symbol = 'MICRO'");
  REQUIRE(run_task(fixture, {"sync"}, redis_down()).status == 6);
  const Names older = stored_ids(fixture);
  fixture.database().execute("UPDATE symbols SET market_cap = 70000000 WHERE symbol = 'MICRO'");
  Subscriber subscriber(fixture.redis());
  const Json done = run_json(fixture, {"sync"});
  const Names ids = kept_ids(subscriber.drain());
  CHECK(ids == stored_ids(fixture));
  CHECK(ids.size() > older.size());
  CHECK(fixture.database().value(pending_sql) == "0");
  // The run counts only its own events.
  CHECK(done.at("events.published").integer() ==
        static_cast<std::int64_t>(ids.size() - older.size()));
}

TEST_CASE("an event is the same when it is sent again") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Subscriber subscriber(fixture.redis());
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  const auto sent = subscriber.drain();
  // As after a crash between PUBLISH and the mark.
  fixture.database().execute("UPDATE cache_sync_outbox SET published_at = NULL");
  REQUIRE(fixture.run({"deliver"}).status == 0);
  const auto again = subscriber.drain();
  CHECK(kept_ids(again) == kept_ids(sent));
  std::vector<Event> first;
  std::copy_if(sent.begin(), sent.end(), std::back_inserter(first), [&again](const Event& event) {
    return std::find(again.begin(), again.end(), event) != again.end();
  });
  CHECK(first == again);
}

TEST_CASE("without own tables events that Redis doesn't take are lost, and the run says so") {
  Fixture fixture;
  add_small_market(fixture);
  const ProcessResult result = run_task(fixture, {"sync"}, redis_down());
  check_failure(result, 6, "14 events of this run are lost");
  CHECK_THAT(result.out, contains("0 events published, 14 lost"));
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
  CHECK(run_task(fixture, {"sync"}).status == 0);
}

TEST_CASE("deliver without own tables ends with 1 and names the command to run") {
  Fixture fixture;
  add_small_market(fixture);
  check_failure(fixture.run({"deliver"}), 1, "Run 'tickstock-cache init'");
}

TEST_CASE("who finds another publisher at work waits, and says so if that takes too long") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  check_failure(run_task(fixture, {"sync"}, redis_down()), 6, "14 events of this run are pending");
  const std::string event =
      fixture.database().value("SELECT event_id::text FROM cache_sync_outbox ORDER BY id LIMIT 1");
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[timeouts]\npublish = 1\n");
  const std::string lock =
      "(1953457003::bigint << 32 | 'cache_sync_outbox'::regclass::oid::bigint)";
  fixture.database().execute("SELECT pg_advisory_lock" + lock);
  check_failure(fixture.run({"deliver", "--config", config}), 6,
                "14 events are still pending: another publisher is still running. Run "
                "'tickstock-cache deliver' later.");
  check_failure(fixture.run({"deliver", "--discard", event, "--config", config}), 6,
                "event " + event +
                    " was not dropped: another publisher is still running. Run 'tickstock-cache "
                    "deliver' again later.");
  CHECK(fixture.database().value(pending_sql) == "14");

  Process waiting = fixture.start({"deliver"});
  wait_until("it to have tried in vain", [&] {
    return fixture.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND application_name LIKE 'tickstock-cache%' AND state = 'idle'") == "1";
  });
  fixture.database().execute("SELECT pg_advisory_unlock" + lock);
  const ProcessResult delivered = waiting.wait();
  CHECK(delivered.status == 0);
  CHECK(delivered.out == "14 events published, 0 pending\n");
}

TEST_CASE("Redis that stops while events are pending keeps the rest pending") {
  Redis redis;
  Fixture fixture({}, Postgres::shared(), redis);
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  redis.stop();
  check_failure(run_task(fixture, {"sync"}), 6, "events of this run are pending");
  redis.start();
  Subscriber subscriber(redis);
  CHECK(run_json(fixture, {"sync"}).at("events.published").integer() == 1);
  CHECK(kept_ids(subscriber.drain()).size() == 15);
  CHECK(fixture.database().value(pending_sql) == "0");
}

TEST_CASE("a single task and a dry run without changes need no Redis beyond its own event") {
  Fixture fixture;
  add_small_market(fixture);
  CHECK(run_task(fixture, {"dry-run"}, redis_down()).status == 0);
  CHECK(run_task(fixture, {"sync", "--no-events"}, redis_down()).status == 0);
  check_failure(run_task(fixture, {"ipo"}, redis_down()), 6, "1 event of this run is lost");
}

TEST_CASE("more events than one batch are all delivered, once and in order") {
  Fixture fixture;
  fixture.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active, listing_date) "
      "SELECT 'S' || i, 1000000, true, '2024-06-20' FROM generate_series(1, 1200) i");
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"ipo"}, redis_down()).status == 6);
  const Names older = stored_ids(fixture);
  CHECK(older.size() == 1202);
  Subscriber subscriber(fixture.redis());
  CHECK(fixture.run({"deliver"}).out == "1202 events published, 0 pending\n");
  CHECK(kept_ids(subscriber.drain()) == older);

  fixture.database().execute("UPDATE cache_sync_outbox SET published_at = NULL");
  CHECK(run_json(fixture, {"ipo"}).at("events.published").integer() == 1);
  CHECK(kept_ids(subscriber.drain()) == stored_ids(fixture));
  CHECK(fixture.database().value(pending_sql) == "0");
}
