// Possible forms of `symbols`: types of columns, views, schemas, odd rows, other search paths.

#include "cli/scene.hpp"

using namespace tickstock::test;

TEST_CASE("bounds and ties are the same on every type of market cap") {
  for (const std::string type : {"numeric", "bigint", "double precision"}) {
    INFO(type);
    Fixture fixture({.market_cap_type = type});
    fixture.add_symbol({.symbol = "B/W", .market_cap = "200000000000"});
    fixture.add_symbol({.symbol = "B^A", .market_cap = "200000000000"});
    fixture.add_symbol({.symbol = "B.C", .market_cap = "199999999999"});
    fixture.add_symbol({.symbol = "Z", .market_cap = "50000000"});
    fixture.add_symbol({.symbol = "Y", .market_cap = "49999999"});
    fixture.add_symbol({.symbol = "\"q\\", .market_cap = "10000000000"});
    fixture.add_symbol({.symbol = "\xc3\x89", .market_cap = "10000000000"});
    fixture.add_symbol({.symbol = "nil", .market_cap = "0"});
    fixture.add_symbol({.symbol = "minus", .market_cap = "-5"});
    fixture.add_symbol({.symbol = "none"});
    const Json done = run_json(fixture, {"sync"});
    CHECK(fixture.members("mega_cap") == Names{"B/W", "B^A"});
    CHECK(fixture.members("large_cap") == Names{"B.C", "\"q\\", "\xc3\x89"});
    CHECK(fixture.members("micro_cap") == Names{"Z"});
    CHECK(fixture.members("top_100") == Names{"B/W", "B^A", "B.C", "\"q\\", "\xc3\x89", "Z", "Y"});
    CHECK_THAT(done.at("warnings").text(), !contains("finite"));
  }
}

TEST_CASE("caps that are not finite are not eligible and are counted") {
  const Names odd_everywhere{"NaN", "Infinity", "-Infinity"};
  const Names odd_numerics{"1e400", "-1e400", "1" + std::string(309, '0')};
  for (const std::string type : {"numeric", "double precision"}) {
    INFO(type);
    Fixture fixture({.market_cap_type = type});
    fixture.add_symbol({.symbol = "GOOD", .market_cap = "300e9"});
    const Names odd = type == "numeric" ? with(odd_everywhere, odd_numerics) : odd_everywhere;
    for (std::size_t i = 0; i < odd.size(); ++i) {
      fixture.add_symbol({.symbol = fmt::format("ODD{}", i), .market_cap = odd[i]});
    }
    if (type == "numeric") fixture.add_symbol({.symbol = "DUST", .market_cap = "1e-400"});
    const Json done = run_json(fixture, {"sync"});
    CHECK(fixture.members("top_100") == Names{"GOOD"});
    CHECK_THAT(done.at("warnings").text(),
               contains(fmt::format("{} symbols have a market cap that is not a finite number",
                                    odd.size())));
  }
}

TEST_CASE("a symbol whose activity is unknown stays in its universes and is counted") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.add_symbol({.symbol = "VAGUE",
                      .market_cap = "9e11",
                      .is_active = std::nullopt,
                      .listing_date = "2024-06-27"});
  fixture.set_entry("calm", "theme", R"({"symbols": ["VAGUE"], "count": 1})");
  const Json done = run_json(fixture, {"sync"});
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
  CHECK(fixture.members("recent_ipos") == Names{"NEW"});
  CHECK(fixture.members("calm") == Names{"VAGUE"});
  CHECK_THAT(done.at("warnings").text(), contains("1 symbol has no is_active (NULL)"));
}

TEST_CASE("a delisted day in the future still trades, and in the past it doesn't") {
  Fixture fixture;
  fixture.add_symbol({.symbol = "A", .market_cap = "3e9", .delisted_date = "2024-06-28"});
  fixture.add_symbol({.symbol = "B", .market_cap = "2e9", .delisted_date = "2024-06-29"});
  fixture.add_symbol({.symbol = "C", .market_cap = "2e9", .is_active = false});
  fixture.add_symbol({.symbol = "D", .market_cap = "9e9", .delisted_date = "infinity"});
  fixture.add_symbol({.symbol = "E", .market_cap = "9e9", .delisted_date = "-infinity"});
  fixture.set_entry("t", "theme", R"({"symbols": ["A", "B", "C", "D", "E"], "count": 5})");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.members("mid_cap") == Names{"D", "B"});
  CHECK(fixture.members("t") == Names{"B", "D"});
}

TEST_CASE("the day of a time is the one that it shows in the time zone") {
  const auto outcome = [](const std::string& zone) {
    Fixture fixture({.date_type = "timestamptz"});
    // Late on the 28th in New York, early on the 29th in London.
    const std::string instant = "2024-06-29 02:00:00+00";
    fixture.add_symbol({.symbol = "LISTED", .market_cap = "3e9", .listing_date = instant});
    fixture.add_symbol({.symbol = "LEAVING", .market_cap = "3e9", .delisted_date = instant});
    fixture.add_symbol(
        {.symbol = "OLD", .market_cap = "3e9", .listing_date = "2024-05-30 02:00:00+00"});
    fixture.set_entry("t", "theme", R"({"symbols": ["LEAVING"], "count": 1})");
    const Names flag = zone.empty() ? Names{} : Names{"--timezone", zone};
    const Json foretold = run_json(fixture, with({"dry-run"}, flag));
    const Json done = run_json(fixture, with({"sync"}, flag));
    CHECK(foretold.at("plan_digest").str() == done.at("plan_digest").str());
    return fmt::format("{} {}", fixture.members("recent_ipos")[0], fixture.members("t").size());
  };
  CHECK(outcome("") == "LISTED 0");
  CHECK(outcome("America/New_York") == "LISTED 0");
  CHECK(outcome("Europe/London") == "OLD 1");

  Fixture fixture({.date_type = "timestamptz"});
  fixture.add_symbol(
      {.symbol = "LISTED", .market_cap = "3e9", .listing_date = "2024-06-29 02:00:00+00"});
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[run]\ntimezone = 'UTC'\n");
  CHECK(run_json(fixture, {"ipo", "--config", config}).at("total_changes").integer() == 0);
  CHECK(run_json(fixture, {"ipo"}, 0, {{"PGTZ", "UTC"}, {"TZ", "UTC"}, {"PGOPTIONS", "-c x=y"}})
            .at("total_changes")
            .integer() == 1);
}

TEST_CASE("symbols may be a view, and so may a part of it for a trial") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute(R"(
    CREATE SCHEMA feed;
    ALTER TABLE symbols SET SCHEMA feed;
    CREATE VIEW symbols AS SELECT symbol::varchar(20), company_name, market_cap::bigint, sector,
      listing_date::timestamp, is_active, delisted_date FROM feed.symbols;
    CREATE VIEW part AS SELECT * FROM symbols WHERE symbol IN ('MEGA', 'GONE');
    CREATE TABLE trial (LIKE cache_entries INCLUDING ALL);
    INSERT INTO trial SELECT * FROM cache_entries)");
  const TemporaryDirectory directory;
  const std::string config =
      directory.write("c.toml", "[tables]\nsymbols = 'part'\nentries = 'public.trial'\n");
  const Names before = fixture.entries_dump();
  CHECK(run_task(fixture, {"sync", "--no-events", "--config", config}).status == 0);
  CHECK(fixture.entries_dump() == before);
  CHECK(fixture.database().value("SELECT content->'symbols' FROM trial "
                                 "WHERE universe = 'top_100'") == R"(["MEGA"])");
  CHECK(run_json(fixture, {"sync"}).at("total_changes").integer() == 11);
}

TEST_CASE("a table that is emptied and loaded in one transaction is never taken for empty") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  const auto entries = [&] {
    return fixture.database().value(
        "SELECT string_agg(e::text, ',' ORDER BY id) "
        "FROM cache_entries e");
  };
  const std::string before = entries();
  const TemporaryDirectory directory;
  Session loader = fixture.database().connect();
  const auto reload = [&](const std::string& table, const std::string& connections, bool swaps) {
    const std::string config =
        directory.write("c.toml", "[database]\nconnections = " + connections + "\n");
    loader.execute("BEGIN");
    loader.execute("CREATE TEMP TABLE loaded ON COMMIT DROP AS TABLE " + table);
    if (swaps) {
      loader.execute("CREATE TABLE fresh (LIKE " + table + " INCLUDING ALL)");
      loader.execute("DROP TABLE " + table);
      loader.execute("ALTER TABLE fresh RENAME TO " + table);
    } else {
      loader.execute("TRUNCATE " + table);
    }
    loader.execute("INSERT INTO " + table + " TABLE loaded");
    Process run = fixture.start({"sync", "--as-of", market_day, "--config", config});
    wait_until("the run to wait", [&] {
      return fixture.database().value(
                 "SELECT count(*) FROM pg_locks WHERE NOT granted "
                 "AND locktype = 'relation'") != "0";
    });
    loader.execute("COMMIT");
    const ProcessResult result = run.wait();
    INFO(table << ", connections " << connections << (swaps ? ", swapped: " : ": ") << result.err);
    CHECK(result.status == 0);
    CHECK_THAT(result.out, contains("0 universes changed"));
    CHECK(entries() == before);
  };
  for (const std::string connections : {"1", "2"}) {
    reload("symbols", connections, false);
    reload("cache_entries", connections, false);
    reload("symbols", connections, true);
  }
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_changes WHERE task = "
                                 "'another_writer'") == "0");
}

TEST_CASE("a search path with tables and functions of a stranger changes nothing") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute(R"(
    CREATE SCHEMA evil;
    CREATE TABLE evil.symbols AS SELECT * FROM symbols;
    UPDATE evil.symbols SET market_cap = 9e11;
    CREATE TABLE evil.cache_entries (LIKE cache_entries INCLUDING ALL);
    CREATE TABLE evil.cache_sync_runs (LIKE cache_sync_runs INCLUDING ALL);
    CREATE TABLE evil.pg_class (oid oid);
    CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT timestamptz ''1999-01-01''';
    CREATE FUNCTION evil.pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';
    CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT ''''::text';
    CREATE FUNCTION evil.merge(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''{}''::jsonb';
    CREATE OPERATOR evil.|| (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = evil.merge);
    CREATE FUNCTION evil.pick(jsonb, text) RETURNS jsonb LANGUAGE sql AS 'SELECT ''[]''::jsonb';
    CREATE OPERATOR evil.-> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = evil.pick))");
  fixture.database().execute("ALTER DATABASE " + fixture.database().name() +
                             " SET search_path = evil, pg_catalog, public");
  const Json done = run_json(fixture, {"sync", "--run-id", "night"});
  CHECK(done.at("total_changes").integer() == 11);
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
  CHECK(fixture.members("tech") == Names{"MID", "MEGA"});
  CHECK(fixture.content("tech").at("owner").str() == "desk 7");
  CHECK(fixture.database().value("SELECT count(*) FROM evil.cache_entries") == "0");
  CHECK(fixture.database().value("SELECT count(*) FROM evil.cache_sync_runs") == "0");
  CHECK(fixture.database().value("SELECT started_at > '2024-01-01' FROM public.cache_sync_runs") ==
        "t");
  const Json status = Json::parse(fixture.run({"status", "night", "--format", "json"}).out);
  CHECK(status.at("sync_status").str() == "completed");
  CHECK(fixture.run({"check"}).status == 0);
}
