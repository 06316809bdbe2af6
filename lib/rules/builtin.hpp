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
Universes builtin_universes(int ipo_days);

/// The types whose entries are cleaned of delisted symbols.
const std::vector<std::string>& cleaned_types();

/// Whether entries of this type are cleaned.
bool is_cleaned_type(const std::string& type);

}  // namespace tickstock
