// Dry runs and the other read-only commands, on a hot standby that follows by streaming.

#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::set<std::string> times{"sync_start", "sync_end", "timestamp", "duration_seconds"};

/// The small market after a first night, on a primary and on its standby.
class Replica {
 public:
  explicit Replica(const std::vector<std::string>& settings = {}) : fixture({}, primary) {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    REQUIRE(run_task(fixture, {"sync", "--run-id", "night-1"}).status == 0);
    standby = std::make_unique<Postgres>(primary, PostgresOptions{.settings = settings});
    catch_up();
  }

  Environment there() const { return {{"DATABASE_URL", standby->url(name())}}; }

  Session there_session() const { return Session(standby->url(name())); }

  /// Returns the environment with the hosts in this order, and what libpq should look for.
  Environment either(const std::vector<const Postgres*>& hosts, const std::string& wanted) const {
    Names addresses;
    for (const Postgres* host : hosts)
      addresses.push_back(fmt::format("127.0.0.1:{}", host->port()));
    return {{"DATABASE_URL", fmt::format("postgresql://postgres@{}/{}?target_session_attrs={}",
                                         fmt::join(addresses, ","), name(), wanted)}};
  }

  /// Waits until the standby has everything that the primary has.
  void catch_up() {
    const std::string end = fixture.database().value("SELECT pg_current_wal_lsn()");
    Session session(standby->url(name()));
    wait_until("the standby to catch up", [&] {
      return session.value("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", {end}) == "t";
    });
  }

  void change(const std::string& symbol, const std::string& cap) {
    fixture.database().execute("UPDATE symbols SET market_cap = $2 WHERE symbol = $1",
                               {symbol, cap});
  }

  Postgres primary;
  Fixture fixture;
  std::unique_ptr<Postgres> standby;

 private:
  std::string name() const { return const_cast<Replica*>(this)->fixture.database().name(); }
};

/// A standby that does not wait for its readers, and a market that can be read while a lock of the
/// standby is free.
class Impatient {
 public:
  /// \param sql changes the market first
  explicit Impatient(const std::string& sql = "")
      : scene({"max_standby_streaming_delay = 0"}), gate_(scene.there_session()) {
    if (!sql.empty()) scene.fixture.database().execute(sql);
    scene.fixture.database().execute(R"(
      CREATE TABLE litter (n int);
      CREATE FUNCTION gate() RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_lock(7);
        PERFORM pg_advisory_unlock(7);
        RETURN true;
      END $$;
      ALTER TABLE symbols RENAME TO listed;
      CREATE VIEW symbols AS SELECT * FROM listed WHERE public.gate())");
    scene.catch_up();
    gate_.execute("SELECT pg_advisory_lock(7)");
    run = std::make_unique<Process>(Fixture::command({"dry-run", "--as-of", market_day}),
                                    scene.fixture.options(scene.there()));
    wait_for("wait_event_type = 'Lock'");
  }

  void open_gate() { gate_.execute("SELECT pg_advisory_unlock(7)"); }

  /// Waits until the dry run's session meets this condition.
  void wait_for(const std::string& condition) {
    wait_until("the dry run to get there", [&] { return sessions(gate_, condition) == "1"; });
  }

  /// Waits until it is gone.
  void wait_for_end() {
    wait_until("the session to be ended", [&] {
      Session session = scene.there_session();
      return sessions(session, "true") == "0";
    });
  }

  /// Waits until the dry run has made this many attempts and waits at the lock.
  void wait_for_attempt(int number) {
    wait_until("the dry run to begin anew", [&] {
      const Names notes = lines_of(run->err());
      return std::count_if(notes.begin(), notes.end(), [](const std::string& note) {
               return note.ends_with("(SQLSTATE 40001), starting over");
             }) == number - 1;
    });
    wait_for("wait_event_type = 'Lock'");
  }

  /// Makes the primary remove rows that a snapshot on the standby may still need.
  void clean_up() {
    scene.fixture.database().execute("INSERT INTO litter VALUES (1)");
    scene.fixture.database().execute("DELETE FROM litter");
    scene.fixture.database().execute("VACUUM litter");
  }

  Replica scene;
  std::unique_ptr<Process> run;

 private:
  /// Returns how many sessions of the dry run meet this condition; nothing if the query itself was
  /// hit by a clean-up.
  static std::string sessions(Session& session, const std::string& condition) {
    try {
      return session.value(
          "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
          "'tickstock-cache dry-run' AND " +
          condition);
    } catch (const std::runtime_error& error) {
      if (std::string(error.what()).find("conflict with recovery") == std::string::npos) throw;
      return "";
    }
  }

  Session gate_;
};

}  // namespace

TEST_CASE("on a replica that has caught up a dry run says what it says on the primary") {
  Replica scene;
  scene.change("MID", "400000000");
  scene.catch_up();
  const Json here = run_json(scene.fixture, {"dry-run"});
  const Json there = run_json(scene.fixture, {"dry-run"}, 0, scene.there());
  CHECK(there.at("total_changes").integer() > 0);
  CHECK(there.text_without(times) == here.text_without(times));
  run_json(scene.fixture, {"dry-run", "--detailed-exitcode"}, 2, scene.there());
  for (const Names& command : {Names{"status"},
                               {"status", "night-1"},
                               {"history"},
                               {"history", "--universe", "tech"},
                               {"history", "--symbol", "GONE"},
                               {"explain", "GONE"},
                               {"universes"}}) {
    const ProcessResult on_primary = scene.fixture.run(with(command, {"--format", "json"}));
    const ProcessResult on_replica =
        scene.fixture.run(with(command, {"--format", "json"}), scene.there());
    CHECK(on_replica.status == 0);
    CHECK(on_replica.out == on_primary.out);
  }
  const Json done = run_json(scene.fixture, {"sync"});
  CHECK(done.at("plan_digest").str() == there.at("plan_digest").str());

  // What a guard refuses there it also refuses here.
  scene.fixture.database().execute("UPDATE symbols SET is_active = false");
  scene.catch_up();
  CHECK(run_json(scene.fixture, {"dry-run"}, 4, scene.there()).text_without(times) ==
        run_json(scene.fixture, {"dry-run"}, 4).text_without(times));
}

TEST_CASE("the check of a replica finds nothing amiss but that it only reads") {
  Replica scene;
  scene.fixture.database().execute("INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', now())");
  scene.catch_up();
  const ProcessResult result = scene.fixture.run({"check"}, scene.there());
  CHECK(result.status == 5);
  Names amiss = lines_of(result.out);
  std::erase_if(amiss, [](const std::string& line) { return line.starts_with("ok "); });
  REQUIRE(amiss.size() == 1);
  CHECK_THAT(amiss[0], contains("is a standby, which is read-only. Connect to the primary"));
}

TEST_CASE("commands that write exit with 5 on a replica, and the primary is not involved") {
  Replica scene;
  scene.change("MID", "400000000");
  scene.catch_up();
  const auto everything = [&scene] {
    Names rows = scene.fixture.entries_dump();
    for (const std::string table : {"runs", "changes", "outbox"}) {
      for (std::string& row :
           scene.fixture.database().column("SELECT t.xmin || ' ' || t::text FROM "
                                           "cache_sync_" +
                                           table + " t ORDER BY 1")) {
        rows.push_back(std::move(row));
      }
    }
    return rows;
  };
  const Names before = everything();
  const std::string words =
      "this PostgreSQL server is a standby, which is read-only. Connect to the primary";
  for (const std::string task : {"sync", "market-cap", "ipo", "delisted"}) {
    check_failure(run_task(scene.fixture, {task}, scene.there()), 5, words);
  }
  check_failure(scene.fixture.run({"deliver"}, scene.there()), 5, words);
  check_failure(scene.fixture.run({"deliver", "--discard", "00000000-0000-8000-8000-000000000001"},
                                  scene.there()),
                5, words);
  CHECK(everything() == before);
  CHECK(scene.fixture.run({"init"}, scene.there()).status == 0);
  scene.fixture.database().execute("DROP TABLE cache_sync_outbox");
  scene.catch_up();
  check_failure(scene.fixture.run({"init"}, scene.there()), 5, words);
}

TEST_CASE("of several hosts a run finds the primary, and a dry run the replica that lags behind") {
  Replica scene;
  const std::string quiet = run_json(scene.fixture, {"dry-run"}).at("plan_digest").str();
  scene.there_session().execute("SELECT pg_wal_replay_pause()");
  scene.change("MID", "400000000");
  const std::string changed = run_json(scene.fixture, {"dry-run"}).at("plan_digest").str();
  REQUIRE(changed != quiet);
  for (const auto& hosts : {std::vector<const Postgres*>{&scene.primary, scene.standby.get()},
                            std::vector<const Postgres*>{scene.standby.get(), &scene.primary}}) {
    for (const std::string wanted : {"prefer-standby", "standby", "read-only"}) {
      const Json dry = run_json(scene.fixture, {"dry-run"}, 0, scene.either(hosts, wanted));
      CHECK(dry.at("plan_digest").str() == quiet);
    }
    const Json dry = run_json(scene.fixture, {"dry-run"}, 0, scene.either(hosts, "primary"));
    CHECK(dry.at("plan_digest").str() == changed);
  }
  const std::vector<const Postgres*> hosts{scene.standby.get(), &scene.primary};
  const Json done = run_json(scene.fixture, {"sync"}, 0, scene.either(hosts, "primary"));
  CHECK(done.at("plan_digest").str() == changed);
  // Without a replica the primary will do, if a replica is only preferred.
  scene.standby->stop();
  run_json(scene.fixture, {"dry-run"}, 0, scene.either(hosts, "prefer-standby"));
  check_failure(run_task(scene.fixture, {"dry-run"}, scene.either(hosts, "standby")), 5,
                "cannot connect to PostgreSQL");
}

TEST_CASE("a dry run that the replay of a clean-up ends begins anew") {
  Impatient meeting;
  meeting.clean_up();
  meeting.wait_for_attempt(2);
  meeting.open_gate();
  const ProcessResult result = meeting.run->wait();
  CHECK(result.status == 0);
  CHECK_THAT(result.out, contains("dry run: 0 universes would be changed"));
}

TEST_CASE("a dry run that clean-ups always end gives up with 5, and says what helps") {
  Impatient meeting;
  for (int attempt = 2; attempt <= 6; ++attempt) {
    meeting.clean_up();
    meeting.wait_for_attempt(attempt);
  }
  meeting.clean_up();
  check_failure(meeting.run->wait(), 5,
                "given up after 6 attempts. Set hot_standby_feedback on this standby");
}

TEST_CASE("a dry run whose connection the replay of a clean-up ends gives up with 5") {
  // Its company is requested after the tables are read.
  Impatient meeting(
      "INSERT INTO symbols (symbol, market_cap, is_active, listing_date) "
      "VALUES ('NEXT', 1, true, '2024-06-27')");
  meeting.run->send_signal(SIGSTOP);
  meeting.open_gate();
  meeting.wait_for("state = 'idle in transaction'");
  meeting.clean_up();
  meeting.wait_for_end();
  meeting.run->send_signal(SIGCONT);
  check_failure(meeting.run->wait(), 5, "the connection to PostgreSQL was lost");
}
