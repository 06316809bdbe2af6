// Some weeks of a real market, day after day, through the built program: each day a dry run, the
// run, and the run again. The expected result is computed in SQL (expectation.hpp).

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/market_days.hpp"
#include "cli/night.hpp"
#include "process.hpp"
#include "support/catch.hpp"
#include "support/stability.hpp"

using namespace tickstock::test;

TEST_CASE("every day of a real market is as expected, foretold, and done once",
          "[postgres][redis]") {
  Fixture fixture;
  Subscriber subscriber(fixture.redis());
  REQUIRE(fixture.run({"init"}).status == 0);
  over_market_days(fixture, [&](const std::string& day, bool is_first) {
    if (is_first) make_foreign_entries(fixture);
    check_day(fixture, subscriber, day);
  });
}

namespace {

const std::string declarations = R"(
[[universe]]
name = "sector_{sector}"
each = "sector"
type = "sector"
[[universe]]
name = "top_10_{sector}"
each = "sector"
type = "sector_leader"
first = 10
[[universe]]
name = "theme_software"
match = { industry = ["EDP Services", "Computer Software: Prepackaged Software"] }
cap_from = 1e9
[[universe]]
name = "theme_new"
match = { sector = ["Technology", "Health Care"] }
listed_within = 30
maintain = "additions"
)";

/// Creates what the declarations yield for today's symbols and the previous entries, one row per
/// universe.
void expect_declared(Database& database, const std::string& day) {
  database.execute(
      "DROP TABLE IF EXISTS expected; CREATE TABLE expected (universe text, symbols text[])");
  database.execute(fmt::format(R"(
    INSERT INTO expected
    WITH active AS (
      SELECT symbol, btrim(sector) AS sector, btrim(industry) AS industry, listing_date,
             CASE WHEN market_cap > 0 THEN market_cap END AS cap
        FROM symbols
       WHERE is_active AND (delisted_date IS NULL OR delisted_date > '{0}'
                            OR listing_date > delisted_date)
    ), labelled AS (
      SELECT *, btrim(lower(regexp_replace(sector, '[^A-Za-z0-9]+', '_', 'g')), '_') AS slug,
             row_number() OVER (PARTITION BY sector ORDER BY cap DESC NULLS LAST,
                                symbol COLLATE "C") AS place
        FROM active
    ), kept AS (
      SELECT replace(e.universe, 'sector_', '') AS slug, a.symbol, a.cap
        FROM cache_entries e CROSS JOIN jsonb_array_elements_text(e.content->'symbols') m(symbol)
        JOIN active a ON a.symbol = m.symbol AND coalesce(a.sector, '') = ''
       WHERE e.universe LIKE 'sector\_%'
    ), members AS (
      SELECT slug, symbol, cap FROM labelled WHERE sector <> ''
       UNION SELECT slug, symbol, cap FROM kept
    )
    SELECT 'sector_' || slug, array_agg(symbol ORDER BY cap DESC NULLS LAST, symbol COLLATE "C")
      FROM members GROUP BY slug
    UNION ALL
    SELECT 'top_10_' || slug, array_agg(symbol ORDER BY place)
      FROM labelled WHERE sector <> '' AND place <= 10 AND cap IS NOT NULL GROUP BY slug
    UNION ALL
    SELECT 'theme_software', array_agg(symbol ORDER BY cap DESC, symbol COLLATE "C")
      FROM active WHERE cap >= 1e9 AND industry IN ('EDP Services',
                                                    'Computer Software: Prepackaged Software')
    UNION ALL
    SELECT 'theme_new', stayed || coalesce(came, '{{}}')
      FROM (SELECT coalesce(array_agg(m.symbol ORDER BY m.place), '{{}}') AS stayed
              FROM cache_entries e CROSS JOIN
                   jsonb_array_elements_text(e.content->'symbols') WITH ORDINALITY m(symbol, place)
             WHERE e.universe = 'theme_new'
               AND NOT EXISTS (SELECT FROM symbols s WHERE s.symbol = m.symbol
                                  AND s.symbol NOT IN (SELECT symbol FROM active))) old,
           LATERAL (SELECT array_agg(symbol ORDER BY cap DESC NULLS LAST, symbol COLLATE "C") AS came
                      FROM active WHERE sector IN ('Technology', 'Health Care')
                       AND listing_date BETWEEN '{0}'::date - 29 AND '{0}' AND symbol <> ALL (stayed)) new
  )",
                               day));
}

}  // namespace

TEST_CASE("declared universes over the days of a real market are what SQL says",
          "[postgres][redis]") {
  Fixture fixture;
  Database& database = fixture.database();
  const TemporaryDirectory directory;
  const std::string config = directory.write("config.toml", declarations);
  over_market_days(fixture, [&](const std::string& day, bool /*is_first*/) {
    expect_declared(database, day);
    const ProcessResult result = fixture.run({"sync", "--as-of", day, "--config", config});
    INFO(result.err);
    REQUIRE(result.status == 0);
    CHECK(database.value("SELECT count(*) > 20 FROM expected") == "t");
    CHECK(database.value(R"(
      SELECT string_agg(universe, ', ') FROM expected e FULL JOIN (
        SELECT universe, ARRAY(SELECT jsonb_array_elements_text(content->'symbols')) AS symbols
          FROM cache_entries WHERE cache_type IN ('sector', 'sector_leader', 'theme')) f
        USING (universe) WHERE e.symbols IS DISTINCT FROM f.symbols)") == "");
    CHECK(database.value(R"(
      SELECT count(*) FROM symbols s WHERE is_active AND delisted_date IS NULL AND btrim(sector) <> ''
         AND NOT EXISTS (SELECT FROM cache_entries e WHERE e.cache_type = 'sector'
                            AND e.content->'metadata'->>'sector' = btrim(s.sector)
                            AND e.content->'symbols' ? s.symbol))") == "0");
  });
}

namespace {

const std::string stable = R"(
[stability]
band = 10
nights = 2
buffer = 10
[[universe]]
name = "sector_{sector}"
each = "sector"
type = "sector"
nights = 5
)";

/// Returns the active symbols of a day.
Facts facts_of(Database& database, const std::string& day) {
  Facts facts;
  for (const auto& row :
       database.rows("SELECT symbol, greatest(market_cap, 0)::bigint, btrim(sector) FROM symbols "
                     "WHERE is_active AND (delisted_date IS NULL OR delisted_date > $1::date "
                     "                     OR listing_date > delisted_date)",
                     {day})) {
    facts[row[0]] = {row[1].empty() ? 0 : std::stol(row[1]), row[2]};
  }
  return facts;
}

/// What the manual says about all groups, night after night.
struct Statements {
  CategoryStatement categories{10, 2};
  LabelStatement sectors{5};
  std::map<std::string, LeaderStatement> leaders{{"top_100", {100, 10}},
                                                 {"top_500", {500, 10}},
                                                 {"top_1000", {1000, 10}},
                                                 {"top_2000", {2000, 10}}};

  void night(int number, const Facts& facts) {
    categories.night(number, facts);
    sectors.night(number, facts);
    for (auto& [name, leader] : leaders) leader.night(facts);
  }

  void check(Fixture& fixture) {
    const auto in = [&fixture](const std::string& condition, const std::string& value) {
      const auto members = fixture.database().column(
          "SELECT jsonb_array_elements_text(content->'symbols') FROM cache_entries WHERE " +
              condition + " = $1",
          {value});
      return Symbols(members.begin(), members.end());
    };
    for (const auto& [universe, from] : CategoryStatement::table()) {
      INFO(universe);
      CHECK((in("universe", universe) == categories.in(universe)));
    }
    for (const std::string& sector : sectors.universes()) {
      INFO(sector);
      CHECK((in("content->'metadata'->>'sector'", sector) == sectors.in(sector)));
    }
    for (const auto& [universe, leader] : leaders) {
      INFO(universe);
      CHECK((in("universe", universe) == leader.members()));
    }
    const auto waiting = [&fixture](const std::string& group) {
      std::map<std::string, int> rows;
      for (const auto& row : fixture.database().rows(
               "SELECT symbol, nights FROM cache_sync_waiting WHERE \"group\" = $1", {group})) {
        rows[row[0]] = std::stoi(row[1]);
      }
      return rows;
    };
    CHECK((waiting("categories") == categories.waiting()));
    CHECK((waiting("sector_{sector}") == sectors.waiting()));
  }
};

}  // namespace

TEST_CASE("universes of a real market hold still as the manual says, whatever nights come",
          "[postgres][redis]") {
  Fixture fixture;
  REQUIRE(fixture.run({"init"}).status == 0);
  const TemporaryDirectory directory;
  const std::string config = directory.write("config.toml", stable);
  Statements statements;
  std::map<std::string, int> numbers;
  int number = 0;
  std::string last;
  const auto night = [&](const std::string& day, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"sync", "--as-of", day, "--config", config};
    command.insert(command.end(), more.begin(), more.end());
    const ProcessResult result = fixture.run(command);
    INFO(result.err);
    REQUIRE(result.status == 0);
    statements.night(numbers.at(day), facts_of(fixture.database(), day));
  };
  over_market_days(fixture, [&](const std::string& day, bool /*is_first*/) {
    numbers[day] = ++number;
    // One day is skipped, one repeated, one followed by the previous day, and one approved.
    if (number == 7) return;
    if (number == 17) {
      const ProcessResult dry =
          fixture.run({"dry-run", "--as-of", day, "--config", config, "--format", "json"});
      REQUIRE(dry.status == 0);
      night(day, {"--approve-plan", Json::parse(dry.out).at("plan_digest").str()});
    } else {
      night(day);
    }
    if (number == 12) night(day);
    if (number == 21) night(last);
    last = day;
    statements.check(fixture);
  });
}
