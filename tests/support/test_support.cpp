// Tests what all other tests rely on.

#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

#include "expectation.hpp"
#include "fixture.hpp"
#include "json.hpp"
#include "network.hpp"
#include "postgres.hpp"
#include "process.hpp"
#include "redis.hpp"
#include "support/catch.hpp"
#include "temporary_directory.hpp"

using namespace tickstock::test;
using namespace std::chrono_literals;

TEST_CASE("a process ends with its status and its output") {
  const ProcessResult result =
      run_process({"sh", "-c", "cat; echo complaint >&2; exit 3"}, {.input = "text"});
  CHECK(result.status == 3);
  CHECK(result.out == "text");
  CHECK(result.err == "complaint\n");
}

TEST_CASE("much output and much input do not block a process") {
  const std::string much(3'000'000, 'x');
  CHECK(run_process({"cat"}, {.input = much}).out == much);
}

TEST_CASE("a process that a signal ends has the status 128+N") {
  CHECK(run_process({"sh", "-c", "kill -TERM $$"}).status == 128 + SIGTERM);
}

TEST_CASE("a process that cannot be started is an error") {
  CHECK_THROWS_WITH(run_process({"/no/such/program"}), contains("/no/such/program"));
}

TEST_CASE("a process that takes too long is killed") {
  RunOptions options;
  options.time_limit = 50ms;
  CHECK_THROWS_WITH(run_process({"sh", "-c", "echo begun >&2; sleep 1000"}, options),
                    contains("time limit"));
}

TEST_CASE("the environment of a process is clean") {
  ::setenv("PGHOST", "elsewhere.example", 1);
  const std::string out = run_process({"env"}, {.environment = {{"EXTRA", "1"}}}).out;
  ::unsetenv("PGHOST");
  CHECK_THAT(out, !contains("PGHOST"));
  CHECK_THAT(out, contains("EXTRA=1\n"));
  CHECK_THAT(out, contains("LC_ALL=C.UTF-8\n"));
  CHECK_THAT(out, contains("PATH="));
  const Environment bare = {{"PATH", std::nullopt}, {"LC_ALL", std::nullopt}};
  CHECK_THAT(run_process({"/usr/bin/env"}, {.environment = bare}).out,
             !contains("PATH=") && !contains("LC_ALL"));
}

TEST_CASE("standard output can be a full disk, a closed pipe, or missing") {
  const ProcessResult full = run_process({"echo", "text"}, {.stdout_path = "/dev/full"});
  CHECK(full.status == 1);
  CHECK_THAT(full.err, contains("No space left"));

  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  ::close(ends[0]);
  CHECK(run_process({"yes"}, {.stdout_fd = ends[1]}).status == 128 + SIGPIPE);
  ::close(ends[1]);

  CHECK(run_process({"echo", "text"}, {.closed_fds = {1}}).status == 1);
}

TEST_CASE("a background process takes signals and is waited for") {
  Process process(
      {"sh", "-c", "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done"});
  wait_until("the trap", [&] { return process.out() == "ready\n"; });
  CHECK(process.running());
  CHECK_THROWS(process.wait(1ms));
  process.send_signal(SIGTERM);
  const ProcessResult result = process.wait();
  CHECK(result.status == 7);
  CHECK(result.out == "ready\ncaught\n");
  CHECK_FALSE(process.running());
}

TEST_CASE("a process does not outlive its scope") {
  pid_t pid = 0;
  {
    Process process({"sleep", "1000"});
    pid = process.pid();
    CHECK(::kill(pid, 0) == 0);
  }
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a temporary directory is removed with its files") {
  std::string file;
  {
    const TemporaryDirectory directory;
    file = directory.write("secret", "text", 0600);
    CHECK(run_process({"cat", file}).out == "text");
    CHECK(run_process({"stat", "-c", "%a", file}).out == "600\n");
  }
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("JSON is read by path") {
  const Json json = Json::parse(
      R"({"a":{"b":[{"timestamp":1,"c":"x"},2.5,true,null]},"n":12,"timestamp":"t","d.e":[]})");
  CHECK(json.at("a.b.0.c").str() == "x");
  CHECK(json.at("a.b.1").num() == 2.5);
  CHECK(json.at("a.b.2").boolean());
  CHECK(json.at("a.b.3").is_null());
  CHECK(json.at("n").integer() == 12);
  CHECK(json.at("a.b").size() == 4);
  CHECK(json.member("d.e").items().empty());
  CHECK(json.keys() == std::vector<std::string>{"a", "n", "timestamp", "d.e"});
  CHECK(json.has("a.b.3"));
  CHECK_FALSE(json.has("a.b.4"));
  CHECK_FALSE(json.has("a.x.y"));
  CHECK_THROWS_WITH(json.at("a.b.0.d"), contains("a.b.0"));
  CHECK_THROWS_WITH(json.at("n").str(), contains("not a string"));
  CHECK(json.text_without({"timestamp"}) ==
        R"({"a":{"b":[{"c":"x"},2.5,true,null]},"n":12,"d.e":[]})");
  CHECK_THROWS_WITH(Json::parse("{\"a\":1} x"), contains("offset"));
}

TEST_CASE("a database is empty, isolated and dropped", "[postgres]") {
  std::string name;
  {
    Database one;
    Database other;
    name = one.name();
    one.execute("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, NULL)");
    CHECK(one.value("SELECT count(*) FROM t WHERE a = $1", {"1"}) == "1");
    CHECK(one.rows("SELECT a, b FROM t") == Rows{{"1", ""}});
    CHECK(one.value("SELECT $1::text IS NULL", {std::nullopt}) == "t");
    CHECK(other.value("SELECT to_regclass('t') IS NULL") == "t");
    one.copy_in("t (a, b)", "2,\"x,\ny\"\n3,\n");
    CHECK(one.column("SELECT coalesce(b, '-') FROM t ORDER BY a") ==
          std::vector<std::string>{"-", "x,\ny", "-"});
    CHECK_THROWS_WITH(one.copy_in("t", "x,y\n"), contains("invalid input syntax"));
    CHECK_THROWS_WITH(one.value("SELECT 1/0"), contains("division by zero"));
    CHECK_THROWS_WITH(one.value("SELECT 1 WHERE false"), contains("no row"));
    CHECK(one.value("SHOW server_encoding") == "UTF8");
    CHECK(Session(one.tcp_url()).value("SELECT current_database()") == name);
  }
  Database other;
  CHECK(other.value("SELECT count(*) FROM pg_database WHERE datname = $1", {name}) == "0");
}

TEST_CASE("a cluster of its own has its settings and survives a restart", "[postgres]") {
  Postgres postgres({.settings = {"work_mem = '7MB'"},
                     .access_rules = {"host all stranger 127.0.0.1/32 reject"}});
  Database database(postgres);
  database.execute("CREATE ROLE stranger LOGIN; CREATE TABLE t AS SELECT 1 AS a");
  CHECK(database.value("SHOW work_mem") == "7MB");
  CHECK_THROWS_WITH(Session(database.tcp_url("stranger")), contains("rejects connection"));
  CHECK(database.connect("stranger").value("SELECT current_user") == "stranger");
  postgres.restart(StopMode::immediate);
  CHECK_THROWS(database.value("SELECT a FROM t"));
  database.disconnect();
  CHECK(database.value("SELECT a FROM t") == "1");
  postgres.kill();
  CHECK_FALSE(postgres.running());
  CHECK_THROWS(Session(database.url()));
  postgres.start();
  database.disconnect();
  CHECK(database.value("SELECT a FROM t") == "1");
}

TEST_CASE("a subscriber sees what was published, in order", "[redis]") {
  const Redis& redis = Redis::shared();
  Subscriber subscriber;
  Subscriber other;
  CHECK(redis.command({"PUBLISH", "tickstock:a", "1"}) == "2");
  CHECK(redis.command({"PUBLISH", "elsewhere", "2"}) == "0");
  redis.command({"PUBLISH", "tickstock:b", std::string("3\0\r\n", 4)});
  const std::vector<Event> expected = {{"tickstock:a", "1"},
                                       {"tickstock:b", std::string("3\0\r\n", 4)}};
  CHECK(subscriber.drain() == expected);
  CHECK(subscriber.drain().empty());
  CHECK(other.wait_for("tickstock:b") == expected);
  CHECK_THROWS(other.wait_for("tickstock:b", 20ms));
}

TEST_CASE("Redis of its own takes settings, stops and starts", "[redis]") {
  Redis redis({.settings = {"requirepass word"}, .password = "word"});
  CHECK_THROWS_WITH(RedisConnection(redis).command({"PING"}), contains("NOAUTH"));
  CHECK(redis.command({"SET", "key", "value"}) == "OK");
  CHECK(redis.command({"GET", "key"}) == "value");
  CHECK(redis.command({"GET", "none"}).empty());
  CHECK_THROWS_WITH(redis.command({"NOSUCHCOMMAND"}), contains("unknown command"));
  redis.stop();
  CHECK_THROWS(redis.command({"PING"}));
  redis.start();
  CHECK(redis.command({"DBSIZE"}) == "0");
  Subscriber subscriber(redis, "word");
  redis.command({"PUBLISH", "tickstock:a", "1"});
  CHECK(subscriber.drain() == std::vector<Event>{{"tickstock:a", "1"}});
}

TEST_CASE("a Cluster knows who owns a key, and answers ASK while a slot moves", "[redis]") {
  RedisCluster cluster;
  const std::string key = "{desk}:stream";
  const std::size_t from = cluster.owner_of(key);
  const std::size_t to = (from + 1) % RedisCluster::count;
  CHECK_THROWS_WITH(cluster.node(to).command({"SET", key, "1"}), contains("MOVED"));
  cluster.begin_to_move(key, to);
  CHECK(cluster.owner_of(key) == from);
  CHECK_THROWS_WITH(cluster.node(from).command({"SET", key, "1"}), contains("ASK"));
  cluster.end_move(key, to);
  CHECK(cluster.owner_of(key) == to);
  CHECK(cluster.node(to).command({"SET", key, "1"}) == "OK");
  CHECK(cluster.add_replica(to).role() == "slave");
}

TEST_CASE("Sentinels promote a replica, and the old primary comes back as one", "[redis]") {
  Sentinels sentinels({.password = "word", .sentinel_password = "other"});
  CHECK(&sentinels.primary() == &sentinels.node(0));
  Redis& old = sentinels.kill_primary();
  CHECK(&sentinels.wait_for_promotion(old) == &sentinels.node(1));
  old.start();
  wait_until("the old primary to follow", [&] { return old.role() == "slave"; });
}

TEST_CASE("a free port is free and not handed out twice") { CHECK(free_port() != free_port()); }

TEST_CASE("a fixture holds symbols and entries", "[postgres][redis]") {
  Fixture fixture({.market_cap_type = "double precision"});
  fixture.add_symbol({.symbol = "A^\"\\/é", .market_cap = "NaN", .is_active = std::nullopt});
  CHECK(fixture.database().value("SELECT symbol FROM symbols WHERE market_cap = 'NaN' AND "
                                 "is_active IS NULL") == "A^\"\\/é");
  fixture.set_entry("tech", "theme", R"({"symbols": ["B", "A"]})");
  CHECK(fixture.members("tech") == std::vector<std::string>{"B", "A"});
  CHECK(fixture.entry_type("tech") == "theme");
  const auto before = fixture.entries_dump();
  CHECK(fixture.entries_dump() == before);
  fixture.database().execute("UPDATE cache_entries SET content = content");
  CHECK(fixture.entries_dump() != before);
  CHECK(fixture.universes() == std::vector<std::string>{"tech"});
}

TEST_CASE("an expectation is right by hand, and notices what is not", "[postgres][redis]") {
  using Names = Expectation::Names;
  Fixture fixture;
  fixture.add_symbol({.symbol = "B", .market_cap = "200000000000", .delisted_date = "2026-03-03"});
  fixture.add_symbol({.symbol = "A", .market_cap = "200000000000", .listing_date = "2026-02-01"});
  fixture.add_symbol({.symbol = "N", .market_cap = "NaN", .listing_date = "2026-01-31"});
  fixture.add_symbol({.symbol = "C", .market_cap = "50000000", .listing_date = "2026-03-02"});
  fixture.add_symbol({.symbol = "G", .market_cap = "9e9", .delisted_date = "2026-03-01"});
  fixture.add_symbol({.symbol = "U", .market_cap = "9e9", .is_active = std::nullopt});
  fixture.set_entry("sector", "sector", R"({"symbols": ["G", "U", "?", "B"], "count": 4})");
  fixture.set_entry("broken", "theme", R"({"symbols": ["G", ["G"]]})");
  fixture.set_entry("mega_cap", "theme", R"({"symbols": ["A", "B", "G"], "count": 3})");

  const std::string day = "2026-03-02";
  Expectation expectation(fixture.database(), day);
  CHECK(expectation.changes() == Names{"delisted_cleanup sector cleaned - 1 [G]",
                                       "ipo_assignment recent_ipos added A",
                                       "ipo_assignment recent_ipos added C",
                                       "market_cap_update mega_cap updated - 3 2 [] [G] 0",
                                       "market_cap_update micro_cap updated - 0 1 [C] [] 0",
                                       "market_leader_update top_100 updated - 0 3 [A B C] [] 0",
                                       "market_leader_update top_1000 updated - 0 3 [A B C] [] 0",
                                       "market_leader_update top_2000 updated - 0 3 [A B C] [] 0",
                                       "market_leader_update top_500 updated - 0 3 [A B C] [] 0"});
  CHECK(expectation.announced(2) == Names{"mega_cap", "micro_cap", "recent_ipos", "sector"});
  CHECK(expectation.mismatches().size() == 8);

  fixture.database().execute(R"(
    INSERT INTO cache_entries (universe, cache_type, content)
    SELECT universe, cache_type, other_keys || jsonb_build_object(
             'symbols', symbols, 'count', cardinality(symbols),
             'last_updated', '2026-03-02T20:10:03.412Z')
      FROM expected WHERE written
    ON CONFLICT (universe) DO UPDATE SET content = EXCLUDED.content, updated_at = now(),
                                         cache_type = EXCLUDED.cache_type)");
  CHECK_THAT(expectation.mismatches(), Catch::Matchers::Equals(Names()));
  CHECK(Expectation(fixture.database(), day).writes().empty());
  CHECK(Expectation(fixture.database(), "2026-03-03").announced().front() == "mega_cap");

  Expectation nothing(fixture.database(), day);
  fixture.database().execute(
      "UPDATE cache_entries SET content = content WHERE universe = 'broken'");
  fixture.set_entry("top_100", "market_leader", R"({"symbols": ["A"], "count": 1})");
  CHECK(nothing.mismatches() == Names{"broken: written though it should not be",
                                      "top_100: written though it should not be"});
}
