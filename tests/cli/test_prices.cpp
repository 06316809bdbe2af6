// `--market-cap-from prices`: which close counts, what it is multiplied by, and what happens
// without one.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const Names from_prices{"--market-cap-from", "prices"};

/// Adds a symbol with a cap in the column, and shares outstanding.
void add_shares(Fixture& fixture, const std::string& symbol, const std::string& cap,
                const std::optional<std::string>& shares) {
  fixture.add_symbol({.symbol = symbol, .market_cap = cap});
  fixture.database().execute("UPDATE symbols SET shares_outstanding = $2 WHERE symbol = $1",
                             {symbol, shares});
}

void add_close(Fixture& fixture, const std::string& symbol, const std::string& day,
               const std::optional<std::string>& close) {
  fixture.database().execute("INSERT INTO ohlcv_daily (symbol, date, close) VALUES ($1, $2, $3)",
                             {symbol, day, close});
}

/// Returns how many caps came from prices and from the column.
std::pair<std::int64_t, std::int64_t> sources(const Json& done) {
  return {done.at("market_caps.from_prices").integer(),
          done.at("market_caps.from_column").integer()};
}

}  // namespace

TEST_CASE("the latest close on or before the as-of day, at most seven days old, makes the cap") {
  for (const std::string type : {"date", "timestamptz"}) {
    INFO(type);
    Fixture fixture({.date_type = type});
    // A timestamptz counts for its day in New York: here the last minute of it.
    const auto day = [&type](const std::string& text) {
      return type == "date" ? text : text + " 23:59:00 America/New_York";
    };
    add_shares(fixture, "TODAY", "1", "1000000000");
    add_close(fixture, "TODAY", day("2024-06-27"), "1");
    add_close(fixture, "TODAY", day("2024-06-28"), "300");
    add_close(fixture, "TODAY", day("2024-06-29"), "1");
    add_shares(fixture, "WEEK", "1", "1000000000");
    add_close(fixture, "WEEK", day("2024-06-21"), "250");
    add_shares(fixture, "OLD", "3e9", "1000000000");
    add_close(fixture, "OLD", day("2024-06-20"), "400");
    add_shares(fixture, "LATER", "4e9", "1000000000");
    add_close(fixture, "LATER", day("2024-06-29"), "400");
    const Json done = run_json(fixture, with({"sync"}, from_prices));
    CHECK(fixture.members("mega_cap") == Names{"TODAY", "WEEK"});
    CHECK(fixture.members("mid_cap") == Names{"LATER", "OLD"});
    CHECK(sources(done) == std::pair<std::int64_t, std::int64_t>{2, 2});
  }
}

TEST_CASE("a close counts with all its digits, whatever its type") {
  for (const std::string type : {"numeric", "double precision", "real"}) {
    INFO(type);
    Fixture fixture;
    fixture.database().execute("ALTER TABLE ohlcv_daily ALTER close TYPE " + type);
    const bool is_real = type == "real";
    add_shares(fixture, "BELOW", "1", "1000000");
    add_close(fixture, "BELOW", market_day, is_real ? "9999.999" : "9999.999999999998");
    add_shares(fixture, "BOUND", "1", "3000000");
    add_close(fixture, "BOUND", market_day, is_real ? "3333.33349609375" : "3333.3333333333335");
    run_json(fixture, with({"sync"}, from_prices));
    CHECK(fixture.members("large_cap") == Names{"BOUND"});
    CHECK(fixture.members("mid_cap") == Names{"BELOW"});
  }
}

TEST_CASE("without a usable close or number of shares the column counts") {
  Fixture fixture;
  add_shares(fixture, "NOSHARES", "300e9", std::nullopt);
  add_close(fixture, "NOSHARES", market_day, "1");
  add_shares(fixture, "ZERO", "290e9", "0");
  add_close(fixture, "ZERO", market_day, "1");
  add_shares(fixture, "MINUS", "280e9", "5");
  add_close(fixture, "MINUS", market_day, "-1");
  add_shares(fixture, "NAN", "270e9", "5");
  add_close(fixture, "NAN", market_day, "NaN");
  add_shares(fixture, "NONE", "260e9", "5");
  add_shares(fixture, "BEFORE", "1", "1000000000");
  add_close(fixture, "BEFORE", market_day, std::nullopt);
  add_close(fixture, "BEFORE", "2024-06-27", "250.5");
  add_shares(fixture, "NOCAP", "0", "1000000000");
  add_close(fixture, "NOCAP", market_day, "240");
  add_shares(fixture, "BROKEN", "NaN", "1000000000");
  add_close(fixture, "BROKEN", market_day, "230");
  const Json done = run_json(fixture, with({"sync"}, from_prices));
  CHECK(fixture.members("mega_cap") ==
        Names{"NOSHARES", "ZERO", "MINUS", "NAN", "NONE", "BEFORE", "NOCAP", "BROKEN"});
  CHECK(sources(done) == std::pair<std::int64_t, std::int64_t>{3, 5});
  CHECK_THAT(done.at("warnings").text(), !contains("finite"));

  const Json column = run_json(fixture, {"dry-run"});
  CHECK(sources(column) == std::pair<std::int64_t, std::int64_t>{0, 6});
}

TEST_CASE("the text says how many caps came from where, and a warning that none did") {
  Fixture fixture;
  add_shares(fixture, "A", "300e9", "1000000000");
  add_shares(fixture, "B", "300e9", "1000000000");
  const ProcessResult none = run_task(fixture, with({"dry-run"}, from_prices));
  CHECK_THAT(none.out, contains("market caps: 0 from prices, 2 from the column\n"));
  CHECK_THAT(none.err, contains("no market cap comes from prices"));
  add_close(fixture, "A", market_day, "1");
  const ProcessResult one = run_task(fixture, with({"dry-run"}, from_prices));
  CHECK_THAT(one.out, contains("market caps: 1 from prices, 1 from the column\n"));
  CHECK_THAT(one.err, !contains("no market cap"));
  CHECK_THAT(run_task(fixture, {"dry-run"}).out, !contains("market caps:"));
}

TEST_CASE("the age of a price can be set, and a dry run predicts the run on two connections") {
  Fixture fixture;
  add_shares(fixture, "OLD", "3e9", "1000000000");
  add_close(fixture, "OLD", "2024-06-01", "400");
  const TemporaryDirectory directory;
  const std::string config = directory.write(
      "c.toml",
      "[market_cap]\nfrom = 'prices'\nmax_price_age_days = 27\n[database]\nconnections = 2\n");
  const Json foretold = run_json(fixture, {"dry-run", "--config", config});
  const Json done = run_json(fixture, {"sync", "--config", config});
  CHECK(fixture.members("mega_cap") == Names{"OLD"});
  CHECK(foretold.at("plan_digest").str() == done.at("plan_digest").str());
  CHECK(run_json(fixture, {"sync", "--config", config}).at("total_changes").integer() == 0);
  const std::string shorter =
      directory.write("d.toml", "[market_cap]\nfrom = 'prices'\nmax_price_age_days = 26\n");
  run_json(fixture, {"sync", "--config", shorter});
  CHECK(fixture.members("mid_cap") == Names{"OLD"});
}

TEST_CASE("what caps from prices need is checked before a run that uses them, and only then") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute(
      "CREATE ROLE priceless LOGIN; GRANT SELECT (symbol, company_name, market_cap, sector, "
      "listing_date, is_active, delisted_date) ON symbols TO priceless; "
      "GRANT SELECT ON cache_entries TO priceless");
  const Environment priceless{{"DATABASE_URL", fixture.database().url("priceless")}};
  const ProcessResult denied = run_task(fixture, with({"dry-run"}, from_prices), priceless);
  CHECK(denied.status == 1);
  CHECK_THAT(denied.err, contains("GRANT SELECT ON public.symbols TO priceless; "
                                  "GRANT SELECT ON public.ohlcv_daily TO priceless. "));
  CHECK(run_task(fixture, {"dry-run"}, priceless).status == 0);

  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[market_cap]\nfrom = 'prices'\n");
  const ProcessResult grants =
      fixture.run({"init", "--print-grants", "priceless", "--config", config});
  REQUIRE(grants.status == 0);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.database().execute(grants.out);
  CHECK(run_task(fixture, with({"dry-run"}, from_prices), priceless).status == 0);
  fixture.database().execute("DROP OWNED BY priceless; DROP ROLE priceless");

  fixture.database().execute("ALTER TABLE symbols DROP COLUMN shares_outstanding");
  const ProcessResult missing = run_task(fixture, with({"sync"}, from_prices));
  CHECK(missing.status == 1);
  CHECK_THAT(missing.err, contains("has no column shares_outstanding"));
  CHECK_THAT(fixture.run({"check", "--config", config}).out,
             contains("has no column shares_outstanding"));
  CHECK(fixture.universes() == Names{"tech"});
  CHECK(run_task(fixture, with({"ipo"}, from_prices)).status == 0);
}
