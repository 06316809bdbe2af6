// Universes that the configuration declares: each key, and each way to get one wrong.

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// A fixture with a configuration file that declares universes.
class Declared {
 public:
  explicit Declared(const std::string& toml) {
    fixture.database().execute(
        "ALTER TABLE symbols ADD COLUMN issuer text, ADD COLUMN etf boolean");
    declare(toml);
  }

  void declare(const std::string& toml) { path_ = directory_.write("config.toml", toml); }

  /// A symbol with more columns than the fixture knows.
  void add(const SymbolRow& row, const std::string& industry = "", const std::string& issuer = "") {
    fixture.add_symbol(row);
    fixture.database().execute(
        "UPDATE symbols SET industry = nullif($2, ''), issuer = nullif($3, '') WHERE symbol = $1",
        {row.symbol, industry, issuer});
  }

  ProcessResult run(const Names& arguments) {
    return run_task(fixture, with(arguments, {"--config", path_}));
  }
  Json json(const Names& arguments, int status = 0) {
    return run_json(fixture, with(arguments, {"--config", path_}), status);
  }
  /// Runs a task that has to succeed, and says what a universe holds then.
  Names after(const std::string& task, const std::string& universe) {
    const ProcessResult result = run({task});
    INFO("standard error: " << result.err);
    REQUIRE(result.status == 0);
    return has(universe) ? fixture.members(universe) : Names{"(no entry)"};
  }
  bool has(const std::string& universe) {
    const Names all = fixture.universes();
    return std::count(all.begin(), all.end(), universe) > 0;
  }
  void set(const std::string& symbol, const std::string& column, const std::string& value) {
    fixture.database().execute(
        "UPDATE symbols SET " + column + " = " + value + " WHERE symbol = $1", {symbol});
  }
  std::string metadata(const std::string& universe) {
    return fixture.database().value(
        "SELECT content->'metadata' FROM cache_entries WHERE universe = $1", {universe});
  }

  Fixture fixture;
  const std::string& path() const { return path_; }

 private:
  TemporaryDirectory directory_;
  std::string path_;
};

const std::string no_builtin = "[universes]\nbuiltin = false\n";

/// Some companies of two sectors.
void add_sectors(Declared& scene) {
  scene.add({.symbol = "BIG", .market_cap = "9e9", .sector = "Technology"}, "Chips");
  scene.add({.symbol = "MED", .market_cap = "5e9", .sector = " Technology "}, "Software");
  scene.add({.symbol = "LOW", .market_cap = "1e9", .sector = "Health Care"}, "Drugs");
  scene.add({.symbol = "NONE", .sector = "Health Care"}, "Drugs");
  scene.add({.symbol = "BLANK", .market_cap = "2e9", .sector = "  "}, "Chips");
  scene.add({.symbol = "GONE", .market_cap = "8e9", .is_active = false, .sector = "Technology"});
}

}  // namespace

TEST_CASE("each makes a universe for every label, and keeps it when the label is gone") {
  Declared scene(
      no_builtin +
      "[[universe]]\nname = \"sector_{sector}\"\neach = \"sector\"\ntype = \"sector\"\n");
  add_sectors(scene);
  CHECK(scene.after("sync", "sector_technology") == Names{"BIG", "MED"});
  CHECK(scene.fixture.members("sector_health_care") == Names{"LOW", "NONE"});
  CHECK(scene.fixture.universes() == Names{"sector_health_care", "sector_technology"});
  CHECK(scene.metadata("sector_health_care") == R"({"type": "sector", "sector": "Health Care"})");
  CHECK(scene.fixture.entry_type("sector_technology") == "sector");

  SECTION("a change of sector moves a symbol, and a second run changes nothing") {
    scene.set("MED", "sector", "'Health Care'");
    CHECK(scene.after("themes", "sector_technology") == Names{"BIG"});
    CHECK(scene.fixture.members("sector_health_care") == Names{"MED", "LOW", "NONE"});
    const Names before = scene.fixture.entries_dump();
    REQUIRE(scene.run({"sync"}).status == 0);
    CHECK(scene.fixture.entries_dump() == before);
  }
  SECTION("a label that turns blank keeps its symbol, another label takes it away") {
    scene.set("MED", "sector", "NULL");
    CHECK(scene.after("sync", "sector_technology") == Names{"BIG", "MED"});
    scene.set("MED", "is_active", "false");
    CHECK(scene.after("sync", "sector_technology") == Names{"BIG"});
  }
  SECTION("a label that vanishes leaves an empty list") {
    scene.set("LOW", "sector", "'Technology'");
    scene.set("NONE", "sector", "'Technology'");
    CHECK(scene.after("sync", "sector_health_care") == Names{});
    CHECK(scene.metadata("sector_health_care") == R"({"type": "sector", "sector": "Health Care"})");
    CHECK(scene.fixture.members("sector_technology") == Names{"BIG", "MED", "LOW", "NONE"});
  }
  SECTION("labels with one slug are one universe, named after the first in byte order") {
    scene.set("MED", "sector", "'TECHNOLOGY!'");
    CHECK(scene.after("sync", "sector_technology") == Names{"BIG", "MED"});
    CHECK(scene.metadata("sector_technology") == R"({"type": "sector", "sector": "TECHNOLOGY!"})");
  }
  SECTION("a label without a slug is left out with a warning") {
    scene.set("MED", "sector", "'***'");
    const ProcessResult result = scene.run({"sync"});
    CHECK(result.status == 0);
    CHECK_THAT(result.err, contains("'sector_{sector}' leaves out labels of column sector"));
    CHECK_THAT(result.err, contains("***"));
    CHECK(scene.fixture.members("sector_technology") == Names{"BIG"});
  }
  SECTION("a row of another family or of nobody's is left as it is") {
    scene.fixture.set_entry("sector_energy", "sector",
                            R"({"symbols": ["BIG"], "count": 1, "metadata": {"type": "sector"}})");
    CHECK(scene.after("sync", "sector_energy") == Names{"BIG"});
  }
  SECTION("a row of another type under a name of the family is taken over") {
    scene.set("LOW", "sector", "'Energy'");
    scene.fixture.set_entry("sector_energy", "etf", R"({"symbols": ["BIG"], "count": 1})");
    const ProcessResult result = scene.run({"sync", "--dry-run"});
    CHECK_THAT(result.err, contains("'sector_energy' of type 'etf' stands under a reserved name"));
    CHECK(scene.after("sync", "sector_energy") == Names{"LOW"});
  }
}

TEST_CASE("the leaders of each label are its first, and a blank label leaves them") {
  Declared scene(no_builtin +
                 "[[universe]]\nname = \"top_{sector}_now\"\neach = \"sector\"\n"
                 "type = \"sector_leader\"\nfirst = 1\n");
  add_sectors(scene);
  CHECK(scene.after("sync", "top_technology_now") == Names{"BIG"});
  CHECK(scene.fixture.members("top_health_care_now") == Names{"LOW"});
  scene.set("BIG", "sector", "''");
  CHECK(scene.after("sync", "top_technology_now") == Names{"MED"});
  scene.set("MED", "sector", "'x'");
  CHECK(scene.after("sync", "top_technology_now") == Names{});
}

TEST_CASE("more labels than a thousand are refused by name") {
  Declared scene("[[universe]]\nname = \"of_{issuer}\"\neach = \"issuer\"\n");
  scene.fixture.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active, issuer) "
      "SELECT 'S' || i, 1e9, true, 'Issuer ' || i FROM generate_series(1, 1001) i");
  check_fails(scene.fixture, {"sync", "--config", scene.path()}, 1,
              "universe 'of_{issuer}' would be made for each of 1001 labels of column issuer");
  scene.fixture.database().execute("UPDATE symbols SET is_active = false WHERE symbol = 'S1'");
  CHECK(scene.after("themes", "of_issuer_2") == Names{"S2"});
}

TEST_CASE("two families that make one name are refused; a literal name wins") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "x_{sector}"
each = "sector"
[[universe]]
name = "x_{industry}"
each = "industry"
)");
  add_sectors(scene);
  REQUIRE(scene.run({"sync"}).status == 0);
  scene.set("BIG", "industry", "'technology'");
  check_fails(scene.fixture, {"sync", "--config", scene.path()}, 1,
              "'x_{sector}' and 'x_{industry}' both make the universe 'x_technology'");
  scene.declare(no_builtin + R"(
[[universe]]
name = "x_{sector}"
each = "sector"
[[universe]]
name = "x_technology"
include = ["LOW"]
)");
  CHECK(scene.after("sync", "x_technology") == Names{"LOW"});
  CHECK(scene.fixture.members("x_health_care") == Names{"LOW", "NONE"});
}

TEST_CASE("match, except, caps and windows are all asked for") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "theme"
match = { industry = [" Chips ", "Drugs"], sector = ["Technology", "Health Care"] }
except = { etf = ["true"] }
cap_from = 1e9
cap_below = 9_000_000_000
[[universe]]
name = "young"
listed_within = 10
order = "newest"
[[universe]]
name = "others"
except = { sector = ["Technology"] }
order = "symbol"
)");
  add_sectors(scene);
  CHECK(scene.after("sync", "theme") == Names{"LOW"});
  CHECK_FALSE(scene.has("young"));
  CHECK(scene.fixture.members("others") == Names{"BLANK", "LOW", "NONE"});
  scene.set("BIG", "market_cap", "8999999999");
  scene.set("NONE", "market_cap", "7e9");
  scene.set("LOW", "etf", "true");
  scene.set("LOW", "listing_date", "'2024-06-19'");
  scene.set("MED", "listing_date", "'2024-06-28'");
  scene.set("BIG", "listing_date", "'2024-06-18'");
  CHECK(scene.after("sync", "theme") == Names{"BIG", "NONE"});
  CHECK(scene.fixture.members("young") == Names{"MED", "LOW"});
}

TEST_CASE("included symbols are members while active, excluded ones never") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "chips"
match = { industry = ["Chips"] }
include = ["NONE", "GONE", "NOBODY"]
exclude = ["BLANK"]
[[universe]]
name = "top_2"
first = 2
include = ["LOW", "NONE"]
[[universe]]
name = "hand"
include = ["NONE", "LOW"]
)");
  add_sectors(scene);
  const ProcessResult result = scene.run({"sync"});
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("universe 'chips' includes what is not in the symbols table"));
  CHECK_THAT(result.err, contains("NOBODY"));
  CHECK(scene.fixture.members("chips") == Names{"BIG", "NONE"});
  CHECK(scene.fixture.members("top_2") == Names{"BIG", "LOW"});
  CHECK(scene.fixture.members("hand") == Names{"LOW", "NONE"});
}

TEST_CASE("universes of a group share no member, and bounds follow from those before") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "giants"
group = "size"
cap_from = 5e9
include = ["LOW"]
[[universe]]
name = "middle"
group = "size"
cap_from = 1e9
[[universe]]
name = "rest"
group = "size"
cap_from = 1
)");
  add_sectors(scene);
  CHECK(scene.after("sync", "giants") == Names{"BIG", "MED", "LOW"});
  CHECK(scene.fixture.members("middle") == Names{"BLANK"});
  CHECK_FALSE(scene.has("rest"));
  // From the smallest to the largest in a night, and back.
  scene.set("BLANK", "market_cap", "5");
  CHECK(scene.after("sync", "rest") == Names{"BLANK"});
  scene.set("BLANK", "market_cap", "50e9");
  CHECK(scene.after("themes", "giants") == Names{"BLANK", "BIG", "MED", "LOW"});
  CHECK(scene.fixture.members("rest") == Names{});
}

TEST_CASE("a declared universe may join the categories behind them") {
  Declared scene("[[universe]]\nname = \"nano_cap\"\ngroup = \"categories\"\ncap_from = 1e6\n");
  add_small_market(scene.fixture);
  CHECK(scene.after("themes", "nano_cap") == Names{"TINY"});
  CHECK(scene.metadata("nano_cap") == R"({"type": "theme"})");
  const Json document = scene.json({"sync", "--dry-run"});
  CHECK(document.at("task_results").keys() == Names{"market_cap_recalculation", "ipo_assignment",
                                                    "theme_rebalancing", "delisted_cleanup"});
}

TEST_CASE("a built-in name replaces the built-in universe, in its place") {
  Declared scene(R"(
[[universe]]
name = "mega_cap"
cap_from = 250e9
[[universe]]
name = "top_100"
first = 2
[[universe]]
name = "recent_ipos"
listed_within = 5
)");
  add_small_market(scene.fixture);
  scene.add({.symbol = "NEARLY", .market_cap = "240e9", .listing_date = "2024-06-24"});
  Subscriber subscriber(scene.fixture.redis());
  CHECK(scene.after("sync", "mega_cap") == Names{"MEGA"});
  CHECK(announced_universes(subscriber.drain()) == small_market_writes);
  CHECK(scene.fixture.members("large_cap") == Names{"NEARLY", "LARGE"});
  CHECK(scene.fixture.members("top_100") == Names{"MEGA", "NEARLY"});
  CHECK(scene.fixture.members("recent_ipos") == Names{"NEARLY"});
  CHECK(scene.fixture.entry_type("mega_cap") == "market_cap");
  CHECK(scene.metadata("mega_cap") ==
        R"({"type": "market_cap_category", "market_cap_range": "mega_cap"})");
  CHECK(scene.metadata("top_100") == R"({"rank": "top_100", "type": "market_leader"})");
}

TEST_CASE("without the built-in ten only what is declared is kept") {
  Declared scene(no_builtin + "[[universe]]\nname = \"mega_cap\"\nfirst = 1\n");
  add_small_market(scene.fixture);
  const Json document = scene.json({"sync"});
  CHECK(scene.fixture.universes() == Names{"mega_cap", "tech"});
  CHECK(scene.fixture.entry_type("mega_cap") == "theme");
  CHECK(document.at("task_results.market_cap_recalculation.changes_count").integer() == 0);
  CHECK(document.at("task_results.theme_rebalancing.changes_count").integer() == 1);
}

TEST_CASE("additions keep who stands there, and every other key") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "hand"
match = { sector = ["Technology"] }
exclude = ["LOW"]
maintain = "additions"
order = "symbol"
)");
  add_sectors(scene);
  scene.fixture.set_entry("hand", "theme", R"({"symbols": ["STRANGER", "LOW", "NONE", "GONE"],
      "count": 4, "owner": "desk 7", "weight": 1.50, "metadata": {"by": "hand"}})");
  CHECK(scene.after("themes", "hand") == Names{"STRANGER", "NONE", "BIG", "MED"});
  CHECK(scene.fixture.database().value("SELECT content - 'symbols' - 'last_updated' FROM "
                                       "cache_entries WHERE universe = 'hand'") ==
        R"({"count": 4, "owner": "desk 7", "weight": 1.50, "metadata": {"by": "hand"}})");
  scene.set("BIG", "sector", "'Finance'");
  const Names before = scene.fixture.entries_dump();
  CHECK(scene.after("sync", "hand") == Names{"STRANGER", "NONE", "BIG", "MED"});
  CHECK(scene.fixture.entries_dump() == before);
  scene.set("BIG", "is_active", "false");
  CHECK(scene.after("sync", "hand") == Names{"STRANGER", "NONE", "MED"});

  SECTION("what can't be read is left alone with a warning") {
    scene.fixture.set_entry("hand", "theme", R"({"symbols": "MED"})");
    const Names unreadable = scene.fixture.entries_dump();
    const ProcessResult result = scene.run({"sync"});
    CHECK(result.status == 0);
    CHECK_THAT(result.err, contains("the content of entry 'hand' is not an object"));
    CHECK(scene.fixture.entries_dump() == unreadable);
  }
  SECTION("another type is taken over, and what stands there stays") {
    scene.fixture.set_entry("hand", "etf", R"({"symbols": ["NONE"], "count": 1, "k": 1})");
    CHECK(scene.after("sync", "hand") == Names{"NONE", "MED"});
    CHECK(scene.fixture.entry_type("hand") == "theme");
    CHECK(scene.fixture.content("hand").at("k").integer() == 1);
  }
  SECTION("a missing entry is created") {
    scene.fixture.database().execute("DELETE FROM cache_entries");
    CHECK(scene.after("sync", "hand") == Names{"MED"});
    CHECK(scene.metadata("hand") == R"({"type": "theme"})");
  }
}

TEST_CASE("one line of each issuer counts, and stays until another exceeds it") {
  Declared scene(no_builtin + R"(
[market]
issuer = "issuer"
[[universe]]
name = "companies"
first = 3
lines = "primary"
)");
  scene.add({.symbol = "GOOG", .market_cap = "4.1e12"}, "", "Alphabet");
  scene.add({.symbol = "GOOGL", .market_cap = "4.2e12"}, "", " Alphabet ");
  scene.add({.symbol = "AAPL", .market_cap = "3e12"}, "", "Apple");
  scene.add({.symbol = "ODD", .market_cap = "2e12"});
  scene.add({.symbol = "EVEN", .market_cap = "1e12"});
  CHECK(scene.after("sync", "companies") == Names{"GOOGL", "AAPL", "ODD"});
  scene.set("GOOG", "market_cap", "4.2e12");
  CHECK(scene.after("sync", "companies") == Names{"GOOGL", "AAPL", "ODD"});
  scene.set("GOOG", "market_cap", "4.3e12");
  CHECK(scene.after("sync", "companies") == Names{"GOOG", "AAPL", "ODD"});
  scene.set("GOOGL", "market_cap", "4.3e12");
  CHECK(scene.after("sync", "companies") == Names{"GOOG", "AAPL", "ODD"});
  scene.fixture.database().execute("DELETE FROM cache_entries");
  CHECK(scene.after("sync", "companies") == Names{"GOOG", "AAPL", "ODD"});
}

TEST_CASE("themes is a task, a mode and an event like the others") {
  Declared scene(
      "[[universe]]\nname = \"sector_{sector}\"\neach = \"sector\"\ntype = \"sector\"\n"
      "[[universe]]\nname = \"all\"\ncap_from = 1\n"
      "[events]\nmax_universe_events = 1\n");
  add_sectors(scene);
  REQUIRE(scene.fixture.run({"init"}).status == 0);
  scene.add({.symbol = "NEW",
             .market_cap = "1e9",
             .listing_date = "2024-06-20",
             .company_name = "New Corp",
             .sector = "Technology"});
  Subscriber subscriber(scene.fixture.redis());
  const Json document = scene.json({"themes", "--run-id", "t1"});
  CHECK(document.at("mode").str() == "themes");
  CHECK(document.at("total_changes").integer() == 3);
  CHECK(task_lines(document) == Names{"theme_rebalancing success 3"});
  const Json change = document.at("task_results.theme_rebalancing.changes").items().at(0);
  CHECK(change.at("change_type").str() == "theme_update");
  CHECK(change.at("action").str() == "updated");
  CHECK(change.at("reason").str() == "Declared universe: 2 symbols");
  CHECK(change.at("metadata.added_symbols").strings() == Names{"LOW", "NONE"});
  CHECK(event_lines(subscriber.drain()) ==
        Names{"cache_sync_triggered", "universe_updated sector_health_care",
              "universe_updated sector_technology", "universe_updated all", "ipo_assigned NEW",
              "ipo_assigned NEW", "cache_sync_completed"});
  CHECK(
      scene.fixture.database().value("SELECT string_agg(task || ' ' || universe || ' ' || action, "
                                     "',' ORDER BY universe) FROM cache_sync_changes") ==
      "theme_rebalancing all updated,theme_rebalancing sector_health_care updated,"
      "theme_rebalancing sector_technology updated");
  CHECK(Json::parse(scene.fixture.run({"status", "t1", "--format", "json"}).out).at("mode").str() ==
        "themes");
}

TEST_CASE("themes without a declaration does nothing") {
  Fixture fixture;
  add_small_market(fixture);
  const Json document = run_json(fixture, {"themes"});
  CHECK(document.at("total_changes").integer() == 0);
  CHECK(fixture.universes() == Names{"tech"});
}

TEST_CASE("a column that is not there is named, in check too") {
  Declared scene("[[universe]]\nname = \"x_{nope}\"\neach = \"nope\"\n");
  add_small_market(scene.fixture);
  check_fails(scene.fixture, {"sync", "--config", scene.path()}, 1, "has no column 'nope'");
  scene.declare(
      "[market]\nissuer = \"cik\"\n[[universe]]\nname = \"x\"\nfirst = 1\n"
      "lines = \"primary\"\n");
  check_fails(scene.fixture, {"sync", "--config", scene.path()}, 1, "has no column 'cik'");
  scene.declare("[[universe]]\nname = \"x\"\nmatch = { indutry = [\"Chips\"] }\n");
  check_fails(scene.fixture, {"sync", "--config", scene.path()}, 1, "has no column 'indutry'");
  const ProcessResult check = scene.fixture.run({"check", "--config", scene.path()});
  CHECK(check.status == 1);
  CHECK_THAT(check.out, contains("has no column 'indutry'"));
}

TEST_CASE("a column of any name and type is asked for by its name") {
  Declared scene(no_builtin +
                 "[[universe]]\nname = \"x\"\nmatch = { 'we\"ird {cap}' = [\"7\"] }\n");
  add_sectors(scene);
  scene.fixture.database().execute("ALTER TABLE symbols ADD COLUMN \"we\"\"ird {cap}\" int");
  scene.set("MED", "\"we\"\"ird {cap}\"", "7");
  CHECK(scene.after("sync", "x") == Names{"MED"});
}

TEST_CASE("columns that no declaration names are not read") {
  Declared scene(no_builtin + "[[universe]]\nname = \"x\"\nmatch = { industry = [\"Chips\"] }\n");
  add_sectors(scene);
  const std::string role = make_role(scene.fixture);
  REQUIRE(scene.fixture.run({"init"}).status == 0);
  scene.fixture.database().execute(
      scene.fixture.run({"init", "--print-grants", role, "--config", scene.path()}).out);
  const ProcessResult result =
      run_task(scene.fixture, {"sync", "--config", scene.path()}, as_role(scene.fixture, role));
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(scene.fixture.members("x") == Names{"BIG", "BLANK"});
  CHECK(scene.fixture.database().value("SELECT has_column_privilege('" + role +
                                       "', 'symbols', 'issuer', 'SELECT')") == "f");
}

TEST_CASE("which types are cleaned can be set") {
  Declared scene("[delisted]\ntypes = [\"etf\"]\n");
  add_small_market(scene.fixture);
  scene.fixture.set_entry("fund", "etf", R"({"symbols": ["GONE", "MID"], "count": 2})");
  CHECK(scene.after("delisted", "fund") == Names{"MID"});
  CHECK(scene.fixture.members("tech") == Names{"MID", "GONE", "MEGA"});
}

TEST_CASE("check says what declarations make of the data") {
  Declared scene(R"(
[[universe]]
name = "sector_{sector}"
each = "sector"
[[universe]]
name = "nothing"
match = { industry = ["Chipz"] }
include = ["NOBODY"]
)");
  add_sectors(scene);
  const ProcessResult result = scene.fixture.run({"check", "--config", scene.path()});
  CHECK_THAT(result.out, contains("declared universe 'sector_{sector}': 2 universes, 4 members"));
  CHECK_THAT(result.out,
             contains("declared universe 'nothing': 0 members; look at its conditions"));
  CHECK_THAT(result.out, contains("no symbol has 'Chipz' in column industry"));
  CHECK_THAT(result.out,
             contains("declared universe 'nothing' includes 'NOBODY', which is not in"));
  scene.fixture.database().execute(
      "ALTER TABLE cache_entries ALTER COLUMN universe TYPE varchar(12)");
  const ProcessResult narrow = scene.fixture.run({"check", "--config", scene.path()});
  CHECK(narrow.status == 1);
  CHECK_THAT(narrow.out, contains("'sector_technology' has 17 characters, and column universe of "
                                  "public.cache_entries takes 12"));
}

TEST_CASE("a declared universe that would shrink too much is refused once, and can be approved") {
  Declared scene(no_builtin + "[[universe]]\nname = \"all\"\ncap_from = 1\n");
  scene.fixture.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active, sector) "
      "SELECT 'S' || i, 1e9 + i, true, CASE WHEN i % 2 = 0 THEN 'Even' ELSE 'Odd' END "
      "FROM generate_series(1, 40) i");
  REQUIRE(scene.run({"sync"}).status == 0);
  scene.declare(no_builtin + "[[universe]]\nname = \"all\"\nmatch = { sector = [\"Odd\"] }\n");
  const Json refused = scene.json({"sync", "--dry-run"}, 4);
  CHECK(refused.at("guards").items().at(1).at("universe").str() == "all");
  const std::string digest = refused.at("plan_digest").str();
  CHECK(scene.run({"sync", "--approve-plan", digest}).status == 0);
  CHECK(scene.fixture.members("all").size() == 20);
}

TEST_CASE("the dry run and check warn when sector lists have decayed, a run does not") {
  Fixture fixture;
  for (int i = 0; i < 40; ++i) {
    fixture.add_symbol(
        {.symbol = "S" + std::to_string(100 + i), .market_cap = "1e9", .sector = "Technology"});
  }
  const std::string sentence =
      "40 active symbols that have a sector are in no entry of type sector or theme; declare "
      "sectors, see tickstock-cache-universes(7)";
  CHECK(run_task(fixture, {"dry-run"}).err.find(sentence) == std::string::npos);
  std::string list;
  for (int i = 3; i < 40; ++i)
    list += (list.empty() ? "\"S" : ", \"S") + std::to_string(100 + i) + "\"";
  fixture.set_entry("sector_technology", "sector",
                    R"({"symbols": [)" + list + R"(], "count": 37})");
  CHECK_THAT(run_task(fixture, {"dry-run"}).err, contains("3 of " + sentence));
  CHECK_THAT(fixture.run({"check"}).out, contains("3 of " + sentence));
  CHECK(run_task(fixture, {"sync"}).err.find(sentence) == std::string::npos);
  fixture.database().execute("UPDATE symbols SET sector = ' ' WHERE symbol = 'S100'");
  CHECK_THAT(run_task(fixture, {"dry-run"}).err, contains("2 of 39"));
  fixture.database().execute("UPDATE symbols SET sector = NULL WHERE symbol = 'S101'");
  CHECK(run_task(fixture, {"dry-run"}).err.find("declare sectors") == std::string::npos);
}

TEST_CASE("the cookbook can be used as it stands") {
  Fixture fixture;
  fixture.database().execute("ALTER TABLE symbols ADD COLUMN type text, ADD COLUMN cik text");
  add_small_market(fixture);
  const TemporaryDirectory directory;
  std::size_t recipes = 0;
  for (const std::string& block : ManPage("tickstock-cache-universes.7").blocks("COOKBOOK")) {
    INFO(block);
    const std::string file = directory.write("config.toml", block);
    const ProcessResult result = run_task(fixture, {"dry-run", "--config", file});
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(run_task(fixture, {"sync", "--config", file}).status == 0);
    ++recipes;
  }
  CHECK(recipes == 7);
  const Names universes = fixture.universes();
  for (const char* const made : {"sector_technology", "top_10_technology", "large", "rest"}) {
    CHECK(std::count(universes.begin(), universes.end(), made) == 1);
  }
}

TEST_CASE("a universe's place in a group does not change which line of an issuer counts") {
  for (const std::string group : {"", "group = \"g\"\n"}) {
    INFO(group);
    Declared scene(no_builtin +
                   "[market]\nissuer = \"issuer\"\n[[universe]]\nname = \"x\"\n"
                   "cap_from = 0\nlines = \"primary\"\ninclude = [\"GOOG\"]\n" +
                   group);
    scene.add({.symbol = "GOOG", .market_cap = "5e9"}, "", "Alphabet");
    scene.add({.symbol = "GOOGL", .market_cap = "4e9"}, "", "Alphabet");
    scene.add({.symbol = "NONE"}, "", "Alphabet");
    CHECK(scene.after("sync", "x") == Names{"GOOG"});
  }
}

TEST_CASE("whoever is beyond the first of a universe keeps the place in its group") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "top"
group = "g"
first = 1
[[universe]]
name = "rest"
group = "g"
match = { sector = ["Technology", "Health Care"] }
)");
  add_sectors(scene);
  CHECK(scene.after("sync", "top") == Names{"BIG"});
  CHECK(scene.fixture.members("rest") == Names{"NONE"});
}

TEST_CASE("families of one group share no member, the first declared takes all") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "s_{sector}"
each = "sector"
group = "g"
cap_from = 2e9
[[universe]]
name = "i_{industry}_{industry}"
each = "industry"
group = "g"
cap_below = 100e9
)");
  add_sectors(scene);
  CHECK(scene.after("sync", "s_technology") == Names{"BIG", "MED"});
  CHECK(scene.fixture.members("i_drugs_drugs") == Names{"LOW"});
  CHECK(scene.fixture.members("i_chips_chips") == Names{"BLANK"});
}

TEST_CASE("a name may hold signs that mean something to patterns and to JSON") {
  Declared scene(no_builtin + R"(
[[universe]]
name = 'a%_\"{sector}"b'
each = "sector"
)");
  add_sectors(scene);
  scene.set("LOW", "sector", R"('He said "no" \ twice')");
  scene.set("NONE", "sector", "'Technology'");
  REQUIRE(scene.run({"sync"}).status == 0);
  CHECK(scene.fixture.universes() == Names{R"(a%_\"he_said_no_twice"b)", R"(a%_\"technology"b)"});
  const Names before = scene.fixture.entries_dump();
  REQUIRE(scene.run({"sync"}).status == 0);
  CHECK(scene.fixture.entries_dump() == before);
  scene.set("LOW", "sector", "'Technology'");
  CHECK(scene.after("sync", R"(a%_\"he_said_no_twice"b)") == Names{});
}

TEST_CASE("a label that makes too long a name is left out with a warning") {
  Declared scene(no_builtin + "[[universe]]\nname = \"s_{sector}\"\neach = \"sector\"\n");
  add_sectors(scene);
  scene.set("LOW", "sector", "repeat('long ', 50)");
  scene.set("NONE", "sector", "'a' || repeat('*', 5000)");
  const ProcessResult result = scene.run({"sync"});
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("make too long a name"));
  CHECK(scene.fixture.universes() == Names{"s_technology"});
}

TEST_CASE("a blank value matches nothing") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "x"
match = { sector = ["", "Technology"] }
[[universe]]
name = "y"
match = { sector = [" "] }
[[universe]]
name = "z"
except = { sector = [""] }
first = 1
)");
  add_sectors(scene);
  CHECK(scene.after("sync", "x") == Names{"BIG", "MED"});
  CHECK_FALSE(scene.has("y"));
  CHECK(scene.fixture.members("z") == Names{"BIG"});
}

TEST_CASE("the report says why a member of a declared universe came or went") {
  Declared scene(no_builtin + R"([market]
issuer = "issuer"
[[universe]]
name = "s_{sector}"
each = "sector"
cap_from = 1e9
cap_below = 10e9
[[universe]]
name = "companies"
first = 2
lines = "primary"
)");
  add_sectors(scene);
  scene.set("BIG", "issuer", "'one'");
  scene.set("MED", "issuer", "'one'");
  REQUIRE(scene.run({"sync"}).status == 0);
  scene.set("MED", "sector", "'Health Care'");
  scene.set("LOW", "market_cap", "10e9");
  std::string report = scene.run({"sync", "--dry-run"}).out;
  CHECK_THAT(report, contains("sector is Health Care, at least $1 B, below $10 B, was in "
                              "s_technology"));
  CHECK_THAT(report, contains("crossed $10 B upward"));
  CHECK_THAT(report, contains("sector is Health Care\n"));
  scene.set("MED", "market_cap", "9.5e9");
  report = scene.run({"sync", "--dry-run"}).out;
  CHECK_THAT(report, contains("the line of its issuer that counts"));
  CHECK_THAT(report, contains("another line of its issuer counts"));
}

TEST_CASE("every event of a full run with declarations has an id of its own") {
  Declared scene("[[universe]]\nname = \"young\"\nlisted_within = 30\n");
  add_small_market(scene.fixture);
  Subscriber subscriber(scene.fixture.redis());
  REQUIRE(scene.run({"sync"}).status == 0);
  const std::vector<Event> events = subscriber.drain();
  Names ids;
  for (const Event& event : events) ids.push_back(Json::parse(event.message).at("event_id").str());
  std::sort(ids.begin(), ids.end());
  CHECK(std::unique(ids.begin(), ids.end()) == ids.end());
  const auto listings = messages(events, "tickstock:cache:ipo_assignment");
  REQUIRE(listings.size() == 2);
  CHECK(listings[0].at("payload.universe").str() == "recent_ipos");
  CHECK(listings[1].at("payload.universe").str() == "young");
}

TEST_CASE("the guards about the market look at the group categories, whatever stands in it") {
  const auto guards = [](const std::string& toml) {
    Declared scene(no_builtin + toml);
    add_small_market(scene.fixture);
    Names names;
    for (const Json& guard : scene.json({"sync", "--dry-run"}).at("guards").items()) {
      names.push_back(guard.at("name").str());
    }
    return names;
  };
  CHECK(guards("[[universe]]\nname = \"x\"\ncap_from = 1\n") ==
        Names{"no_eligible_symbols", "removed"});
  CHECK(guards("[[universe]]\nname = \"x\"\ncap_from = 1\ngroup = \"categories\"\n") ==
        Names{"no_eligible_symbols", "vanished", "appeared", "removed"});
}

TEST_CASE("what config shows of declarations can be read back") {
  Declared scene(
      "[[universe]]\nname = \"x\"\nmatch.sector = [\"Energy\"]\n"
      "[[universe]]\nname = \"y\"\n[universe.except]\nsector = [\"Energy\"]\n");
  const std::string shown = scene.fixture.run({"config", "--config", scene.path()}).out;
  scene.declare(shown.substr(shown.find("[[universe]]")));
  const std::string again = scene.fixture.run({"config", "--config", scene.path()}).out;
  CHECK(again.substr(again.find("[[universe]]")) == shown.substr(shown.find("[[universe]]")));
}

TEST_CASE("config shows the declared universes") {
  Declared scene("[[universe]]\nname = \"x\"\nfirst = 5\n");
  const ProcessResult text = scene.fixture.run({"config", "--config", scene.path()});
  CHECK_THAT(text.out, contains("[[universe]]\n"));
  CHECK_THAT(text.out, contains("name = "));
  const Json json =
      Json::parse(scene.fixture.run({"config", "--config", scene.path(), "--format", "json"}).out);
  CHECK(json.at("universes").items().at(0).at("first").integer() == 5);
}

TEST_CASE("a declaration that makes no sense is refused, and nothing is changed") {
  struct Misuse {
    std::string toml;
    std::string message;
  };
  const std::vector<Misuse> misuses{
      {"[[universe]]\nname = \"x\"\nfrist = 3\n",
       "frist is no key of a universe; did you mean first?"},
      {"[[universe]]\nname = \"x\"\nqwertyuiop = 3\n", "qwertyuiop is no key of a universe; see "},
      {"[[universe]]\nfirst = 3\n", "name is missing"},
      {"[[universe]]\nname = \"\"\nfirst = 3\n", "name must be a text of 1 to 200 characters"},
      {"[[universe]]\nname = \"a\\u0007\"\nfirst = 3\n", "none of them a control character"},
      {"[[universe]]\nname = \"" + std::string(201, 'x') + "\"\nfirst = 3\n",
       "name must be a text of 1 to 200 characters"},
      {"[[universe]]\nname = 3\n", "name must be a text of"},
      {"[[universe]]\nname = \"x\"\nfirst = \"3\"\n", "first must be a whole number"},
      {"[[universe]]\nname = \"x\"\nfirst = 0\n", "first must be a whole number from 1"},
      {"[[universe]]\nname = \"x\"\ncap_from = \"1e9\"\n",
       "cap_from must be a number of US dollars"},
      {"[[universe]]\nname = \"x\"\ncap_from = nan\n", "cap_from must be a number of US dollars"},
      {"[[universe]]\nname = \"x\"\ncap_from = 2e9\ncap_below = 2e9\n",
       "cap_below must be above cap_from"},
      {"[[universe]]\nname = \"x\"\nmatch = \"sector\"\n", "match must be a table of columns"},
      {"[[universe]]\nname = \"x\"\nmatch = { sector = \"Energy\" }\n",
       "match must be a list of texts for sector, at least one"},
      {"[[universe]]\nname = \"x\"\nmatch = { etf = [true] }\n", "write \"true\", not true"},
      {"[[universe]]\nname = \"x\"\nexcept = [\"Energy\"]\n", "except must be a table of columns"},
      {"[[universe]]\nname = \"x\"\nmatch = {}\n", "match must be a table of columns"},
      {"[[universe]]\nname = \"x\"\ninclude = []\n",
       "include must be a list of texts, at least one"},
      {"[[universe]]\nname = \"x\"\nexclude = \"A\"\nfirst = 1\n",
       "exclude must be a list of texts"},
      {"[[universe]]\nname = \"x\"\ntype = 3\nfirst = 1\n", "type must be a text"},
      {"[[universe]]\nname = \"x\"\ngroup = \"\"\nfirst = 1\n", "group must be a text of 1 to 200"},
      {"[[universe]]\nname = \"x\"\neach = true\n", "each must be a text"},
      {"[[universe]]\nname = \"x\u0085\"\nfirst = 1\n", "none of them a control character"},
      {"[[universe]]\nname = \"x\"\nlisted_within = 36501\n",
       "listed_within must be a whole number from 1 to 36500"},
      {"[[universe]]\nname = \"x\"\nfirst = 1000001\n",
       "first must be a whole number from 1 to 1000000"},
      {"[[universe]]\nname = \"x\"\ncap_from = -1\n", "cap_from must be a number of US dollars"},
      {"[[universe]]\nname = \"x\"\ncap_below = inf\n", "cap_below must be a number of US dollars"},
      {"[[universe]]\nname = \"x\"\nfirst = 1\norder = 3\n", "order must be market_cap"},
      {"[[universe]]\nname = \"x\"\nfirst = 1\nlines = \"one\"\n", "lines must be all or primary"},
      {"[[universe]]\nname = \"mega_cap\"\ncap_from = 200e9\nmaintain = \"additions\"\n",
       "maintain can't be additions: it replaces a universe of a group"},
      {"[market]\nissuer = 3\n", "[market] issuer must be a text"},
      {"[[universe]]\nname = \"x\"\n", "name has no condition beside it"},
      {"[[universe]]\nname = \"x\"\nexclude = [\"A\"]\n", "name has no condition beside it"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\ninclude = [\"A\"]\nexclude = [\"A\"]\n",
       "exclude names A, which include names, too"},
      {"[[universe]]\nname = \"x\"\neach = \"sector\"\n", "name must hold {sector}"},
      {"[[universe]]\nname = \"x_{sector}\"\nfirst = 3\n", "name that column in each, too"},
      {"[[universe]]\nname = \"x_{sector}\"\neach = \"sector\"\ninclude = [\"A\"]\n",
       "include can't be combined with each"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\n[[universe]]\nname = \"x\"\nfirst = 4\n",
       "line 5: [[universe]] x: name is given to another universe, too"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\nmaintain = \"additions\"\n",
       "first can't be combined with maintain = additions"},
      {"[[universe]]\nname = \"x\"\ncap_from = 3\ngroup = \"g\"\nmaintain = \"additions\"\n",
       "group can't be combined with maintain = additions"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\nmaintain = \"some\"\n",
       "maintain must be whole or additions"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\norder = \"size\"\n",
       "order must be market_cap or newest or symbol"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\nlines = \"primary\"\n",
       "lines is primary, which needs [market] issuer"},
      {"[[universe]]\nname = \"x\"\ngroup = \"g\"\ninclude = [\"A\"]\n"
       "[[universe]]\nname = \"y\"\ngroup = \"g\"\ninclude = [\"A\"]\n",
       "include names A, which 'x' of the same group includes, too"},
      {"[[universe]]\nname = \"mega_cap\"\ntype = \"theme\"\ncap_from = 3\n",
       "type must be market_cap or left out"},
      {"[[universe]]\nname = \"mega_cap\"\ngroup = \"g\"\ncap_from = 3\n",
       "group must be left out"},
      {"[universe]\nname = \"x\"\nfirst = 3\n", "between double brackets, [[universe]]"},
      {"universe = 3\n", "between double brackets, [[universe]]"},
      {"[universes]\nbuiltin = \"no\"\n", "[universes] builtin must be true or false"},
      {"[delisted]\ntypes = []\n", "[delisted] types must be a list of texts"},
  };
  Declared scene("");
  add_small_market(scene.fixture);
  const Names before = scene.fixture.entries_dump();
  for (const auto& [toml, message] : misuses) {
    INFO(toml);
    scene.declare(toml);
    check_failure(scene.run({"sync"}), 78, message);
  }
  CHECK(scene.fixture.entries_dump() == before);
}
