// What happens at COMMIT.

#include <algorithm>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

constexpr const char* end_backend =
    "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);";

}  // namespace

TEST_CASE("without the program's own tables nothing tells the outcome") {
  Fixture fixture;
  add_small_market(fixture);
  at_commit(fixture, "cache_entries", end_backend);
  const ProcessResult result = run_task(fixture, {"sync"});
  check_failure(result, 8, "outcome unknown");
  CHECK_THAT(log_lines(result, "error").front(), contains("Run again"));
}

TEST_CASE("a connection that is lost while the record is opened ends the run with 5") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  at_commit(fixture, "cache_sync_runs", end_backend);
  const Names before = fixture.entries_dump();
  check_failure(run_task(fixture, {"sync"}), 5, "COMMIT failed: terminating connection");
  CHECK(fixture.entries_dump() == before);
}

TEST_CASE("events whose delivery could not be marked are sent once more, with the same ids") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync"}, redis_down()).status == 6);
  at_commit(fixture, "cache_sync_outbox", end_backend);
  Subscriber subscriber(fixture.redis());
  check_failure(fixture.run({"deliver"}), 5,
                "still pending: the connection was lost during COMMIT");
  Names first = event_ids(subscriber.drain());
  // The run retries by itself, on another connection.
  const auto half = first.begin() + static_cast<std::ptrdiff_t>(first.size() / 2);
  CHECK(std::equal(first.begin(), half, half, first.end()));
  first.erase(half, first.end());
  CHECK_FALSE(first.empty());

  fixture.database().execute("DROP TRIGGER at_commit ON cache_sync_outbox");
  CHECK(fixture.run({"deliver"}).status == 0);
  CHECK(event_ids(subscriber.drain()) == first);
}
