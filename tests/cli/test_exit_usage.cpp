// Exit statuses 64, 78 and 74: the command line, the configuration, and standard output.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Checks that the program rejects this command line with 64 and nothing on standard output.
void check_usage(const Fixture& fixture, const Names& arguments, const std::string& part) {
  INFO(fmt::format("arguments: {}", fmt::join(arguments, " ")));
  const ProcessResult result = fixture.run(arguments);
  check_failure(result, 64, part);
  CHECK(result.out.empty());
}

/// Checks that a configuration file with this text makes a run exit with 78.
void check_config(Fixture& fixture, const std::string& text, const std::string& part) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("c.toml", text);
  INFO("configuration: " << text);
  check_fails(fixture, {"sync", "--config", path}, 78, part);
  check_failure(fixture.run({"history"}, {{"TICKSTOCK_CACHE_CONFIG", path}}), 78, part);
}

/// Runs with standard output on a full disk.
ProcessResult run_on_full_disk(const Fixture& fixture, const Names& arguments,
                               const Environment& extra = {}) {
  RunOptions options = fixture.options(extra);
  options.stdout_path = "/dev/full";
  return run_process(Fixture::command(arguments), options);
}

}  // namespace

TEST_CASE("an unusable command line ends with 64 and says where to look") {
  const Fixture fixture;
  check_usage(fixture, {}, "a command is required");
  check_usage(fixture, {"snyc"}, "unknown command");
  check_usage(fixture, {"sync", "--frobnicate"}, "unknown option --frobnicate");
  check_usage(fixture, {"sync", "extra"}, "See 'tickstock-cache sync --help'");
  check_usage(fixture, {"sync", "--as-of"}, "--as-of");
  check_usage(fixture, {"sync", "--as-of", "2024-02-30"}, "--as-of must be a day");
  check_usage(fixture, {"sync", "--as-of", "yesterday"}, "--as-of must be a day");
  check_usage(fixture, {"sync", "--format", "xml"}, "--format must be text, json or markdown");
  check_usage(fixture, {"sync", "--lock-wait", "-1"}, "--lock-wait");
  check_usage(fixture, {"sync", "--lock-wait", "soon"}, "--lock-wait must be a whole number");
  check_usage(fixture, {"sync", "--approve-plan", "abc"}, "--approve-plan must be the 64");
  check_usage(fixture, {"sync", "--run-id", "a b"}, "--run-id must be 1 to 64");
  check_usage(fixture, {"sync", "--run-id", std::string(65, 'x')}, "--run-id must be 1 to 64");
  check_usage(fixture, {"sync", "--triggered-by", "caf\xc3\xa9"}, "--triggered-by must be");
  check_usage(fixture, {"sync", "-v", "-q"}, "-v and -q cannot be combined");
  const std::string event = "00000000-0000-8000-8000-000000000000";
  check_usage(fixture, {"deliver", "--discard", event, "--renumber"},
              "--discard and --renumber cannot be combined");
  check_usage(fixture, {"history", "--limit", "0"}, "--limit must be a whole number");
  for (const Names& words :
       {Names{"history", "--universe", "\xff"}, Names{"history", "--symbol", "\xff"},
        Names{"explain", "\xff"}, Names{"explain", "S", "\xff"}, Names{"members", "\xff"}}) {
    check_usage(fixture, words, "must be text in UTF-8");
  }
  check_usage(fixture, {"status", "a", "b"}, "unexpected argument");
  check_usage(fixture, {"status", "--", "a", "b"}, "unexpected argument");
  check_usage(fixture, {"--"}, "a command is required");
  check_usage(fixture, {"init", "--limit", "3"}, "unknown option --limit");
}

TEST_CASE("an unusable command line that asks for JSON is a document as well") {
  const Fixture fixture;
  check_failure_document(fixture.run({"sync", "--format", "json", "--as-of", "never"}), 64,
                         "--as-of must be a day");
  check_failure_document(fixture.run({"sync", "--format=json", "--nonsense"}), 64, "--nonsense");
}

TEST_CASE("a password on the command line is refused and not repeated") {
  const Fixture fixture;
  for (const Names& flag :
       {Names{"--database-url", "postgresql://job:CANARY@127.0.0.1/x"},
        Names{"--database-url", "host=127.0.0.1 user=job password=CANARY"},
        Names{"--database-url=postgresql://127.0.0.1/x?user=job&password=CANARY"},
        Names{"--redis-url", "redis://:CANARY@127.0.0.1:6379/0"},
        Names{"--redis-url=unix://user:CANARY@/tmp/redis.sock"},
        Names{"--database-url", "postgresql://job:CAN/CANARY@127.0.0.1/x"},
        Names{"--database-url", "postgres:/job:CANARY@127.0.0.1/x"},
        Names{"--redis-url", "CANARY@127.0.0.1"}}) {
    const ProcessResult result = fixture.run(with({"sync"}, flag));
    INFO(flag.back());
    check_failure(result, 64, "-url");
    CHECK_THAT(result.out + result.err, !contains("CANARY"));
  }
}

TEST_CASE("a run id is used once, and the refusal names the status of its run") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync", "--run-id", "night:2024-06-28"}).status == 0);
  const Names statuses{"completed", "completed_with_errors", "failed", "refused", "interrupted"};
  for (const std::string& status : statuses) {
    fixture.database().execute("UPDATE cache_sync_runs SET status = $1", {status});
    const ProcessResult result = run_task(fixture, {"sync", "--run-id", "night:2024-06-28"});
    check_failure(result, 64, "run id 'night:2024-06-28' has a record already");
    CHECK_THAT(result.err, contains("with status " + status + "."));
  }
  check_fails(fixture, {"ipo", "--run-id", "night:2024-06-28"}, 64, "has a record already");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "1");
}

TEST_CASE("a configuration that can't be used ends with 78 and names the key") {
  Fixture fixture;
  add_small_market(fixture);
  check_config(fixture, "[guards]\nmax_vanished = 2\n",
               "line 2: there is no setting [guards] max_vanished");
  check_config(fixture, "[tabels]\nsymbols = 's'\n", "[tabels] symbols");
  check_config(fixture, "timezone = 'UTC'\n", "the key timezone is outside a section");
  check_config(fixture, "[run\n", "is not TOML");
  check_config(fixture, "[guards]\nmax_vanished_percent = 'much'\n",
               "max_vanished_percent must be");
  check_config(fixture, "[guards]\nmax_removed_percent = 101\n", "must be a number from 0 to 100");
  check_config(fixture, "[ipo]\ndays = 0\n", "[ipo] days must be a whole number from 1");
  check_config(fixture, "[run]\nlock_wait = true\n", "[run] lock_wait must be a whole number");
  check_config(fixture, "[tables]\nsymbols = 'a;b'\n", "[tables] symbols must be a name");
  check_config(fixture, "[tables]\nentries = 'pg_temp.x'\n", "[tables] entries must be a name");
  check_config(fixture, "[run]\ntriggered_by = 'two words'\n", "[run] triggered_by must be");
}

TEST_CASE("a file or a variable that can't be used ends with 78, without its secrets") {
  Fixture fixture;
  add_small_market(fixture);
  check_fails(fixture, {"sync", "--config", "/nonexistent/c.toml"}, 78, "/nonexistent/c.toml");
  check_fails(fixture, {"sync"}, 78, "DATABASE_URL can't be used",
              {{"DATABASE_URL", "mysql://127.0.0.1/x"}});
  check_fails(fixture, {"sync"}, 78, "REDIS_PORT must be a number",
              {{"REDIS_URL", std::nullopt}, {"REDIS_PORT", "six"}});
  for (const std::string url : {"postgresql://u:CANARY", "postgresql://u:CAN/CANARY@h/x",
                                "postgres:/u:CANARY@h/x", "postgresql://u:CANARY%zz@h/x"}) {
    const ProcessResult result = fixture.run({"history"}, {{"DATABASE_URL", url}});
    INFO(url);
    CHECK((result.status == 78 || result.status == 5));
    CHECK_THAT(result.out + result.err, !contains("CANARY"));
  }
  for (const std::string url : {"redis://:CANARY@:x", "CANARY", "http://u:CANARY@h", "redis://u@h",
                                "redis://:CANARY%zz@h", "redis://:CANARY@h/nine"}) {
    const ProcessResult result = run_task(fixture, {"sync"}, {{"REDIS_URL", url}});
    INFO(url);
    check_failure(result, 78, "REDIS_URL can't be used");
    CHECK_THAT(result.out + result.err, !contains("CANARY"));
  }
}

TEST_CASE("a secret that others can read ends with 78, and a private one is used") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const Environment nothing{{"DATABASE_URL", std::nullopt}, {"REDIS_URL", std::nullopt}};
  const std::string database = fixture.database().tcp_url("postgres:CANARY") + "\n";
  const std::string redis = fixture.redis().url() + "\n";
  const Names files{directory.write("database", database, 0600),
                    directory.write("redis", redis, 0600)};
  const Names arguments{"sync", "--database-url-file", files[0], "--redis-url-file", files[1]};
  CHECK(run_task(fixture, arguments, nothing).status == 0);
  for (const unsigned mode : {0640U, 0604U, 0620U}) {
    directory.write("database", database, mode);
    check_fails(fixture, arguments, 78, "chmod 600 " + files[0], nothing);
  }
  directory.write("database", database, 0600);
  directory.write("redis", redis, 0644);
  check_fails(fixture, arguments, 78, "chmod 600 " + files[1], nothing);

  const std::string text =
      "[database]\nurl = '" + fixture.database().tcp_url("postgres:CANARY") + "'\n";
  const std::string config = directory.write("c.toml", text, 0644);
  check_fails(fixture, {"sync", "--config", config}, 78, "chmod 600 " + config, nothing);
  directory.write("c.toml", text, 0600);
  CHECK(run_task(fixture, {"sync", "--no-events", "--config", config}, nothing).status == 0);
}

TEST_CASE("a time zone that PostgreSQL does not know exits with 78, and as a flag with 64") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  for (const std::string zone : {"Mars/Olympus", "EDT", "PST", "right/UTC", "5", "+05", "XYZ5",
                                 "america/new_york", "Not/AZone"}) {
    INFO(zone);
    const std::string says = "no time zone '" + zone + "'";
    check_fails(fixture, {"sync", "--timezone", zone}, 64, says);
    const std::string config = directory.write("zone.toml", "[run]\ntimezone = '" + zone + "'\n");
    check_fails(fixture, {"sync", "--config", config}, 78, says);
    CHECK(fixture.run({"check", "--config", config}).status == 78);
  }
  for (const std::string zone : {"America/New_York", "UTC", "Etc/GMT+5", "Pacific/Kiritimati"}) {
    INFO(zone);
    CHECK(run_task(fixture, {"dry-run", "--timezone", zone}).status == 0);
  }
}

TEST_CASE("a result that can't be written exits with 74, and the record has what was done") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const Names sync{"sync", "--as-of", market_day, "--run-id", "unheard", "--detailed-exitcode"};
  check_failure(run_on_full_disk(fixture, sync), 74, "could not be written to standard output");
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "completed");
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
  for (const Names& arguments :
       {Names{"status"}, Names{"history"}, Names{"check"}, Names{"deliver"}, Names{"--help"},
        Names{"--version"}, Names{"init", "--print-sql"}, Names{"dry-run", "--format", "json"}}) {
    INFO(arguments.front());
    check_failure(run_on_full_disk(fixture, arguments), 74, "standard output");
  }
  CHECK(run_on_full_disk(fixture, {"sync", "-q"}).status == 0);
}

TEST_CASE("a status that matters more than a result that can't be written is kept") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const Names day{"--as-of", market_day};
  CHECK(run_on_full_disk(fixture, with({"sync"}, day), redis_down()).status == 6);
  CHECK(run_on_full_disk(fixture, {"deliver"}, redis_down()).status == 6);
  const std::string digest(64, '0');
  CHECK(run_on_full_disk(fixture, with({"sync", "--approve-plan", digest}, day)).status == 7);
  break_universe(fixture, "top_100", "P0001");
  fixture.database().execute("UPDATE symbols SET market_cap = 1 WHERE symbol = 'MEGA'");
  CHECK(run_on_full_disk(fixture, with({"sync"}, day)).status == 3);
  fixture.database().execute("DELETE FROM symbols");
  CHECK(run_on_full_disk(fixture, with({"sync"}, day)).status == 4);
  CHECK(run_on_full_disk(fixture, with({"dry-run"}, day)).status == 4);
}
