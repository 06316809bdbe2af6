// init: the program's own tables, and running without them.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const Names own_tables{"cache_sync_changes", "cache_sync_outbox", "cache_sync_runs",
                       "cache_sync_states", "cache_sync_waiting"};

Names tables_in(Fixture& fixture, const std::string& schema = "public") {
  return fixture.database().column(
      "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::regnamespace "
      "ORDER BY relname COLLATE \"C\"",
      {schema});
}

/// Returns everything that the catalog says about the tables of the program.
Rows shape(Fixture& fixture) {
  return fixture.database().rows(R"(
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           coalesce(obj_description(c.oid, 'pg_class'), '')
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'cache\_%'
     ORDER BY 1, 2)");
}

}  // namespace

TEST_CASE("init creates its own tables, and a second one finds nothing to do") {
  Fixture fixture;
  add_small_market(fixture);
  const Names before = fixture.entries_dump();
  const ProcessResult first = fixture.run({"init"});
  CHECK(first.status == 0);
  CHECK(first.err.empty());
  CHECK(lines_of(first.out) ==
        Names{"created public.cache_sync_runs", "created public.cache_sync_changes",
              "created public.cache_sync_outbox", "created public.cache_sync_waiting",
              "created public.cache_sync_states"});
  const Rows made = shape(fixture);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  const ProcessResult second = fixture.run({"init"});
  CHECK(second.status == 0);
  CHECK(second.out == "nothing to create: all tables exist\n");
  CHECK(shape(fixture) == made);
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "1");
  CHECK(fixture.run({"init", "-q"}).out.empty());
  CHECK(before.size() == 1);
}

TEST_CASE("init creates the table of entries where it is missing, fit for every task") {
  Fixture fixture({.entries = false});
  CHECK_THAT(fixture.run({"init"}).out, starts_with("created public.cache_entries\n"));
  add_small_market(fixture);
  CHECK(run_json(fixture, {"sync"}).at("total_changes").integer() == 11);
  CHECK(run_json(fixture, {"sync"}).at("total_changes").integer() == 0);
  CHECK_THROWS(fixture.database().execute(
      "INSERT INTO cache_entries (universe, cache_type, content) VALUES ('tech', 'x', '{}')"));
}

TEST_CASE("init never touches symbols and prices") {
  Fixture fixture({.entries = false});
  fixture.database().execute("DROP TABLE symbols, ohlcv_daily");
  CHECK(fixture.run({"init"}).status == 0);
  CHECK(tables_in(fixture) == with({"cache_entries"}, own_tables));
}

TEST_CASE("init drops no index of another table, whatever its name") {
  Fixture fixture;
  fixture.database().execute("CREATE INDEX cache_sync_outbox_pending ON symbols (sector)");
  CHECK(fixture.run({"init"}).status == 0);
  CHECK(fixture.database().value("SELECT indrelid::regclass FROM pg_index WHERE indexrelid = "
                                 "'cache_sync_outbox_pending'::regclass") == "symbols");
}

TEST_CASE("init refuses a relation of another shape, names what is missing, and creates nothing") {
  Fixture fixture({.entries = false});
  fixture.database().execute(
      "CREATE TABLE cache_entries (id serial, universe text, type text, name text, key text)");
  const ProcessResult result = fixture.run({"init"});
  check_failure(result, 1, "the relation public.cache_entries has another shape");
  CHECK_THAT(result.err, contains("lacks the columns content, cache_type, created_at, updated_at"));
  CHECK(tables_in(fixture) == Names{"cache_entries", "ohlcv_daily", "symbols"});
}

TEST_CASE("init refuses a name that a sequence has taken") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute("CREATE SEQUENCE cache_sync_outbox");
  check_failure(fixture.run({"init"}), 1,
                "the relation public.cache_sync_outbox is not a table. Rename it");
  CHECK(fixture.database().value("SELECT to_regclass('cache_sync_runs')").empty());
}

TEST_CASE("a relation that only has the name of an own table stops every command that needs it") {
  Fixture fixture;
  add_small_market(fixture);
  const auto check_refused = [&fixture](const std::string& words) {
    for (const std::string command : {"sync", "check", "history"}) {
      const ProcessResult result = fixture.run({command});
      CHECK(result.status == 1);
      CHECK_THAT(result.out + result.err, contains(words));
    }
  };
  fixture.database().execute("CREATE TABLE cache_sync_runs (foo int)");
  check_refused("the table public.cache_sync_runs lacks the columns run_id, ");
  fixture.database().execute(
      "DROP TABLE cache_sync_runs; CREATE VIEW cache_sync_runs AS SELECT 1 AS one");
  check_refused("public.cache_sync_runs is not a table. Rename it and run");
  fixture.database().execute("DROP VIEW cache_sync_runs; CREATE TABLE cache_sync_states (foo int)");
  check_refused("the table public.cache_sync_runs does not exist. Run 'tickstock-cache init'.");
  check_failure(fixture.run({"init"}), 1, "public.cache_sync_states has another shape");
}

TEST_CASE("entries need no id of their own") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute("ALTER TABLE cache_entries DROP id");
  CHECK(fixture.run({"init"}).status == 0);
  CHECK(run_task(fixture, {"sync"}).status == 0);
}

TEST_CASE("init refuses own tables of a newer version") {
  Fixture fixture;
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute("COMMENT ON TABLE cache_sync_runs IS 'tickstock-cache schema 99'");
  check_failure(fixture.run({"init"}), 1, "made by a newer version of this program");
  CHECK(fixture.database().value("SELECT obj_description('cache_sync_runs'::regclass)") ==
        "tickstock-cache schema 99");
}

TEST_CASE("init creates what is left out of its own tables and keeps what is there") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  fixture.database().execute("DROP TABLE cache_sync_outbox");
  CHECK(fixture.run({"init"}).out == "created public.cache_sync_outbox\n");
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "1");
}

TEST_CASE("the printed SQL makes the same tables, and makes them once") {
  Fixture made({.entries = false});
  REQUIRE(made.run({"init"}).status == 0);
  Fixture printed({.entries = false});
  const ProcessResult sql = printed.run({"init", "--print-sql"});
  CHECK(sql.status == 0);
  CHECK(tables_in(printed) == Names{"ohlcv_daily", "symbols"});
  CHECK_THAT(sql.out, !contains("\"symbols\"") && !contains("ohlcv_daily"));
  printed.database().execute(sql.out);
  printed.database().execute(sql.out);
  CHECK(shape(printed) == shape(made));
  CHECK(printed.run({"init"}).out == "nothing to create: all tables exist\n");
  add_small_market(printed);
  CHECK(run_json(printed, {"sync"}).at("warnings").size() == 0);
}

TEST_CASE("printing SQL needs no server") {
  Fixture fixture;
  const ProcessResult result =
      fixture.run({"init", "--print-sql"}, {{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}});
  CHECK(result.status == 0);
  CHECK_THAT(result.out, contains("CREATE TABLE IF NOT EXISTS"));
}

TEST_CASE("init creates its tables beside the entries, wherever they are") {
  Fixture fixture({.entries = false});
  fixture.database().execute("CREATE SCHEMA market; ALTER TABLE symbols SET SCHEMA market");
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[tables]\nschema = 'market'\n");
  REQUIRE(fixture.run({"init", "--config", config}).status == 0);
  CHECK(tables_in(fixture, "market") ==
        Names{"cache_entries", "cache_sync_changes", "cache_sync_outbox", "cache_sync_runs",
              "cache_sync_states", "cache_sync_waiting", "symbols"});
  CHECK(tables_in(fixture) == Names{"ohlcv_daily"});
  fixture.database().execute("SET search_path = market");
  add_small_market(fixture);
  CHECK(run_json(fixture, {"sync", "--config", config}).at("total_changes").integer() == 11);

  const std::string other = directory.write(
      "d.toml", "[tables]\nsymbols = 'market.symbols'\nentries = 'Archive.Entries_2'\n");
  fixture.database().execute("CREATE SCHEMA \"Archive\"");
  REQUIRE(fixture.run({"init", "--config", other}).status == 0);
  CHECK(tables_in(fixture, "\"Archive\"") == with({"Entries_2"}, own_tables));
  CHECK(run_json(fixture, {"sync", "--config", other}).at("total_changes").integer() == 10);
}

TEST_CASE("without own tables every task works, and one warning says what is off") {
  Fixture fixture;
  add_small_market(fixture);
  Subscriber subscriber(fixture.redis());
  for (const std::string task : {"dry-run", "market-cap", "ipo", "delisted", "sync"}) {
    const ProcessResult result = run_task(fixture, {task});
    CHECK(result.status == 0);
    const Names warnings = log_lines(result, "warning");
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], contains("cache_sync_* do not exist: no history is kept") &&
                                contains("Run 'tickstock-cache init'"));
  }
  CHECK(announced_universes(subscriber.drain()) == small_market_writes);
  CHECK(run_json(fixture, {"sync"}).at("total_changes").integer() == 0);
  check_failure(fixture.run({"status"}), 1, "Run 'tickstock-cache init'");
  check_failure(fixture.run({"history"}), 1, "Run 'tickstock-cache init'");
}
