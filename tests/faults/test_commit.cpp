// Faults 10 to 16: what happens at COMMIT.

#include "faults/night.hpp"

using namespace tickstock::test;

namespace {

using Mode = CommitProxy::Mode;

// The first COMMIT of a run is that of its record.
constexpr int commit_of_entries = 2;

struct Spoilt {
  explicit Spoilt(Mode mode) : proxy(night.database().postgres().port(), mode, commit_of_entries) {}

  ProcessResult sync(const Names& arguments = {}) {
    ProcessResult result =
        night.sync(with({"--run-id", "night", "--config", night.config()}, arguments),
                   night.job(proxy.port()));
    CHECK(proxy.spoilt());
    return result;
  }
  std::string record() {
    return night.database().value("SELECT status FROM cache_sync_runs WHERE run_id = 'night'");
  }

  Night night;
  CommitProxy proxy;
};

/// A server whose commits of entries, and no others, wait for a standby that does not exist.
struct WaitingForStandby {
  WaitingForStandby() {
    night.database().execute(
        "CREATE FUNCTION wait_for_standby() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM set_config('synchronous_commit', 'on', true); RETURN NEW; END $$");
    night.database().execute(
        "CREATE TRIGGER wait_for_standby BEFORE INSERT OR UPDATE ON cache_entries "
        "FOR EACH ROW EXECUTE FUNCTION wait_for_standby()");
  }
  static std::unique_ptr<Postgres> make() {
    auto made = std::make_unique<Postgres>(
        guarded({"synchronous_standby_names = 'nobody'", "synchronous_commit = local"}));
    admit_job(*made);
    return made;
  }
  std::string waiting() {
    const Names found =
        night.database().column("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    return found.empty() ? "" : found.front();
  }
  void end_waiting(const std::string& how) {
    wait_until("the COMMIT to wait for a standby", [this] { return !waiting().empty(); });
    night.database().execute("SELECT " + how + "($1::int)", {waiting()});
  }

  std::unique_ptr<Postgres> postgres = make();
  Night night{*postgres};
};

}  // namespace

TEST_CASE("fault 10: COMMIT never arrives") {
  Spoilt spoilt(Mode::drop_before);
  const ProcessResult result = spoilt.sync();
  spoilt.night.check(result, 5, Entries::same, Sent::none,
                     "the connection was lost before COMMIT, and the transaction was rolled back");
  CHECK(spoilt.record() == "failed");
  spoilt.night.heal();
}

TEST_CASE("fault 11: COMMIT is done, and its answer lost") {
  Spoilt spoilt(Mode::drop_after);
  const ProcessResult result = spoilt.sync();
  spoilt.night.check(result, 0, Entries::fresh, Sent::all,
                     "the connection was lost during COMMIT, asking for the outcome");
  CHECK(spoilt.record() == "completed");
  spoilt.night.heal();
}

TEST_CASE("fault 12: COMMIT is done, and never answered") {
  Spoilt spoilt(Mode::hang_after);
  spoilt.night.check(spoilt.sync(), 0, Entries::fresh, Sent::all, "asking for the outcome");
  CHECK(spoilt.record() == "completed");
  spoilt.night.heal();
}

TEST_CASE("fault 13: COMMIT is in limbo, since the old connection is still open") {
  Spoilt spoilt(Mode::hang_before);
  const ProcessResult result = spoilt.sync();
  spoilt.night.check(result, 8, Entries::same, Sent::none,
                     "outcome unknown: PostgreSQL did not answer COMMIT in time, and asking again");
  CHECK_THAT(result.err, contains("tickstock-cache status night"));
  CHECK(spoilt.record() == "running");
  // The old backend still holds the lock; without it, the record shows that the run died.
  spoilt.night.database().execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      "WHERE application_name LIKE 'tickstock-cache night%'");
  wait_until("the old backend to end", [&] {
    return spoilt.night.run({"status", "night"}).out.find("interrupted") != std::string::npos;
  });
  spoilt.night.heal();
  CHECK(spoilt.record() == "interrupted");
}

TEST_CASE("fault 14: COMMIT is done, its answer lost, and PostgreSQL stays away") {
  Spoilt spoilt(Mode::vanish_after);
  const ProcessResult result = spoilt.sync();
  spoilt.night.check(result, 8, Entries::fresh, Sent::none, "outcome unknown");
  CHECK(spoilt.record() == "completed");
  spoilt.night.heal();
}

TEST_CASE("fault 15: COMMIT waits for a standby that is not there") {
  WaitingForStandby scene;
  Night& night = scene.night;
  const ProcessResult result = night.sync({"--run-id", "night", "--config", night.config()});
  night.check(result, 8, Entries::same, Sent::none, "outcome unknown");
  scene.end_waiting("pg_terminate_backend");
  wait_until("the entries to be seen", [&] { return !night.stored().empty(); });
  night.database().execute("DROP TRIGGER wait_for_standby ON cache_entries");
  night.heal();
  CHECK(night.database().value("SELECT status FROM cache_sync_runs WHERE run_id = 'night'") ==
        "completed");
}

TEST_CASE("fault 30: a signal leaves no time for a COMMIT that waits for a standby") {
  WaitingForStandby scene;
  Night& night = scene.night;
  const auto process = night.start();
  wait_until("the COMMIT to wait for a standby", [&scene] { return !scene.waiting().empty(); });
  process->send_signal(SIGTERM);
  const ProcessResult result = night.finish(*process);
  night.check(result, 8, Entries::same, Sent::none,
              "outcome unknown: a signal left no time for the answer to COMMIT");
  scene.end_waiting("pg_terminate_backend");
}

TEST_CASE("fault 15: whoever ends the wait for a standby is told on, by a warning or a lost line") {
  {
    WaitingForStandby scene;
    const auto process = scene.night.start();
    scene.end_waiting("pg_cancel_backend");
    const ProcessResult result = scene.night.finish(*process);
    scene.night.check(result, 0, Entries::fresh, Sent::all,
                      "PostgreSQL warned at COMMIT: canceling wait for synchronous replication");
  }
  WaitingForStandby scene;
  const auto process = scene.night.start();
  scene.end_waiting("pg_terminate_backend");
  const ProcessResult result = scene.night.finish(*process);
  scene.night.check(result, 0, Entries::fresh, Sent::all, "asking for the outcome");
}

TEST_CASE("fault 16: a constraint fails at COMMIT") {
  Night night;
  night.database().execute(
      "CREATE TABLE desks (universe text PRIMARY KEY);"
      "ALTER TABLE cache_entries ADD CONSTRAINT known FOREIGN KEY (universe) REFERENCES desks "
      "DEFERRABLE INITIALLY DEFERRED NOT VALID");
  const ProcessResult result = night.sync();
  night.check(result, 1, Entries::same, Sent::none, "SQLSTATE 23503");
  night.database().execute("ALTER TABLE cache_entries DROP CONSTRAINT known");
  night.heal();
}

TEST_CASE("fault 16: another transaction is in the way at COMMIT, once and always") {
  Night night;
  night.database().execute("CREATE SEQUENCE attempts");
  night.database().execute("GRANT ALL ON attempts TO job");
  at_commit(night.fixture, "cache_entries",
            "IF nextval('public.attempts') = 1 THEN RAISE EXCEPTION 'once' USING ERRCODE = "
            "'40001'; END IF;");
  night.check(night.sync(), 0, Entries::fresh, Sent::all, "(SQLSTATE 40001), starting over");

  Night other;
  at_commit(other.fixture, "cache_entries", "RAISE EXCEPTION 'always' USING ERRCODE = '40001';");
  other.check(other.sync(), 5, Entries::same, Sent::none, "given up after 6 attempts");
}
