// The events that a subscriber receives from a run.

#include <set>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

struct Heard {
  Fixture fixture;
  Subscriber subscriber{fixture.redis()};

  explicit Heard(bool init = true) {
    add_small_market(fixture);
    if (init) REQUIRE(fixture.run({"init"}).status == 0);
  }

  /// Runs a task that must exit with this status, and returns its events.
  std::vector<Event> of(const Names& arguments, int status = 0) {
    subscriber.drain();
    const ProcessResult result = run_task(fixture, arguments);
    INFO(result.err);
    REQUIRE(result.status == status);
    return subscriber.drain();
  }
};

Names universe_lines() {
  Names lines;
  for (const std::string& universe : small_market_writes) {
    lines.push_back("universe_updated " + universe);
  }
  return lines;
}

/// Returns the events of a run of the small market, in order.
Names first_run_lines(bool full) {
  Names lines = universe_lines();
  lines.insert(lines.begin(), "cache_sync_triggered");
  lines.insert(lines.end() - 1, "ipo_assigned NEW");
  lines = with(lines, {"delisting_cleanup", "cache_sync_completed"});
  return full ? with(lines, {"phase_completed"}) : lines;
}

}  // namespace

TEST_CASE("the events of a run come in order, with own tables and without") {
  for (const bool init : {true, false}) {
    Heard scene(init);
    CHECK(event_lines(scene.of({"sync", "--max-universe-events", "0"})) == first_run_lines(true));
  }
}

TEST_CASE("a second run announces nothing but itself") {
  Heard scene;
  scene.of({"sync"});
  CHECK(event_lines(scene.of({"sync"})) ==
        Names{"cache_sync_triggered", "cache_sync_completed", "phase_completed"});
}

TEST_CASE("a single task sends no phase_completed") {
  Heard scene;
  CHECK(event_lines(scene.of({"ipo"})) == Names{"cache_sync_triggered",
                                                "universe_updated recent_ipos", "ipo_assigned NEW",
                                                "cache_sync_completed"});
  CHECK(event_lines(scene.of({"delisted"})) == Names{"cache_sync_triggered",
                                                     "universe_updated tech", "delisting_cleanup",
                                                     "cache_sync_completed"});
  const auto market_cap = scene.of({"market-cap"});
  CHECK(messages(market_cap, "tickstock:processing:status").empty());
  CHECK(announced_universes(market_cap).size() == 9);
  CHECK(messages(market_cap, "tickstock:cache:sync_complete")[0].at("payload.mode").str() ==
        "market_cap");
}

TEST_CASE("every event has the envelope, and an id of its own") {
  Heard scene;
  const auto events = scene.of({"sync", "--run-id", "night"});
  std::set<std::string> ids;
  for (const Event& event : events) {
    INFO(event.channel << ": " << event.message);
    const Json message = Json::parse(event.message);
    const bool progress = event.channel == "tickstock:monitoring";
    CHECK(message.at("version").str() == "1.0");
    CHECK(message.at("source").str() ==
          (progress ? "daily_processing.cache_sync" : "daily_cache_sync_job"));
    CHECK(message.at("payload.run_id").str() == "night");
    CHECK(message.at("timestamp").str().size() == std::string("2026-08-21T20:10:03.412Z").size());
    const std::string id = message.at("event_id").str();
    CHECK(id.size() == 36);
    ids.insert(id);
  }
  CHECK(ids.size() == events.size());
}

TEST_CASE("the payloads of a first run") {
  Heard scene;
  const auto events = scene.of({"sync", "--run-id", "night", "--triggered-by", "coordinator"});
  const auto only = [&events](const std::string& channel) {
    const auto found = messages(events, channel);
    REQUIRE(found.size() == 1);
    return found[0].at("payload");
  };
  CHECK(only("tickstock:cache:sync_triggered").text() ==
        R"({"run_id":"night","job_id":"night","mode":"full","force":false,)"
        R"("triggered_by":"coordinator"})");
  CHECK(only("tickstock:cache:ipo_assignment").text() ==
        R"({"run_id":"night","symbol":"NEW","universe":"recent_ipos","company_name":"New Corp",)"
        R"("listing_date":"2024-06-20","sector":"Technology"})");
  CHECK(only("tickstock:cache:delisting_cleanup").text() ==
        R"({"run_id":"night","removed_count":1,"universes":["tech"],"symbols":["GONE"]})");
  CHECK(messages(events, "tickstock:universe:updated")[2].at("payload").text() ==
        R"({"run_id":"night","universe":"mid_cap","action":"updated",)"
        R"("reason":"Market cap recalculation: 2 symbols",)"
        R"("metadata":{"count":2,"previous_count":0,"added":2,"removed":0,"moved":0}})");
  CHECK(messages(events, "tickstock:universe:updated")[10].at("payload").text() ==
        R"({"run_id":"night","universe":"tech","action":"cleaned",)"
        R"("reason":"Removed 1 delisted symbols",)"
        R"("metadata":{"count":2,"previous_count":3,"added":0,"removed":1,"moved":0}})");

  const Json end = only("tickstock:cache:sync_complete");
  CHECK(end.text_without({"duration_seconds", "universes_updated"}) ==
        R"({"run_id":"night","job_id":"night","mode":"full","status":"completed",)"
        R"("sync_status":"completed","total_changes":11,"universe_events_omitted":0,)"
        R"("task_results":{"market_cap_recalculation":{"status":"success","changes":9},)"
        R"("ipo_assignment":{"status":"success","changes":1},)"
        R"("delisted_cleanup":{"status":"success","changes":1}},"error":null})");
  CHECK(end.at("universes_updated").strings() == small_market_writes);
  CHECK(end.at("duration_seconds").num() > 0);

  CHECK(only("tickstock:processing:status").text_without({"duration_seconds"}) ==
        R"({"run_id":"night","phase":"cache_sync","status":"completed",)"
        R"("stats":{"success":true,"run_id":"night","changes":11},"error":null})");

  const auto steps = messages(events, "tickstock:monitoring");
  REQUIRE(steps.size() == 6);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CHECK(steps[i].at("payload.completed_steps").integer() == static_cast<std::int64_t>(i));
    CHECK(steps[i].at("payload.percentage").integer() == static_cast<std::int64_t>(20 * i));
    CHECK(steps[i].at("payload.total_steps").integer() == 5);
  }
  CHECK(steps[1].at("payload.current_step").str() == "Market cap recalculation");
}

TEST_CASE("unknown company data is null, and force is true for an approved plan") {
  Heard scene;
  scene.fixture.database().execute("UPDATE symbols SET company_name = NULL, sector = NULL");
  const Json foretold = run_json(scene.fixture, {"dry-run"});
  const auto events = scene.of({"sync", "--approve-plan", foretold.at("plan_digest").str()});
  CHECK(messages(events, "tickstock:cache:sync_triggered")[0].at("payload.force").boolean());
  const Json payload = messages(events, "tickstock:cache:ipo_assignment")[0].at("payload");
  CHECK(payload.at("company_name").is_null());
  CHECK(payload.at("sector").is_null());
  CHECK(foretold.at("task_results.ipo_assignment.changes.0.reason").str() == "New IPO: NEW");
}

TEST_CASE("each task announces its first universes only, and the end tells how many were not") {
  Heard scene;
  const auto events = scene.of({"sync", "--max-universe-events", "2"});
  CHECK(announced_universes(events) == Names{"mega_cap", "large_cap", "recent_ipos", "tech"});
  const Json end = messages(events, "tickstock:cache:sync_complete")[0].at("payload");
  CHECK(end.at("universe_events_omitted").integer() == 7);
  CHECK(end.at("universes_updated").strings() == small_market_writes);
  CHECK(end.at("total_changes").integer() == 11);
}

TEST_CASE("ten universes a task are announced where nothing else is said") {
  Heard scene;
  for (int i = 0; i < 12; ++i) {
    scene.fixture.set_entry(fmt::format("theme_{}", static_cast<char>('a' + i)), "theme",
                            R"({"symbols": ["GONE"], "count": 1})");
  }
  const auto events = scene.of({"delisted"});
  Names expected{"tech"};
  for (const char letter : std::string("abcdefghi")) {
    expected.push_back(fmt::format("theme_{}", letter));
  }
  CHECK(announced_universes(events) == expected);
  const Json cleanup = messages(events, "tickstock:cache:delisting_cleanup")[0].at("payload");
  CHECK(cleanup.at("removed_count").integer() == 13);
  CHECK(cleanup.at("universes").size() == 13);
  CHECK(cleanup.at("symbols").strings() == Names{"GONE"});
  CHECK(messages(events, "tickstock:cache:sync_complete")[0]
            .at("payload.universe_events_omitted")
            .integer() == 3);
}

TEST_CASE("delisted symbols leave the maintained universes first, in their order") {
  Fixture fixture;
  add_small_market(fixture);
  for (const std::string universe : {"a_theme", "top_100", "mega_cap", "top_1000", "micro_cap"}) {
    const std::string type = universe == "a_theme" ? "theme" : "market_cap";
    fixture.set_entry(universe, type, R"({"symbols": ["GONE"], "count": 1})");
  }
  Subscriber subscriber(fixture.redis());
  REQUIRE(run_task(fixture, {"delisted"}).status == 0);
  CHECK(announced_universes(subscriber.drain()) ==
        Names{"mega_cap", "micro_cap", "top_100", "top_1000", "a_theme", "tech"});
}

TEST_CASE("with --no-events nothing is stored or sent, and pending events stay") {
  Heard scene;
  REQUIRE(run_task(scene.fixture, {"ipo"}, redis_down()).status == 6);
  const auto pending = [&scene] {
    return scene.fixture.database().column(
        "SELECT event_id::text || (published_at IS NULL) "
        "FROM cache_sync_outbox ORDER BY id");
  };
  const Names before = pending();
  CHECK(before.size() == 3);
  CHECK(scene.of({"sync", "--no-events", "--run-id", "silent"}).empty());
  CHECK(pending() == before);
  CHECK(scene.fixture.database().value("SELECT events_enabled FROM cache_sync_runs "
                                       "WHERE run_id = 'silent'") == "f");
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[events]\nenabled = false\n");
  CHECK(scene.of({"sync", "--config", config}).empty());
  CHECK(pending() == before);
}

TEST_CASE("a dry run says nothing") {
  Heard scene;
  CHECK(scene.of({"dry-run"}).empty());
  CHECK(scene.of({"sync", "--dry-run"}).empty());
  CHECK(scene.of({"delisted", "--dry-run"}).empty());
}

TEST_CASE("a refused run tells the error and its end") {
  Heard scene;
  scene.of({"sync"});
  scene.fixture.database().execute("UPDATE symbols SET market_cap = 0");
  const auto events = scene.of({"sync", "--run-id", "bad"}, 4);
  CHECK(event_lines(events) == Names{"cache_sync_triggered", "cache_sync_error",
                                     "cache_sync_completed", "phase_completed"});
  const Json end = messages(events, "tickstock:cache:sync_complete")[0].at("payload");
  CHECK(end.at("status").str() == "failed");
  CHECK(end.at("sync_status").str() == "refused");
  CHECK(end.at("total_changes").integer() == 0);
  CHECK(end.at("universes_updated").size() == 0);
  CHECK_THAT(end.at("error").str(), contains("no symbol is eligible"));
  const Json phase = messages(events, "tickstock:processing:status")[0].at("payload");
  CHECK(phase.at("status").str() == "failed");
  CHECK_FALSE(phase.at("stats.success").boolean());

  const Json error = messages(events, "tickstock:errors")[0];
  CHECK(error.at("error_id").str() == error.at("event_id").str());
  CHECK(error.at("message").str() == end.at("error").str());
  CHECK(error.at("component").str() == "cache_sync_processing");
  CHECK_FALSE(error.at("severity").str().empty());
  CHECK_FALSE(error.at("category").str().empty());
  CHECK(error.at("context").is_object());
  CHECK(error.at("payload.component").str() == "cache_sync_processing");
  CHECK(error.at("payload.severity").str() == error.at("severity").str());
  CHECK(error.at("payload.message").str() == error.at("message").str());
  CHECK(error.at("payload.error_message").str() == error.at("message").str());
  CHECK(error.at("payload.run_id").str() == "bad");
}

TEST_CASE("a run that fails says so, with an end only where it had the lock") {
  Heard scene;
  scene.fixture.database().execute("INSERT INTO symbols (symbol) VALUES ('MID')");
  CHECK(event_lines(scene.of({"sync"}, 1)) == Names{"cache_sync_triggered", "cache_sync_error",
                                                    "cache_sync_completed", "phase_completed"});
  scene.fixture.database().execute("DROP TABLE symbols");
  CHECK(event_lines(scene.of({"sync"}, 1)) == Names{"cache_sync_error", "phase_completed"});
}
