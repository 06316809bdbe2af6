// The members of declared universes.

#include "cli/declared.hpp"

using namespace tickstock::test;

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
  SECTION("a label is as long as it likes if its name is short") {
    scene.fixture.database().execute(
        "UPDATE symbols SET sector = repeat('株', 300) || 'A1' WHERE symbol = 'MED'");
    CHECK(scene.after("sync", "sector_a1") == Names{"MED"});
    const Names before = scene.fixture.entries_dump();
    REQUIRE(scene.run({"sync"}).status == 0);
    CHECK(scene.fixture.entries_dump() == before);
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
    CHECK_THAT(result.err, contains("'sector_energy' of type 'etf' has a reserved name"));
    CHECK(scene.after("sync", "sector_energy") == Names{"LOW"});
  }
}

TEST_CASE("a family by the column type keeps both types in its metadata") {
  Declared scene(no_builtin +
                 "[[universe]]\nname = \"my_{type}\"\neach = \"type\"\ntype = \"kind\"\n");
  scene.fixture.database().execute("ALTER TABLE symbols ADD type text");
  scene.add({.symbol = "A", .market_cap = "1e9"});
  scene.set("A", "type", "'CS'");
  scene.fixture.set_entry("my_kind", "kind",
                          R"({"symbols": ["A"], "count": 1, "metadata": {"type": "kind"}})");
  CHECK(scene.after("sync", "my_cs") == Names{"A"});
  CHECK(scene.metadata("my_cs") == R"({"type": "kind", "label": "CS"})");
  // Not one of the family.
  CHECK(scene.fixture.members("my_kind") == Names{"A"});
  scene.set("A", "type", "'ADRC'");
  CHECK(scene.after("sync", "my_adrc") == Names{"A"});
  CHECK(scene.fixture.members("my_cs").empty());
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
  CHECK_THAT(result.err,
             contains("universe 'chips' includes symbols that are not in the symbols table"));
  CHECK_THAT(result.err, contains("NOBODY"));
  CHECK(scene.fixture.members("chips") == Names{"BIG", "NONE"});
  CHECK(scene.fixture.members("top_2") == Names{"BIG", "LOW"});
  CHECK(scene.fixture.members("hand") == Names{"LOW", "NONE"});
}

TEST_CASE("a symbol with white space at an end is included and excluded by its whole name") {
  Declared scene(no_builtin + R"(
[[universe]]
name = "all"
first = 10
exclude = ["PAD  ", "TWIN"]
[[universe]]
name = "hand"
include = [" TWIN", "PAD"]
)");
  for (const std::string symbol : {"PAD  ", "TWIN", " TWIN", "LAST"}) {
    scene.add({.symbol = symbol, .market_cap = "1e9"});
  }
  const ProcessResult result = scene.run({"sync"});
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains("that are not in the symbols table: 'PAD'"));
  CHECK(scene.fixture.members("all") == Names{" TWIN", "LAST"});
  CHECK(scene.fixture.members("hand") == Names{" TWIN"});
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
  // From the smallest to the largest in one night, and back.
  scene.set("BLANK", "market_cap", "5");
  CHECK(scene.after("sync", "rest") == Names{"BLANK"});
  scene.set("BLANK", "market_cap", "50e9");
  CHECK(scene.after("themes", "giants") == Names{"BLANK", "BIG", "MED", "LOW"});
  CHECK(scene.fixture.members("rest") == Names{});
}

TEST_CASE("additions keep existing members and every other key") {
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

TEST_CASE("explain says by how much another line must exceed the one that counts") {
  Declared scene(no_builtin + R"(
[market]
issuer = "issuer"
[stability]
band = 10
[[universe]]
name = "companies"
first = 3
lines = "primary"
)");
  scene.add({.symbol = "GOOG", .market_cap = "4.1e12"}, "", "Alphabet");
  CHECK(scene.after("sync", "companies") == Names{"GOOG"});
  scene.add({.symbol = "GOOGL", .market_cap = "4.2e12"}, "", "Alphabet");
  CHECK(scene.after("sync", "companies") == Names{"GOOG"});
  CHECK_THAT(scene.fixture.run({"explain", "GOOG", "companies", "--config", scene.path()}).out,
             contains("when another line of its issuer exceeds it by more than 10 %"));
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

TEST_CASE("a symbol beyond the first ones of a universe keeps its seat in the group") {
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
