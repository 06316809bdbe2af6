#include "cli/night.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "expectation.hpp"
#include "json.hpp"
#include "process.hpp"
#include "support/catch.hpp"

namespace tickstock::test {

namespace {

using Names = std::vector<std::string>;

/// Returns the universes that were announced, in order.
Names announced(const std::vector<Event>& events) {
  Names universes;
  for (const Event& event : events) {
    if (event.channel == "tickstock:universe:updated") {
      universes.push_back(Json::parse(event.message).at("payload.universe").str());
    }
  }
  return universes;
}

/// Returns the payloads of one channel.
std::vector<Json> payloads(const std::vector<Event>& events, const std::string& channel) {
  std::vector<Json> found;
  for (const Event& event : events) {
    if (event.channel == channel) {
      found.push_back(Json::parse(event.message).at("payload"));
    }
  }
  return found;
}

void check_events(const std::vector<Event>& events, const Expectation& expectation) {
  CHECK(announced(events) == expectation.announced());
  Names ipos;
  Names expected_ipos;
  std::set<std::string> delisted;
  std::size_t removed = 0;
  std::size_t cleaned = 0;
  for (const auto& write : expectation.writes()) {
    if (write.task == 2) {
      expected_ipos = write.added;
    } else if (write.task == 3) {
      delisted.insert(write.removed.begin(), write.removed.end());
      removed += write.removed.size();
      ++cleaned;
    }
  }
  for (const Json& payload : payloads(events, "tickstock:cache:ipo_assignment")) {
    ipos.push_back(payload.at("symbol").str());
  }
  std::sort(ipos.begin(), ipos.end());
  std::sort(expected_ipos.begin(), expected_ipos.end());
  CHECK(ipos == expected_ipos);

  const auto cleanups = payloads(events, "tickstock:cache:delisting_cleanup");
  CHECK(cleanups.size() == (cleaned == 0 ? 0 : 1));
  for (const Json& payload : cleanups) {
    CHECK(payload.at("removed_count").num() == static_cast<double>(removed));
    CHECK(payload.at("universes").size() == cleaned);
    Names symbols = payload.at("symbols").strings();
    std::sort(symbols.begin(), symbols.end());
    CHECK(symbols == Names(delisted.begin(), delisted.end()));
  }
  for (const Json& payload : payloads(events, "tickstock:universe:updated")) {
    const auto write =
        std::find_if(expectation.writes().begin(), expectation.writes().end(),
                     [&](const auto& w) { return w.universe == payload.at("universe").str(); });
    REQUIRE(write != expectation.writes().end());
    const Json metadata = payload.at("metadata");
    CHECK(fmt::format("{} {} {} {} {}", metadata.at("previous_count").integer(),
                      metadata.at("count").integer(), metadata.at("added").integer(),
                      metadata.at("removed").integer(), metadata.at("moved").integer()) ==
          fmt::format("{} {} {} {} {}", write->old_list.size(), write->new_list.size(),
                      write->added.size(), write->removed.size(), write->moved));
  }
}

/// Runs the program for a day; the status must be the expected one.
Json run(const Fixture& fixture, const std::string& command, const std::string& day, int status) {
  const ProcessResult result =
      fixture.run({command, "--as-of", day, "--detailed-exitcode", "--format", "json"});
  INFO(command << ", standard error: " << result.err);
  INFO("standard output: " << result.out.substr(0, 2000));
  REQUIRE(result.status == status);
  return Json::parse(result.out);
}

}  // namespace

void check_day(Fixture& fixture, Subscriber& subscriber, const std::string& day) {
  Expectation expectation(fixture.database(), day);
  const Names expected = expectation.changes();
  const int status = expected.empty() ? 0 : 2;
  const auto before = fixture.entries_dump();
  subscriber.drain();

  const Json foretold = run(fixture, "dry-run", day, status);
  CHECK(fixture.entries_dump() == before);
  CHECK(subscriber.drain().empty());

  const Json done = run(fixture, "sync", day, status);
  CHECK_THAT(expectation.mismatches(), Catch::Matchers::Equals(Names()));
  CHECK(Expectation::changes_of(done) == expected);
  CHECK(done.at("total_changes").num() == static_cast<double>(expected.size()));
  check_events(subscriber.drain(), expectation);

  for (const char* key : {"task_results", "total_changes", "plan_digest", "guards", "as_of"}) {
    CHECK(foretold.at(key).text_without({"timestamp"}) == done.at(key).text_without({"timestamp"}));
  }

  const auto after = fixture.entries_dump();
  const Json again = run(fixture, "sync", day, 0);
  CHECK(again.at("total_changes").integer() == 0);
  CHECK(Expectation::changes_of(again) == Names());
  CHECK(fixture.entries_dump() == after);
  const auto events = subscriber.drain();
  CHECK(announced(events) == Names());
  CHECK(payloads(events, "tickstock:cache:ipo_assignment").empty());
  CHECK(payloads(events, "tickstock:cache:delisting_cleanup").empty());
}

}  // namespace tickstock::test
