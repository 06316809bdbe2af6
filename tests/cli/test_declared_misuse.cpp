// What declarations may contain, what is rejected, and what check and config show.

#include "cli/declared.hpp"
#include "cli/man_pages.hpp"

using namespace tickstock::test;

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
  CHECK_THAT(result.out, contains("declared universe 'nothing': 0 members. Check its conditions."));
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
  CHECK_THAT(result.err, contains("are too long"));
  CHECK(scene.fixture.universes() == Names{"s_technology"});
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
       "frist is not a key of a universe. Did you mean first?"},
      {"[[universe]]\nname = \"x\"\nqwertyuiop = 3\n",
       "qwertyuiop is not a key of a universe. See "},
      {"[[universe]]\nfirst = 3\n", "name is missing"},
      {"[[universe]]\nname = \"\"\nfirst = 3\n", "name must be a string of 1 to 200 characters"},
      {"[[universe]]\nname = \"a\\u0007\"\nfirst = 3\n", "none of them a control character"},
      {"[[universe]]\nname = \"a\\u0000\"\nfirst = 3\n", "none of them a control character"},
      {"[[universe]]\nname = \"x\"\ninclude = [\"a\\u0000\"]\n", "include must not hold a NUL"},
      {"[[universe]]\nname = \"" + std::string(201, 'x') + "\"\nfirst = 3\n",
       "name must be a string of 1 to 200 characters"},
      {"[[universe]]\nname = 3\n", "name must be a string of"},
      {"[[universe]]\nname = \"x\"\nfirst = \"3\"\n", "first must be a whole number"},
      {"[[universe]]\nname = \"x\"\nfirst = 0\n", "first must be a whole number from 1"},
      {"[[universe]]\nname = \"x\"\ncap_from = \"1e9\"\n",
       "cap_from must be a number of US dollars"},
      {"[[universe]]\nname = \"x\"\ncap_from = nan\n", "cap_from must be a number of US dollars"},
      {"[[universe]]\nname = \"x\"\ncap_from = 2e9\ncap_below = 2e9\n",
       "cap_below must be above cap_from"},
      {"[[universe]]\nname = \"x\"\nmatch = \"sector\"\n", "match must be a table of columns"},
      {"[[universe]]\nname = \"x\"\nmatch = { sector = \"Energy\" }\n",
       "match must be a list of strings for sector, at least one"},
      {"[[universe]]\nname = \"x\"\nmatch = { etf = [true] }\n", "Write each in quotes."},
      {"[[universe]]\nname = \"x\"\nexcept = [\"Energy\"]\n", "except must be a table of columns"},
      {"[[universe]]\nname = \"x\"\nmatch = {}\n", "match must be a table of columns"},
      {"[[universe]]\nname = \"x\"\ninclude = []\n",
       "include must be a list of strings, at least one"},
      {"[[universe]]\nname = \"x\"\nexclude = \"A\"\nfirst = 1\n",
       "exclude must be a list of strings"},
      {"[[universe]]\nname = \"x\"\ntype = 3\nfirst = 1\n", "type must be a string"},
      {"[[universe]]\nname = \"x\"\ngroup = \"\"\nfirst = 1\n",
       "group must be a string of 1 to 200"},
      {"[[universe]]\nname = \"x\"\neach = true\n", "each must be a string"},
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
      {"[market]\nissuer = 3\n", "[market] issuer must be a string"},
      {"[[universe]]\nname = \"x\"\n", "name has no condition beside it"},
      {"[[universe]]\nname = \"x\"\nexclude = [\"A\"]\n", "name has no condition beside it"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\ninclude = [\"A\"]\nexclude = [\"A\"]\n",
       "exclude names A, which is in include too. Keep it in one of them."},
      {"[[universe]]\nname = \"x\"\neach = \"sector\"\n", "name must hold {sector}"},
      {"[[universe]]\nname = \"x_{sector}\"\nfirst = 3\n", "Name that column in each, too."},
      {"[[universe]]\nname = \"x_{sector}\"\neach = \"sector\"\ninclude = [\"A\"]\n",
       "include can't be combined with each"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\n[[universe]]\nname = \"x\"\nfirst = 4\n",
       "line 5: [[universe]] x: name is the name of another universe, too. Use each name once."},
      {"[[universe]]\nname = \"x\"\nfirst = 3\nmaintain = \"additions\"\n",
       "first can't be combined with maintain = additions"},
      {"[[universe]]\nname = \"x\"\ncap_from = 3\ngroup = \"g\"\nmaintain = \"additions\"\n",
       "group can't be combined with maintain = additions"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\nmaintain = \"some\"\n",
       "maintain must be whole or additions"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\norder = \"size\"\n",
       "order must be market_cap or newest or symbol"},
      {"[[universe]]\nname = \"x\"\nfirst = 3\nlines = \"primary\"\n",
       "lines is primary, but no column identifies the company. Name that column"},
      {"[[universe]]\nname = \"x\"\ngroup = \"g\"\ninclude = [\"A\"]\n"
       "[[universe]]\nname = \"y\"\ngroup = \"g\"\ninclude = [\"A\"]\n",
       "include names A, which is in include of 'x' of the same group too"},
      {"[[universe]]\nname = \"mega_cap\"\ntype = \"theme\"\ncap_from = 3\n",
       "type must be market_cap or left out"},
      {"[[universe]]\nname = \"mega_cap\"\ngroup = \"g\"\ncap_from = 3\n",
       "group must be left out"},
      {"[universe]\nname = \"x\"\nfirst = 3\n", "Write [[universe]], between double brackets."},
      {"universe = 3\n", "Write [[universe]], between double brackets."},
      {"[[universe]]\nname = \"x\"\ninclude = [\"\"]\n", "include must not hold an empty string"},
      {"[[universes]]\nname = \"x\"\nfirst = 3\n", "Did you mean [[universe]]?"},
      {"[[run]]\ntimeout = 5\n", "line 1: [[run]] is in double brackets. Write [run]."},
      {"[run]\ntimeout = 9223372036854775808\n", "line 2 holds a number that is out of bounds"},
      {"[run]\ntimeout = 5\ntimeout = 6\n", "line 3 gives a key or section again. Remove one"},
      {"[run]\ntimeout = 5\n[run]\n", "line 3 gives a key or section again. Remove one"},
      {"[tables]\nschema = \"a\\\"b\"\n", "line 2: [tables] schema must be a name of 1 to 63"},
      {"[universes]\nbuiltin = \"no\"\n", "[universes] builtin must be true or false"},
      {"[delisted]\ntypes = []\n", "[delisted] types must be a list of strings"},
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
