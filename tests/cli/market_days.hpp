#pragma once

#include <functional>
#include <string>

#include "fixture.hpp"

// Some weeks of a real market, if the folder with its days exists, and of a sample market.
namespace tickstock::test {

/// Creates entries that others maintain: a list per sector, with some members that have been
/// delisted, and a few that show what the program must not do.
void make_foreign_entries(Fixture& fixture);

/// Does the same over this many days of a small sample market, which is always available.
void over_sample_days(Fixture& fixture, int days,
                      const std::function<void(const std::string& day, bool is_first)>& night);

/// Loads one day after another, and has each one checked.
void over_market_days(Fixture& fixture,
                      const std::function<void(const std::string& day, bool is_first)>& night);

}  // namespace tickstock::test
