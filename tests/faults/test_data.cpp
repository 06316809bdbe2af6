// Faults 23 and 42 to 49: the tables contain something wrong, odd or huge.

#include "faults/night.hpp"

using namespace tickstock::test;

namespace {

/// Writes a document with the number of an entry that differs only in `change`.
void change_content(Night& night, const std::string& universe, const std::string& change) {
  night.database().execute(
      "UPDATE cache_entries SET content = content || (" + change + ")::jsonb WHERE universe = $1",
      {universe});
}

/// Runs a sync in 150 MB. The sanitizers need more address space than any limit.
ProcessResult sync_in_little_memory(Night& night) {
  RunOptions options = night.fixture.options(night.job());
#ifdef TICKSTOCK_CACHE_SANITIZED
  const std::string limit = "true";
#else
  const std::string limit = "ulimit -v 150000";
#endif
  return run_process(with({"sh", "-c", limit + " && exec \"$0\" \"$@\""},
                          Fixture::command({"sync", "--as-of", market_day})),
                     options);
}

/// Runs the night on a database with another encoding than UTF8.
ProcessResult sync_encoded_as(const std::string& encoding) {
  const Database database(guarded_postgres(), "TEMPLATE template0 ENCODING '" + encoding +
                                                  "' LC_COLLATE 'C' LC_CTYPE 'C'");
  Session session(database.url());
  session.execute("CREATE TABLE symbols (symbol text, market_cap numeric)");
  // A byte that is never part of UTF-8; the server accepts it if it checks nothing.
  if (encoding == "SQL_ASCII") {
    session.execute("INSERT INTO symbols VALUES (E'BAD\\xFF', 1e9)");
  }
  return run_process(
      Fixture::command({"sync", "--as-of", market_day}),
      {.environment = {{"DATABASE_URL", database.url()}, {"REDIS_URL", "redis://127.0.0.1:1/0"}}});
}

}  // namespace

TEST_CASE("fault 42: an event would be larger than a Redis takes") {
  Night night;
  night.database().execute(
      "INSERT INTO symbols (symbol, is_active, delisted_date) "
      "SELECT 'GONE-BEFORE-LONG-' || i, false, '2024-06-01' FROM generate_series(1, 50000) i");
  change_content(night, "tech",
                 "SELECT jsonb_build_object('symbols', jsonb_agg(symbol)) FROM symbols");
  night.forget();
  const ProcessResult result = night.sync({"--approve-plan", std::string(64, '0')});
  CHECK(result.status == 7);
  const Json plan =
      Json::parse(night.run({"dry-run", "--as-of", market_day, "--format", "json"}).out);
  night.check(night.sync({"--approve-plan", plan.at("plan_digest").str()}), 1, Entries::same,
              Sent::none, "--no-events");
}

TEST_CASE("fault 43: contents of every shape that jsonb holds but for the right one") {
  Night night;
  for (const std::string content :
       {"null", "7", "\"text\"", "[]", "{}", R"({"symbols": null})", R"({"symbols": {}})",
        R"({"symbols": ["GONE", 7]})", R"({"symbols": ["GONE", null]})",
        R"({"symbols": [["GONE"]]})", R"({"symbols": "GONE"})"}) {
    night.fixture.set_entry("odd " + content, "theme", content);
  }
  const std::string deep = std::string(3000, '[') + std::string(3000, ']');
  night.fixture.set_entry("deep", "theme", R"({"symbols": )" + deep + "}");
  const Names before = night.database().column(
      "SELECT xmin::text || e::text FROM cache_entries e WHERE universe <> 'tech' ORDER BY id");
  const ProcessResult result = night.sync();
  CHECK(result.status == 0);
  CHECK(night.database().column("SELECT xmin::text || e::text FROM cache_entries e "
                                "WHERE universe LIKE 'odd %' OR universe = 'deep' ORDER BY id") ==
        before);
  CHECK(log_lines(result, "warning").size() == before.size());
  CHECK(night.fixture.members("tech") == Names{"MID", "MEGA"});
}

TEST_CASE("fault 44: a content that is small where it is stored, and huge as text") {
  Night night;
  // 80 MB of digits from some 20 kB.
  night.fixture.set_entry(
      "bomb", "theme",
      R"({"symbols": ["GONE"], "count": 1e131071, "metadata": [1e131071, 1e131071]})");
  night.fixture.set_entry("symbols of digits", "theme", "{}");
  change_content(night, "symbols of digits",
                 "SELECT jsonb_build_object('symbols', jsonb_agg(1e131071)) "
                 "FROM generate_series(1, 600)");
  const ProcessResult result = sync_in_little_memory(night);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("'symbols of digits'"));
  CHECK(night.database().value(
            "SELECT content->>'symbols' FROM cache_entries WHERE universe = 'bomb'") == "[]");
  CHECK(night.fixture.members("tech") == Names{"MID", "MEGA"});
}

TEST_CASE("fault 45: contents that are equal in value are not written") {
  Night night;
  REQUIRE(night.sync().status == 0);
  change_content(night, "mega_cap", R"(SELECT '{"count": 1.0, "count": 1.00}')");
  change_content(
      night, "top_100",
      R"(SELECT '{"metadata": {"rank": "no", "rank": "top_100", "type": "market_leader"}}')");
  const Names before = night.fixture.entries_dump();
  const ProcessResult result = night.sync();
  CHECK(result.status == 0);
  CHECK_THAT(result.out, contains("0 universes changed"));
  CHECK(night.fixture.entries_dump() == before);
}

TEST_CASE("fault 46: a database in another encoding is refused at the start") {
  for (const std::string encoding : {"LATIN1", "SQL_ASCII"}) {
    const ProcessResult result = sync_encoded_as(encoding);
    check_failure(result, 1,
                  "the database is encoded in " + encoding +
                      ", not in UTF8. Use a database with the encoding UTF8.");
  }
}

TEST_CASE(
    "fault 47: bytes that are no UTF-8 (a database in UTF8 can't hold them, others are "
    "refused; so from the command line and the configuration)") {
  check_failure(sync_encoded_as("SQL_ASCII"), 1, "SQL_ASCII, not in UTF8");
  Night night;
  night.check(night.sync({"--run-id", "n\xff\xfe"}), 64, Entries::same, Sent::none, "--run-id");
  night.check(night.sync({"--timezone", "Zone\xff"}), 64, Entries::same, Sent::none, "time zone");
  const TemporaryDirectory directory;
  const std::string config = directory.write("bad.toml", "[tables]\nsymbols = \"symbols\xff\"\n");
  night.check(night.sync({"--config", config}), 78, Entries::same, Sent::none, "bad.toml");
}

TEST_CASE("fault 48: a table, a column or a privilege has gone") {
  const std::vector<std::vector<std::string>> losses{
      {"ALTER TABLE symbols RENAME TO shares", "ALTER TABLE shares RENAME TO symbols",
       "public.symbols does not exist"},
      {"ALTER TABLE symbols RENAME market_cap TO cap",
       "ALTER TABLE symbols RENAME cap TO market_cap", "no column market_cap"},
      {"ALTER TABLE cache_entries RENAME TO entries", "ALTER TABLE entries RENAME TO cache_entries",
       "public.cache_entries does not exist. Run 'tickstock-cache init', or name"},
      {"REVOKE ALL ON symbols FROM job", "GRANT SELECT ON symbols TO job",
       "GRANT SELECT ON public.symbols TO job"},
      {"REVOKE ALL (market_cap) ON symbols FROM job; REVOKE ALL ON symbols FROM job",
       "GRANT SELECT ON symbols TO job", "GRANT SELECT ON public.symbols TO job"},
      {"REVOKE INSERT ON cache_sync_outbox FROM job", "GRANT INSERT ON cache_sync_outbox TO job",
       "GRANT INSERT ON public.cache_sync_outbox TO job"}};
  Night night;
  for (const auto& loss : losses) {
    night.database().execute(loss[0]);
    const ProcessResult result = night.sync();
    night.database().execute(loss[1]);
    INFO(loss[0]);
    night.check(result, 1, Entries::same, Sent::none, loss[2]);
  }
  night.heal();
}

TEST_CASE("fault 49: the table of symbols is empty, or holds half of what it did") {
  Night night;
  night.database().execute("CREATE TABLE kept AS TABLE symbols; TRUNCATE symbols");
  night.check(night.sync(), 4, Entries::same, Sent::none, "no symbol is eligible");
  night.database().execute("INSERT INTO symbols TABLE kept");
  night.heal();

  Night half;
  half.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active) "
      "SELECT 'S' || i, 1e9, true FROM generate_series(1, 200) i");
  REQUIRE(half.sync().status == 0);
  half.database().execute("DELETE FROM symbols WHERE symbol LIKE 'S_' OR symbol LIKE 'S1__'");
  const Names before = half.fixture.entries_dump();
  const ProcessResult result = half.sync();
  CHECK(result.status == 4);
  CHECK_THAT(result.err, contains("max_vanished_percent"));
  CHECK(half.fixture.entries_dump() == before);
}
