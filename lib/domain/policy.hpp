#pragma once

#include <optional>

namespace tickstock {

/// Limits that keep bad input from emptying or flooding the universes. The defaults come from 1,399
/// nights of a real market, whose worst sound night stays well below each of them.
struct GuardLimits {
  double max_vanished_percent = 2;
  int min_vanished = 20;  ///< fewer vanished symbols than this never refuse a run
  double max_appeared_percent = 5;
  int min_base = 1000;  ///< below so many symbols in the categories, new ones never refuse a run
  double max_removed_percent = 30;
  int min_members = 20;  ///< entries with fewer members are not guarded against shrinking
  std::optional<int> max_data_age_days = {};
};

/// What the rules depend on besides the data.
struct Policy {
  int ipo_days = 30;  ///< length of the window of recent listings, the as-of day included
  GuardLimits guards;
};

}  // namespace tickstock
