// What a run does with declared universes: tasks, events, guards, warnings, and the ten built-in
// ones besides.

#include "cli/declared.hpp"

using namespace tickstock::test;

TEST_CASE("a declared universe may join the categories behind them") {
  Declared scene("[[universe]]\nname = \"nano_cap\"\ngroup = \"categories\"\ncap_from = 1e6\n");
  add_small_market(scene.fixture);
  CHECK(scene.after("themes", "nano_cap") == Names{"TINY"});
  CHECK(scene.metadata("nano_cap") == R"({"type": "theme"})");
  const Json document = scene.json({"sync", "--dry-run"});
  CHECK(document.at("task_results").keys() == Names{"market_cap_recalculation", "ipo_assignment",
                                                    "theme_rebalancing", "delisted_cleanup"});
}

TEST_CASE("a run of one task takes no symbol that another task's universe of the group has") {
  Declared scene("[[universe]]\nname = \"nano_cap\"\ngroup = \"categories\"\ncap_from = 1e6\n");
  add_small_market(scene.fixture);
  CHECK(scene.after("sync", "nano_cap") == Names{"TINY"});
  scene.set("TINY", "market_cap", "70e6");
  CHECK(scene.after("market-cap", "micro_cap") == Names{"MICRO"});
  CHECK(scene.fixture.members("nano_cap") == Names{"TINY"});
  CHECK(scene.after("sync", "micro_cap") == Names{"TINY", "MICRO"});
  CHECK(scene.fixture.members("nano_cap").empty());
  scene.set("TINY", "market_cap", "2e6");
  CHECK(scene.after("themes", "nano_cap").empty());
  CHECK(scene.after("sync", "nano_cap") == Names{"TINY"});
  CHECK(scene.fixture.members("micro_cap") == Names{"MICRO"});
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

TEST_CASE("which types are cleaned can be set") {
  Declared scene("[delisted]\ntypes = [\"etf\"]\n");
  add_small_market(scene.fixture);
  scene.fixture.set_entry("fund", "etf", R"({"symbols": ["GONE", "MID"], "count": 2})");
  CHECK(scene.after("delisted", "fund") == Names{"MID"});
  CHECK(scene.fixture.members("tech") == Names{"MID", "GONE", "MEGA"});
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
      "40 active symbols that have a sector are in no entry of type sector or theme. Declare "
      "sectors: see tickstock-cache-universes(7).";
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

TEST_CASE("the guards about the market check the group categories, whatever is in it") {
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
        Names{"no_eligible_symbols", "removed", "future_as_of"});
  CHECK(guards("[[universe]]\nname = \"x\"\ncap_from = 1\ngroup = \"categories\"\n") ==
        Names{"no_eligible_symbols", "vanished", "appeared", "removed", "future_as_of"});
}
