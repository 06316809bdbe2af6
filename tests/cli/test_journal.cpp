// The journal: why members came and went, and how it is asked later.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// `top_100 + AAPL rose to rank 97`, a line for each member that came or went, as the journal has
/// it.
Names journalled(Fixture& fixture, const std::string& run_id) {
  return fixture.database().column(R"(
    SELECT universe || ' ' || m.sign || ' ' || m.symbol || ' ' || coalesce(m.why, '')
      FROM cache_sync_changes
     CROSS JOIN LATERAL (
       SELECT 1 AS part, '+' AS sign, a.* FROM unnest(added, added_why) WITH ORDINALITY AS a(symbol, why, place)
       UNION ALL
       SELECT 2, '-', r.* FROM unnest(removed, removed_why) WITH ORDINALITY AS r(symbol, why, place)) m
     WHERE run_id = $1 ORDER BY id, m.part, m.place)",
                                   {run_id});
}

/// The same of a text report with --full.
Names reported(const std::string& text) {
  Names lines;
  std::string universe;
  for (const std::string& line : lines_of(text)) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (!line.starts_with("  ")) {
      universe = first;
    } else if (first != "~") {
      std::string symbol;
      std::string cap;
      std::string unit;
      std::string rank;
      words >> symbol >> cap;
      if (cap != "-") words >> unit;
      words >> rank >> std::ws;
      std::string why;
      std::getline(words, why);
      lines.push_back(universe + " " + first + " " + symbol + " " + why);
    }
  }
  return lines;
}

/// Two nights: the first makes the universes, the second moves one symbol of each kind.
struct TwoNights {
  Fixture fixture;
  std::string second;  ///< the text report of the second night

  TwoNights() {
    add_small_market(fixture);
    for (int i = 0; i < 100; ++i) {
      fixture.add_symbol({.symbol = fmt::format("B{:03}", i),
                          .market_cap = std::to_string(1'000'000'000LL - i * 1'000'000LL)});
    }
    REQUIRE(fixture.run({"init"}).status == 0);
    REQUIRE(run_task(fixture, {"sync", "--run-id", "night-1"}).status == 0);
    fixture.database().execute(
        "UPDATE symbols SET market_cap = 9e9 WHERE symbol = 'LARGE';"
        "UPDATE symbols SET market_cap = 5e9 WHERE symbol = 'B099';"
        "UPDATE symbols SET market_cap = NULL WHERE symbol = 'MICRO';"
        "UPDATE symbols SET is_active = false, delisted_date = '2024-06-28' WHERE symbol = 'MID'");
    fixture.add_symbol(
        {.symbol = "FRESH", .market_cap = "350000000", .listing_date = "2024-06-28"});
    const ProcessResult result =
        fixture.run({"sync", "--run-id", "night-2", "--full", "--as-of", "2024-06-28"});
    REQUIRE(result.status == 0);
    second = result.out;
  }
};

}  // namespace

TEST_CASE("the journal keeps why each member came or went, in the words of the report") {
  TwoNights scene;
  const Names lines = journalled(scene.fixture, "night-2");
  CHECK(lines == reported(scene.second));
  const std::string all = fmt::format("{}", fmt::join(lines, "\n"));
  CHECK_THAT(all, contains("mid_cap + LARGE crossed $10 B downward") &&
                      contains("top_100 + B099 rose to rank ") &&
                      contains("recent_ipos + FRESH listed 2024-06-28") &&
                      contains("tech - MID delisted 2024-06-28") &&
                      contains("micro_cap - MICRO no market cap"));
}

TEST_CASE("where no member has a reason of its own the journal keeps none") {
  TwoNights scene;
  const auto count = [&scene](const std::string& condition) {
    return scene.fixture.database().value("SELECT count(*) FROM cache_sync_changes WHERE " +
                                          condition);
  };
  // Whole new universes; only the clean-up and the listings of the first night have reasons.
  CHECK(count("run_id = 'night-1' AND task = 'market_cap_recalculation' AND added_why IS NULL") ==
        "9");
  CHECK(count("run_id = 'night-1' AND universe = 'tech' AND removed_why = '{delisted 2024-06-27}' "
              "AND added_why IS NULL") == "1");
  CHECK(count("cardinality(added) <> cardinality(added_why) OR "
              "cardinality(removed) <> cardinality(removed_why)") == "0");
}
