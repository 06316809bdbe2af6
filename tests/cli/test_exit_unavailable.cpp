// Exit status 5: PostgreSQL does not serve this run, and a retry may help.

#include "cli/scene.hpp"
#include "network.hpp"

using namespace tickstock::test;

namespace {

/// Breaks the writes of one universe and runs a sync, which must exit with 5 and leave entries,
/// journal and outbox unchanged.
void check_write_ends_with_5(const std::string& sqlstate) {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  break_universe(fixture, "top_500", sqlstate);
  Subscriber subscriber(fixture.redis());
  INFO("SQLSTATE " << sqlstate);
  const Names before = fixture.entries_dump();
  check_failure(run_task(fixture, {"sync", "--run-id", "night"}), 5, "SQLSTATE " + sqlstate);
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "failed");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_changes") == "0");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_outbox") == "0");
  CHECK(announced_universes(subscriber.drain()).empty());
}

}  // namespace

TEST_CASE("a server that is not there ends the run with 5 and is named") {
  Fixture fixture;
  add_small_market(fixture);
  const int port = free_port();
  const Environment nowhere{
      {"DATABASE_URL", fmt::format("postgresql://postgres:CANARY@127.0.0.1:{}/x", port)}};
  for (const std::string command : {"sync", "dry-run"}) {
    check_fails(fixture, {command}, 5, fmt::format("PostgreSQL at 127.0.0.1:{}", port), nowhere);
  }
  for (const std::string command : {"init", "status", "history", "universes", "deliver"}) {
    const ProcessResult result = fixture.run({command}, nowhere);
    check_failure(result, 5, fmt::format("127.0.0.1:{}", port));
    CHECK(result.out.empty());
    CHECK_THAT(result.err, !contains("CANARY"));
  }
}

TEST_CASE("a wrong password and a database that is not there end with 5, without the password") {
  Postgres postgres({.access_rules = {"host all job 127.0.0.1/32 scram-sha-256"}});
  Fixture fixture({}, postgres);
  add_small_market(fixture);
  fixture.database().execute("CREATE ROLE job SUPERUSER LOGIN PASSWORD 'right-word'");
  const auto url = [&fixture](const std::string& user) {
    return Environment{{"DATABASE_URL", fixture.database().tcp_url(user)}};
  };
  check_fails(fixture, {"sync"}, 5, "password authentication failed", url("job:CANARY-word"));
  const ProcessResult wrong = run_task(fixture, {"sync", "-v"}, url("job:CANARY-word"));
  CHECK_THAT(wrong.out + wrong.err, !contains("CANARY"));
  check_fails(fixture, {"sync"}, 5, "no password supplied", url("job"));
  check_fails(fixture, {"sync"}, 5, "does not exist",
              {{"DATABASE_URL", postgres.tcp_url("nobody_made_this")}});
  CHECK(run_task(fixture, {"sync"}, url("job:right-word")).status == 0);

  postgres.stop();
  check_failure(run_task(fixture, {"sync"}), 5, "Check the server, the URL and the login");
}

TEST_CASE("a server that only reads ends the run with 5, and a dry run reads it") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute("ALTER DATABASE " + fixture.database().name() +
                             " SET default_transaction_read_only = on");
  check_fails(fixture, {"sync"}, 5, "is read-only (default_transaction_read_only");
  CHECK(run_task(fixture, {"dry-run"}).status == 0);
}

TEST_CASE("a server that stops serving a run ends it with 5") {
  check_write_ends_with_5("57014");  // statement time-out
  check_write_ends_with_5("55P03");  // lock time-out
  check_write_ends_with_5("53100");  // disk full
  check_write_ends_with_5("53200");  // out of memory
  check_write_ends_with_5("25P04");  // transaction time-out
  check_write_ends_with_5("72000");  // snapshot too old
}

TEST_CASE("a run that another transaction is always in the way of gives up with 5") {
  check_write_ends_with_5("40001");
}

TEST_CASE("a connection that is cut before COMMIT ends the run with 5") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute(R"(
    CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_terminate_backend(pg_backend_pid());
      RETURN NEW;
    END $$;
    CREATE TRIGGER cut BEFORE INSERT ON cache_entries FOR EACH ROW EXECUTE FUNCTION cut())");
  const Names before = fixture.entries_dump();
  check_failure(run_task(fixture, {"sync", "--run-id", "cut"}), 5, "writing universe 'mega_cap'");
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "failed");
}

TEST_CASE("one transaction in the way makes a run begin anew, and it is announced once") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  // A sequence is not rolled back: the first attempt fails, the second does not.
  fixture.database().execute(R"(
    CREATE SEQUENCE public.attempts;
    CREATE FUNCTION stand_in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval('public.attempts') = 1 THEN
        RAISE EXCEPTION 'somebody was faster' USING ERRCODE = '40P01';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER once BEFORE UPDATE ON cache_entries
      FOR EACH ROW WHEN (NEW.universe = 'tech') EXECUTE FUNCTION stand_in_the_way())");
  Subscriber subscriber(fixture.redis());
  const Json done = run_json(fixture, {"sync"});
  CHECK(fixture.database().value("SELECT last_value FROM attempts") == "2");
  CHECK(task_lines(done) == Names{"market_cap_recalculation success 9", "ipo_assignment success 1",
                                  "delisted_cleanup success 1"});
  CHECK(announced_universes(subscriber.drain()) == small_market_writes);
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_changes") == "11");
}
