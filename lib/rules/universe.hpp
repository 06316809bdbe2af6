#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "domain/market.hpp"

namespace tickstock {

enum class Task : unsigned char { market_cap, ipo, delisted };

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

/// What a member of a universe must be, besides active.
using Condition = std::variant<HasCap, CapFrom, CapBelow, ListedWithin>;

/// Returns whether a condition is true of an active symbol.
bool holds(const Condition& condition, const Market& market, SymbolId symbol);

/// In which order members stand.
enum class Order : unsigned char {
  market_cap,  ///< rank order; those without a market cap last, by symbol
  newest       ///< newest listing first, then by symbol; undated last
};

/// A list of symbols as a rule: who its members are, in which order they stand, and how the entry
/// is kept. Nothing else in the program knows what a name of a universe means.
struct Universe {
  std::string name = {};
  std::string type = {};      ///< the entry's cache_type
  std::string metadata = {};  ///< of the content, as PostgreSQL prints jsonb
  Task task = Task::market_cap;
  /// Universes of one group share no member: each symbol is in the first one that holds. A universe
  /// without a group is a group of its own.
  std::string group = {};
  std::vector<Condition> conditions = {};
  std::optional<std::size_t> first = {};  ///< only so many, the first in order
  Order order = Order::market_cap;
  bool always_written = false;  ///< also where it has no member and no row yet

  /// The lowest market cap of a member, in US dollars; nothing where it has no lower bound.
  [[nodiscard]] std::optional<double> cap_from() const;
  /// The length of the window of listings that it asks for; nothing where it asks for none.
  [[nodiscard]] std::optional<int> listed_within() const;
};

using Universes = std::vector<std::shared_ptr<const Universe>>;

/// The universes of a group, in the order in which they are declared.
Universes group_of(const Universes& universes, const std::string& group);

/// `$10 B`, `$300 M`: a bound as reasons and messages write it.
std::string dollars_text(double dollars);

}  // namespace tickstock
