// What the commands universes and members list: every entry, whatever its type and content, and the
// members of one.

#include "cli/declared.hpp"

using namespace tickstock::test;

namespace {

/// Returns `tech theme 3 2024-06-28T20:00:00.000Z`, a line per entry of the document; `null` for
/// null.
Names listed(const ProcessResult& result) {
  INFO(result.err);
  REQUIRE(result.status == 0);
  const Json document = Json::parse(result.out);
  CHECK(document.at("schema_version").integer() == 1);
  CHECK(document.at("exit_code").integer() == 0);
  CHECK(document.at("success").boolean());
  const auto text = [](const Json& value) { return value.is_null() ? "null" : value.str(); };
  Names lines;
  for (const Json& entry : document.at("universes").items()) {
    CHECK(entry.keys() == Names{"universe", "type", "symbol_count", "last_updated"});
    const Json count = entry.at("symbol_count");
    lines.push_back(fmt::format("{} {} {} {}", text(entry.at("universe")), text(entry.at("type")),
                                count.is_null() ? "null" : std::to_string(count.integer()),
                                text(entry.at("last_updated"))));
  }
  return lines;
}

const Names as_json{"universes", "--format", "json"};

}  // namespace

TEST_CASE("universes lists every entry with type, count and last change") {
  Fixture fixture;
  fixture.set_entry("tech", "theme", R"({"symbols": ["MID", "GONE", "MID"], "count": 9})");
  fixture.set_entry("empty", "ipo", R"({"symbols": []})");
  fixture.database().execute("UPDATE cache_entries SET updated_at = '2024-06-28 16:00:00.1234-04'");
  CHECK(listed(fixture.run(as_json)) ==
        Names{"empty ipo 0 2024-06-28T20:00:00.123Z", "tech theme 3 2024-06-28T20:00:00.123Z"});
  CHECK(fixture.run({"universes"}).out ==
        "universe  type   symbols  last updated\n"
        "empty     ipo          0  2024-06-28T20:00:00.123Z\n"
        "tech      theme        3  2024-06-28T20:00:00.123Z\n"
        "2 universes\n");
}

TEST_CASE("universes has no count where a content holds no array of symbols") {
  Fixture fixture;
  Names expected;
  const Names contents{R"([{"symbols": ["A"]}])",
                       "7",
                       "null",
                       "{}",
                       R"({"symbols": {"A": 1}})",
                       R"({"symbols": "A"})",
                       R"({"symbols": null})"};
  for (std::size_t i = 0; i < contents.size(); ++i) {
    fixture.set_entry(fmt::format("odd-{}", i), "odd", contents[i]);
    expected.push_back(fmt::format("odd-{} odd null null", i));
  }
  fixture.set_entry("strange", "odd", R"({"symbols": [1, null, "A"]})");
  expected.emplace_back("strange odd 3 null");
  fixture.database().execute(
      "ALTER TABLE cache_entries ALTER updated_at DROP NOT NULL; "
      "UPDATE cache_entries SET updated_at = NULL");
  CHECK(listed(fixture.run(as_json)) == expected);
  CHECK_THAT(fixture.run({"universes"}).out,
             contains("odd-0     odd         -  -\n") &&
                 contains("strange   odd         3  -\n8 universes\n"));
}

TEST_CASE("universes are in the order of the plan, the others behind them in byte order") {
  Fixture fixture;
  for (const std::string name :
       {"tech", "Tech", "été", "top_2000", "recent_ipos", "top_100", "\"quoted\""}) {
    fixture.set_entry(name, "theme", R"({"symbols": ["A"]})");
  }
  Names names;
  for (const std::string& line : listed(fixture.run(as_json))) {
    names.push_back(line.substr(0, line.find(' ')));
  }
  CHECK(names == Names{"top_100", "top_2000", "recent_ipos", "\"quoted\"", "Tech", "tech", "été"});
}

TEST_CASE("a name in the entries can't forge a line of the list") {
  Fixture fixture;
  fixture.set_entry("a\nb\x1b[2J", "theme", R"({"symbols": []})");
  const Names lines = lines_of(fixture.run({"universes"}).out);
  REQUIRE(lines.size() == 3);
  CHECK_THAT(lines[1], starts_with("a\\nb\\x1b[2J "));
}

TEST_CASE("a time without a zone is in UTC, wherever the server is") {
  Fixture fixture;
  fixture.set_entry("tech", "theme", R"({"symbols": []})");
  fixture.database().execute(
      "UPDATE cache_entries SET updated_at = '2024-06-28 20:00:00Z'; "
      "ALTER TABLE cache_entries ALTER updated_at TYPE timestamp USING updated_at AT TIME ZONE "
      "'UTC'; ALTER DATABASE " +
      fixture.database().name() + " SET TimeZone = 'Asia/Tokyo'");
  CHECK(listed(fixture.run(as_json)) == Names{"tech theme 0 2024-06-28T20:00:00.000Z"});
}

TEST_CASE("universes needs no more than to read four columns of the entries") {
  Fixture fixture;
  fixture.set_entry("tech", "theme", R"({"symbols": ["A"]})");
  fixture.database().execute("DROP TABLE symbols, ohlcv_daily");
  const std::string role = make_role(fixture);
  check_failure(fixture.run({"universes"}, as_role(fixture, role)), 1,
                "Run 'GRANT SELECT ON public.cache_entries TO " + role);
  fixture.database().execute(
      "GRANT SELECT (universe, content, cache_type, updated_at) ON cache_entries TO " + role);
  CHECK(listed(fixture.run(as_json, as_role(fixture, role))).size() == 1);

  // A view will do as well, and so will a table without what only a run needs.
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[tables]\nentries = \"shown\"\n");
  fixture.database().execute(
      "CREATE VIEW shown AS SELECT universe, content, cache_type, updated_at FROM cache_entries");
  CHECK(listed(fixture.run(with(as_json, {"--config", config}))).size() == 1);
}

TEST_CASE("universes lists 10,000 entries without their contents") {
  Fixture fixture;
  fixture.database().execute(R"(
    INSERT INTO cache_entries (universe, cache_type, content)
      SELECT 'theme_' || lpad(n::text, 5, '0'), 'theme',
             jsonb_build_object('symbols', (SELECT jsonb_agg('S' || m) FROM generate_series(1, n % 90) m),
                                'note', repeat(md5(n::text), 400))
        FROM generate_series(1, 10000) n)");
  Names command = with(Fixture::command({}), as_json);
#ifndef TICKSTOCK_CACHE_SANITIZED
  // All contents together would be 130 MB.
  command = with({"sh", "-c", "ulimit -d 60000 && exec \"$@\"", "sh"}, command);
#endif
  const Names lines = listed(run_process(command, fixture.options()));
  REQUIRE(lines.size() == 10'000);
  CHECK_THAT(lines[99], starts_with("theme_00100 theme 10 "));
}

TEST_CASE("without a table of entries universes says what to name") {
  check_failure(Fixture({.entries = false}).run({"universes"}), 1,
                "the table public.cache_entries does not exist");
}

TEST_CASE(
    "the universes of a family are where the family is declared, others of its type are not") {
  Declared scene(
      "[[universe]]\nname = 'z {sector} end'\neach = 'sector'\n"
      "[[universe]]\nname = 'lit'\ncap_from = 1\n");
  for (const std::string name : {"aaa", "z tech end", "z tech", "lit"}) {
    scene.fixture.set_entry(name, "theme", R"({"symbols": ["A"]})");
  }
  Names names;
  for (const std::string& line :
       listed(scene.fixture.run(with(as_json, {"--config", scene.path()})))) {
    names.push_back(line.substr(0, line.find(" theme")));
  }
  CHECK(names == Names{"z tech end", "lit", "aaa", "z tech"});
}

TEST_CASE("members of a day are what the run left, and members says where nobody knows") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const auto on = [&fixture](const std::string& universe, const std::string& day) {
    return fixture.run({"members", universe, "--as-of", day, "--format", "csv"});
  };
  check_failure(on("tech", market_day), 1, "no run is on record yet");
  // On that day there were no recent listings.
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-10"}).status == 0);
  fixture.set_entry("late", "theme", R"({"symbols": ["MID"], "count": 1})");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  fixture.set_entry("mega_cap", "market_cap", R"({"symbols": ["HAND"], "count": 1})");

  CHECK(on("mega_cap", market_day).out == "symbol,rank,cap\nMEGA,,\n");
  CHECK(on("recent_ipos", market_day).out == "symbol,rank,cap\nNEW,,\n");
  CHECK(on("late", "2024-12-31").out == "symbol,rank,cap\nMID,,\n");
  CHECK_THAT(fixture.run({"members", "mega_cap"}).out, contains("HAND"));
  check_failure(on("mega_cap", "2024-06-09"), 1,
                "the journal does not reach back to 2024-06-09: it begins with 2024-06-10");
  check_failure(on("recent_ipos", "2024-06-10"), 1,
                "universe 'recent_ipos' did not exist on 2024-06-10 (the journal begins with");
  check_failure(on("late", "2024-06-10"), 1,
                "universe 'late' is not known to have existed on 2024-06-10");
  check_failure(fixture.run({"explain", "MID", "late", "--as-of", "2024-06-10"}), 1,
                "universe 'late' is not known to have existed on 2024-06-10 (the journal begins "
                "with 2024-06-10)");
  // No run reads an entry of a type that is neither cleaned nor declared.
  fixture.set_entry("etfs", "etf", R"({"symbols": ["MID"], "count": 1})");
  check_failure(on("etfs", market_day), 1, "universe 'etfs' is not known to have existed on");
  check_failure(on("mega_cup", market_day), 1, "Did you mean 'mega_cap'?");
  check_failure(fixture.run({"members", "mega_cup"}), 1, "Did you mean 'mega_cap'?");
}

TEST_CASE("members of a content without an array of symbols are refused, and those of a day not") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  fixture.set_entry("mega_cap", "MARKET_CAP", "[1]");
  check_failure(
      fixture.run({"members", "mega_cap"}), 1,
      "the content of universe 'mega_cap' is not an object with an array of strings under "
      "symbols. Correct the entry, or show a past day with --as-of.");
  const ProcessResult past = fixture.run({"members", "mega_cap", "--as-of", market_day});
  CHECK(past.status == 0);
  CHECK_THAT(past.out, contains("MEGA"));
}

TEST_CASE("members doesn't claim that an entry never existed if no run has read it") {
  Fixture fixture;
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("etfs", "etf", R"({"symbols": ["MID"], "count": 1})");
  REQUIRE(run_task(fixture, {"ipo"}).status == 0);
  fixture.database().execute("DELETE FROM cache_entries");
  check_failure(fixture.run({"members", "etfs", "--as-of", market_day}), 1,
                "universe 'etfs' is not known to have existed on");
}

TEST_CASE("a failure of universes is a document, too") {
  const Fixture fixture;
  check_failure_document(fixture.run(as_json, {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"}}),
                         5, "127.0.0.1:1");
}
