#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>

#include "domain/error.hpp"
#include "support/catch.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("delisted, active and eligible are told apart") {
  struct Case {
    Row row;
    bool delisted;
    bool active;
    bool eligible;
  };
  const std::vector<Case> cases{
      {{"PLAIN"}, false, true, true},
      {{"GONE", 1e9, {}, "2026-08-20", Activity::inactive}, true, false, false},
      {{"INACTIVE", 1e9, {}, {}, Activity::inactive}, true, false, false},
      {{"TODAY", 1e9, {}, "2026-08-21"}, true, false, false},
      {{"TOMORROW", 1e9, {}, "2026-08-22"}, false, true, true},
      {{"UNKNOWN", 1e9, {}, {}, Activity::unknown}, false, false, false},
      {{"UNKNOWN_GONE", 1e9, {}, "2026-08-01", Activity::unknown}, true, false, false},
      {{"NULL_CAP", not_a_number}, false, true, false},
      {{"ZERO", 0}, false, true, false},
      {{"NEGATIVE", -5}, false, true, false},
      {{"INFINITE", infinity}, false, true, false},
      {{"TINY", 0.01}, false, true, true},
  };
  for (const Case& each : cases) {
    INFO(each.row.symbol);
    const Market market = market_of({each.row});
    CHECK(market.delisted(0) == each.delisted);
    CHECK(market.active(0) == each.active);
    CHECK(market.eligible(0) == each.eligible);
    CHECK(market.ranking().size() == (each.eligible ? 1U : 0U));
  }
}

TEST_CASE("an infinite delisting date never comes, or has always been") {
  Market market(*parse_day("2026-08-21"));
  market.add("NEVER", {1e9, {}, Day::max(), Activity::active});
  market.add("ALWAYS", {1e9, {}, Day::min(), Activity::active});
  market.rank();
  CHECK(market.active(0));
  CHECK(market.delisted(1));
}

TEST_CASE("rank order is by cap, then by bytes of the symbol") {
  const Market market =
      market_of({{"b", 5}, {"A", 5}, {"Z", 7}, {"B", 5}, {"BRK/B", 5}, {"zero", 0}});
  CHECK(names(market, market.ranking()) == std::vector<std::string>{"Z", "A", "B", "BRK/B", "b"});
  CHECK(market.rank_of(*market.symbols().find("Z")) == 1);
  CHECK(market.rank_of(*market.symbols().find("zero")) == 0);
}

TEST_CASE("many caps are ranked as a sort by comparison ranks them") {
  std::mt19937_64 random(7);
  std::vector<Row> rows;
  for (int i = 0; i < 20'000; ++i) {
    // From a cent to more than the value of all companies in the world, every fifth one shared by
    // many.
    const double cap = std::exp(std::uniform_real_distribution<>(-4.6, 36)(random));
    rows.push_back({fmt::format("S{}", random()), i % 5 == 0 ? std::floor(std::log(cap)) : cap});
  }
  const Market market = market_of(rows);
  std::vector<Row> sorted;
  for (const Row& row : rows) {
    if (row.market_cap > 0) sorted.push_back(row);
  }
  std::sort(sorted.begin(), sorted.end(), [](const Row& a, const Row& b) {
    return std::tie(b.market_cap, a.symbol) < std::tie(a.market_cap, b.symbol);
  });
  std::vector<std::string> expected;
  for (const Row& row : sorted) expected.push_back(row.symbol);
  CHECK(names(market, market.ranking()) == expected);
  CHECK(market.ranked_from(1e9).size() ==
        static_cast<std::size_t>(std::count_if(
            sorted.begin(), sorted.end(), [](const Row& row) { return row.market_cap >= 1e9; })));
}

TEST_CASE("two rows of a symbol, and one without a name, end the run and are named") {
  Market market(*parse_day("2026-08-21"));
  market.add("NVDA", {1e9, {}, {}, Activity::active});
  market.add("NVDA", {});
  CHECK_THROWS_WITH(market.rank(), contains("two rows of symbol 'NVDA'"));
  Market nameless(Day{});
  nameless.add("", {});
  CHECK_THROWS_WITH(nameless.rank(), contains("NULL or empty"));
}

TEST_CASE("rows and entries may come in any order") {
  Market market(*parse_day("2026-08-21"));
  const SymbolId stranger = market.symbols().intern("STRANGER");
  const SymbolId late = market.symbols().intern("LATE");
  market.add("EARLY", {2e9, {}, {}, Activity::active});
  market.add("LATE", {1e9, {}, {}, Activity::active});
  market.rank();
  CHECK(market.size() == 2);
  CHECK(names(market, market.ranking()) == std::vector<std::string>{"EARLY", "LATE"});
  CHECK(market.rank_of(late) == 2);
  CHECK_FALSE(market.find(stranger));
  CHECK(market.rank_of(stranger) == 0);
}

TEST_CASE("a symbol that only an entry names is nothing but a name") {
  Market market = market_of({{"NVDA"}});
  const SymbolId stranger = market.symbols().intern("STRANGER");
  CHECK_FALSE(market.find(stranger));
  CHECK_FALSE(market.delisted(stranger));
  CHECK_FALSE(market.active(stranger));
  CHECK(market.rank_of(stranger) == 0);
}
