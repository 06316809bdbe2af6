// Where Redis is and how to log in, and what happens if it refuses.

#include "cli/scene.hpp"
#include "mounts.hpp"
#include "peers.hpp"

using namespace tickstock::test;

namespace {

/// Runs a sync that publishes to this Redis, and returns how many universes its subscriber
/// received.
std::size_t heard(Fixture& fixture, Subscriber& subscriber, const Environment& environment) {
  fixture.database().execute("DELETE FROM cache_entries WHERE cache_type = 'market_cap'");
  const ProcessResult result = run_task(fixture, {"market-cap"}, environment);
  INFO(result.err);
  CHECK(result.status == 0);
  return announced_universes(subscriber.drain()).size();
}

}  // namespace

TEST_CASE("Redis is reached by its Unix socket, by host and port, and in another database") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(run_task(fixture, {"market-cap"}).status == 0);
  const Redis& redis = fixture.redis();
  Subscriber subscriber(redis);
  const std::string port = std::to_string(redis.port());
  CHECK(heard(fixture, subscriber, {{"REDIS_URL", redis.unix_url()}}) == 5);
  CHECK(heard(fixture, subscriber, {{"REDIS_URL", redis.unix_url() + "?db=3"}}) == 5);
  CHECK(heard(fixture, subscriber, {{"REDIS_URL", "redis://localhost:" + port}}) == 5);
  CHECK(heard(fixture, subscriber, {{"REDIS_URL", "redis://127.0.0.1:" + port + "/15"}}) == 5);
  CHECK(heard(fixture, subscriber,
              {{"REDIS_URL", std::nullopt},
               {"REDIS_HOST", "127.0.0.1"},
               {"REDIS_PORT", port},
               {"REDIS_DB", "2"}}) == 5);
  check_failure(run_task(fixture, {"ipo"}, {{"REDIS_URL", redis.unix_url() + "?db=16"}}), 6,
                "database 16 is refused");
}

TEST_CASE("the flag wins over the environment, and the environment over the file") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(run_task(fixture, {"market-cap"}).status == 0);
  const TemporaryDirectory directory;
  const std::string good =
      directory.write("good.toml", "[redis]\nurl = '" + fixture.redis().url() + "'\n");
  const std::string bad = directory.write("bad.toml", "[redis]\nurl = 'redis://127.0.0.1:1/0'\n");
  const Environment unset{{"REDIS_URL", std::nullopt}};
  CHECK(run_task(fixture, {"sync", "--config", good}, unset).status == 0);
  CHECK(run_task(fixture, {"sync", "--config", bad}, unset).status == 6);
  CHECK(run_task(fixture, {"sync", "--config", bad}).status == 0);
  CHECK(run_task(fixture, {"sync", "--config", good}, redis_down()).status == 6);
  CHECK(run_task(fixture, {"sync", "--redis-url", fixture.redis().url()}, redis_down()).status ==
        0);
}

TEST_CASE("a user of Redis needs no more than publish, and a wrong login leaves events pending") {
  Redis redis({.settings = {"user job on >s3cret/@:%x resetkeys resetchannels &tickstock:* -@all "
                            "+publish +ping +auth +role",
                            "user mute on >word resetkeys resetchannels &other:* -@all +publish "
                            "+auth",
                            "user plain on >word allchannels -@all +publish +auth"}});
  Fixture fixture({}, Postgres::shared(), redis);
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"market-cap"}).status == 0);
  Subscriber subscriber(redis);
  const auto url = [&redis](const std::string& login) {
    return Environment{
        {"REDIS_URL", fmt::format("redis://{}@127.0.0.1:{}/0", login, redis.port())}};
  };
  CHECK(heard(fixture, subscriber, url("job:s3cret%2F%40%3A%25x")) == 5);

  const ProcessResult wrong = run_task(fixture, {"ipo"}, url("job:CANARY"));
  check_failure(wrong, 6, "the login is refused (WRONGPASS)");
  CHECK_THAT(wrong.out + wrong.err, !contains("CANARY"));
  const ProcessResult mute = run_task(fixture, {"ipo"}, url("mute:word"));
  check_failure(mute, 6, "is refused: NOPERM");
  CHECK_THAT(mute.err, contains("tickstock:universe:updated"));

  // Without permission to ask for the role it publishes, and says what it assumed.
  const ProcessResult plain = run_task(fixture, {"ipo"}, url("plain:word"));
  CHECK(plain.status == 0);
  const Names warnings = log_lines(plain, "warning");
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], contains("does not report its role"));
  CHECK(fixture.database().value(
            "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") == "0");
}

TEST_CASE("a password without a user is the default user's") {
  Redis redis({.settings = {"requirepass word"}, .password = "word"});
  Fixture fixture({}, Postgres::shared(), redis);
  add_small_market(fixture);
  REQUIRE(run_task(fixture, {"market-cap", "--no-events"}).status == 0);
  Subscriber subscriber(redis, "word");
  CHECK(heard(fixture, subscriber, {{"REDIS_URL", "unix://:word@" + redis.socket()}}) == 5);
  check_failure(run_task(fixture, {"ipo"}), 6, "NOAUTH");
}

TEST_CASE("a replica is refused, since its subscribers are not those of the primary") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const Redis replica(
      {.settings = {fmt::format("replicaof 127.0.0.1 {}", fixture.redis().port())}});
  Subscriber subscriber(replica);
  check_failure(run_task(fixture, {"sync"}, {{"REDIS_URL", replica.url()}}), 6, "it is a replica");
  const ProcessResult check = fixture.run({"check"}, {{"REDIS_URL", replica.url()}});
  CHECK(check.status == 6);
  CHECK_THAT(check.out, contains("it is a replica"));
  CHECK(announced_universes(subscriber.drain()).empty());
  CHECK(fixture.run({"deliver"}).status == 0);
}

TEST_CASE("something that is not Redis leaves events pending") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const std::string url =
      fmt::format("redis://127.0.0.1:{}/0", fixture.database().postgres().port());
  check_failure(run_task(fixture, {"ipo"}, {{"REDIS_URL", url}}), 6,
                "3 events of this run are pending");
  CHECK(fixture.database().value(
            "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") == "3");
}

TEST_CASE("every address of a Redis host gets its share of the time (by root)") {
  if (!PrivateMount::possible()) return;
  Fixture fixture;
  add_small_market(fixture);
  const Redis& redis = fixture.redis();
  const TemporaryDirectory directory;
  const PrivateMount hosts = PrivateMount::over(
      "/etc/hosts",
      directory.write("hosts", "127.0.0.2 twofold.example\n127.0.0.1 twofold.example localhost\n"));
  const BlackHole hole("127.0.0.2", redis.port());
  const std::string config = directory.write("c.toml", "[timeouts]\nredis = 2\n");
  const Environment twofold{
      {"REDIS_URL", fmt::format("redis://twofold.example:{}/0", redis.port())},
      {"TICKSTOCK_CACHE_CONFIG", config}};
  CHECK(fixture.run({"check"}, twofold).status == 0);
  REQUIRE(fixture.run({"init"}).status == 0);
  Subscriber subscriber(redis);
  CHECK(run_task(fixture, {"market-cap"}, twofold).status == 0);
  CHECK(announced_universes(subscriber.drain()).size() == 9);
}

TEST_CASE("a run reports what Redis said before it closed the connection") {
  Fixture fixture;
  add_small_market(fixture);
  for (const std::string words :
       {"DENIED Redis is running in protected mode", "ERR max number of clients reached"}) {
    const TcpServer server(
        [&words](int fd, const TcpServer&) { TcpServer::send_all(fd, "-" + words + "\r\n"); });
    const Environment there{{"REDIS_URL", fmt::format("redis://127.0.0.1:{}/0", server.port())}};
    check_failure(run_task(fixture, {"sync"}, there), 6, words);
    const ProcessResult check = fixture.run({"check"}, there);
    CHECK(check.status == 6);
    CHECK_THAT(check.out, contains(words));
  }
}
