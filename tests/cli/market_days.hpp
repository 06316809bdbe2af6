#pragma once

#include <functional>
#include <string>

#include "fixture.hpp"

// Some weeks of a real market, where the folder of its days is there, and of a sample market.
namespace tickstock::test {

/// Entries that others keep: a list per sector, with some members that have left the market, and
/// a few that show what the program must not do.
void make_foreign_entries(Fixture& fixture);

/// The same over so many days of a small sample market, which is there everywhere.
void over_sample_days(Fixture& fixture, int days,
                      const std::function<void(const std::string& day, bool is_first)>& night);

/// Loads one day after the other, and has each looked at.
void over_market_days(Fixture& fixture,
                      const std::function<void(const std::string& day, bool is_first)>& night);

}  // namespace tickstock::test
