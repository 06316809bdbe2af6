// Events that can't be delivered yet, or ever: limits, refusals, and giving up.

#include <algorithm>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::string channel = "tickstock:universe:updated";

std::string event_id(int number) { return fmt::format("00000000-0000-8000-8000-{:012}", number); }

/// A database with the program's tables and a run `night` of the small market whose events are
/// published.
struct Outbox {
  Fixture fixture;

  explicit Outbox(Redis& redis = Redis::shared()) : fixture({}, Postgres::shared(), redis) {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    REQUIRE(run_task(fixture, {"sync", "--run-id", "night"}).status == 0);
  }

  /// Stores a pending event; the text is SQL.
  void store(int number, const std::string& text, const std::string& age = "0",
             const std::string& run_id = "night", const std::string& on = channel) {
    fixture.database().execute(
        "INSERT INTO cache_sync_outbox (event_id, run_id, channel, event, message, created_at) "
        "VALUES ($1, $2, $3, 'universe_updated', " +
            text + ", now() - $4::interval)",
        {event_id(number), run_id, on, age});
  }

  /// Returns the numbers of the stored events that are pending, in order.
  Names pending() {
    return fixture.database().column(
        "SELECT right(event_id::text, 12)::int FROM cache_sync_outbox "
        "WHERE published_at IS NULL AND given_up_at IS NULL ORDER BY id");
  }

  Names given_up() {
    return fixture.database().column(
        "SELECT right(event_id::text, 12)::int FROM cache_sync_outbox "
        "WHERE given_up_at IS NOT NULL ORDER BY id");
  }

  Names dump() {
    return fixture.database().column("SELECT o::text FROM cache_sync_outbox o ORDER BY id");
  }
};

Names texts(const std::vector<Event>& events) {
  Names found;
  for (const Event& event : without_progress(events)) found.push_back(event.message.substr(0, 8));
  return found;
}

}  // namespace

TEST_CASE("a run whose plan makes an event that is too large ends with 1 before COMMIT") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute(
      "UPDATE symbols SET company_name = repeat('x', 1048577) WHERE symbol = 'NEW'");
  check_fails(fixture, {"sync"}, 1,
              "event ipo_assigned on channel tickstock:cache:ipo_assignment would have ");
  const ProcessResult result = run_task(fixture, {"sync"});
  CHECK_THAT(result.err, contains("run once with --no-events"));
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_outbox") == "0");
  CHECK(fixture.universes() == Names{"tech"});
  CHECK(run_task(fixture, {"sync", "--no-events"}).status == 0);
  CHECK(fixture.members("recent_ipos") == Names{"NEW"});
}

TEST_CASE("an event of exactly the size that every Redis takes is delivered") {
  Redis redis({.settings = {"proto-max-bulk-len 1mb"}});
  Outbox scene(redis);
  scene.store(1, "repeat('x', 1048576)");
  Subscriber subscriber(redis);
  CHECK(scene.fixture.run({"deliver"}).out == "1 event published, 0 pending\n");
  CHECK(without_progress(subscriber.drain()).at(0).message.size() == 1048576);
}

TEST_CASE("an event that Redis finds too long stops the delivery, and is named with the remedy") {
  Redis redis({.settings = {"proto-max-bulk-len 1mb"}});
  Outbox scene(redis);
  scene.store(1, "'first'");
  scene.store(2, "repeat('x', 5000000)");
  scene.store(3, "'third'");
  Subscriber subscriber(redis);
  const ProcessResult result = scene.fixture.run({"deliver"});
  check_failure(result, 6, "2 events are still pending");
  CHECK_THAT(
      result.err,
      contains("event " + event_id(2) + " on channel " + channel + " is refused: ERR") &&
          contains("invalid bulk length") &&
          contains("To deliver the rest without it, run 'tickstock-cache deliver --discard " +
                   event_id(2)));
  CHECK(scene.pending() == Names{"2", "3"});
  CHECK(texts(subscriber.drain()) == Names{"first"});
  CHECK(scene.fixture.run({"deliver", "--discard", event_id(2)}).out ==
        "1 event dropped, 1 event published, 0 pending\n");
  CHECK(texts(subscriber.drain()) == Names{"third"});
}

TEST_CASE("an event on a denied channel stops the delivery, and --discard goes past it") {
  Redis redis({.settings = {"user job on >word resetchannels &tickstock:universe:* "
                            "&tickstock:cache:sync_complete -@all +publish +role"}});
  Outbox scene(redis);
  scene.store(1, "'first'");
  scene.store(2, "'second'", "0", "night", "tickstock:cache:ipo_assignment");
  scene.store(3, "'third'");
  const Environment job{
      {"REDIS_URL", "redis://job:word@127.0.0.1:" + std::to_string(redis.port())}};
  Subscriber subscriber(redis);
  const ProcessResult result = scene.fixture.run({"deliver"}, job);
  check_failure(result, 6, "2 events are still pending");
  CHECK_THAT(result.err, contains("event " + event_id(2) +
                                  " on channel tickstock:cache:ipo_assignment is refused: NOPERM"));
  CHECK(result.out == "1 event published, 2 pending\n");
  // Order is preserved: what comes after it waits, including later runs.
  const ProcessResult run = run_task(scene.fixture, {"delisted"}, job);
  check_failure(run, 6, "1 event of this run is pending");
  CHECK_THAT(run.err, contains("deliver --discard " + event_id(2)));
  CHECK(texts(subscriber.drain()) == Names{"first"});

  const ProcessResult past = scene.fixture.run({"deliver", "--discard", event_id(2)}, job);
  CHECK(past.status == 0);
  CHECK(past.out == "1 event dropped, 2 events published, 0 pending\n");
  CHECK(texts(subscriber.drain()).front() == "third");
  CHECK(scene.given_up() == Names{"2"});
  const Json status = Json::parse(scene.fixture.run({"status", "night", "--format", "json"}).out);
  CHECK(status.at("events.given_up").integer() == 1);
  CHECK(status.at("events.pending").integer() == 0);
  CHECK_THAT(scene.fixture.run({"status", "night"}).out,
             contains(" 0 pending, 1 dropped; nobody listened\n"));
  const Json history = Json::parse(scene.fixture.run({"history", "--format", "json"}).out);
  CHECK(history.at("runs").items().back().at("events.given_up").integer() == 1);
}

TEST_CASE("a delivery whose time is over because of PostgreSQL does not blame Redis") {
  Outbox scene;
  scene.store(1, "'first'");
  Session holder = scene.fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("LOCK TABLE cache_sync_outbox IN ACCESS EXCLUSIVE MODE");
  const ProcessResult result = scene.fixture.run({"deliver", "--timeout", "2"});
  holder.execute("ROLLBACK");
  CHECK(result.status == 5);
  CHECK_THAT(result.err, !contains("Redis at"));
  CHECK(scene.fixture.run({"deliver"}).out == "1 event published, 0 pending\n");
}

TEST_CASE("who may not publish at all is not advised to drop event after event") {
  Redis redis({.settings = {"user mute on >word &* -@all +role"}});
  Outbox scene(redis);
  scene.store(1, "'first'");
  const Environment mute{
      {"REDIS_URL", "redis://mute:word@127.0.0.1:" + std::to_string(redis.port())}};
  const ProcessResult result = scene.fixture.run({"deliver"}, mute);
  check_failure(result, 6, "1 event is still pending");
  CHECK_THAT(result.err, contains("--print-redis-acl") && !contains("--discard"));
}

TEST_CASE("only a pending event can be dropped") {
  Outbox scene;
  scene.store(1, "'first'");
  scene.store(2, "'second'");
  const std::string published = scene.fixture.database().value(
      "SELECT event_id FROM cache_sync_outbox WHERE published_at IS NOT NULL LIMIT 1");
  scene.fixture.database().execute(
      "UPDATE cache_sync_outbox SET given_up_at = now() WHERE message = 'second'");
  const Names before = scene.dump();
  check_failure(scene.fixture.run({"deliver", "--discard", event_id(7)}), 1,
                "event " + event_id(7) + " is not pending: there is none with this id");
  check_failure(scene.fixture.run({"deliver", "--discard", published}), 1,
                "is not pending: it was published");
  check_failure(scene.fixture.run({"deliver", "--discard", event_id(2)}), 1,
                "is not pending: it was dropped before");
  for (const std::string& id : Names{"7", "00000000-0000-8000-8000-00000000000g", "",
                                     event_id(1) + "0", "{" + event_id(1) + "}"}) {
    check_failure(scene.fixture.run({"deliver", "--discard", id}), 64, "--discard");
  }
  CHECK(scene.dump() == before);
  CHECK(scene.pending() == Names{"1"});
}

TEST_CASE("an event is dropped although Redis is down") {
  Outbox scene;
  scene.store(1, "'first'");
  scene.store(2, "'second'");
  const ProcessResult result =
      scene.fixture.run({"deliver", "--discard", event_id(1)}, redis_down());
  check_failure(result, 6, "1 event is still pending");
  CHECK(result.out == "1 event dropped, 0 events published, 1 pending\n");
  CHECK(scene.pending() == Names{"2"});
}

TEST_CASE("events that are pending for too long are dropped, with one warning") {
  Outbox scene;
  for (int i = 1; i <= 8; ++i) {
    scene.store(i, "'old'", "7 days 1 minute", fmt::format("old-{}", (i + 1) / 2));
  }
  for (int i = 9; i <= 14; ++i) scene.store(i, "'old'", "8 days", fmt::format("older-{}", i));
  scene.store(15, "'young'", "6 days 23 hours");
  const std::string words =
      "14 events pending for more than 7 days ([outbox] max_age) were dropped and will not be "
      "published, of the runs old-1, old-2, old-3, old-4, older-9 and 5 more";
  Subscriber subscriber(scene.fixture.redis());

  SECTION("by deliver") {
    const ProcessResult result = scene.fixture.run({"deliver"});
    CHECK(result.status == 0);
    CHECK(log_lines(result, "warning") == Names{words});
    CHECK(result.out == "14 events dropped, 1 event published, 0 pending\n");
  }
  SECTION("by a run") {
    const Json done = run_json(scene.fixture, {"delisted"});
    CHECK(done.at("warnings").strings() == Names{words});
    CHECK(done.at("events.pending").integer() == 0);
    CHECK(run_json(scene.fixture, {"delisted"}).at("warnings").size() == 0);
  }
  SECTION("also where Redis is down") {
    const ProcessResult result = scene.fixture.run({"deliver"}, redis_down());
    CHECK(result.status == 6);
    CHECK(log_lines(result, "warning") == Names{words});
    CHECK(scene.pending() == Names{"15"});
    REQUIRE(scene.fixture.run({"deliver"}).status == 0);
  }
  CHECK(scene.given_up().size() == 14);
  CHECK(scene.pending().empty());
  const Names sent = texts(subscriber.drain());
  CHECK(std::count(sent.begin(), sent.end(), "young") == 1);
  CHECK(std::count(sent.begin(), sent.end(), "old") == 0);
}

TEST_CASE("a setting limits how long an event may be pending, and 0 means forever") {
  Outbox scene;
  scene.store(1, "'old'", "400 days");
  const TemporaryDirectory directory;
  const std::string ever = directory.write("e.toml", "[outbox]\nmax_age = 0\n");
  const std::string day = directory.write("d.toml", "[outbox]\nmax_age = 1\n");
  CHECK(scene.fixture.run({"deliver", "--config", ever}).out == "1 event published, 0 pending\n");
  scene.store(2, "'yesterday'", "25 hours");
  const ProcessResult result = scene.fixture.run({"deliver", "--config", day});
  CHECK(result.out == "1 event dropped, 0 events published, 0 pending\n");
  CHECK_THAT(result.err, contains("1 event pending for more than 1 day ([outbox] max_age) was "
                                  "dropped and will not be published, of the run night"));
}

TEST_CASE("the check tells how old the oldest pending event is") {
  Outbox scene;
  scene.store(1, "'x'", "3 days 5 hours");
  CHECK_THAT(scene.fixture.run({"check"}).out,
             contains("warning  1 event is pending, the oldest for 3 days. Run 'tickstock-cache"));
  scene.store(2, "'x'", "90 minutes");
  scene.fixture.database().execute(
      "UPDATE cache_sync_outbox SET given_up_at = now() WHERE event_id = $1", {event_id(1)});
  CHECK_THAT(scene.fixture.run({"check"}).out,
             contains("1 event is pending, the oldest for 1 hour"));
}

TEST_CASE("a delivery is made in batches of a few megabytes") {
  Outbox scene;
  for (int i = 1; i <= 12; ++i) scene.store(i, "repeat('x', 1000000)");
  Subscriber subscriber(scene.fixture.redis());
  CHECK(scene.fixture.run({"deliver"}).out == "12 events published, 0 pending\n");
  // Each batch is one UPDATE, and so has one xmin.
  CHECK(scene.fixture.database().column(
            "SELECT count(*) FROM cache_sync_outbox WHERE length(message) = 1000000 "
            "GROUP BY xmin::text ORDER BY min(id)") == Names{"4", "4", "4"});
}

TEST_CASE("several deliver in a loop beside runs, and each event is sent once and in order") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Subscriber subscriber(fixture.redis());
  const TemporaryDirectory directory;
  const std::string stop = directory.file("stop");
  std::vector<std::unique_ptr<Process>> loops;
  for (int i = 0; i < 3; ++i) {
    loops.push_back(std::make_unique<Process>(
        Names{"sh", "-c", "while [ ! -e \"$1\" ]; do \"$0\" deliver -q || exit; done",
              program_path(), stop},
        fixture.options()));
  }
  for (int night = 0; night < 8; ++night) {
    fixture.database().execute(fmt::format(
        "UPDATE symbols SET market_cap = market_cap * {} WHERE symbol IN ('MICRO', 'MID')",
        night % 2 == 0 ? "10" : "0.1"));
    REQUIRE(run_task(fixture, {"sync", "-q"}).status == 0);
  }
  directory.write("stop", "");
  for (const auto& loop : loops) {
    const ProcessResult result = loop->wait();
    INFO(result.err);
    CHECK(result.status == 0);
  }
  Names sent;
  for (const Event& event : without_progress(subscriber.drain())) {
    const Json message = Json::parse(event.message);
    if (message.at("event").str() == "cache_sync_triggered" ||
        message.at("event").str() == "phase_completed")
      continue;
    sent.push_back(message.at("event_id").str());
  }
  CHECK(sent.size() > 60);
  CHECK(sent == fixture.database().column("SELECT event_id FROM cache_sync_outbox ORDER BY id"));
}
