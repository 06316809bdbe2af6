// The journal: why members were added and removed, and how to query it later.

#include <regex>

#include "cli/declared.hpp"

using namespace tickstock::test;

namespace {

/// Returns `top_100 + AAPL rose to rank 97`, a line for each member added or removed, as the
/// journal has it.
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

/// Returns the same from a text report with --full.
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

/// Two nights: the first creates the universes, the second moves one symbol of each kind.
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

TEST_CASE("if no member has a reason of its own, the journal keeps none") {
  TwoNights scene;
  const auto count = [&scene](const std::string& condition) {
    return scene.fixture.database().value("SELECT count(*) FROM cache_sync_changes WHERE " +
                                          condition);
  };
  // In new universes, only the clean-up and the listings of the first night have reasons.
  CHECK(count("run_id = 'night-1' AND task = 'market_cap_recalculation' AND added_why IS NULL") ==
        "9");
  CHECK(count("run_id = 'night-1' AND universe = 'tech' AND removed_why = '{delisted 2024-06-27}' "
              "AND added_why IS NULL") == "1");
  CHECK(count("cardinality(added) <> cardinality(added_why) OR "
              "cardinality(removed) <> cardinality(removed_why)") == "0");
}

TEST_CASE("the history of a universe has a line for each run that changed it") {
  TwoNights scene;
  CHECK(scene.fixture.run({"history", "--universe", "mid_cap"}).out ==
        "as of       universe  change    reason                               run\n"
        "2024-06-28  mid_cap   +2 −1 ~0  Market cap recalculation: 3 symbols  night-2\n"
        "2024-06-28  mid_cap   +2 −0 ~0  Market cap recalculation: 2 symbols  night-1\n"
        "2 of 2 changes\n");
  CHECK(scene.fixture.run({"history", "--universe", "mid_cap", "--limit", "1", "--offset", "1"})
            .out ==
        "as of       universe  change    reason                               run\n"
        "2024-06-28  mid_cap   +2 −0 ~0  Market cap recalculation: 2 symbols  night-1\n"
        "1 of 2 changes\n");
}

TEST_CASE("a name that nobody has is said, with the one that was meant") {
  TwoNights scene;
  const auto refuses = [&scene](const Names& more, const std::string& words) {
    check_failure(scene.fixture.run(with({"history"}, more)), 1, words);
  };
  refuses({"--universe", "MID_CAP"}, "no universe 'MID_CAP' is known. Did you mean 'mid_cap'?");
  refuses({"--universe", "mid_cab"}, "no universe 'mid_cab' is known. Did you mean 'mid_cap'?");
  refuses({"--symbol", "large"}, "no symbol 'large' is known. Did you mean 'LARGE'?");
  refuses({"--symbol", "LARG"}, "no symbol 'LARG' is known. Did you mean 'LARGE'?");
  refuses({"--symbol", "LARG%"}, "no symbol 'LARG%' is known");
  refuses({"--symbol", "a'b\"c\\{},"}, "is known. Check the spelling.");
  // A known symbol or universe may have no changes.
  CHECK(scene.fixture.run({"history", "--symbol", "LARGE", "--universe", "recent_ipos"}).out ==
        "0 of 0 changes\n");
}

TEST_CASE("a past day tells of a member that neither the symbols nor a change names") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("hand", "theme", R"({"symbols": ["ZZ", "MID"], "count": 2})");
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  const ProcessResult told = fixture.run({"explain", "ZZ", "hand", "--as-of", market_day});
  CHECK(told.status == 0);
  CHECK_THAT(told.out, contains("hand: a member"));
  CHECK(fixture.run({"history", "--symbol", "ZZ"}).out == "0 of 0 changes\n");
  check_failure(fixture.run({"explain", "ZY", "hand", "--as-of", market_day}), 1,
                "no symbol 'ZY' is known");
}

TEST_CASE("a list that another writer broke is not an empty one on that day") {
  const std::string broken = GENERATE(R"({"symbols": 7})", "null", "[1]", "{}");
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("hand", "theme", R"({"symbols": ["MID"], "count": 1})");
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-26"}).status == 0);
  fixture.set_entry("hand", "theme", broken);
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-27"}).status == 0);
  const auto on = [&fixture](const std::string& day) {
    return fixture.run({"members", "hand", "--as-of", day, "--format", "csv"});
  };
  CHECK(on("2024-06-26").out == "symbol,rank,cap\nMID,,\n");
  check_failure(on("2024-06-27"), 1, "can't be read");
  fixture.set_entry("hand", "theme", R"({"symbols": ["LARGE"], "count": 1})");
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-28"}).status == 0);
  check_failure(on("2024-06-27"), 1, "can't be read");
  CHECK(on("2024-06-28").out == "symbol,rank,cap\nLARGE,,\n");
}

TEST_CASE("a broken list that an undo restores is not an empty one either") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("recent_ipos", "ipo", R"({"symbols": 7})");
  REQUIRE(run_task(fixture, {"sync", "--run-id", "mended"}).status == 0);
  REQUIRE(fixture.run({"undo", "mended"}).status == 0);
  const std::string today =
      fixture.database().value("SELECT as_of FROM cache_sync_runs WHERE mode = 'undo'");
  check_failure(fixture.run({"members", "recent_ipos", "--as-of", today}), 1, "can't be read");
  CHECK_THAT(fixture.run({"check"}).out, !contains("another writer"));
}

TEST_CASE("what is no longer declared is still followed by the journal") {
  Declared scene("[[universe]]\nname = 'mine'\ntype = 'own'\ncap_from = 1\n");
  Fixture& fixture = scene.fixture;
  scene.add({.symbol = "ONE", .market_cap = "2"});
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-26", "--config", scene.path()}).status == 0);
  fixture.set_entry("mine", "own", R"({"symbols": ["TWO"], "count": 1})");
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-27"}).status == 0);
  const auto on = [&fixture](const std::string& day) {
    return fixture.run({"members", "mine", "--as-of", day, "--format", "csv"}).out;
  };
  CHECK(on("2024-06-26") == "symbol,rank,cap\nONE,,\n");
  CHECK(on("2024-06-27") == "symbol,rank,cap\nTWO,,\n");
  CHECK(fixture.members("mine") == Names{"TWO"});
}

TEST_CASE("a run is named by the beginning of its id, as long as no other begins so") {
  TwoNights scene;
  Fixture& fixture = scene.fixture;
  CHECK_THAT(fixture.run({"status", "night-2"}).out, contains("night-2"));
  check_failure(
      fixture.run({"status", "night"}), 1,
      "more than one run id begins with 'night', such as night-2 and night-1. Give more of it.");
  check_failure(fixture.run({"status", "nobody"}), 1, "there is no record of run 'nobody'");
  CHECK_THAT(fixture.run({"history", "--of-run", "night-1", "--limit", "1"}).out,
             contains("1 of 11 changes\n"));
  REQUIRE(run_task(fixture, {"sync", "--run-id", "night-22"}).status == 0);
  // A complete id names one run, even if another id begins with it.
  CHECK(
      Json::parse(fixture.run({"status", "night-2", "--format", "json"}).out).at("run_id").str() ==
      "night-2");
  CHECK(
      Json::parse(fixture.run({"status", "night-22", "--format", "json"}).out).at("run_id").str() ==
      "night-22");
}

TEST_CASE("the history of changes can be that of some days") {
  TwoNights scene;
  scene.fixture.database().execute(
      "UPDATE cache_sync_changes SET changed_at = now() - interval '3 days' "
      "WHERE run_id = 'night-1'");
  const Names universe{"history", "--universe", "mid_cap", "--days"};
  CHECK_THAT(scene.fixture.run(with(universe, {"2"})).out, contains("night-2\n1 of 1 change\n"));
  CHECK_THAT(scene.fixture.run(with(universe, {"4"})).out, contains("2 of 2 changes\n"));
}

TEST_CASE("the history of a symbol has a line for each universe and run, and tells why") {
  TwoNights scene;
  // Without the heading, and with single spaces between the columns.
  const auto history = [&scene](const Names& more) {
    const std::string out = scene.fixture.run(with({"history", "--symbol"}, more)).out;
    Names lines = lines_of(std::regex_replace(out, std::regex("  +"), " "));
    if (lines.front().starts_with("as of")) lines.erase(lines.begin());
    return lines;
  };
  CHECK(history({"LARGE", "--limit", "5"}) ==
        Names{"2024-06-28 large_cap - LARGE crossed $10 B downward night-2",
              "2024-06-28 mid_cap + LARGE crossed $10 B downward night-2",
              "2024-06-28 large_cap + LARGE Market cap recalculation: 1 symbols night-1",
              "2024-06-28 top_100 + LARGE Top 100 by market cap night-1",
              "2024-06-28 top_500 + LARGE Top 500 by market cap night-1", "5 of 7 changes"});
  const Names b099 = history({"B099", "--universe", "top_500"});
  REQUIRE(b099.size() == 3);
  CHECK(b099[0] == "2024-06-28 top_500 ~ B099 moved night-2");
  CHECK(history({"MID", "--universe", "tech"}) ==
        Names{"2024-06-28 tech - MID delisted 2024-06-28 night-2", "1 of 1 change"});
}

TEST_CASE("the documents of changes have numbers, and for a symbol its change and why") {
  TwoNights scene;
  const auto document = [&scene](const Names& more) {
    return Json::parse(
        scene.fixture.run(with({"history", "--format", "json", "--limit", "3"}, more)).out);
  };
  const Json universe = document({"--universe", "mid_cap", "--offset", "1"});
  CHECK(universe.at("schema_version").integer() == 1);
  CHECK(universe.at("total").integer() == 2);
  CHECK(universe.at("limit").integer() == 3);
  CHECK(universe.at("offset").integer() == 1);
  REQUIRE(universe.at("changes").size() == 1);
  const Json first = universe.at("changes").items().front();
  CHECK(first.at("run_id").str() == "night-1");
  CHECK(first.at("as_of").str() == "2024-06-28");
  CHECK(first.at("task").str() == "market_cap_recalculation");
  CHECK(first.at("universe").str() == "mid_cap");
  CHECK(first.at("action").str() == "updated");
  CHECK(first.at("reason").str() == "Market cap recalculation: 2 symbols");
  CHECK(first.at("added").integer() == 2);
  CHECK(first.at("removed").integer() == 0);
  CHECK(first.at("moved").integer() == 0);
  CHECK_FALSE(first.has("symbol"));
  CHECK(first.at("added_symbols").strings() == Names{"NEW", "MID"});
  CHECK(first.at("removed_symbols").strings().empty());
  CHECK(first.at("moved_symbols").strings().empty());
  CHECK(first.at("added_why").is_null());
  CHECK(first.at("removed_why").is_null());
  CHECK(first.at("changed_at").str() == scene.fixture.content("mega_cap").at("last_updated").str());

  const Json symbol = document({"--symbol", "LARGE"});
  CHECK(symbol.at("total").integer() == 7);
  REQUIRE(symbol.at("changes").size() == 3);
  const auto lines = symbol.at("changes").items();
  CHECK(lines[0].at("change").str() == "removed");
  CHECK(lines[0].at("why").str() == "crossed $10 B downward");
  CHECK(lines[0].at("removed_symbols").strings() == Names{"LARGE"});
  CHECK(lines[0].at("removed_why").strings() == Names{"crossed $10 B downward"});
  CHECK(lines[1].at("change").str() == "added");
  CHECK(lines[1].at("symbol").str() == "LARGE");
  CHECK(lines[2].at("why").is_null());
}

TEST_CASE("the history is a table for programs too") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync", "--run-id", "night"}).status == 0);
  fixture.database().execute(
      "UPDATE cache_sync_runs SET error = 'a \"b\", c';"
      "UPDATE cache_sync_changes SET universe = 'a,b' WHERE universe = 'tech'");
  const Names runs = lines_of(fixture.run({"history", "--format", "csv"}).out);
  REQUIRE(runs.size() == 2);
  CHECK(runs[0] ==
        "run_id,mode,triggered_by,sync_status,as_of,start_time,end_time,duration_seconds,"
        "total_changes,universes_changed,added,removed,moved,error");
  CHECK_THAT(runs[1], starts_with("night,full,manual,completed,2024-06-28,2") &&
                          contains(",11,11,") && contains(R"(,"a ""b"", c")"));
  const Names changes =
      lines_of(fixture.run({"history", "--symbol", "GONE", "--format", "csv"}).out);
  REQUIRE(changes.size() == 2);
  CHECK(
      changes[0] ==
      "run_id,as_of,changed_at,task,universe,action,reason,added,removed,moved,symbol,change,why");
  CHECK_THAT(changes[1],
             starts_with("night,2024-06-28,") &&
                 contains(R"(,delisted_cleanup,"a,b",cleaned,Removed 1 delisted symbols,0,1,0,)"
                          "GONE,removed,delisted 2024-06-27"));
}

TEST_CASE("commands that can list as CSV fail as a JSON document if that is requested") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  fixture.database().execute("DROP TABLE ohlcv_daily");
  for (const auto& [command, words] :
       {std::pair(Names{"history", "--universe", "tehc"}, "Did you mean 'tech'?"),
        std::pair(Names{"members", "tehc"}, "Did you mean 'tech'?"),
        std::pair(Names{"explain", "mid"}, "Did you mean 'MID'?"),
        std::pair(Names{"replay", "--from", "2024-01-01", "--to", "2024-01-31"},
                  "ohlcv_daily does not exist")}) {
    check_failure_document(fixture.run(with(command, {"--format", "json"})), 1, words);
  }
}

TEST_CASE("a question about a universe says what failed, not that its name is unknown") {
  Fixture fixture;
  fixture.add_symbol({.symbol = "SMALL", .market_cap = "400000000"});
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}).status == 0);
  // Nothing is that large yet, so it has no row.
  check_failure(fixture.run({"members", "mega_cap"}), 1, "there is no universe 'mega_cap'");
  CHECK(fixture.run({"history", "--universe", "mega_cap"}).status == 0);

  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[timeouts]\nlock = 1\n");
  Session holder = fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("LOCK TABLE cache_entries IN ACCESS EXCLUSIVE MODE");
  for (const Names& command :
       {Names{"members", "top_100"}, Names{"members", "top_100", "--as-of", market_day},
        Names{"explain", "SMALL", "--as-of", market_day}}) {
    const ProcessResult result = fixture.run(with(command, {"--config", config}));
    CHECK(result.status == 5);
    CHECK_THAT(result.err, !contains("the names of universes") && !contains("for a symbol"));
  }
}

TEST_CASE("the history of changes shows those of its own table of entries") {
  TwoNights scene;
  scene.fixture.database().execute(
      "UPDATE cache_sync_runs SET entries = 'trial.cache_entries' WHERE run_id = 'night-1'");
  CHECK_THAT(scene.fixture.run({"history", "--universe", "mid_cap"}).out,
             contains("1 of 1 change\n"));
  CHECK_THAT(scene.fixture.run({"history", "--symbol", "LARGE"}).out, contains("2 of 2 changes\n"));
}

TEST_CASE("the status names the universes that the run changed") {
  TwoNights scene;
  CHECK_THAT(scene.fixture.run({"status", "night-1"}).out,
             contains("universes     mega_cap, large_cap, mid_cap, small_cap, micro_cap, top_100, "
                      "top_500, top_1000, top_2000, recent_ipos, tech\n"));
  REQUIRE(run_task(scene.fixture, {"sync", "--run-id", "night-3"}).status == 0);
  CHECK_THAT(scene.fixture.run({"status"}).out, !contains("universes  "));
}
