// `explain`: what it prints, how it knows since when, and that it is right about a real database.

#include <cmath>
#include <map>
#include <random>

#include "cli/declared.hpp"

using namespace tickstock::test;

namespace {

Json explain(const Fixture& fixture, const Names& arguments, const Environment& extra = {}) {
  const ProcessResult result =
      fixture.run(with(with({"explain"}, arguments), {"--format", "json"}), extra);
  INFO(result.err);
  REQUIRE(result.status == 0);
  return Json::parse(result.out);
}

/// Returns `mid_cap yes 2024-06-28 night-1`, a line per universe: whether it is a member, since
/// when and by which run.
Names memberships(const Json& document) {
  Names lines;
  for (const Json& each : document.at("universes").items()) {
    const std::string since = each.at("since").is_null() ? "-" : each.at("since").str();
    const std::string run = each.at("run_id").is_null() ? "-" : each.at("run_id").str();
    lines.push_back(fmt::format("{} {} {} {}", each.at("universe").str(),
                                each.at("member").boolean() ? "yes" : "no", since, run));
  }
  return lines;
}

bool all_hold(const Json& universe) {
  for (const Json& each : universe.at("conditions").items()) {
    if (!each.at("holds").boolean()) return false;
  }
  return true;
}

/// A small market after its first night.
struct FirstNight {
  Fixture fixture;

  explicit FirstNight(bool has_own_tables = true) {
    add_small_market(fixture);
    if (has_own_tables) REQUIRE(fixture.run({"init"}).status == 0);
    REQUIRE(run_task(fixture, {"sync", "--run-id", "night-1", "-q"}).status == 0);
  }

  void set(const std::string& symbol, const std::string& changes) {
    fixture.database().execute("UPDATE symbols SET " + changes + " WHERE symbol = $1", {symbol});
  }
  void fails(const Names& arguments, int status, const std::string& part) {
    const Names command = with({"explain"}, arguments);
    check_failure(fixture.run(command), status, part);
    check_failure_document(fixture.run(with(command, {"--format", "json"})), status, part);
  }
  std::string text(const Names& arguments) {
    const ProcessResult result = fixture.run(with({"explain"}, arguments));
    INFO(result.err);
    CHECK(result.status == 0);
    return result.out;
  }
};

}  // namespace

TEST_CASE("why a symbol is where it is reads like a few sentences") {
  FirstNight scene;
  CHECK(scene.text({"LARGE", "large_cap"}) ==
        "LARGE: $20.00 B, rank 2 of 7\n"
        "\n"
        "large_cap: a member since 2024-06-28, run night-1\n"
        "  yes active\n"
        "  yes market cap of at least $10 B: $20.00 B\n"
        "  yes market cap below $200 B: $20.00 B\n"
        "  yes not taken by another universe of group categories: this one holds it\n"
        "  It leaves below $10 B, or at $200 B or more.\n");
  CHECK(scene.text({"GONE", "tech"}) ==
        "GONE: delisted 2024-06-27\n"
        "\n"
        "tech: not a member since 2024-06-28, run night-1\n"
        "  no  added by another program: not added\n"
        "  No rule adds to this entry.\n");
  CHECK(scene.text({"MEGA", "tech"}) ==
        "MEGA: $300.00 B, rank 1 of 7\n"
        "\n"
        "tech: a member\n"
        "  yes not delisted: active\n"
        "  Only a delisting removes it; no rule adds to this entry.\n");
}

TEST_CASE("explain says how far behind a symbol is, in dollars and in ranks") {
  FirstNight scene;
  const TemporaryDirectory directory;
  const std::string path = directory.write("c.toml", "[[universe]]\nname = 'three'\nfirst = 3\n");
  REQUIRE(run_task(scene.fixture, {"sync", "--config", path, "--run-id", "night-2"}).status == 0);
  scene.set("MID", "market_cap = 3999999999");
  const std::string behind =
      "MID: $4.00 B, rank 4 of 7\n"
      "\n"
      "three: not a member\n"
      "  yes active\n"
      "  yes has a market cap: $4.00 B\n"
      "  no  rank 3 or better: rank 4\n"
      "  It needs $1 more, or 1 rank.\n";
  CHECK(scene.text({"MID", "three", "--config", path}) == behind);
  CHECK_THAT(scene.text({"NEW", "three", "--config", path}),
             contains("  yes rank 3 or better: rank 3\n"
                      "  It leaves with $1 less, or 1 rank down.\n"));
}

TEST_CASE("a bound is told from a market cap just beside it") {
  FirstNight scene;
  scene.set("LARGE", "market_cap = 9999999999.99");
  CHECK_THAT(scene.text({"LARGE", "large_cap"}),
             contains("  no  market cap of at least $10 B: $9999999999.99\n"
                      "  yes market cap below $200 B: $10.00 B\n"));
}

TEST_CASE("if the entry does not match the data, explain predicts the next run") {
  FirstNight scene;
  scene.set("LARGE", "market_cap = 5000000000");
  CHECK_THAT(scene.text({"LARGE", "large_cap"}),
             contains("large_cap: a member since 2024-06-28, run night-1\n") &&
                 contains("  The next run removes it; to stay, it needs $5 B more.\n"));
  CHECK_THAT(scene.text({"LARGE", "mid_cap"}),
             contains("mid_cap: not a member\n") && contains("  The next run adds it.\n"));
}

TEST_CASE("the document has the conditions of each universe, and since when by which run") {
  FirstNight scene;
  scene.set("MID", "market_cap = 500000000");
  REQUIRE(run_task(scene.fixture, {"sync", "--run-id", "night-2"}).status == 0);
  const Json document = explain(scene.fixture, {"MID"});
  CHECK(document.keys() == Names{"schema_version", "symbol", "as_of", "universes"});
  CHECK(document.at("symbol").str() == "MID");
  CHECK(memberships(document) ==
        Names{"mega_cap no - -", "large_cap no - -", "mid_cap no 2024-06-28 night-2",
              "small_cap yes 2024-06-28 night-2", "micro_cap no - -",
              "top_100 yes 2024-06-28 night-1", "top_500 yes 2024-06-28 night-1",
              "top_1000 yes 2024-06-28 night-1", "top_2000 yes 2024-06-28 night-1",
              "recent_ipos no - -", "tech yes - -"});
  const Json one = explain(scene.fixture, {"MID", "small_cap"}).at("universes").items().front();
  CHECK(one.keys() == Names{"universe", "member", "since", "run_id", "conditions"});
  const Json condition = one.at("conditions").items().at(1);
  CHECK(condition.keys() == Names{"condition", "value", "holds"});
  CHECK(condition.at("condition").str() == "market cap of at least $300 M");
  CHECK(condition.at("value").str() == "$500.00 M");
  CHECK(condition.at("holds").boolean());
}

TEST_CASE("a journalled change that does not fit the entry is not shown") {
  FirstNight scene;
  scene.fixture.database().execute(
      "UPDATE cache_entries SET content = jsonb_set(content, '{symbols}', '[]') "
      "WHERE universe = 'mid_cap'");
  CHECK(memberships(explain(scene.fixture, {"MID", "mid_cap"})) == Names{"mid_cap no - -"});
}

TEST_CASE("without the own tables, or the right to read them, nothing is known of the past") {
  FirstNight without(false);
  CHECK(memberships(explain(without.fixture, {"MID", "mid_cap"})) == Names{"mid_cap yes - -"});
  FirstNight scene;
  const std::string role = make_role(scene.fixture);
  scene.fixture.database().execute("GRANT SELECT ON symbols, cache_entries TO " + role);
  CHECK(memberships(explain(scene.fixture, {"MID", "mid_cap"}, as_role(scene.fixture, role))) ==
        Names{"mid_cap yes - -"});
}

TEST_CASE("an unknown symbol or universe fails with the name that was meant") {
  FirstNight scene;
  scene.fixture.set_entry("desk", "desk", R"({"symbols": ["MID"], "count": 1})");
  scene.fails({"mid"}, 1, "no symbol 'mid' is known. Did you mean 'MID'?");
  scene.fails({"LARGR"}, 1, "Did you mean 'LARGE'?");
  scene.fails({"MID", "mid_cup"}, 1, "no universe 'mid_cup' is known. Did you mean 'mid_cap'?");
  scene.fails({"MID", "desk"}, 1, "entries of type 'desk' are not cleaned");
  scene.fails({}, 64, "explain requires a symbol");
  scene.fails({"MID", "mid_cap", "more"}, 64, "unexpected argument");
}

TEST_CASE("a symbol that only an entry names is explained") {
  FirstNight scene;
  scene.fixture.set_entry("hand", "theme", R"({"symbols": ["GHOST"], "count": 1})");
  CHECK_THAT(scene.text({"GHOST"}),
             contains("GHOST: not in the symbols table\n") &&
                 contains("  no  active: not in the symbols table\n") &&
                 contains("hand: a member\n  yes not delisted: not in the symbols table\n"));
  scene.fixture.set_entry("hand", "theme", R"({"symbols": "GHOST"})");
  CHECK_THAT(scene.text({"MID", "hand"}),
             contains("hand: not a member\n  no  its content can be read: ") &&
                 contains("  Its content can't be read, so it is left unchanged.\n"));
}

namespace {

/// A random market with declared universes, in a real database.
struct RandomMarket {
  std::mt19937 random{7};
  Names symbols;
  Declared scene{R"(
[market]
issuer = "issuer"
[stability]
band = 10
nights = 2
buffer = 20
[[universe]]
name = "sector_{sector}"
each = "sector"
type = "sector"
[[universe]]
name = "five"
first = 5
include = ["S03"]
exclude = ["S04"]
[[universe]]
name = "lines"
cap_from = 1e9
lines = "primary"
[[universe]]
name = "chips"
match = { industry = ["Chips"] }
except = { sector = ["Energy"] }
cap_below = 1e11
[[universe]]
name = "kept"
listed_within = 40
maintain = "additions"
)"};

  RandomMarket() {
    for (int i = 0; i < 12; ++i) {
      symbols.push_back(fmt::format("S{:02}", i));
      scene.add({.symbol = symbols.back(), .market_cap = "1e9"}, "Chips");
    }
    scene.fixture.set_entry("theme_old", "theme", R"({"symbols": ["S00", "S01"], "count": 2})");
    REQUIRE(scene.fixture.run({"init"}).status == 0);
  }

  int of(int sides) { return std::uniform_int_distribution(0, sides - 1)(random); }

  void shake() {
    const Names sectors{"'Energy'", "'Technology'", "NULL", "' Energy '"};
    for (const std::string& symbol : symbols) {
      if (of(2) == 0) continue;
      scene.set(symbol, "market_cap", std::to_string(std::pow(10, 7.5 + of(500) / 100.0)));
      scene.set(symbol, "sector", sectors[static_cast<std::size_t>(of(4))]);
      scene.set(symbol, "industry", of(3) == 0 ? "'Drugs'" : "'Chips'");
      scene.set(symbol, "issuer", of(3) == 0 ? "'A'" : "NULL");
      scene.set(symbol, "is_active", of(6) == 0 ? "false" : "true");
      scene.set(symbol, "listing_date", of(4) == 0 ? "current_date - 20" : "'2001-02-03'");
    }
  }

  void sync() {
    const ProcessResult run = scene.fixture.run({"sync", "-q", "--config", scene.path()});
    INFO(run.err);
    REQUIRE(run.status == 0);
  }
  bool is_member(const std::string& symbol, const std::string& universe) {
    const Names members = scene.has(universe) ? scene.fixture.members(universe) : Names();
    return std::count(members.begin(), members.end(), symbol) > 0;
  }
  std::vector<Json> told(const std::string& symbol, const std::string& universe = "") {
    Names arguments{symbol};
    if (!universe.empty()) arguments.push_back(universe);
    return explain(scene.fixture, with(arguments, {"--config", scene.path()}))
        .at("universes")
        .items();
  }

  /// Changes the row of a symbol so that a condition holds. \return whether it knows how
  bool meet(const std::string& symbol, const std::string& condition) {
    if (condition == "active") {
      scene.set(symbol, "is_active", "true");
    } else if (condition.starts_with("market cap of at least $")) {
      const double unit = condition.find(" B") == std::string::npos ? 1e6 : 1e9;
      scene.set(symbol, "market_cap", std::to_string(std::stod(condition.substr(24)) * unit));
    } else if (condition.starts_with("rank ")) {
      scene.set(symbol, "market_cap", "9e14");
    } else if (condition.starts_with("industry is ")) {
      scene.set(symbol, "industry", "'" + condition.substr(12) + "'");
    } else if (condition == "the line of its issuer that counts") {
      scene.set(symbol, "issuer", "NULL");
    } else if (condition.starts_with("listed within ")) {
      scene.set(symbol, "listing_date", "current_date - 3");
    } else {
      return false;
    }
    return true;
  }
  bool meet_all(const std::string& symbol, const std::string& universe) {
    for (int i = 0; i < 5; ++i) {
      const Json why = told(symbol, universe).front();
      if (all_hold(why)) return true;
      for (const Json& each : why.at("conditions").items()) {
        if (each.at("holds").boolean()) continue;
        if (!meet(symbol, each.at("condition").str())) return false;
      }
    }
    return false;
  }
};

}  // namespace

TEST_CASE("runs over random nights of a real database do what explain says") {
  RandomMarket market;
  for (int night = 0; night < 4; ++night) {
    market.shake();
    std::map<std::string, std::vector<Json>> foretold;
    for (const std::string& symbol : market.symbols) foretold[symbol] = market.told(symbol);
    market.sync();
    for (const std::string& symbol : market.symbols) {
      const std::vector<Json> after = market.told(symbol);
      for (std::size_t i = 0; i < after.size(); ++i) {
        const std::string universe = after[i].at("universe").str();
        INFO("night " << night << ", " << symbol << " in " << universe);
        const bool is_member = market.is_member(symbol, universe);
        CHECK(after[i].at("member").boolean() == is_member);
        CHECK(all_hold(after[i]) == is_member);
      }
      for (const Json& each : foretold[symbol]) {
        const std::string universe = each.at("universe").str();
        INFO("before night " << night << ", " << symbol << " in " << universe);
        CHECK(all_hold(each) == market.is_member(symbol, universe));
      }
    }
  }
}

TEST_CASE("in a real database, symbols that meet the named conditions join and others leave") {
  RandomMarket market;
  market.shake();
  market.sync();
  int came = 0;
  int left = 0;
  for (const std::string& symbol : market.symbols) {
    const std::vector<Json> all = market.told(symbol);
    for (int pick = 0; pick < 3; ++pick) {
      const std::string universe =
          all[static_cast<std::size_t>(market.of(static_cast<int>(all.size())))]
              .at("universe")
              .str();
      INFO(symbol << " in " << universe);
      if (!market.is_member(symbol, universe)) {
        if (!market.meet_all(symbol, universe)) continue;
        market.sync();
        CHECK(market.is_member(symbol, universe));
        ++came;
      } else {
        market.scene.set(symbol, "is_active", "false");
        CHECK_FALSE(all_hold(market.told(symbol, universe).front()));
        market.sync();
        CHECK_FALSE(market.is_member(symbol, universe));
        ++left;
      }
    }
  }
  CHECK(came > 3);
  CHECK(left > 3);
}
