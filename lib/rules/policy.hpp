#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/error.hpp"
#include "domain/members.hpp"
#include "rules/universe.hpp"

namespace tickstock {

/// Limits that keep bad input from emptying or flooding the universes. The defaults come from 1,399
/// nights of a real market: its worst sound night stays well below each of them.
struct GuardLimits {
  double max_vanished_percent = 2;
  std::size_t min_vanished = 20;  ///< fewer vanished symbols than this never refuse a run
  double max_appeared_percent = 5;
  /// With fewer symbols in the categories than this, new ones never refuse a run.
  std::size_t min_base = 1000;
  double max_removed_percent = 30;
  std::size_t min_members = 20;  ///< entries with fewer members may shrink freely
  std::optional<int> max_data_age_days = {};
};

/// The source of market caps.
enum class CapSource : unsigned char {
  column,  ///< market_cap of the symbols table
  prices   ///< latest close times shares_outstanding, or the column if there is none
};

/// What the rules depend on besides the data.
struct Policy {
  CapSource market_cap_from = CapSource::column;
  int max_price_age_days = 7;  ///< how many days before the as-of day the latest close may be
  int ipo_days = 30;           ///< length of the window of recent listings, including the as-of day
  bool builtin = true;         ///< whether to maintain the ten built-in universes
  std::vector<Universe> declared = {};  ///< in the order of the configuration
  std::string issuer = {};  ///< the column that identifies the issuer of a line; empty for none
  /// The types whose entries are cleaned of delisted symbols.
  std::vector<std::string> cleaned_types = {"market_cap", "market_leader", "sector", "theme"};
  Stability stability = {};  ///< of the built-in universes
  GuardLimits guards = {};

  /// Returns the maintained universes in the order they are written and announced: the built-in
  /// ones, each replaced if a declared one has its name, then the other declared ones. Families are
  /// not expanded.
  [[nodiscard]] Universes universes() const;

  /// Returns the columns of the symbols table that declarations name, each once.
  [[nodiscard]] std::vector<std::string> columns() const;

  /// Returns whether entries of this type are cleaned.
  [[nodiscard]] bool cleans(const std::string& type) const;

  /// Returns the maximum age in days of prices for market caps; nothing if those don't come from
  /// prices.
  [[nodiscard]] std::optional<int> price_days() const {
    if (market_cap_from == CapSource::column) return std::nullopt;
    return max_price_age_days;
  }
};

/// The maximum length of a universe's name, in characters.
inline constexpr std::size_t longest_name = 200;

/// The maximum number of labels for which a family may create universes.
inline constexpr std::size_t most_labels = 1000;

/// Returns the name of a family's universe for a label: the family's name with the slug in place of
/// the braces.
std::string name_in_family(const Universe& family, std::string_view slug);

/// Replaces every family by its universes, by name in byte order: one for each label that an active
/// symbol has, and one for each entry that the family once created for a label that no longer
/// occurs. A literal name takes precedence over a family's. \throws Error (failed) for too many
/// labels, or if two families create the same name.
Universes expand(const Universes& declared, const Market& market, const Entries& entries,
                 std::vector<Warning>& warnings);

/// The group of the five market cap categories, which the guards about the market watch.
inline const std::string categories_group = "categories";

/// Returns the ten universes of every installation, in the order they are written and announced.
/// Nothing else in the program refers to any of their names.
/// \param ipo_days length of the window of recent listings, including the as-of day
std::vector<Universe> builtin_universes(int ipo_days);

}  // namespace tickstock
