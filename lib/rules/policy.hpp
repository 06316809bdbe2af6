#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/error.hpp"
#include "domain/members.hpp"
#include "rules/universe.hpp"

namespace tickstock {

/// Limits that keep bad input from emptying or flooding the universes. The defaults come from 1,399
/// nights of a real market, whose worst sound night stays well below each of them.
struct GuardLimits {
  double max_vanished_percent = 2;
  std::size_t min_vanished = 20;  ///< fewer vanished symbols than this never refuse a run
  double max_appeared_percent = 5;
  std::size_t min_base =
      1000;  ///< below so many symbols in the categories, new ones never refuse a run
  double max_removed_percent = 30;
  std::size_t min_members = 20;  ///< entries with fewer members are not guarded against shrinking
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
  bool builtin = true;         ///< whether the ten universes are kept
  std::vector<Universe> declared = {};  ///< by the configuration, in its order
  std::string issuer = {};              ///< the column that tells who issued a line; empty for none
  /// The types whose entries are cleaned of delisted symbols.
  std::vector<std::string> cleaned_types = {"market_cap", "market_leader", "sector", "theme"};
  Stability stability = {};  ///< of the built-in universes
  GuardLimits guards = {};

  /// What is kept, in the order in which it is written and announced: the ten, each replaced where
  /// a declared one bears its name, then the other declared ones. Families are not expanded.
  [[nodiscard]] Universes universes() const;

  /// The columns of the symbols table that declarations name, each once.
  [[nodiscard]] std::vector<std::string> columns() const;

  /// Whether entries of this type are cleaned.
  [[nodiscard]] bool cleans(const std::string& type) const;

  /// How old the prices may be from which market caps are made; nothing where none are.
  [[nodiscard]] std::optional<int> price_days() const {
    if (market_cap_from == CapSource::column) return std::nullopt;
    return max_price_age_days;
  }
};

/// The most characters that the name of a universe has.
inline constexpr std::size_t longest_name = 200;

/// The most labels of a column of which each gets a universe.
inline constexpr std::size_t most_labels = 1000;

/// The name of the universe that a family has for a label: its braces with the label's slug.
std::string name_in_family(const Universe& family, std::string_view slug);

/// Replaces every family by its universes, by name in byte order: one for each label that an active
/// symbol has, and one for each entry that the family once made of a label that none has now. A
/// literal name wins over a family's. \throws Error (failed) for too many labels, or where two
/// families make one name.
Universes expand(const Universes& declared, const Market& market, const Entries& entries,
                 std::vector<Warning>& warnings);

/// The group of the five categories by market cap, which the guards about the market watch.
inline const std::string categories_group = "categories";

/// The ten universes that every installation has, in the order in which they are written and
/// announced. Nothing else in the program names one of them.
/// \param ipo_days length of the window of recent listings, the as-of day included
std::vector<Universe> builtin_universes(int ipo_days);

}  // namespace tickstock
