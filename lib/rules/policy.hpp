#pragma once

#include <optional>

#include "rules/builtin.hpp"

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

/// Where a market cap comes from.
enum class CapSource : unsigned char {
  column,  ///< market_cap of the symbols table
  prices   ///< the latest close times shares_outstanding; the column where there is none
};

/// What the rules depend on besides the data.
struct Policy {
  CapSource market_cap_from = CapSource::column;
  int max_price_age_days = 7;  ///< how far before the as-of day the latest close may lie
  int ipo_days = 30;           ///< length of the window of recent listings, the as-of day included
  GuardLimits guards;

  /// What is kept, in the order in which it is written and announced.
  [[nodiscard]] Universes universes() const { return builtin_universes(ipo_days); }

  /// How old the prices may be from which market caps are made; nothing where none are.
  [[nodiscard]] std::optional<int> price_days() const {
    if (market_cap_from == CapSource::column) return std::nullopt;
    return max_price_age_days;
  }
};

}  // namespace tickstock
