// `replay`: the policy over days of prices, compared with an independent calculation.

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "cli/scene.hpp"
#include "support/stability.hpp"

using namespace tickstock::test;

namespace {

const std::string from_prices = "[market_cap]\nmax_price_age_days = ";

/// Nights of one universe, as counted by the independent calculation.
struct Counts {
  std::vector<long> changes;
  std::map<std::string, std::size_t> last;
  long undone = 0;
  long memberships = 0;
  long off_rule = 0;
  Symbols members;

  void night(std::size_t number, const Symbols& now, const Symbols& plain) {
    long changed = 0;
    const auto note = [&](const std::string& symbol) {
      ++changed;
      const auto found = last.find(symbol);
      if (found != last.end() && number - found->second <= 5) ++undone;
      last[symbol] = number;
    };
    for (const std::string& symbol : now) {
      if (!members.contains(symbol) && number > 0) note(symbol);
      if (!plain.contains(symbol)) ++off_rule;
    }
    for (const std::string& symbol : members) {
      if (!now.contains(symbol) && number > 0) note(symbol);
    }
    for (const std::string& symbol : plain) {
      if (!now.contains(symbol)) ++off_rule;
    }
    if (number > 0) changes.push_back(changed);
    memberships += static_cast<long>(now.size());
    members = now;
  }
};

double percentile(std::vector<long> values) {
  std::sort(values.begin(), values.end());
  const double place = 0.95 * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(std::floor(place));
  const auto high = static_cast<std::size_t>(std::ceil(place));
  const auto a = static_cast<double>(values[low]);
  return a + (place - std::floor(place)) * (static_cast<double>(values[high]) - a);
}

long sum(const std::vector<long>& values) {
  long total = 0;
  for (const long value : values) total += value;
  return total;
}

void check_universe(const Json& universe, const Counts& counts) {
  INFO(universe.at("universe").str());
  CHECK(universe.at("changes").integer() == sum(counts.changes));
  CHECK(universe.at("largest").integer() ==
        *std::max_element(counts.changes.begin(), counts.changes.end()));
  CHECK_THAT(universe.at("mean").num(),
             Catch::Matchers::WithinAbs(static_cast<double>(sum(counts.changes)) /
                                            static_cast<double>(counts.changes.size()),
                                        1e-9));
  CHECK_THAT(universe.at("p95").num(),
             Catch::Matchers::WithinAbs(percentile(counts.changes), 1e-9));
  CHECK(universe.at("undone").integer() == counts.undone);
  CHECK(universe.at("memberships").integer() == counts.memberships);
  CHECK(universe.at("off_rule").integer() == counts.off_rule);
  CHECK(universe.at("final_size").integer() == static_cast<long>(counts.members.size()));
}

struct Scene {
  Fixture fixture;
  TemporaryDirectory directory;

  std::string config(const std::string& toml) {
    return directory.write(fmt::format("{}.toml", ++files_), toml);
  }
  ProcessResult replay(const Names& arguments) { return fixture.run(with({"replay"}, arguments)); }
  Json json(const std::string& first, const std::string& last, const Names& arguments) {
    const ProcessResult result =
        replay(with({"--from", first, "--to", last, "--format", "json"}, arguments));
    INFO(result.err);
    REQUIRE(result.status == 0);
    return Json::parse(result.out);
  }
  void price(const std::string& symbol, const std::string& day, const std::string& close) {
    fixture.database().execute("INSERT INTO ohlcv_daily (symbol, date, close) VALUES ($1, $2, $3)",
                               {symbol, day, close});
  }
  void add(const SymbolRow& row, const std::optional<std::string>& shares = "1") {
    fixture.add_symbol(row);
    fixture.database().execute("UPDATE symbols SET shares_outstanding = $2 WHERE symbol = $1",
                               {row.symbol, shares});
  }
  /// Returns the size of a universe on the last day.
  static long members(const Json& report, const std::string& universe) {
    for (std::size_t i = 0; i < report.at("policies.0.universes").size(); ++i) {
      const Json each = report.at(fmt::format("policies.0.universes.{}", i));
      if (each.at("universe").str() == universe) return each.at("final_size").integer();
    }
    return -1;
  }

 private:
  int files_ = 0;
};

}  // namespace

TEST_CASE("a year of random prices comes to what the manual says", "[postgres]") {
  Scene scene;
  std::mt19937 random(20240102);
  const auto one_of = [&random](const std::vector<long>& values) {
    return values[random() % values.size()];
  };
  constexpr std::size_t nights = 250;
  constexpr int max_age = 3;
  struct Quote {
    long cap = 0;
    int day = 0;
  };
  std::map<std::string, Quote> quotes;
  for (int i = 0; i < 80; ++i) {
    const std::string symbol = "S" + std::to_string(i);
    scene.add({.symbol = symbol}, "1000");
    quotes[symbol].cap =
        one_of({50'000'000, 300'000'000, 2'000'000'000, 10'000'000'000, 200'000'000'000});
  }
  CategoryStatement categories(10, 2);
  CategoryStatement plain_categories(0, 1);
  LeaderStatement leaders(20, 10);
  LeaderStatement plain_leaders(20, 0);
  std::map<std::string, Counts> counts;
  std::map<std::string, Counts> plain_counts;
  std::string prices;
  int day = 0;
  for (std::size_t night = 0; night < nights; ++night) {
    day += static_cast<int>(one_of({1, 1, 1, 3}));
    Facts facts;
    for (auto& [symbol, quote] : quotes) {
      if (random() % 8 != 0) {
        quote.cap = quote.cap * one_of({93, 97, 99, 100, 101, 103, 107}) / 100'000 * 1000;
        if (random() % 15 == 0) quote.cap = one_of({9'000'000'000, 11'000'000'000, 1'800'000'000});
        quote.day = day;
        prices += fmt::format("{},{},{}\n", symbol, day, quote.cap / 1000);
      }
      const bool counts_today = quote.day > 0 && day - quote.day <= max_age;
      facts[symbol].cap = counts_today ? quote.cap : 0;
    }
    categories.night(day, facts);
    plain_categories.night(day, facts);
    leaders.night(facts);
    plain_leaders.night(facts);
    for (const auto& [universe, from] : CategoryStatement::table()) {
      counts[universe].night(night, categories.in(universe), plain_categories.in(universe));
      plain_counts[universe].night(night, plain_categories.in(universe),
                                   plain_categories.in(universe));
    }
    counts["leaders"].night(night, leaders.members(), plain_leaders.members());
    plain_counts["leaders"].night(night, plain_leaders.members(), plain_leaders.members());
  }
  Database& database = scene.fixture.database();
  database.execute("CREATE TABLE feed (symbol text, day int, close numeric)");
  database.copy_in("feed", prices);
  database.execute(
      "INSERT INTO ohlcv_daily (symbol, date, close) "
      "SELECT symbol, DATE '2024-01-01' + day, close FROM feed");

  const std::string declared = "[[universe]]\nname = \"leaders\"\nfirst = 20\n";
  const std::string plain = scene.config(from_prices + "3\n" + declared);
  const std::string stable =
      scene.config(from_prices + "3\n[stability]\nband = 10\nnights = 2\nbuffer = 10\n" + declared);
  const Json report =
      scene.json("2024-01-01", "2025-12-31", {"--config", plain, "--against", stable});
  CHECK(report.at("from").str() == "2024-01-01");
  CHECK(report.at("to").str() == "2025-12-31");
  CHECK(report.at("days").integer() == static_cast<long>(nights));
  CHECK(report.at("policies.0.config").str() == plain);
  CHECK(report.at("policies.1.config").str() == stable);
  for (const int policy : {0, 1}) {
    const auto& wanted = policy == 0 ? plain_counts : counts;
    const std::string universes = fmt::format("policies.{}.universes", policy);
    std::size_t checked = 0;
    std::int64_t all = 0;
    for (std::size_t i = 0; i < report.at(universes).size(); ++i) {
      const Json universe = report.at(fmt::format("{}.{}", universes, i));
      all += universe.at("changes").integer();
      const auto found = wanted.find(universe.at("universe").str());
      if (found == wanted.end()) continue;
      ++checked;
      check_universe(universe, found->second);
    }
    CHECK(checked == 6);
    CHECK(report.at(fmt::format("policies.{}.total.changes", policy)).integer() == all);
  }
  CHECK(sum(counts["mid_cap"].changes) < sum(plain_counts["mid_cap"].changes));
  CHECK(scene.fixture.universes().empty());
}

TEST_CASE("a symbol counts from its listing to its delisting, and never where its end is unknown",
          "[postgres]") {
  Scene scene;
  scene.add({.symbol = "ALWAYS"});
  scene.add({.symbol = "LATER", .listing_date = "2024-03-05"});
  scene.add({.symbol = "GONE", .is_active = false, .delisted_date = "2024-03-05"});
  scene.add({.symbol = "AGAIN", .listing_date = "2024-03-02", .delisted_date = "2024-03-01"});
  scene.add({.symbol = "ENDED", .is_active = false});
  scene.add({.symbol = "UNKNOWN", .is_active = std::nullopt});
  scene.add({.symbol = "NO_SHARES", .market_cap = "5e9"}, std::nullopt);
  for (const std::string symbol :
       {"ALWAYS", "LATER", "GONE", "AGAIN", "ENDED", "UNKNOWN", "NO_SHARES", "NO_ROW"}) {
    for (int day = 1; day <= 6; ++day) {
      scene.price(symbol, fmt::format("2024-03-0{}", day), "3000000000");
    }
  }
  const auto members = [&](const std::string& day) {
    return Scene::members(scene.json(day, day, {}), "mid_cap");
  };
  CHECK(members("2024-03-01") == 2);  // ALWAYS, GONE
  CHECK(members("2024-03-02") == 3);  // and AGAIN
  CHECK(members("2024-03-04") == 3);
  CHECK(members("2024-03-05") == 3);  // LATER for GONE
}

TEST_CASE("the latest price counts for as many days as the policy says", "[postgres]") {
  Scene scene;
  scene.add({.symbol = "RARE"});
  scene.add({.symbol = "DAILY"});
  scene.price("RARE", "2024-03-01", "3000000000");
  for (int day = 1; day <= 9; ++day) {
    scene.price("DAILY", fmt::format("2024-03-0{}", day), "3000000000");
  }
  const std::string two = scene.config(from_prices + "2\n");
  const auto members = [&](const std::string& day, const Names& more) {
    return Scene::members(scene.json(day, day, more), "mid_cap");
  };
  CHECK(members("2024-03-03", {"--config", two}) == 2);
  CHECK(members("2024-03-04", {"--config", two}) == 1);
  CHECK(members("2024-03-08", {}) == 2);
  CHECK(members("2024-03-09", {}) == 1);
}

TEST_CASE("text has a row for each universe, CSV a line for each night and universe",
          "[postgres]") {
  Scene scene;
  scene.add({.symbol = "A"});
  for (const auto& [day, close] : std::map<std::string, std::string>{
           {"2024-03-01", "3e9"}, {"2024-03-04", "1.9e9"}, {"2024-03-05", "3e9"}}) {
    scene.price("A", day, close);
  }
  const std::string none = scene.config(
      "[universes]\nbuiltin = false\n[[universe]]\n"
      "name = \"a,b\"\ncap_from = 2e9\n");
  const std::string band = scene.config(
      "[universes]\nbuiltin = false\n[[universe]]\n"
      "name = \"a,b\"\ncap_from = 2e9\nband = 10\n");
  const Names days{"--from", "2024-03-01", "--to", "2024-03-31", "--config", none};
  CHECK(scene.replay(with(days, {"--format", "csv"})).out ==
        fmt::format("day,config,universe,changes,undone,members,off_rule\n"
                    "2024-03-01,{0},\"a,b\",0,0,1,0\n"
                    "2024-03-04,{0},\"a,b\",1,1,0,0\n"
                    "2024-03-05,{0},\"a,b\",1,0,1,0\n",
                    none));
  const std::string json = scene.config("[output]\nformat = \"json\"\n");
  CHECK(Json::parse(
            scene.replay({"--from", "2024-03-01", "--to", "2024-03-31", "--config", json}).out)
            .at("days")
            .integer() == 3);
  const std::string text = scene.replay(with(days, {"--against", band})).out;
  CHECK(
      text ==
      fmt::format(
          "universe  changes a night               95 %    undone  largest      off rule  members\n"
          "a,b             1.0 → 0.0  -100 %  1.0 → 0.0  50 → 0 %    1 → 0  0.0 → 33.3 %    1 → 1\n"
          "all             1.0 → 0.0  -100 %  1.0 → 0.0  50 → 0 %    1 → 0  0.0 → 33.3 %    1 → 1\n"
          "3 days from 2024-03-01 to 2024-03-05; {} → {}\n",
          none, band));
}

TEST_CASE("a replay that can't be made says why", "[postgres]") {
  Scene scene;
  scene.add({.symbol = "A"});
  const Names march{"--from", "2024-03-01", "--to", "2024-03-31"};
  check_failure(scene.replay({}), 64, "replay requires --from and --to");
  check_failure(scene.replay({"--from", "2024-03-01"}), 64, "replay requires --from and --to");
  check_failure(scene.replay({"--from", "2024-03-02", "--to", "2024-03-01"}), 64,
                "--from is after --to");
  check_failure(scene.replay({"--from", "2024-02-30", "--to", "2024-03-01"}), 64, "--from must be");
  check_failure(scene.replay(with(march, {"--format", "xml"})), 64, "--format must be");
  check_failure(scene.replay(with(march, {"--against", "/nowhere.toml"})), 78, "/nowhere.toml");
  check_failure(scene.replay(march), 1,
                "public.ohlcv_daily has no price from 2024-03-01 to 2024-03-31");
  scene.fixture.database().execute("ALTER TABLE symbols DROP COLUMN shares_outstanding");
  check_failure(scene.replay(march), 1, "has no column shares_outstanding");
}

TEST_CASE("the years of a real market come to counts that were computed elsewhere", "[postgres]") {
  const char* const folder = std::getenv("TICKSTOCK_MARKET_YEARS");
  const std::filesystem::path years =
      folder != nullptr ? std::filesystem::path(folder)
                        : std::filesystem::path(TICKSTOCK_SOURCE_DIR) / "../shared/market/years";
  if (!std::filesystem::exists(years / "load.py")) {
    WARN("skipped: there is no folder of market years (TICKSTOCK_MARKET_YEARS)");
    return;
  }
  Scene scene;
  Database& database = scene.fixture.database();
  const ProcessResult dumped = run_process(
      {"python3", "-B", "-c",
       "import sys; sys.path.insert(0, sys.argv[1]); import load\n"
       "for day, rows in load.snapshots():\n"
       "    for row in rows:\n"
       "        if row.delisted == '' and row.cap: print(row.symbol, day, row.cap, sep=',')",
       years.string()},
      {.time_limit = std::chrono::seconds(240)});
  REQUIRE(dumped.status == 0);
  database.execute("CREATE TABLE feed (symbol text, date date, close numeric)");
  database.copy_in("feed", dumped.out);
  const Json wanted = Json::parse(file_text((years / "stability.json").string()));
  std::size_t compared = 0;
  for (const std::string& run : wanted.keys()) {
    const Json range = wanted.member(run);
    const std::string first = range.at("first").str();
    const std::string last = range.at("last").str();
    database.execute("TRUNCATE ohlcv_daily, symbols");
    database.execute(
        "INSERT INTO ohlcv_daily (symbol, date, close) SELECT * FROM feed "
        "WHERE date BETWEEN $1 AND $2",
        {first, last});
    database.execute(
        "INSERT INTO symbols (symbol, is_active, shares_outstanding) "
        "SELECT DISTINCT symbol, true, 1 FROM ohlcv_daily");
    for (const std::string& policy : range.at("policies").keys()) {
      INFO(run << " " << policy);
      const auto number = [&policy](const std::string& word, int otherwise) {
        const std::size_t at = policy.find(word);
        return at == std::string::npos ? otherwise : std::stoi(policy.substr(at + word.size()));
      };
      const std::string config = scene.config(fmt::format(
          "{}{}\n[stability]\nband = {}\nnights = {}\nbuffer = {}\n", from_prices, number("age", 0),
          number("band", 0), number("nights", 1), number("buffer", 0)));
      const Json report = scene.json(first, last, {"--config", config});
      CHECK(report.at("days").integer() == range.at("days").integer());
      const Json counts = range.at("policies").member(policy);
      for (std::size_t i = 0; i < report.at("policies.0.universes").size(); ++i) {
        const Json universe = report.at(fmt::format("policies.0.universes.{}", i));
        const std::string name = universe.at("universe").str();
        if (!counts.has(name)) continue;
        for (const std::string& count : counts.at(name).keys()) {
          INFO(name << " " << count);
          CHECK(universe.at(count).integer() == counts.at(name).at(count).integer());
          ++compared;
        }
      }
    }
  }
  CHECK(compared == 846);
}
