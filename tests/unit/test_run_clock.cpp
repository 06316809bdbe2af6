#include "support/catch.hpp"
#include "sync/report.hpp"

using namespace tickstock;

TEST_CASE("a run begins as long before the question for the time as it had taken by then") {
  sync::RunClock clock;
  // However long the answer takes, a run does not seem to begin before one that had ended.
  constexpr double answer = 1719608400.5;
  clock.set(answer, 0.25);
  CHECK(clock.started() == "2024-06-28T21:00:00.250Z");
  CHECK(clock.seconds() >= answer - 0.25);
  CHECK(clock.seconds() < answer + 60);
}
