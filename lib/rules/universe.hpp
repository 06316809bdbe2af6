#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/market.hpp"

namespace tickstock {

enum class Task : unsigned char { market_cap, ipo, themes, delisted, undo };

/// The symbol is eligible.
struct HasCap {};
/// The market cap is at least so many US dollars.
struct CapFrom {
  double dollars;
};
/// The market cap is below so many US dollars.
struct CapBelow {
  double dollars;
};
/// The symbol was listed within so many days that end with the as-of day.
struct ListedWithin {
  int days;
};
/// A column of the symbols table holds one of these values, or none of them.
struct Matches {
  std::string column;
  std::vector<std::string> values;  ///< trimmed
  bool negated = false;
};
/// The symbol is one of these, or none of them.
struct Named {
  std::vector<std::string> symbols;  ///< in byte order
  bool negated = false;
};

/// What a member of a universe must be, besides active.
using Condition = std::variant<HasCap, CapFrom, CapBelow, ListedWithin, Matches, Named>;

/// How slowly a universe changes. Staying is entering with slack: with the defaults both are the
/// same.
struct Stability {
  int band = 0;    ///< percent by which a member may lie beyond a bound of market cap
  int nights = 1;  ///< as-of days in a row outside, on the last of which a member leaves
  int buffer = 0;  ///< percent of `first` by which a member may rank beyond it
};

/// Wide enough for a market cap times a percentage without rounding.
using Percents = long double;

/// Returns whether a market cap reaches a bound, or lies below it. \param band percent by which the
/// bound is widened
bool reaches(double market_cap, const CapFrom& bound, int band);
bool lies_below(double market_cap, const CapBelow& bound, int band);

/// Returns whether a condition is true of an active symbol.
/// \param band percent by which bounds of market cap are widened, as they are for a member
bool holds(const Condition& condition, const Market& market, SymbolId symbol, int band = 0);

/// In which order members stand.
enum class Order : unsigned char {
  market_cap,  ///< rank order; those without a market cap last, by symbol
  newest,      ///< newest listing first, then by symbol; undated last
  symbol       ///< by symbol, in byte order
};

/// A list of symbols as a rule: who its members are, in which order they stand, and how the entry
/// is kept. Nothing else in the program knows what a name of a universe means.
struct Universe {
  std::string name = {};      ///< of a family with its column in braces: `sector_{sector}`
  std::string type = {};      ///< the entry's cache_type
  std::string metadata = {};  ///< of the content, as PostgreSQL prints jsonb
  Task task = Task::market_cap;
  /// The column of a family, which stands for one universe for each label; empty for all others.
  std::string each = {};
  std::string family = {};  ///< the declared name of the family that made it; empty for all others
  /// Universes of one group share no member: each symbol is in the first one that holds. A universe
  /// without a group is a group of its own.
  std::string group = {};
  std::vector<Condition> conditions = {};
  /// Members as long as they are active, before all conditions and the rest of the group.
  std::vector<std::string> include = {};
  std::optional<std::size_t> first = {};  ///< only so many, the first in order
  Order order = Order::market_cap;
  bool always_written = false;  ///< also where it has no member and no row yet
  /// Whoever stands in the entry stays until delisted or excluded, and new members are added
  /// behind.
  bool additions = false;
  /// The column that tells the issuer, of whose lines only one counts; empty where all do.
  std::string issuer = {};
  /// In the universe of a family: members whose label turns blank stay while the rest holds.
  bool keeps_blank = false;
  Stability stability = {};

  /// The lowest market cap of a member, in US dollars; nothing where it has no lower bound.
  [[nodiscard]] std::optional<double> cap_from() const;
  /// The length of the window of listings that it asks for; nothing where it asks for none.
  [[nodiscard]] std::optional<int> listed_within() const;
  /// Whether its members are eligible symbols only.
  [[nodiscard]] bool asks_for_cap() const;
  /// Whether its members keep their seats longer than the conditions alone give them.
  [[nodiscard]] bool keeps_seats() const { return stability.band > 0 || stability.nights > 1; }
  /// The group whose seats it has: its own name where it is in none.
  [[nodiscard]] const std::string& seat_group() const { return group.empty() ? name : group; }
  /// Whether a symbol is excluded by name.
  [[nodiscard]] bool excludes(const Market& market, SymbolId symbol) const;
};

using Universes = std::vector<std::shared_ptr<const Universe>>;

/// The first condition of a kind, or null.
template <typename Kind>
const Kind* find_condition(const Universe& universe) {
  for (const Condition& condition : universe.conditions) {
    if (const auto* found = std::get_if<Kind>(&condition)) return found;
  }
  return nullptr;
}

/// Whether one of them lets members wait, so that who waits must be kept from night to night.
bool lets_wait(const Universes& universes);

/// The universes of a group, in the order in which they are declared.
Universes group_of(const Universes& universes, const std::string& group);

/// `$10 B`, `$300 M`: a bound as reasons and messages write it.
std::string dollars_text(double dollars);

/// `$4.22 T`, `$198.30 B`, `$52.10 M`, `$999999`: a market cap as people read it; `-` for what is
/// no finite number.
std::string dollars(double amount);

}  // namespace tickstock
