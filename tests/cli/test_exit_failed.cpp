// Exit status 1: a person must act. Each failure is one line with the object and the remedy, and
// nothing is changed.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Checks that a sync and a dry run of the small market fail after this was done to the database.
void check_both_fail(const std::string& sql, const std::string& part,
                     const FixtureOptions& options = {}) {
  Fixture fixture(options);
  add_small_market(fixture);
  fixture.database().execute(sql);
  INFO("after " << sql);
  check_fails(fixture, {"sync"}, 1, part);
  check_fails(fixture, {"dry-run"}, 1, part);
}

}  // namespace

TEST_CASE("a missing table ends the run with 1 and is named with its remedy") {
  check_both_fail("DROP TABLE symbols",
                  "the table public.symbols does not exist. Name the right table or view");
  check_both_fail("DROP TABLE cache_entries",
                  "the table public.cache_entries does not exist. Run 'tickstock-cache init'");
}

TEST_CASE("prices are missed only where a setting reads them") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute("DROP TABLE ohlcv_daily");
  CHECK(run_task(fixture, {"dry-run"}).status == 0);
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[guards]\nmax_data_age_days = 3\n");
  check_fails(fixture, {"sync", "--config", config}, 1,
              "the table public.ohlcv_daily does not exist");
}

TEST_CASE("missing columns end the run with 1 and are all named") {
  check_both_fail("ALTER TABLE symbols DROP sector; ALTER TABLE symbols RENAME market_cap TO cap",
                  "the table public.symbols has no column market_cap, sector");
  check_both_fail("ALTER TABLE cache_entries DROP updated_at",
                  "the table public.cache_entries has no column updated_at");
}

TEST_CASE("a column of a type that can't be read ends the run with 1 and is named") {
  check_both_fail("ALTER TABLE symbols ALTER market_cap TYPE text",
                  "column market_cap of public.symbols is of type text");
  check_both_fail("ALTER TABLE symbols ALTER is_active TYPE text",
                  "column is_active of public.symbols is of type text");
  check_both_fail("ALTER TABLE cache_entries ALTER content TYPE json",
                  "column content of public.cache_entries is of type json");
}

TEST_CASE("two rows of one symbol end the run with 1 and name it") {
  check_both_fail("INSERT INTO symbols (symbol, market_cap) VALUES ('MID', 5)",
                  "two rows of symbol 'MID'");
}

TEST_CASE("a row without a symbol ends the run with 1") {
  check_both_fail("INSERT INTO symbols (symbol, market_cap) VALUES (NULL, 5)",
                  "a row whose symbol is NULL or empty");
  check_both_fail("INSERT INTO symbols (symbol, market_cap) VALUES ('', 5)",
                  "a row whose symbol is NULL or empty");
}

TEST_CASE("a relation of entries that no one can write to ends the run with 1") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute(
      "ALTER TABLE cache_entries RENAME TO kept; CREATE VIEW cache_entries AS SELECT * FROM kept");
  check_failure(run_task(fixture, {"sync"}), 1, "public.cache_entries is not a table");
}

TEST_CASE("entries without a unique index on universe end the run with 1 and name the statement") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute(
      "ALTER TABLE cache_entries DROP CONSTRAINT cache_entries_universe_key");
  check_fails(fixture, {"sync"}, 1, "CREATE UNIQUE INDEX ON public.cache_entries (universe)");
}

TEST_CASE("a database that is not UTF8 ends the run with 1") {
  for (const std::string encoding : {"LATIN1", "SQL_ASCII"}) {
    Database database(Postgres::shared(), "TEMPLATE template0 ENCODING '" + encoding + "'");
    RunOptions options;
    options.environment = {{"DATABASE_URL", database.url()}, {"REDIS_URL", Redis::shared().url()}};
    check_failure(run_process(Fixture::command({"sync"}), options), 1,
                  "the database is encoded in " + encoding +
                      ", not in UTF8. Use a database with the encoding UTF8.");
  }
}

TEST_CASE("own tables of a newer version end the run with 1 and say so") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute("COMMENT ON TABLE cache_sync_changes IS 'tickstock-cache schema 99'");
  check_fails(fixture, {"sync"}, 1, "public.cache_sync_changes was made by a newer version");
  check_failure(fixture.run({"init"}), 1, "'tickstock-cache schema 99'");
}

TEST_CASE("a part of the own tables ends the run with 1 and names the command to run") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute("DROP TABLE cache_sync_outbox");
  check_fails(fixture, {"sync"}, 1,
              "the table public.cache_sync_outbox does not exist. Run 'tickstock-cache init'");
  REQUIRE(fixture.run({"init"}).status == 0);
  CHECK(run_task(fixture, {"sync"}).status == 0);
}

TEST_CASE("a failure is recorded even if the run could not record it itself") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute("INSERT INTO symbols (symbol) VALUES ('MID')");
  check_failure(run_task(fixture, {"sync", "--run-id", "broken"}), 1, "symbol 'MID'");
  const Rows rows = fixture.database().rows(
      "SELECT status, error, finished_at IS NOT NULL, total_changes FROM cache_sync_runs "
      "WHERE run_id = 'broken'");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0][0] == "failed");
  CHECK_THAT(rows[0][1], contains("two rows of symbol 'MID'"));
  CHECK(rows[0][2] == "t");
  CHECK(rows[0][3] == "0");
}
