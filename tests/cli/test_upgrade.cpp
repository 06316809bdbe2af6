// init over the program's own tables as version 1 created them.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::string version_1 = R"(
  CREATE TABLE cache_sync_runs (
    run_id text PRIMARY KEY CHECK (run_id ~ '^[A-Za-z0-9._:-]{1,64}$'), entries text NOT NULL,
    mode text NOT NULL, triggered_by text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'completed', 'completed_with_errors',
      'failed', 'refused', 'interrupted')),
    as_of date NOT NULL, events_enabled boolean NOT NULL, approved boolean NOT NULL,
    plan_digest text, guards jsonb NOT NULL DEFAULT '[]', task_results jsonb NOT NULL DEFAULT '{}',
    symbols bigint, eligible bigint, total_changes bigint NOT NULL DEFAULT 0,
    universes_changed bigint NOT NULL DEFAULT 0, members_added bigint NOT NULL DEFAULT 0,
    members_removed bigint NOT NULL DEFAULT 0, members_moved bigint NOT NULL DEFAULT 0,
    events bigint NOT NULL DEFAULT 0, started_at timestamptz NOT NULL, finished_at timestamptz,
    duration_seconds double precision, error text, program_version text NOT NULL);
  CREATE INDEX cache_sync_runs_started_at ON cache_sync_runs (started_at);
  COMMENT ON TABLE cache_sync_runs IS 'tickstock-cache schema 1';
  CREATE TABLE cache_sync_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES cache_sync_runs ON DELETE CASCADE, task text NOT NULL,
    universe text NOT NULL, action text NOT NULL, added text[] NOT NULL, removed text[] NOT NULL,
    moved text[] NOT NULL, reason text NOT NULL, content_before jsonb, cache_type_before text,
    changed_at timestamptz NOT NULL);
  CREATE INDEX cache_sync_changes_run_id ON cache_sync_changes (run_id);
  CREATE INDEX cache_sync_changes_universe ON cache_sync_changes (universe);
  COMMENT ON TABLE cache_sync_changes IS 'tickstock-cache schema 1';
  CREATE TABLE cache_sync_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL UNIQUE,
    run_id text NOT NULL, channel text NOT NULL, event text NOT NULL, message text NOT NULL,
    created_at timestamptz NOT NULL, published_at timestamptz);
  CREATE INDEX cache_sync_outbox_pending ON cache_sync_outbox (id) WHERE published_at IS NULL;
  CREATE INDEX cache_sync_outbox_run_id ON cache_sync_outbox (run_id);
  COMMENT ON TABLE cache_sync_outbox IS 'tickstock-cache schema 1';)";

const std::string rows_of_version_1 = R"(
  INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of, events_enabled,
    approved, events, started_at, finished_at, program_version)
  VALUES ('old-night', 'public.cache_entries', 'full', 'cron', 'completed', '2024-06-27', true,
    false, 3, now() - interval '1 day', now() - interval '1 day', '0.9');
  INSERT INTO cache_sync_changes (run_id, task, universe, action, added, removed, moved, reason,
    changed_at)
  VALUES ('old-night', 'market_cap_recalculation', 'top_100', 'updated', '{A,B}', '{C}', '{}',
    'Top 100 by market cap', now() - interval '1 day');
  INSERT INTO cache_sync_outbox (event_id, run_id, channel, event, message, created_at,
    published_at)
  VALUES ('00000000-0000-8000-8000-000000000001', 'old-night', 'tickstock:universe:updated',
          'universe_updated', 'one', now() - interval '1 day', now()),
         ('00000000-0000-8000-8000-000000000002', 'old-night', 'tickstock:universe:updated',
          'universe_updated', 'two', now() - interval '1 day', NULL),
         ('00000000-0000-8000-8000-000000000003', 'old-night', 'tickstock:cache:sync_complete',
          'cache_sync_completed', 'three', now() - interval '1 day', NULL);)";

const Names upgraded{"upgraded public.cache_sync_runs to version 5",
                     "upgraded public.cache_sync_changes to version 5",
                     "upgraded public.cache_sync_outbox to version 5",
                     "created public.cache_sync_waiting", "created public.cache_sync_states"};

/// The small market with tables as version 1 left them.
struct Old {
  Fixture fixture;

  Old() {
    add_small_market(fixture);
    fixture.database().execute(version_1);
    fixture.database().execute(rows_of_version_1);
  }

  /// Returns the columns of version 1 of every row.
  Rows rows() {
    Rows all = fixture.database().rows(
        "SELECT run_id, entries, mode, status, as_of, events, started_at, finished_at, "
        "program_version FROM cache_sync_runs ORDER BY run_id");
    for (const std::string sql :
         {"SELECT id, run_id, task, universe, added, removed, moved, reason, changed_at "
          "FROM cache_sync_changes ORDER BY id",
          "SELECT id, event_id, run_id, channel, event, message, created_at, published_at "
          "FROM cache_sync_outbox ORDER BY id"}) {
      const Rows more = fixture.database().rows(sql);
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }
};

/// Returns everything that the catalog says about the program's own tables, whatever the order of
/// the columns.
Rows shape(Fixture& fixture) {
  Rows all = fixture.database().rows(R"(
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           pg_get_expr(d.adbin, d.adrelid), obj_description(c.oid, 'pg_class')
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relkind = 'r' AND c.relname LIKE 'cache\_sync\_%' ORDER BY 1, 2)");
  const Rows indexes = fixture.database().rows(
      "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'cache\\_sync\\_%' "
      "ORDER BY 1");
  all.insert(all.end(), indexes.begin(), indexes.end());
  return all;
}

}  // namespace

TEST_CASE("a program that meets tables of version 1 names the command to run") {
  Old scene;
  for (const std::string command : {"sync", "market-cap"}) {
    check_fails(scene.fixture, {command}, 1,
                "belongs to an older version of this program. Run 'tickstock-cache init'");
  }
  for (const std::string command : {"status", "history", "deliver"}) {
    check_failure(scene.fixture.run({command}), 1, "Run 'tickstock-cache init'");
  }
  CHECK(run_task(scene.fixture, {"dry-run"}).status == 0);
}

TEST_CASE("init upgrades version 1 in place, and nothing is lost") {
  Old scene;
  const Rows before = scene.rows();
  const ProcessResult init = scene.fixture.run({"init"});
  CHECK(init.err.empty());
  CHECK(lines_of(init.out) == upgraded);
  CHECK(scene.rows() == before);
  CHECK(scene.fixture.run({"init"}).out == "nothing to create: all tables exist\n");
  Fixture fresh;
  REQUIRE(fresh.run({"init"}).status == 0);
  CHECK(shape(scene.fixture) == shape(fresh));

  // Pending events are still delivered, and the old run can be looked up.
  Subscriber subscriber(scene.fixture.redis());
  CHECK(scene.fixture.run({"deliver"}).out == "2 events published, 0 pending\n");
  CHECK(subscriber.drain() == std::vector<Event>{{"tickstock:universe:updated", "two"},
                                                 {"tickstock:cache:sync_complete", "three"}});
  const Json status =
      Json::parse(scene.fixture.run({"status", "old-night", "--format", "json"}).out);
  CHECK(status.at("events.published").integer() == 3);
  CHECK(status.at("events.given_up").integer() == 0);
  const Json done = run_json(scene.fixture, {"sync"});
  CHECK(done.at("total_changes").integer() == 11);
  CHECK(done.at("warnings").size() == 0);
}

TEST_CASE("init upgrades version 2, which knew nobody who waits") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Fixture fresh;
  REQUIRE(fresh.run({"init"}).status == 0);
  fixture.database().execute(
      "DROP TABLE cache_sync_waiting, cache_sync_states;"
      "COMMENT ON TABLE cache_sync_runs IS 'tickstock-cache schema 2';"
      "COMMENT ON TABLE cache_sync_changes IS 'tickstock-cache schema 2';"
      "COMMENT ON TABLE cache_sync_outbox IS 'tickstock-cache schema 2'");
  check_fails(fixture, {"sync"}, 1,
              "belongs to an older version of this program. Run 'tickstock-cache init'");
  CHECK(lines_of(fixture.run({"init"}).out) == upgraded);
  CHECK(shape(fixture) == shape(fresh));
  CHECK(run_task(fixture, {"sync"}).status == 0);
}

TEST_CASE("a journal of version 3 tells the days of then, and those that follow") {
  Fixture fixture;
  Database& database = fixture.database();
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  std::map<std::string, Names> stood;
  const auto night = [&](const std::string& day, const std::string& cap) {
    database.execute("UPDATE symbols SET market_cap = $1 WHERE symbol = 'MID'", {cap});
    REQUIRE(fixture.run({"sync", "--as-of", day}).status == 0);
    stood[day] = fixture.members("large_cap");
  };
  const auto check = [&] {
    for (const auto& [day, members] : stood) {
      const ProcessResult told =
          fixture.run({"members", "large_cap", "--as-of", day, "--format", "csv"});
      INFO(day << ": " << told.err);
      CHECK(told.status == 0);
      std::string wanted = "symbol,rank,cap\n";
      for (const std::string& symbol : members) wanted += symbol + ",,\n";
      CHECK(told.out == wanted);
    }
  };
  night("2024-06-26", "3e9");
  night("2024-06-27", "30e9");
  night("2024-06-28", "15e9");
  database.execute(
      "UPDATE cache_sync_runs SET position = 0;"
      "UPDATE cache_sync_changes SET places = NULL, fingerprint = NULL, cache_type_after = NULL, "
      "metadata_after = NULL, keys = NULL;"
      "DROP TABLE cache_sync_states;"
      "COMMENT ON TABLE cache_sync_runs IS 'tickstock-cache schema 3';"
      "COMMENT ON TABLE cache_sync_changes IS 'tickstock-cache schema 3';"
      "COMMENT ON TABLE cache_sync_outbox IS 'tickstock-cache schema 3';"
      "COMMENT ON TABLE cache_sync_waiting IS 'tickstock-cache schema 3'");
  REQUIRE(fixture.run({"init"}).status == 0);
  check();
  const std::string old_run =
      database.value("SELECT run_id FROM cache_sync_runs WHERE as_of = '2024-06-28'");
  check_failure(fixture.run({"undo", old_run}), 4,
                "universe 'large_cap' may have been changed since: an older version");
  // The first run of this version finds everything unchanged, the second one an edit.
  night("2024-06-29", "15e9");
  check();
  fixture.set_entry("large_cap", "market_cap", R"({"symbols": ["OTHER"], "count": 1})");
  night("2024-06-30", "15e9");
  CHECK(database.value("SELECT added || removed FROM cache_sync_changes "
                       "WHERE task = 'another_writer'") == "{OTHER,LARGE,MID}");
  check();
}

TEST_CASE("the printed SQL upgrades version 1 too, any number of times") {
  Old scene;
  const Rows before = scene.rows();
  const std::string sql = scene.fixture.run({"init", "--print-sql"}).out;
  for (int i = 0; i < 3; ++i) scene.fixture.database().execute(sql);
  CHECK(scene.rows() == before);
  CHECK(scene.fixture.run({"init"}).out == "nothing to create: all tables exist\n");
  Fixture fresh;
  fresh.database().execute(sql);
  CHECK(shape(scene.fixture) == shape(fresh));
}

TEST_CASE("an upgrade that was done by half is finished") {
  Old scene;
  REQUIRE(scene.fixture.run({"init"}).status == 0);
  scene.fixture.database().execute(
      "ALTER TABLE cache_sync_changes DROP added_why, DROP removed_why;"
      "COMMENT ON TABLE cache_sync_changes IS 'tickstock-cache schema 1'");
  CHECK(scene.fixture.run({"init"}).out == "upgraded public.cache_sync_changes to version 5\n");
  CHECK(run_task(scene.fixture, {"sync"}).status == 0);
}

TEST_CASE("own tables of a newer version are refused in words of their own") {
  Old scene;
  const Rows before = scene.rows();
  scene.fixture.database().execute(
      "COMMENT ON TABLE cache_sync_outbox IS 'tickstock-cache schema 6'");
  const std::string words =
      "the table public.cache_sync_outbox was made by a newer version of this program "
      "('tickstock-cache schema 6', this one knows up to 'tickstock-cache schema 5')";
  check_failure(scene.fixture.run({"init"}), 1, words);
  scene.fixture.database().execute(
      "COMMENT ON TABLE cache_sync_runs IS 'tickstock-cache schema 6'");
  check_failure(run_task(scene.fixture, {"sync"}), 1, "public.cache_sync_runs was made by a newer");
  CHECK(scene.rows() == before);
}

TEST_CASE("init leaves a table alone that only has the name of one of its own") {
  Old scene;
  scene.fixture.database().execute("COMMENT ON TABLE cache_sync_runs IS 'my runs'");
  check_failure(scene.fixture.run({"init"}), 1,
                "public.cache_sync_runs is not marked as one of this program (its comment says "
                "'my runs'");
  CHECK(scene.fixture.database().value("SELECT obj_description('cache_sync_changes'::regclass)") ==
        "tickstock-cache schema 1");
}
