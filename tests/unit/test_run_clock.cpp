#include "support/catch.hpp"
#include "sync/report.hpp"

using namespace tickstock;

TEST_CASE("whenever the answer comes, a run does not begin too early, and its time is not ahead") {
  sync::RunClock clock;
  // As if the answer had taken 100 s.
  constexpr double answer = 1719608400.5;
  clock.set(answer, -100);
  CHECK(clock.started() == "2024-06-28T21:01:40.500Z");
  CHECK(clock.seconds() >= answer);
  CHECK(clock.seconds() < answer + 60);
}
