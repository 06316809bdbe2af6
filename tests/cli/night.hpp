#pragma once

#include <string>

#include "fixture.hpp"
#include "redis.hpp"

namespace tickstock::test {

/// Checks one night on the current tables: a dry run, the run, and the run again. Every entry,
/// change and event must be what the test computes in SQL (expectation.hpp), the dry run must
/// predict the run, and the second run must do nothing.
void check_day(Fixture& fixture, Subscriber& subscriber, const std::string& day);

}  // namespace tickstock::test
