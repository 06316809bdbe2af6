#include <regex>
#include <set>

#include "events/messages.hpp"
#include "events/sha256.hpp"
#include "rules/plan.hpp"
#include "support/catch.hpp"
#include "support/json.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

/// Returns the record of a run that has begun.
RunRecord begun() {
  RunRecord run;
  run.run_id = "night-1";
  run.mode = "full";
  run.triggered_by = "cron";
  return run;
}

const RunRecord run = begun();
const std::string moment = "2026-08-21T20:10:03.412Z";

std::vector<Message> events_of(const TaskPlan& plan, const Market& market, std::size_t most,
                               std::size_t& omitted) {
  return events::task_events(run.run_id, moment, plan, {}, market, 30, most, omitted);
}

}  // namespace

TEST_CASE("an event id is a UUID, the same for the same event and different for any other") {
  const std::string id = events::uuid_of("run", "task", "universe", "symbol", 1);
  CHECK(std::regex_match(
      id, std::regex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
  CHECK(events::uuid_of("run", "task", "universe", "symbol", 1) == id);
  const std::set<std::string> others{id,
                                     events::uuid_of("run2", "task", "universe", "symbol", 1),
                                     events::uuid_of("run", "task2", "universe", "symbol", 1),
                                     events::uuid_of("run", "task", "universe2", "symbol", 1),
                                     events::uuid_of("run", "task", "universe", "symbol2", 1),
                                     events::uuid_of("run", "task", "universe", "symbol", 2),
                                     events::uuid_of("run", "tasku", "niverse", "symbol", 1)};
  CHECK(others.size() == 7);
}

TEST_CASE("SHA-256 is SHA-256 over lengths and texts") {
  // printf '\3\0\0\0\0\0\0\0abc' | sha256sum
  CHECK(events::Sha256().add("abc").hex() ==
        "ce91dc5eec0139adf091900d225971d6ad246a845bad791b5693a9d0d55dd391");
}

TEST_CASE("the envelope is the one that the application knows") {
  const Message message = events::sync_triggered(run, moment);
  CHECK(message.channel == "tickstock:cache:sync_triggered");
  const Json body = Json::parse(message.body);
  CHECK(body.at("event").str() == "cache_sync_triggered");
  CHECK(body.at("event_id").str() == message.event_id);
  CHECK(body.at("timestamp").str() == moment);
  CHECK(body.at("source").str() == "daily_cache_sync_job");
  CHECK(body.at("version").str() == "1.0");
  CHECK(body.at("payload.run_id").str() == "night-1");
  CHECK(body.at("payload.job_id").str() == "night-1");
  CHECK(body.at("payload.mode").str() == "full");
  CHECK(body.at("payload.triggered_by").str() == "cron");
  CHECK_FALSE(body.at("payload.force").boolean());
}

TEST_CASE("a task announces the first universes, and says how many it left out") {
  const Market market = market_of({{"A", 300e9}});
  const TaskPlan plan = plan_of(Mode::market_cap, market, {});
  std::size_t omitted = 0;
  const auto some = events_of(plan, market, 2, omitted);
  REQUIRE(some.size() == 2);
  CHECK(omitted == 3);
  CHECK(Json::parse(some[0].body).at("payload.universe").str() == "mega_cap");
  CHECK(Json::parse(some[0].body).at("payload.metadata.count").integer() == 1);
  CHECK(Json::parse(some[0].body).at("payload.metadata.previous_count").integer() == 0);
  CHECK(Json::parse(some[1].body).at("payload.universe").str() == "top_100");
  omitted = 0;
  CHECK(events_of(plan, market, 0, omitted).size() == 5);
  CHECK(omitted == 0);
}

TEST_CASE("listings are announced one by one, behind their universe") {
  Market market = market_of({{"NEW", 1, "2026-08-20"}, {"NAMELESS", 1, "2026-08-20"}});
  market.describe(1, {"Acme Corp", "Technology"});
  std::size_t omitted = 0;
  const auto messages = events_of(plan_of(Mode::ipos, market, {}, {}), market, 10, omitted);
  REQUIRE(messages.size() == 3);
  CHECK(messages[0].event == "universe_updated");
  const Json nameless = Json::parse(messages[1].body).at("payload");
  CHECK(nameless.at("symbol").str() == "NAMELESS");
  CHECK(nameless.at("company_name").str() == "Acme Corp");
  const Json fresh = Json::parse(messages[2].body).at("payload");
  CHECK(fresh.at("symbol").str() == "NEW");
  CHECK(fresh.at("company_name").is_null());
  CHECK(fresh.at("sector").is_null());
  CHECK(fresh.at("listing_date").str() == "2026-08-20");
  CHECK(fresh.at("universe").str() == "recent_ipos");
}

TEST_CASE("a clean-up counts memberships and names each symbol once") {
  Market market = market_of({{"B", 1, {}, "2026-08-20"}, {"A", 1, {}, "2026-08-20"}});
  const Entries entries{{"ai", entry_of(market, "theme", {"B", "A"})},
                        {"energy", entry_of(market, "sector", {"B"})}};
  std::size_t omitted = 0;
  const auto messages = events_of(plan_of(Mode::delisted, market, entries), market, 10, omitted);
  REQUIRE(messages.size() == 3);
  const Json payload = Json::parse(messages[2].body).at("payload");
  CHECK(messages[2].event == "delisting_cleanup");
  CHECK(payload.at("removed_count").integer() == 3);
  CHECK(payload.at("symbols").strings() == std::vector<std::string>{"A", "B"});
  CHECK(payload.at("universes").strings() == std::vector<std::string>{"ai", "energy"});
}

TEST_CASE("the closing events say how it ended in the application's words and in ours") {
  RunRecord ended = begun();
  ended.status = RunStatus::completed_with_errors;
  ended.total_changes = 9;
  ended.tasks = {{"market_cap_recalculation", 9, {}}, {"ipo_assignment", 0, "broken"}};
  ended.universes_updated = {"mega_cap"};
  ended.universe_events_omitted = 3;
  ended.duration_seconds = 0.5;
  ended.error = "broken";
  const Json body = Json::parse(events::sync_completed(ended, moment).body).at("payload");
  CHECK(body.at("status").str() == "completed");
  CHECK(body.at("sync_status").str() == "completed_with_errors");
  CHECK(body.at("total_changes").integer() == 9);
  CHECK(body.at("universes_updated").strings() == std::vector<std::string>{"mega_cap"});
  CHECK(body.at("universe_events_omitted").integer() == 3);
  CHECK(body.at("task_results.ipo_assignment.status").str() == "failed");
  CHECK(body.at("task_results.market_cap_recalculation.changes").integer() == 9);
  CHECK(body.at("error").str() == "broken");
  CHECK(Json::parse(events::phase_completed(ended, moment).body).at("payload.status").str() ==
        "completed");

  ended.status = RunStatus::refused;
  CHECK(Json::parse(events::sync_completed(ended, moment).body).at("payload.status").str() ==
        "failed");
  const Json phase = Json::parse(events::phase_completed(ended, moment).body).at("payload");
  CHECK(phase.at("status").str() == "failed");
  CHECK_FALSE(phase.at("stats.success").boolean());
}

TEST_CASE("ends of several attempts with one run id have ids of their own") {
  RunRecord failed = run;
  failed.status = RunStatus::failed;
  failed.error = "PostgreSQL is away";
  RunRecord other = failed;
  other.error = "another run holds the lock";
  RunRecord done = run;
  done.status = RunStatus::completed;
  for (const auto make : {&events::phase_completed, &events::sync_completed}) {
    const std::string id = make(failed, moment).event_id;
    CHECK(id != make(done, moment).event_id);
    CHECK(id != make(other, moment).event_id);
    CHECK(id == make(failed, moment).event_id);
  }
}

TEST_CASE("progress has a source of its own, and errors repeat themselves at the top") {
  const Json progress = Json::parse(events::progress(run, moment, 3, 2).body);
  CHECK(progress.at("source").str() == "daily_processing.cache_sync");
  CHECK(progress.at("payload.current_step").str() == "IPO assignment");
  CHECK(progress.at("payload.percentage").integer() == 40);
  CHECK_FALSE(progress.at("payload").has("completed"));

  const Json error =
      Json::parse(events::sync_error(run, moment, ErrorKind::refused, "a guard fired").body);
  CHECK(error.at("error_id").str() == error.at("event_id").str());
  CHECK(error.at("category").str() == "validation");
  CHECK(error.at("message").str() == "a guard fired");
  CHECK(error.at("payload.error_message").str() == "a guard fired");
  CHECK(error.at("payload.component").str() == "cache_sync_processing");
  CHECK(error.at("context.run_id").str() == "night-1");
}

TEST_CASE("two errors of one run are two events, and one that is told twice is one") {
  const auto id_of = [](const std::string& message) {
    return events::sync_error(run, moment, ErrorKind::failed, message).event_id;
  };
  CHECK(id_of("the desk of top_100 is closed") != id_of("the desk of tech is closed"));
  CHECK(id_of("the desk of tech is closed") == id_of("the desk of tech is closed"));
}

TEST_CASE("an event of more than the size that every Redis takes is refused and named") {
  Message message{"id", "channel", "event", std::string(events::largest_message, 'x')};
  CHECK_NOTHROW(events::require_sendable({message, message}));
  message.body += 'x';
  CHECK_THROWS_WITH(events::require_sendable({message}),
                    contains("event event on channel channel would have 1048577 bytes") &&
                        contains("or run once with --no-events"));
}
