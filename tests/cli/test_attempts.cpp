// A retry starts from scratch, and a run that loses its turn closes its record.

#include "cli/scene.hpp"
#include "pgbouncer.hpp"

using namespace tickstock::test;

namespace {

struct Attempts {
  Fixture fixture;
  Subscriber subscriber{fixture.redis()};

  Attempts() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
  }

  /// Makes every write of an entry wait for this lock and then fail as it would because of a
  /// conflicting transaction, so that the run tries again.
  void hold_up_and_fail(Session& holder) {
    fixture.database().execute(R"(
      CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(4711);
        RAISE EXCEPTION 'in the way' USING ERRCODE = '40001';
      END $$;
      CREATE TRIGGER conflict BEFORE INSERT OR UPDATE ON cache_entries
        FOR EACH ROW EXECUTE FUNCTION conflict())");
    holder.execute("SELECT pg_advisory_lock(4711)");
  }

  void wait_for_write() {
    wait_until("the run to write", [&] {
      return fixture.database().value(
                 "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                 "AND NOT granted") == "1";
    });
  }
};

}  // namespace

TEST_CASE("a run that loses the lock to another closes its record and does not mention its plan") {
  Attempts scene;
  Session holder = scene.fixture.database().connect();
  Session other = scene.fixture.database().connect();
  scene.hold_up_and_fail(holder);
  Process run = scene.fixture.start(
      {"sync", "--as-of", market_day, "--run-id", "loser", "--format", "json", "--timeout", "3"});
  scene.wait_for_write();
  // The other run waits for the moment when the first attempt rolls back.
  Process thief([&] {
    return Process({"psql", "-X", "-q", scene.fixture.database().url(), "-c",
                    "SET application_name = 'thief'; SELECT pg_advisory_lock(" + run_lock_sql +
                        "); SELECT pg_sleep(60)"});
  }());
  wait_until("the other to wait", [&] {
    return scene.fixture.database().value(
               "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "2";
  });
  holder.execute("SELECT pg_advisory_unlock(4711)");
  const ProcessResult result = run.wait();
  INFO(result.err);
  CHECK(result.status == 11);
  CHECK_THAT(result.err, contains("The wait was cut short by --timeout"));
  const Json document = Json::parse(result.out);
  CHECK(document.at("plan_digest").is_null());
  CHECK(document.at("guards").size() == 0);
  CHECK(document.at("market_caps").is_null());
  const Rows record = scene.fixture.database().rows(
      "SELECT status, plan_digest, guards, error FROM cache_sync_runs WHERE run_id = 'loser'");
  REQUIRE(record.size() == 1);
  CHECK(record[0][0] == "failed");
  CHECK(record[0][1].empty());
  CHECK(record[0][2] == "[]");
  CHECK_THAT(record[0][3], contains("another run holds the lock"));
  CHECK(event_lines(scene.subscriber.drain()) == Names{"cache_sync_triggered", "cache_sync_error",
                                                       "cache_sync_completed", "phase_completed"});
}

TEST_CASE("a second attempt that is refused tells of its own guards and plan alone") {
  Attempts scene;
  Session holder = scene.fixture.database().connect();
  scene.hold_up_and_fail(holder);
  Process run =
      scene.fixture.start({"sync", "--as-of", market_day, "--run-id", "twice", "--format", "json"});
  scene.wait_for_write();
  scene.fixture.database().execute("UPDATE symbols SET market_cap = NULL");
  holder.execute("SELECT pg_advisory_unlock(4711)");
  const ProcessResult result = run.wait();
  CHECK(result.status == 4);
  const Json document = Json::parse(result.out);
  const Json dry = run_json(scene.fixture, {"dry-run"}, 4);
  CHECK(document.at("plan_digest").str() == dry.at("plan_digest").str());
  CHECK(document.at("guards").size() == dry.at("guards").size());
  CHECK_THAT(document.at("error").str(),
             contains("tickstock-cache sync --as-of " + market_day + " --approve-plan " +
                      dry.at("plan_digest").str()));
}

TEST_CASE("every failure of sync that can reach Redis says that the phase failed, once") {
  Attempts scene;
  const auto phase_of = [&scene](const Names& arguments, int status,
                                 const Environment& extra = {}) {
    const ProcessResult result = scene.fixture.run(arguments, extra);
    INFO(fmt::format("{}", fmt::join(arguments, " ")) << ": " << result.err);
    CHECK(result.status == status);
    const std::vector<Json> phases =
        messages(scene.subscriber.drain(), "tickstock:processing:status");
    REQUIRE(phases.size() == 1);
    CHECK(phases[0].at("event").str() == "phase_completed");
    CHECK(phases[0].at("payload.phase").str() == "cache_sync");
    CHECK_FALSE(phases[0].at("payload.error").str().empty());
    return phases[0].at("payload.status").str() + " " + phases[0].at("payload.run_id").str();
  };
  const TemporaryDirectory directory;
  const std::string id = "--run-id=night";
  CHECK(phase_of({"sync", id}, 5, {{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}}) ==
        "failed night");
  CHECK(phase_of({"sync", id}, 78, {{"DATABASE_URL", "mysql://x"}}) == "failed night");
  CHECK(phase_of({"sync", id, "--as-of", "soon"}, 64) == "failed night");
  CHECK(phase_of({"sync", id, "--no-such-option"}, 64) == "failed night");
  CHECK(phase_of({"-q", "sync", id, "--no-such-option"}, 64) == "failed night");
  CHECK(phase_of({"--log-format", "json", "sync", id, "--as-of", "soon"}, 64) == "failed night");
  CHECK(phase_of({"sync", "--run-id", "night", "--timezone", "EDT"}, 64) == "failed night");
  CHECK(phase_of({"sync", id, "--config", "/no/such/file"}, 78) == "failed night");
  const std::string wrong = directory.write("w.toml", "[run]\nno_such_key = 1\n");
  CHECK(phase_of({"sync", id, "--config", wrong}, 78) == "failed night");
  CHECK(phase_of({"sync", id}, 78, {{"TICKSTOCK_CACHE_CONFIG", wrong}}) == "failed night");
  Session holder = scene.fixture.database().connect();
  holder.execute("SELECT pg_advisory_lock(" + run_lock_sql + ")");
  CHECK(phase_of({"sync", id}, 11) == "failed night");
  holder.execute("SELECT pg_advisory_unlock(" + run_lock_sql + ")");
  REQUIRE(run_task(scene.fixture, {"sync", "--run-id", "used"}).status == 0);
  scene.subscriber.drain();
  CHECK(phase_of({"sync", "--as-of", market_day, "--run-id", "used"}, 64) == "failed used");
  scene.fixture.database().execute("DROP TABLE symbols");
  CHECK(phase_of({"sync", id}, 1) == "failed night");
}

TEST_CASE("only a sync that writes and may publish announces the phase") {
  Attempts scene;
  for (const Names& arguments :
       {Names{"market-cap", "--as-of", "soon"}, Names{"dry-run", "--as-of", "soon"},
        Names{"sync", "--dry-run", "--as-of", "soon"},
        Names{"sync", "--no-events", "--as-of", "soon"},
        Names{"sync", "--dry-run=true", "--as-of", "soon"},
        Names{"sync", "--no-events=true", "--as-of", "soon"}, Names{"history", "sync"},
        Names{"sync", "--help"}}) {
    INFO(fmt::format("{}", fmt::join(arguments, " ")));
    scene.fixture.run(arguments);
    CHECK(scene.subscriber.drain().empty());
  }
  // A user who named another Redis, even an unusable one, did not mean this one.
  const Environment unset{{"REDIS_URL", std::nullopt}};
  CHECK(scene.fixture.run({"sync", "--config", "/no/such/file"}, unset).status == 78);
  CHECK(scene.fixture.run({"sync", "--redis-url", redis_down().at("REDIS_URL").value(), "--oops"})
            .status == 64);
  CHECK(scene.subscriber.drain().empty());
}

TEST_CASE("a wait for the lock says what cut it short") {
  Attempts scene;
  Session holder = scene.fixture.database().connect();
  holder.execute("SELECT pg_advisory_lock(" + run_lock_sql + ")");
  check_failure(run_task(scene.fixture, {"sync"}), 11, "Wait for it to end, or use --lock-wait.");
  check_failure(run_task(scene.fixture, {"sync", "--lock-wait", "1"}), 11,
                "did not end within 1 s. Wait for it to end, or use a longer --lock-wait.");
  check_failure(run_task(scene.fixture, {"sync", "--lock-wait", "600", "--timeout", "3"}), 11,
                "The wait was cut short by --timeout: give the command more time.");
}

TEST_CASE("an id whose record is pruned and whose events remain is refused by name") {
  Attempts scene;
  REQUIRE(run_task(scene.fixture, {"sync", "--run-id", "pruned"}).status == 0);
  scene.fixture.database().execute("DELETE FROM cache_sync_runs");
  check_fails(scene.fixture, {"sync", "--run-id", "pruned"}, 64,
              "run id 'pruned' was used before: its record is deleted, but");
  CHECK(scene.fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "0");
  CHECK(run_task(scene.fixture, {"sync", "--run-id", "fresh"}).status == 0);
}

TEST_CASE("a pooler that hands out single statements is 1, with the mode to use") {
  Attempts scene;
  const PgBouncer pooler(Postgres::shared(), 1, "statement");
  const Environment through{{"DATABASE_URL", pooler.url(scene.fixture.database().name())}};
  check_fails(scene.fixture, {"sync"}, 1, "Use transaction pooling.", through);
  const ProcessResult check = scene.fixture.run({"check"}, through);
  INFO(check.out);
  CHECK(check.status == 1);
  check_failure(scene.fixture.run({"deliver", "-q"}, through), 1, "Use transaction pooling.");
}

TEST_CASE("a login that only reads is told how to write, and not to go elsewhere") {
  Attempts scene;
  const std::string role = make_role(scene.fixture);
  scene.fixture.database().execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO " + role +
                                   "; ALTER ROLE " + role +
                                   " SET default_transaction_read_only = on");
  const ProcessResult result = run_task(scene.fixture, {"sync"}, as_role(scene.fixture, role));
  CHECK(result.status == 5);
  CHECK_THAT(result.err,
             contains("ALTER ROLE " + role + " SET default_transaction_read_only = off") &&
                 !contains("primary"));
}

TEST_CASE("more symbols in an entry than are read are named as what they are") {
  Attempts scene;
  scene.fixture.database().execute(
      "INSERT INTO cache_entries (universe, cache_type, content) VALUES ('huge', 'theme', "
      "jsonb_build_object('symbols', jsonb_build_array(repeat('x', 67108864))))");
  CHECK_THAT(run_json(scene.fixture, {"dry-run"}).at("warnings").strings().front(),
             contains("'huge' holds more than 64 MB of symbols, so it is left unchanged"));
  CHECK_THAT(scene.fixture.run({"check"}).out, contains("'huge' holds more than 64 MB of symbols"));
}

TEST_CASE("after a wait for the end of the day the tables are looked at anew") {
  Attempts scene;
  Database& database = scene.fixture.database();
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[eod]\nwait = 60\n");
  Process run =
      scene.fixture.start({"sync", "--as-of", market_day, "--run-id", "late", "--config", config});
  wait_until("the run to wait",
             [&] { return run.err().find("waiting for the end") != std::string::npos; });
  database.execute("DROP TABLE cache_sync_changes, cache_sync_runs, cache_sync_outbox");
  database.execute("ALTER TABLE cache_entries RENAME TO old_entries");
  database.execute("CREATE TABLE cache_entries (LIKE old_entries INCLUDING ALL)");
  REQUIRE(scene.fixture.run({"init"}).status == 0);
  database.execute("INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', $1::date)",
                   {market_day});
  const ProcessResult result = run.wait();
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(database.value("SELECT status FROM cache_sync_runs WHERE run_id = 'late'") == "completed");
  CHECK(database.value("SELECT count(*) FROM old_entries") == "1");
  CHECK(scene.fixture.members("mega_cap") == Names{"MEGA"});
}

TEST_CASE("caps and closes of type real are read as the numbers that they are") {
  Fixture fixture({.market_cap_type = "real"});
  // Shown as 2e+11 and stored as 199,999,995,904.
  fixture.add_symbol({.symbol = "ALMOST", .market_cap = "2e11"});
  fixture.add_symbol({.symbol = "ABOVE", .market_cap = "200000020000"});
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.members("mega_cap") == Names{"ABOVE"});
  CHECK(fixture.members("large_cap") == Names{"ALMOST"});
  fixture.database().execute(
      "ALTER TABLE ohlcv_daily ALTER close TYPE real; ALTER TABLE symbols ADD IF NOT EXISTS "
      "shares_outstanding bigint; UPDATE symbols SET shares_outstanding = 1, market_cap = 1;"
      "INSERT INTO ohlcv_daily (symbol, date, close) VALUES ('ALMOST', '" +
      market_day + "', 2e11), ('ABOVE', '" + market_day + "', 200000020000)");
  REQUIRE(run_task(fixture, {"sync", "--market-cap-from", "prices"}).status == 0);
  CHECK(fixture.members("mega_cap") == Names{"ABOVE"});
}

TEST_CASE("a symbol that was listed again after its delisting trades") {
  Fixture fixture;
  const auto add = [&fixture](const std::string& symbol, std::optional<bool> active,
                              const std::string& listed, const std::string& delisted) {
    fixture.add_symbol({.symbol = symbol,
                        .market_cap = "12000000000",
                        .is_active = active,
                        .listing_date = listed,
                        .delisted_date = delisted});
  };
  add("AGAIN", true, "2024-06-10", "2013-07-10");
  add("SAMEDAY", true, "2013-07-10", "2013-07-10");
  add("BEFORE", true, "2001-02-03", "2013-07-10");
  add("IDLE", false, "2024-06-10", "2013-07-10");
  add("UNKNOWN", std::nullopt, "2024-06-10", "2013-07-10");
  fixture.set_entry(
      "tech", "theme",
      R"({"symbols": ["AGAIN", "SAMEDAY", "BEFORE", "IDLE", "UNKNOWN"], "count": 5})");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.members("large_cap") == Names{"AGAIN"});
  CHECK(fixture.members("recent_ipos") == Names{"AGAIN"});
  CHECK(fixture.members("tech") == Names{"AGAIN"});
  // No night removes and restores it.
  CHECK(run_json(fixture, {"sync"}).at("total_changes").integer() == 0);
}
