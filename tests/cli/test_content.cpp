// The content of the entries after a run, and what must not have changed in it.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Returns an entry's content without the keys that a cleanup replaces, as the server prints it.
std::string other_keys(Fixture& fixture, const std::string& universe) {
  return fixture.database().value(
      "SELECT content - 'symbols' - 'count' - 'last_updated' FROM cache_entries "
      "WHERE universe = $1",
      {universe});
}

std::string row(Fixture& fixture, const std::string& universe, const std::string& columns) {
  return fixture.database().value(
      "SELECT concat_ws(' ', " + columns + ") FROM cache_entries WHERE universe = $1", {universe});
}

}  // namespace

TEST_CASE("an owned entry holds its members, their number, a time and its metadata") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  const auto content = [&fixture](const std::string& universe) {
    const Json json = fixture.content(universe);
    CHECK(json.at("last_updated").str().size() == 24);
    CHECK(json.at("last_updated").str().back() == 'Z');
    return fixture.entry_type(universe) + " " + row(fixture, universe, "content - 'last_updated'");
  };
  CHECK(content("mid_cap") ==
        R"(market_cap {"count": 2, "symbols": ["NEW", "MID"], )"
        R"("metadata": {"type": "market_cap_category", "market_cap_range": "mid_cap"}})");
  CHECK(content("top_500") ==
        R"(market_leader {"count": 7, "symbols": ["MEGA", "LARGE", "NEW", "MID", "SMALL", )"
        R"("MICRO", "TINY"], "metadata": {"rank": "top_500", "type": "market_leader"}})");
  CHECK(content("recent_ipos") == R"(ipo {"count": 1, "symbols": ["NEW"], )"
                                  R"("metadata": {"type": "ipo", "period": "last_30_days"}})");
}

TEST_CASE("the times of an entry move together with every write, and only then") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  const std::string times =
      "created_at, updated_at, content->>'last_updated', "
      "updated_at = (content->>'last_updated')::timestamptz";
  const std::string first_top = row(fixture, "top_100", times);
  const std::string first_mega = row(fixture, "mega_cap", times);
  CHECK(first_mega.ends_with(" t"));
  CHECK(row(fixture, "tech", times).ends_with(" t"));
  const std::string created = row(fixture, "top_100", "created_at");

  const Names before = fixture.entries_dump();
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.entries_dump() == before);

  fixture.database().execute("UPDATE symbols SET market_cap = 2e6 WHERE symbol = 'MICRO'");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(row(fixture, "micro_cap", "content->'count', content->'symbols'") == "0 []");
  fixture.database().execute("UPDATE symbols SET market_cap = 3e6 WHERE symbol = 'TINY'");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(row(fixture, "mega_cap", times) == first_mega);
  CHECK(row(fixture, "top_100", times) != first_top);
  CHECK(row(fixture, "top_100", times).ends_with(" t"));
  CHECK(row(fixture, "top_100", "created_at") == created);
}

TEST_CASE("a cleanup keeps every other key byte for byte, and the order of the rest") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.set_entry("rich", "sector", R"({
      "symbols": ["TINY", "GONE", "STRANGER", "MEGA", "GONE", "TINY"], "count": 6,
      "last_updated": "then", "weight": 1.50, "zero": -0.0, "huge": 1e400, "tiny": 1e-400,
      "long": 12345678901234567890.12345678901234567890, "text": "caf\u00e9 \"q\" \\ \u2028 \u0007",
      "": {"symbols": ["GONE"], "count": 9, "last_updated": "never"},
      "nested": [[[null, true, {}]], []], "metadata": {"type": "sector", "factor": 1e400}})");
  const std::string others = other_keys(fixture, "rich");
  const std::string created = row(fixture, "rich", "id, created_at, cache_type");
  const Json done = run_json(fixture, {"delisted"});
  CHECK(done.at("total_changes").integer() == 2);
  CHECK(other_keys(fixture, "rich") == others);
  CHECK(row(fixture, "rich", "content->'symbols'") == R"(["TINY", "STRANGER", "MEGA", "TINY"])");
  CHECK(row(fixture, "rich", "content->'count'") == "4");
  CHECK(row(fixture, "rich", "id, created_at, cache_type") == created);
  CHECK(row(fixture, "tech", "content->'owner'") == "\"desk 7\"");
  const Json metadata = done.at("task_results.delisted_cleanup.changes.0.metadata");
  CHECK(metadata.at("removed_count").integer() == 1);
  CHECK(metadata.at("removed_symbols").strings() == Names{"GONE"});
  CHECK_THAT(
      done.at("warnings").strings(),
      Catch::Matchers::VectorContains(std::string(
          "1 member of 1 entry is not in the symbols table and stays where it is: 'STRANGER'")));
}

TEST_CASE("a cleanup takes delisted symbols out of four types and no other") {
  Fixture fixture;
  add_small_market(fixture);
  const std::string content = R"({"symbols": ["GONE", "MEGA"], "count": 2})";
  for (const std::string type :
       {"market_cap", "market_leader", "sector", "theme", "etf", "ipo", "THEME", ""}) {
    fixture.set_entry("of_type_" + type, type, content);
  }
  fixture.database().execute(
      "INSERT INTO cache_entries (universe, content) VALUES ('of_no_type', $1)", {content});
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.database().column("SELECT universe FROM cache_entries WHERE universe LIKE 'of\\_%' "
                                  "AND NOT content->'symbols' ? 'GONE' ORDER BY 1") ==
        Names{"of_type_market_cap", "of_type_market_leader", "of_type_sector", "of_type_theme"});
}

TEST_CASE("an entry without anything to remove is left alone, however wrong its count is") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.set_entry("calm", "theme", R"({"symbols": ["MEGA", "MEGA", "STRANGER"], "count": 99})");
  const std::string before = row(fixture, "calm", "xmin, content");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(row(fixture, "calm", "xmin, content") == before);
}

TEST_CASE("a content that can't be read is left alone and named, unless its task owns it") {
  Fixture fixture;
  add_small_market(fixture);
  const Names contents{R"("GONE")",
                       R"(["GONE"])",
                       "17",
                       "null",
                       R"({"count": 1})",
                       R"({"symbols": "GONE"})",
                       R"({"symbols": ["GONE", 1]})",
                       R"({"symbols": ["GONE", null]})",
                       R"({"symbols": ["GONE", ["GONE"]]})",
                       R"({"symbols": {"GONE": 1}})"};
  for (std::size_t i = 0; i < contents.size(); ++i) {
    fixture.set_entry(fmt::format("bad_{}", i), "theme", contents[i]);
  }
  fixture.set_entry("mega_cap", "market_cap", R"({"symbols": ["GONE", 1]})");
  fixture.set_entry("recent_ipos", "ipo", "[]");
  fixture.set_entry("bad_of_another_type", "etf", "3");
  const std::string dump =
      "SELECT string_agg(xmin || universe || content, ' ') FROM cache_entries "
      "WHERE universe LIKE 'bad\\_%'";
  const std::string before = fixture.database().value(dump);
  const Json done = run_json(fixture, {"sync"});
  CHECK(fixture.database().value(dump) == before);
  Names named;
  for (const std::string& warning : done.at("warnings").strings()) {
    if (warning.find("left unchanged") != std::string::npos) named.push_back(warning);
  }
  CHECK(named.size() == contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    INFO(contents[i]);
    CHECK(std::count_if(named.begin(), named.end(), [i](const std::string& warning) {
            return warning.find(fmt::format("'bad_{}'", i)) != std::string::npos;
          }) == 1);
  }
  CHECK(fixture.members("mega_cap") == Names{"MEGA"});
  CHECK(fixture.members("recent_ipos") == Names{"NEW"});
}

TEST_CASE("a reserved name of another type is taken over, and the dry run says so") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.set_entry("top_100", "theme", R"({"symbols": ["MEGA", "GONE"], "owner": "desk"})");
  fixture.set_entry("recent_ipos", "theme", R"({"symbols": ["NEW"], "count": 1,
      "metadata": {"type": "ipo", "period": "last_30_days"}})");
  const ProcessResult foretold = run_task(fixture, {"dry-run"});
  for (const std::string universe : {"top_100", "recent_ipos"}) {
    CHECK_THAT(foretold.err, contains("entry '" + universe +
                                      "' of type 'theme' has a "
                                      "reserved name and is taken over"));
  }
  CHECK_THAT(foretold.out, contains("taken over from type theme"));
  CHECK(fixture.entry_type("top_100") == "theme");

  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.entry_type("top_100") == "market_leader");
  CHECK(fixture.members("top_100").size() == 7);
  CHECK_FALSE(fixture.content("top_100").has("owner"));
  CHECK(fixture.entry_type("recent_ipos") == "ipo");
}

TEST_CASE(
    "what is wrong in an owned entry besides its members is corrected, and counts as a change") {
  const Names wrongs{"content || '{\"count\": 5}'",
                     "content - 'count'",
                     "content || '{\"count\": \"1\"}'",
                     "content || '{\"metadata\": {}}'",
                     "content - 'metadata'",
                     "jsonb_set(content, '{metadata,more}', '1')",
                     "content || '{\"symbols\": [\"MEGA\", \"MEGA\"]}'"};
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  const std::string good = row(fixture, "mega_cap", "cache_type, content - 'last_updated'");
  for (const std::string& wrong : wrongs) {
    INFO(wrong);
    fixture.database().execute("UPDATE cache_entries SET content = " + wrong +
                               " WHERE universe = 'mega_cap'");
    CHECK(task_lines(run_json(fixture, {"sync"})) == Names{"market_cap_recalculation success 1",
                                                           "ipo_assignment success 0",
                                                           "delisted_cleanup success 0"});
    CHECK(row(fixture, "mega_cap", "cache_type, content - 'last_updated'") == good);
  }
  // The number is equal, so the entry is, too.
  fixture.database().execute(
      "UPDATE cache_entries SET content = content || '{\"count\": 1.0}' "
      "WHERE universe = 'mega_cap'");
  CHECK(run_json(fixture, {"sync"}).at("total_changes").integer() == 0);
  fixture.database().execute(
      "UPDATE cache_entries SET content = jsonb_set(content, "
      "'{metadata,more}', '1') WHERE universe = 'recent_ipos'");
  const Json done = run_json(fixture, {"sync"});
  CHECK(done.at("total_changes").integer() == 1);
  CHECK(done.at("task_results.ipo_assignment.changes.0.symbol").is_null());
  CHECK(done.at("task_results.ipo_assignment.changes.0.action").str() == "updated");
}

TEST_CASE("lists without members become empty where they exist, and are not created") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute("DELETE FROM symbols WHERE symbol NOT IN ('TINY', 'GONE')");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.universes() == Names{"tech", "top_100", "top_1000", "top_2000", "top_500"});
  for (const std::string universe : {"large_cap", "recent_ipos"}) {
    fixture.set_entry(universe, universe == "large_cap" ? "market_cap" : "ipo",
                      R"({"symbols": ["OLD"], "count": 1})");
  }
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  CHECK(fixture.members("large_cap").empty());
  CHECK(fixture.members("recent_ipos").empty());
  CHECK(fixture.content("recent_ipos").at("count").integer() == 0);
}

TEST_CASE("recent_ipos keeps its window, newest first, and its length can be set") {
  Fixture fixture;
  const auto add = [&fixture](const std::string& symbol, const std::string& day) {
    fixture.add_symbol({.symbol = symbol, .market_cap = "1e9", .listing_date = day});
  };
  add("OLD", "2024-05-29");
  add("FIRST", "2024-05-30");
  add("B", "2024-06-28");
  add("A", "2024-06-28");
  add("TOMORROW", "2024-06-29");
  REQUIRE(run_task(fixture, {"ipo"}).status == 0);
  CHECK(fixture.members("recent_ipos") == Names{"A", "B", "FIRST"});
  const Json next =
      Json::parse(fixture.run({"ipo", "--as-of", "2024-06-29", "--format", "json"}).out);
  CHECK(fixture.members("recent_ipos") == Names{"TOMORROW", "A", "B"});
  const Json changes = next.at("task_results.ipo_assignment.changes");
  REQUIRE(changes.size() == 2);
  CHECK(changes.at("0.symbol").str() == "TOMORROW");
  CHECK(changes.at("1.symbol").str() == "FIRST");
  CHECK(changes.at("1.reason").str() == "Listed more than 30 days ago");

  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[ipo]\ndays = 1\n");
  REQUIRE(run_task(fixture, {"ipo", "--config", config}).status == 0);
  CHECK(fixture.members("recent_ipos") == Names{"A", "B"});
  CHECK(fixture.content("recent_ipos").at("metadata.period").str() == "last_1_days");
}
