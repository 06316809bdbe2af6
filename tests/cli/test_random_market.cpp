// Small random markets full of what real ones contain one day: odd symbols, caps at and near the
// bounds, dates at the edges, entries of any shape under any name.

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "cli/night.hpp"
#include "support/catch.hpp"

using namespace tickstock::test;

namespace {

constexpr unsigned rounds = 25;
constexpr const char* as_of = "2026-03-02";

const std::vector<std::string> odd_symbols{
    "A",    "AA",   "B",   "BRK/B", "BAC^K", "a",    "Z.W",  "Q\"q", "back\\slash", "é",
    "日本", "Ā",    "~",   "A B",   "a,b",   "{x}",  "NULL", "null", "tab\tx",      "nl\nx",
    "'",    "\"\"", "\\N", "A-",    "A.",    "AA.B", "😀",    "𝒳"};
const std::vector<std::string> whole_caps{"200000000000", "199999999999",
                                          "10000000000",  "9999999999",
                                          "2000000000",   "1999999999",
                                          "300000000",    "299999999",
                                          "50000000",     "49999999",
                                          "500000000000", "0",
                                          "-5",           "1"};
const std::vector<std::string> broken_caps{"NaN",
                                           "Infinity",
                                           "-Infinity",
                                           "199999999999.99",
                                           "200000000000.00000001",
                                           "199999999999.9999999999",
                                           "49999999.999999999999",
                                           "0.0000001"};
const std::vector<std::string> days{"2026-03-02", "2026-03-03", "2026-03-01", "2026-02-01",
                                    "2026-01-31", "2026-02-15", "2027-01-01", "1999-01-01"};
const std::vector<std::string> universes{"mega_cap", "top_100", "recent_ipos", "small_cap", "s1",
                                         "s 2",      "Ünï",     "quote\"s",    "back\\",    "top_3",
                                         "x'y",      "Zeta",    "alpha"};
const std::vector<std::string> types{"market_cap", "market_leader", "sector", "theme",
                                     "ipo",        "etf",           ""};
const std::vector<std::string> malformed{R"("text")",
                                         R"(["A"])",
                                         R"({"count": 1})",
                                         R"({"symbols": [1, "A"]})",
                                         R"({"symbols": [["A"]]})",
                                         R"({"symbols": "A"})",
                                         "null"};

/// Fills the tables of a fixture, differently in each round but the same in each execution.
class RandomMarket {
 public:
  RandomMarket(Fixture& fixture, const std::string& cap_type, unsigned round)
      : fixture_(fixture), random_(round), caps_(whole_caps) {
    if (cap_type != "bigint") caps_.insert(caps_.end(), broken_caps.begin(), broken_caps.end());
  }

  void fill() {
    fixture_.database().execute("TRUNCATE symbols");
    if (one_in(4)) fixture_.database().execute("TRUNCATE cache_entries");
    for (const std::string& symbol : odd_symbols) {
      if (!one_in(5)) add(symbol);
    }
    // One certainly eligible symbol, or the guards would rightly refuse.
    fixture_.add_symbol({.symbol = "SURE", .market_cap = "60000000"});
    for (const std::string& universe : universes) {
      if (one_in(3))
        fixture_.set_entry(universe, pick(types), one_in(3) ? pick(malformed) : content());
    }
  }

 private:
  bool one_in(unsigned n) { return random_() % n == 0; }
  const std::string& pick(const std::vector<std::string>& values) {
    return values[random_() % values.size()];
  }

  void add(const std::string& symbol) {
    SymbolRow row{.symbol = symbol};
    if (!one_in(8)) row.market_cap = pick(caps_);
    if (one_in(5)) row.is_active = false;
    if (one_in(8)) row.is_active = std::nullopt;
    if (!one_in(3)) row.listing_date = pick(days);
    if (one_in(4)) row.delisted_date = pick(days);
    if (one_in(2)) row.company_name = "Name \"" + symbol + "\"\n";
    if (one_in(2)) row.sector = "Se\\c";
    fixture_.add_symbol(row);
  }

  std::string as_json(const std::string& text) {
    return fixture_.database().value("SELECT to_jsonb($1::text)", {text});
  }

  std::string content() {
    std::vector<std::string> members = odd_symbols;
    std::shuffle(members.begin(), members.end(), random_);
    members.resize(random_() % 15);
    if (!members.empty() && one_in(2)) members.push_back(members.front());
    if (one_in(3)) members.emplace_back("unknown");
    std::string list;
    for (const std::string& member : members) list += (list.empty() ? "" : ", ") + as_json(member);
    return fmt::format(
        R"({{"symbols": [{}], "count": {}, "k": 1.500, "metadata": {{"type": "ipo", "x": [1e3, "\u00e9"]}}}})",
        list, random_() % 9);
  }

  Fixture& fixture_;
  std::mt19937 random_;
  std::vector<std::string> caps_;
};

}  // namespace

TEST_CASE("random markets, whatever the type of the caps") {
  const std::string cap_type = GENERATE("numeric", "bigint", "double precision");
  Fixture fixture({.market_cap_type = cap_type});
  Subscriber subscriber(fixture.redis());
  REQUIRE(fixture.run({"init"}).status == 0);
  for (unsigned round = 0; round < rounds; ++round) {
    INFO(cap_type << ", round " << round);
    RandomMarket(fixture, cap_type, round).fill();
    check_day(fixture, subscriber, as_of);
  }
}
