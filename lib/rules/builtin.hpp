#pragma once

#include <string>
#include <vector>

#include "rules/universe.hpp"

namespace tickstock {

/// The group of the five categories by market cap, which the guards about the market watch.
inline const std::string categories_group = "categories";

/// The ten universes that every installation has, in the order in which they are written and
/// announced. Nothing else in the program names one of them.
/// \param ipo_days length of the window of recent listings, the as-of day included
std::vector<Universe> builtin_universes(int ipo_days);

}  // namespace tickstock
