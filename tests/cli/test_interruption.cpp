// Signals before COMMIT: the run is rolled back and exits with 128 plus the signal's number.

#include <csignal>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Returns whether a session of the program waits for a table lock.
bool waits_for_table(Fixture& fixture) {
  return fixture.database().value(
             "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
             "AND application_name LIKE 'tickstock-cache%' AND wait_event_type = 'Lock'") == "1";
}

struct Blocked {
  Fixture fixture;
  Session stranger;

  explicit Blocked(const std::string& table, bool init = true)
      : stranger(fixture.database().connect()) {
    add_small_market(fixture);
    if (init) REQUIRE(fixture.run({"init"}).status == 0);
    stranger.execute("BEGIN");
    stranger.execute("LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE");
  }

  /// Starts the program, and ends it by the signal while it waits for the table.
  ProcessResult interrupt(const Names& arguments, int signal) {
    Process process = fixture.start(with(arguments, {"--as-of", market_day}));
    wait_until("the run to wait for the table", [&] { return waits_for_table(fixture); });
    process.send_signal(signal);
    return process.wait();
  }
};

}  // namespace

TEST_CASE(
    "SIGTERM and SIGINT end a run that waits, with nothing changed and a word in the record") {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    Blocked blocked("symbols");
    Fixture& fixture = blocked.fixture;
    Subscriber subscriber(fixture.redis());
    const Names before = fixture.entries_dump();
    const ProcessResult result = blocked.interrupt({"sync", "--run-id", "cut"}, signal);
    check_failure(result, 128 + signal, "interrupted by a signal");
    CHECK(fixture.entries_dump() == before);
    CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "interrupted");
    CHECK(fixture.database().value("SELECT finished_at IS NOT NULL FROM cache_sync_runs") == "t");
    CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_changes") == "0");
    CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_outbox") == "0");

    const auto events = subscriber.drain();
    const auto ends = messages(events, "tickstock:cache:sync_complete");
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].at("payload.status").str() == "failed");
    CHECK(ends[0].at("payload.sync_status").str() == "interrupted");
    CHECK(messages(events, "tickstock:universe:updated").empty());

    blocked.stranger.execute("ROLLBACK");
    CHECK(run_json(fixture, {"sync"}).at("total_changes").integer() == 11);
  }
}

TEST_CASE("SIGTERM in the middle of writing rolls everything back") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Session stranger = fixture.database().connect();
  stranger.execute("BEGIN");
  // The delisted task, the last one, will wait for this row.
  stranger.execute("SELECT FROM cache_entries WHERE universe = 'tech' FOR UPDATE");
  const Names before = fixture.entries_dump();
  Process process = fixture.start({"sync", "--as-of", market_day, "--run-id", "cut"});
  wait_until("the run to wait for the row", [&] { return waits_for_table(fixture); });

  const Json status = Json::parse(fixture.run({"status", "cut", "--format", "json"}).out);
  CHECK(status.at("status").str() == "running");
  CHECK(status.at("sync_status").str() == "running");
  CHECK(status.at("progress.current_step").str() == "Delisted cleanup");
  CHECK(status.at("progress.completed_steps").integer() == 3);
  CHECK(status.at("progress.total_steps").integer() == 5);
  CHECK(status.at("progress.percentage").integer() == 60);

  process.send_signal(SIGTERM);
  check_failure(process.wait(), 143, "interrupted by a signal");
  stranger.execute("ROLLBACK");
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT status FROM cache_sync_runs") == "interrupted");
}

TEST_CASE("the document of an interrupted run carries the signal's status") {
  Blocked blocked("symbols");
  const ProcessResult result = blocked.interrupt({"sync", "--format", "json"}, SIGTERM);
  check_failure_document(result, 143, "interrupted by a signal");
  CHECK(Json::parse(result.out).at("sync_status").str() == "interrupted");
}

TEST_CASE("an interrupted check says so once, and its document carries the signal's status") {
  Blocked blocked("symbols");
  Process process = blocked.fixture.start({"check", "--format", "json"});
  wait_until("the check to wait for the table", [&] {
    return blocked.fixture.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND wait_event_type = 'Lock'") == "1";
  });
  process.send_signal(SIGTERM);
  const ProcessResult result = process.wait();
  check_failure(result, 143, "interrupted by a signal");
  const Json document = Json::parse(result.out);
  CHECK(document.at("exit_code").integer() == 143);
  CHECK_FALSE(document.at("success").boolean());
  std::size_t failed = 0;
  for (const Json& finding : document.at("findings").items()) {
    failed += finding.at("level").str() == "failed" ? 1 : 0;
  }
  CHECK(failed == 1);
}

TEST_CASE("a dry run and a run without own tables are interrupted too") {
  Blocked blocked("symbols", false);
  check_failure(blocked.interrupt({"dry-run"}, SIGTERM), 143, "interrupted by a signal");
  check_failure(blocked.interrupt({"sync"}, SIGINT), 130, "interrupted by a signal");
}

TEST_CASE("SIGTERM while a run waits for the lock of another leaves no record") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Session holder = fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  Process process = fixture.start({"sync", "--as-of", market_day, "--lock-wait", "60"});
  wait_until("the run to try the lock", [&] {
    return fixture.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND application_name LIKE 'tickstock-cache manual%'") == "1";
  });
  process.send_signal(SIGTERM);
  check_failure(process.wait(), 143, "interrupted by a signal");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "0");
}

TEST_CASE("Redis that hangs holds up no commit, and SIGTERM then only ends the publishing") {
  Redis redis;
  Fixture fixture({}, Postgres::shared(), redis);
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  redis.send_signal(SIGSTOP);
  Process process = fixture.start({"sync", "--as-of", market_day, "--run-id", "night"});
  wait_until("the run to commit", [&] {
    return fixture.database().value(
               "SELECT count(*) FROM cache_sync_runs WHERE status = 'completed'") == "1";
  });
  CHECK(process.running());
  process.send_signal(SIGTERM);
  check_failure(process.wait(), 6, "14 events of this run are pending");
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
  redis.send_signal(SIGCONT);
  CHECK(fixture.run({"deliver"}).out == "14 events published, 0 pending\n");
}
