// Redis behind Sentinels, in a Cluster, and Valkey in its place.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Checks a night of the small market with Sentinels: the check, the run, and a run that waits for
/// a list.
void check_night(Sentinels& sentinels, const std::string& login, const std::string& password) {
  Redis& primary = sentinels.primary();
  Fixture fixture({}, Postgres::shared(), primary);
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Subscriber subscriber(primary, password);
  const Environment there{{"REDIS_URL", sentinels.url(login)}};
  const ProcessResult check = fixture.run({"check"}, there);
  CHECK_THAT(check.out, contains(fmt::format("connected to Redis at {}/0 (127.0.0.1:{}), a "
                                             "primary",
                                             sentinels.url(), primary.port())));
  const ProcessResult result = run_task(fixture, {"sync"}, there);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(announced_universes(subscriber.drain()) == small_market_writes);
  primary.command({"RPUSH", "tickstock:eod:complete", market_day});
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml",
                                             "[eod]\nlists = ['tickstock:eod:complete']\n"
                                             "timeout = 'fail'\n");
  const ProcessResult waited =
      run_task(fixture, {"sync", "--wait-for-eod", "30", "--config", config}, there);
  INFO(waited.err);
  CHECK(waited.status == 0);
  CHECK(primary.command({"LLEN", "tickstock:eod:complete"}) == "0");
}

}  // namespace

TEST_CASE("a run finds the primary by Sentinels, with passwords and without") {
  {
    Sentinels open;
    check_night(open, "", "");
  }
  {
    Sentinels guarded({.password = "word"});
    check_night(guarded, ":word", "word");
  }
  Sentinels closed({.password = "word", .sentinel_password = "word"});
  check_night(closed, ":word", "word");
  Fixture fixture;
  add_small_market(fixture);
  const Environment wrong{{"REDIS_URL", closed.url(":CANARY")}};
  for (const std::string command : {"sync", "check"}) {
    const ProcessResult result = fixture.run({command}, wrong);
    CHECK(result.status == 6);
    CHECK_THAT(result.out + result.err, contains("no Sentinel names the primary: 127.0.0.1:") &&
                                            contains("the login is refused (WRONGPASS)") &&
                                            !contains("CANARY"));
  }
}

TEST_CASE("a Sentinel in the place of Redis is told with the URL to write") {
  Fixture fixture;
  add_small_market(fixture);
  for (const std::string password : {"", "word"}) {
    const Redis sentinel(
        {.settings = with({"sentinel monitor desk 127.0.0.1 1 1"},
                          password.empty() ? Names{} : Names{"requirepass " + password}),
         .password = password,
         .sentinel = true});
    for (const std::string login : {"", ":word@"}) {
      if (login.empty() && !password.empty()) continue;
      const Environment there{
          {"REDIS_URL", fmt::format("redis://{}127.0.0.1:{}/0", login, sentinel.port())}};
      const std::string remedy = fmt::format(
          "it is a Sentinel. To connect to the primary that it watches, write "
          "redis+sentinel://127.0.0.1:{}/ and the name of its master",
          sentinel.port());
      check_failure(run_task(fixture, {"sync"}, there), 6, remedy);
      const ProcessResult check = fixture.run({"check"}, there);
      CHECK(check.status == 6);
      CHECK_THAT(check.out, contains(remedy));
    }
  }
}

TEST_CASE("every node of a Cluster publishes, a replica too") {
  RedisCluster cluster;
  Redis& replica = cluster.add_replica(0);
  Subscriber subscriber(cluster.node(2));
  for (Redis* node : {&cluster.node(0), &cluster.node(1), &replica}) {
    Fixture fixture;
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    const Environment there{{"REDIS_URL", node->url()}};
    CHECK(fixture.run({"check"}, there).status == 0);
    const ProcessResult result = run_task(fixture, {"sync"}, there);
    INFO(result.err);
    CHECK(result.status == 0);
    // The Cluster bus takes its time.
    CHECK(announced_universes(subscriber.wait_for("tickstock:cache:sync_complete")) ==
          small_market_writes);
  }
}

TEST_CASE("Valkey takes events as Redis does, by Sentinels too (where there is a valkey-server)") {
  const std::string program = "valkey-server";
  if (const std::string missing = missing_program(program); !missing.empty()) {
    WARN("skipped: " << missing);
    return;
  }
  const Redis valkey({.settings = {"requirepass word"}, .password = "word", .program = program});
  Fixture fixture;
  add_small_market(fixture);
  Subscriber subscriber(valkey, "word");
  const std::string url = fmt::format("redis://:word@127.0.0.1:{}/0", valkey.port());
  REQUIRE(fixture.run({"init"}).status == 0);
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[events]\nstream = 'events'\n");
  const Environment there{{"REDIS_URL", url}, {"TICKSTOCK_CACHE_CONFIG", config}};
  CHECK(run_task(fixture, {"sync"}, there).status == 0);
  CHECK(announced_universes(subscriber.drain()) == small_market_writes);
  CHECK(valkey.command({"XLEN", "events"}) == "14");
  CHECK(fixture.run({"check"}, there).status == 0);
  Sentinels sentinels({.password = "word", .sentinel_password = "word", .program = program});
  check_night(sentinels, ":word", "word");
}
