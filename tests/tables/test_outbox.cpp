#include "domain/run.hpp"
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/postgres.hpp"
#include "tables/journal.hpp"
#include "tables/outbox.hpp"
#include "tables/runs.hpp"
#include "tables/schema.hpp"

using namespace tickstock;
using namespace tickstock::postgres;
using namespace tickstock::tables;
using tickstock::test::contains;
using tickstock::test::unlimited;

namespace {

/// A database with the program's tables, and a connection of the code under test.
struct Scene {
  test::Database server;
  tables::Database database;
  TableNames& names = database.names;
  Connection& connection = database.connection;
  int stored = 0;

  Scene() : database{open(server), {}} {
    create_schema(database);
    database.look_around("UTC");
  }

  static Connection open(const test::Database& database) {
    ConnectionSettings settings;
    settings.conninfo = database.url();
    return Connection::open(settings, unlimited());
  }

  void store(const std::vector<std::string>& bodies) {
    std::vector<Message> messages;
    for (const std::string& body : bodies) {
      const std::string number = std::to_string(++stored);
      const std::string id =
          "00000000-0000-8000-8000-" + std::string(12 - number.size(), '0') + number;
      messages.push_back({id, "channel", "event", body});
    }
    Transaction transaction(connection, {});
    transaction.run_pipeline(store_events(database, "run", "2026-08-21T20:10:03.412Z", messages))
        .value();
    transaction.commit();
  }

  RunRecord record(const std::string& id) {
    RunRecord record;
    record.run_id = id;
    record.mode = "full";
    record.triggered_by = "test";
    record.as_of = *parse_day("2026-08-21");
    record.started_at = "2026-08-21T20:10:03.412Z";
    return record;
  }

  void open_record(const std::string& id, bool again = false) {
    const Transaction transaction(
        connection,
        {.lock = database.run_lock(), .ahead = opening_run(names, record(id), "1", again)},
        {asking_if_running(names, id)});
    if (!is_opened(transaction, id)) FAIL("the record is not open");
    CHECK(transaction.first_results().front().rows() == 1);
  }

  std::string status(const std::string& id) {
    return server.value("SELECT status FROM cache_sync_runs WHERE run_id = $1", {id});
  }
};

/// Returns that one subscriber received each of this many.
std::vector<std::int64_t> heard(std::size_t events) { return std::vector<std::int64_t>(events, 1); }

}  // namespace

TEST_CASE("events are handed over in the order in which they were stored, and marked") {
  Scene scene;
  scene.store({"1", "2"});
  scene.store({"3"});
  std::vector<std::string> sent;
  const auto send = [&sent](const std::vector<Message>& batch, const PublishedBetween&) {
    for (const Message& each : batch) sent.push_back(each.body);
    return heard(batch.size());
  };
  CHECK(count_pending(scene.database) == 3);
  CHECK(publish_batch(scene.database, "", {}, send).sent == 3);
  CHECK(sent == std::vector<std::string>{"1", "2", "3"});
  CHECK(count_pending(scene.database) == 0);
  CHECK(publish_batch(scene.database, "", {}, send).sent == 0);
}

TEST_CASE("a batch tells whether there is more behind it") {
  Scene scene;
  const auto send = [](const std::vector<Message>& batch, const PublishedBetween&) {
    return heard(batch.size());
  };
  const auto batch = [&scene, &send] { return publish_batch(scene.database, "", {}, send); };
  scene.store(std::vector<std::string>(500, "x"));
  CHECK_FALSE(batch().more);
  scene.store(std::vector<std::string>(501, "x"));
  CHECK(batch().more);
  CHECK_FALSE(batch().more);
  // By size: two of these exceed a batch.
  scene.store(std::vector<std::string>(2, std::string(3'000'000, 'x')));
  CHECK(batch().more);
  CHECK_FALSE(batch().more);
  CHECK(batch().sent == 0);
}

TEST_CASE("from the first failure on, events that were not sent stay pending") {
  Scene scene;
  scene.store({"1", "2", "3"});
  CHECK(publish_batch(scene.database, "", {}, [](const auto&, const auto&) {
          return heard(1);
        }).sent == 1);
  CHECK(scene.server.value("SELECT string_agg(message, ',' ORDER BY id) FROM cache_sync_outbox "
                           "WHERE published_at IS NULL") == "2,3");
  CHECK(count_pending(scene.database, "run") == 2);
  CHECK(count_pending(scene.database, "another") == 0);
}

TEST_CASE("storing events waits for others to commit, so that ids follow commits") {
  Scene scene;
  tables::Database other{Scene::open(scene.server), {}, scene.database.catalog};
  const std::string at = "2026-08-21T20:10:03.412Z";
  const auto event = [](const std::string& id) {
    return std::vector<Message>{
        {"00000000-0000-8000-8000-00000000000" + id, "channel", "event", id}};
  };
  Transaction first(scene.connection, {});
  first.run_pipeline(store_events(scene.database, "first", at, event("1"))).value();
  {
    Transaction second(other.connection, {.lock_timeout = std::chrono::milliseconds(200)});
    const PipelineOutcome outcome =
        second.run_pipeline(store_events(other, "second", at, event("2")));
    REQUIRE(outcome.failure);
    CHECK(outcome.failure->error.sqlstate() == "55P03");
    CHECK(outcome.failure->index == 0);
  }
  first.commit();
  Transaction second(other.connection, {});
  second.run_pipeline(store_events(other, "second", at, event("2"))).value();
  second.commit();
  CHECK(scene.server.column("SELECT run_id FROM cache_sync_outbox ORDER BY id") ==
        std::vector<std::string>{"first", "second"});
}

TEST_CASE("pending events are renumbered past a stream, in order, and so are later ones") {
  Scene scene;
  scene.store({"1", "2", "3", "4"});
  scene.server.execute("UPDATE cache_sync_outbox SET published_at = now() WHERE message = '2'");
  const auto none = [](const std::vector<Message>& events) {
    return std::vector<bool>(events.size(), false);
  };
  const auto ids = [&scene] {
    return scene.server.column("SELECT id || '=' || message FROM cache_sync_outbox ORDER BY id");
  };
  CHECK(renumber_pending(scene.database, "", 1000, none) == 3);
  CHECK(ids() == std::vector<std::string>{"2=2", "1001=1", "1002=3", "1003=4"});
  scene.store({"5"});
  CHECK(ids().back() == "1004=5");
  // Events in the stream keep their ids, and so do all events if there is no conflict.
  const auto first = [](const std::vector<Message>& events) {
    std::vector<bool> stands(events.size(), false);
    stands.at(0) = true;
    return stands;
  };
  CHECK(renumber_pending(scene.database, "", 7, none) == 0);
  CHECK(renumber_pending(scene.database, "", 1001, first) == 0);
  CHECK(ids().back() == "1004=5");
  CHECK(renumber_pending(scene.database, "", 1002, first) == 3);
  CHECK(ids()[1] == "1001=1");
  CHECK_THAT(ids().back(), contains("=5"));
  CHECK(renumber_pending(scene.database, "", 1001, none) == 4);
  const std::vector<std::string> after = ids();
  CHECK(after.front() == "2=2");
  CHECK_THAT(after.back(), contains("=5"));
  scene.server.execute("UPDATE cache_sync_outbox SET published_at = now()");
  scene.store({"6"});
  CHECK_THAT(ids().back(), contains("=6"));
  scene.server.execute("DELETE FROM cache_sync_outbox");
  CHECK(renumber_pending(scene.database, "", 7, none) == 0);
  scene.store({"7"});
  CHECK(std::stoi(ids().back()) > std::stoi(after.back()));
}

TEST_CASE("a reader with a cursor gets every event once, in pages of any size") {
  Scene scene;
  scene.store(std::vector<std::string>(1203, "x"));
  scene.store(std::vector<std::string>(3, std::string(3'000'000, 'x')));
  std::vector<std::int64_t> all;
  for (const StoredEvent& each : read_events(scene.database, 0, 5000)) all.push_back(each.id);
  CHECK(all.size() == 1206);
  CHECK(std::is_sorted(all.begin(), all.end()));
  for (const std::int64_t limit : {1, 499, 500, 501, 1205}) {
    const std::vector<StoredEvent> page = read_events(scene.database, all[0], limit);
    REQUIRE(page.size() == static_cast<std::size_t>(limit));
    CHECK(page.front().id == all[1]);
    CHECK(page.back().id == all[static_cast<std::size_t>(limit)]);
    CHECK(page.front().state == "pending");
  }
  CHECK(read_events(scene.database, all.back(), 10).empty());
}

TEST_CASE("two publishers don't work at once") {
  Scene scene;
  scene.store({"1"});
  tables::Database other{Scene::open(scene.server), {}, scene.database.catalog};
  publish_batch(scene.database, "", {}, [&](const auto& batch, const auto&) {
    CHECK(publish_batch(other, "", {}, [](const auto&, const auto&) { return heard(0); }).locked);
    return heard(batch.size());
  });
  CHECK(count_pending(scene.database) == 0);
}

TEST_CASE("opening a run marks those that died, and an id is used once") {
  Scene scene;
  scene.open_record("first");
  CHECK(scene.status("first") == "running");
  scene.open_record("second");
  CHECK(scene.status("first") == "interrupted");
  CHECK(scene.status("second") == "running");
  CHECK_THROWS_WITH(scene.open_record("first"),
                    contains("'first' has a record already, with status interrupted"));
}

TEST_CASE("a run that starts over opens its record again, unless it has ended") {
  Scene scene;
  scene.open_record("first");
  scene.open_record("second");
  CHECK(scene.status("first") == "interrupted");
  {
    const Transaction transaction(scene.connection, {}, {asking_if_running(scene.names, "first")});
    CHECK(transaction.first_results().front().rows() == 0);
  }
  scene.open_record("first", true);
  CHECK(scene.status("first") == "running");
  CHECK(scene.server.value("SELECT error IS NULL AND finished_at IS NULL FROM cache_sync_runs "
                           "WHERE run_id = 'first'") == "t");
  CHECK(scene.status("second") == "interrupted");
  scene.server.execute("DELETE FROM cache_sync_runs WHERE run_id = 'second'");
  scene.open_record("second", true);
  scene.server.execute("UPDATE cache_sync_runs SET status = 'failed' WHERE run_id = 'second'");
  CHECK_THROWS_WITH(scene.open_record("second", true),
                    contains("'second' has a record already, with status failed"));
}

TEST_CASE("a run that another one took for dead still records how it ended") {
  Scene scene;
  scene.open_record("refused");
  scene.open_record("next");
  REQUIRE(scene.status("refused") == "interrupted");
  RunRecord refused = scene.record("refused");
  refused.status = RunStatus::refused;
  refused.error = "a guard";
  scene.connection.run(finish_failed_run(scene.names, refused));
  CHECK(scene.status("refused") == "refused");
  CHECK(scene.server.value("SELECT error FROM cache_sync_runs WHERE run_id = 'refused'") ==
        "a guard");
  RunRecord late = scene.record("next");
  late.status = RunStatus::completed;
  scene.connection.run(finish_run(scene.names, late));
  late.status = RunStatus::failed;
  scene.connection.run(finish_failed_run(scene.names, late));
  CHECK(scene.status("next") == "completed");
}

TEST_CASE("runs on another table of entries are not touched") {
  Scene scene;
  scene.open_record("production");
  scene.names.entries.name = "copy_of_entries";
  scene.open_record("trial");
  CHECK(scene.status("production") == "running");
}

TEST_CASE("the record tells whether a run committed") {
  Scene scene;
  const auto committed = [&scene](const std::string& run_id) {
    return has_committed(scene.database, run_id, std::chrono::seconds(10));
  };
  scene.open_record("lost");
  CHECK_FALSE(committed("lost"));
  RunRecord done = scene.record("lost");
  done.status = RunStatus::completed;
  scene.connection.run(finish_run(scene.names, done));
  CHECK(committed("lost"));
  scene.server.execute("UPDATE cache_sync_runs SET status = 'interrupted'");
  CHECK_FALSE(committed("lost"));
  CHECK_FALSE(committed("never"));
}

TEST_CASE("names of any letters go into arrays and come back") {
  Scene scene;
  const std::string odd = "a\"b\\c,{d} 'e' \n ä NULL";
  Transaction transaction(scene.connection, {});
  transaction
      .run_pipeline(
          store_events(scene.database, "run", "2026-08-21T20:10:03.412Z",
                       {{"00000000-0000-8000-8000-000000000001", "channel", "event", odd}}))
      .value();
  transaction.commit();
  CHECK(scene.server.value("SELECT message FROM cache_sync_outbox") == odd);
}

TEST_CASE("however old they are, running records and the newest that committed stay") {
  const Retention retention = GENERATE(Retention{.journal_days = 30}, Retention{.journal_runs = 1});
  Scene scene;
  scene.server.execute(R"(
    INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of,
      events_enabled, approved, started_at, program_version)
    SELECT r.id, 'public.cache_entries', 'full', 'cron', r.status, '2020-01-01', true, false,
           now() - make_interval(days => r.days), '1'
      FROM (VALUES ('1', 'completed', 900), ('2', 'completed_with_errors', 800),
                   ('3', 'refused', 700), ('4', 'running', 600)) r(id, status, days))");
  write_at_once(scene.connection, {.read_committed = true}, pruning(scene.names, retention));
  CHECK(scene.server.column("SELECT run_id FROM cache_sync_runs ORDER BY 1") ==
        std::vector<std::string>{"2", "4"});
}
