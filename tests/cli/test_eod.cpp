// `--wait-for-eod`: what ends the wait for a complete day, and what happens if nothing does.

#include <csignal>
#include <stdexcept>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// A small market without prices.
struct Scene {
  Fixture fixture;

  Scene() { add_small_market(fixture); }

  Process start(const Names& flags, const Environment& extra = {}) {
    return fixture.start(with({"sync", "--as-of", market_day, "--wait-for-eod", "600"}, flags),
                         extra);
  }

  static void wait_for_words(Process& run, const std::string& words) {
    wait_until("the run to say: " + words, [&] {
      if (!run.running()) throw std::runtime_error("it ended: " + run.err());
      return run.err().find(words) != std::string::npos;
    });
  }

  void push(const std::string& list, const std::string& element) {
    fixture.redis().command({"RPUSH", list, element});
  }

  std::string waiting(const std::string& list) { return fixture.redis().command({"LLEN", list}); }

  void add_prices() {
    fixture.database().execute("INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', $1)",
                               {market_day});
  }
};

const std::string begins_to_wait = "waiting for the end of the day " + market_day;

}  // namespace

TEST_CASE("a signal on any of the lists ends the wait, and is taken") {
  for (const std::string list :
       {"eod_complete", "tickstock.eod.complete", "market_data.eod_complete"}) {
    INFO(list);
    Scene scene;
    Process run = scene.start({});
    Scene::wait_for_words(run, begins_to_wait);
    CHECK(scene.fixture.universes() == Names{"tech"});
    scene.push(list, R"({"event": "done"})");
    const ProcessResult result = run.wait();
    CHECK(result.status == 0);
    CHECK_THAT(result.err, contains("the day " + market_day + " is complete: Redis signalled it"));
    CHECK(scene.waiting(list) == "0");
    CHECK(scene.fixture.members("mega_cap") == Names{"MEGA"});
  }
}

TEST_CASE("a signal that names an earlier day is taken off and not believed") {
  Scene scene;
  scene.push("eod_complete", R"({"date": "2024-06-27"})");
  scene.push("eod_complete", R"({"date": "2024-06-26"})");
  Process run = scene.start({});
  wait_until("the old signals to be taken", [&] { return scene.waiting("eod_complete") == "0"; });
  Scene::wait_for_words(run, begins_to_wait);
  scene.push("eod_complete", R"({"day": "2024-06-28", "sent": "2024-06-29T00:10:00Z"})");
  CHECK(run.wait().status == 0);
}

TEST_CASE("prices of the day end the wait, and existing ones make it unnecessary") {
  Scene scene;
  Process run = scene.start({});
  Scene::wait_for_words(run, begins_to_wait);
  scene.add_prices();
  const ProcessResult result = run.wait();
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("is complete: public.ohlcv_daily has its prices"));

  // A late signal is not left for another day.
  scene.push("eod_complete", "done");
  const ProcessResult next = scene.start({}).wait();
  CHECK(next.status == 0);
  CHECK_THAT(next.err, !contains("waiting"));
  CHECK(scene.waiting("eod_complete") == "0");
}

TEST_CASE(
    "when the time is over the run goes on with a warning, or ends with 5 where it must not") {
  Scene scene;
  REQUIRE(scene.fixture.run({"init"}).status == 0);
  check_fails(scene.fixture, {"sync", "--wait-for-eod", "1", "--eod-timeout", "fail"}, 5,
              "the day 2024-06-28 was not complete within 1 s");
  CHECK(scene.fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "0");
  const ProcessResult result = run_task(scene.fixture, {"sync", "--wait-for-eod", "1"});
  CHECK(result.status == 0);
  CHECK_THAT(log_lines(result, "warning").front(), contains("continuing with the available data"));
}

TEST_CASE("a run that may not take signals says so, and check predicts it") {
  Redis redis({.settings = {"user job on >word &* -@all +publish +role +multi +discard"}});
  Fixture fixture({}, Postgres::shared(), redis);
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const Environment job{
      {"REDIS_URL", "redis://job:word@127.0.0.1:" + std::to_string(redis.port())}};
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[eod]\nwait = 1\ntimeout = \"fail\"\n");
  const ProcessResult run = run_task(fixture, {"sync", "--config", config}, job);
  CHECK(run.status == 5);
  CHECK_THAT(run.err, contains("no signal on Redis: ") && contains("NOPERM"));
  CHECK(fixture.run({"check"}, job).status == 0);
  const ProcessResult check = fixture.run({"check", "--config", config}, job);
  CHECK(check.status == 6);
  CHECK_THAT(check.err, contains("NOPERM") && contains("lpop"));
}

TEST_CASE("without Redis, or without the prices, the other ends the wait") {
  Scene scene;
  {
    Process run = scene.start({"--no-events"}, redis_down());
    Scene::wait_for_words(run, "no signal can be received");
    scene.add_prices();
    CHECK(run.wait().status == 0);
  }
  scene.fixture.database().execute("DROP TABLE ohlcv_daily");
  Process run = scene.start({});
  Scene::wait_for_words(run, "the end of the day can't be seen in the prices");
  Scene::wait_for_words(run, begins_to_wait);
  scene.push("eod_complete", "done");
  CHECK(run.wait().status == 0);
}

TEST_CASE("a Redis that comes back is heard") {
  Redis redis;
  Fixture fixture({}, Postgres::shared(), redis);
  add_small_market(fixture);
  redis.stop();
  Process run = fixture.start({"sync", "--as-of", market_day, "--wait-for-eod", "600"});
  Scene::wait_for_words(run, "no signal can be received");
  redis.start();
  redis.command({"RPUSH", "eod_complete", "done"});
  CHECK(run.wait().status == 0);
}

TEST_CASE("a PostgreSQL that comes back is asked") {
  Postgres postgres;
  Fixture fixture({}, postgres);
  add_small_market(fixture);
  Process run = fixture.start({"sync", "--as-of", market_day, "--wait-for-eod", "600"});
  Scene::wait_for_words(run, begins_to_wait);
  postgres.stop();
  Scene::wait_for_words(run, "the prices can't be read: ");
  postgres.start();
  fixture.database().disconnect();
  fixture.database().execute("INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', $1)",
                             {market_day});
  const ProcessResult result = run.wait();
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("is complete: public.ohlcv_daily has its prices"));
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
}

TEST_CASE("what could not be asked at the last look is named") {
  Postgres postgres;
  Fixture fixture({}, postgres);
  add_small_market(fixture);
  Process run = fixture.start(
      {"sync", "--as-of", market_day, "--wait-for-eod", "3", "--eod-timeout", "fail"});
  Scene::wait_for_words(run, begins_to_wait);
  postgres.stop();
  check_failure(run.wait(), 5, "within 3 s: public.ohlcv_daily can't be read: ");
}

TEST_CASE("a connection that PostgreSQL closed during the wait is replaced") {
  Scene scene;
  Database& database = scene.fixture.database();
  // Without the prices, it is asked nothing.
  const bool has_prices = GENERATE(true, false);
  if (!has_prices) database.execute("DROP TABLE ohlcv_daily");
  Process run = scene.start({});
  Scene::wait_for_words(run, begins_to_wait);
  database.execute(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE datname = current_database() AND application_name LIKE 'tickstock-cache %'");
  scene.push("eod_complete", "done");
  const ProcessResult result = run.wait();
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("is complete: Redis signalled it"));
  CHECK(scene.fixture.members("mega_cap") == Names{"MEGA"});
}

TEST_CASE("a signal of the system ends the wait, with nothing changed") {
  Scene scene;
  const Names before = scene.fixture.entries_dump();
  Process run = scene.start({});
  Scene::wait_for_words(run, begins_to_wait);
  run.send_signal(SIGTERM);
  const ProcessResult result = run.wait();
  check_failure(result, 128 + SIGTERM, "while waiting for the end of the day");
  CHECK(scene.fixture.entries_dump() == before);
}

TEST_CASE("the wait is a run's alone, and tells no secret where require_tls forbids it") {
  Scene scene;
  REQUIRE(scene.fixture.run({"init"}).status == 0);
  const TemporaryDirectory directory;
  const std::string config =
      directory.write("c.toml", "[eod]\nwait = 600\n[security]\nrequire_tls = true\n");
  check_fails(scene.fixture, {"sync", "--no-events", "--config", config}, 78,
              "[security] require_tls: the connection to Redis",
              {{"REDIS_URL", "redis://:word@192.0.2.1:6379/0"}});
  Session holder = scene.fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("LOCK TABLE cache_sync_runs");
  check_failure(scene.fixture.run({"history", "--config", config, "--timeout", "1"}), 5,
                "Give it more with --timeout");
}

TEST_CASE("a dry run does not wait, and leaves the signal to the run") {
  Scene scene;
  scene.push("eod_complete", "done");
  const ProcessResult result = scene.start({"--dry-run"}).wait();
  CHECK(result.status == 0);
  CHECK(scene.waiting("eod_complete") == "1");
}

TEST_CASE("other lists can be named, and a user of Redis may be granted just these") {
  Redis redis;
  Fixture fixture({}, Postgres::shared(), redis);
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const std::string config =
      directory.write("c.toml", "[eod]\nwait = 600\nlists = ['import.done', 'x']\n");
  const ProcessResult printed =
      fixture.run({"init", "--print-redis-acl", "job", "--config", config});
  Names words;
  std::istringstream line(lines_of(printed.out).back());
  for (std::string word; line >> word;) words.push_back(word);
  REQUIRE(redis.command(words) == "OK");
  REQUIRE(redis.command({"ACL", "SETUSER", "job", ">word"}) == "OK");
  redis.command({"RPUSH", "import.done", "done"});
  const Environment job{
      {"REDIS_URL", "redis://job:word@127.0.0.1:" + std::to_string(redis.port()) + "/0"}};
  const ProcessResult result = run_task(fixture, {"sync", "--config", config}, job);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK_THAT(result.err, !contains("no signal can be received"));
  CHECK(redis.command({"LLEN", "import.done"}) == "0");

  check_fails(fixture, {"sync", "--config", directory.write("d.toml", "[eod]\nlists = ['*']\n")},
              78, "[eod] lists must be names");
}
