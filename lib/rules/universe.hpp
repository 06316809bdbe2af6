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

/// How lenient a condition is with those who are in already. Staying is entering with slack.
struct Slack {
  int band = 0;            ///< percent by which market cap bounds are widened
  bool is_member = false;  ///< a label that turned blank counts as the universe's own
};

/// The symbol is eligible.
struct HasCap {};
/// The market cap is at least this.
struct CapFrom {
  double dollars;
};
/// The market cap is below this.
struct CapBelow {
  double dollars;
};
/// The symbol was listed within this many days, the last of which is the as-of day.
struct ListedWithin {
  int days;
};
/// A column of the symbols table has one of these values, or none of them.
struct Matches {
  std::string column;
  std::vector<std::string> values;  ///< trimmed
  bool negated = false;
  bool keeps_blank = false;  ///< members whose label turns blank stay
};
/// The symbol is one of these, or none of them.
struct Named {
  std::vector<std::string> symbols;  ///< in byte order
  bool negated = false;
};

/// What a universe requires of its members, besides being active.
using Condition = std::variant<HasCap, CapFrom, CapBelow, ListedWithin, Matches, Named>;

/// How slowly a universe changes; the defaults give no slack.
struct Stability {
  int band = 0;    ///< percent by which a member may be beyond a market cap bound
  int nights = 1;  ///< consecutive as-of days outside, on the last of which a member leaves
  int buffer = 0;  ///< percent of `first` by which a member may rank beyond it
};

/// Wide enough for a market cap times a percentage without rounding.
using Percents = long double;

/// Return whether a market cap reaches a bound, or is below it. \param band percent by which the
/// bound is widened
bool reaches(double market_cap, const CapFrom& bound, int band);
bool lies_below(double market_cap, const CapBelow& bound, int band);

/// Returns whether a condition holds for an active symbol.
bool holds(const Condition& condition, const Market& market, SymbolId symbol, Slack slack = {});

/// Returns whether all of them hold.
bool all_hold(const std::vector<Condition>& conditions, const Market& market, SymbolId symbol,
              Slack slack = {});

/// The order of members.
enum class Order : unsigned char {
  market_cap,  ///< rank order; those without a market cap last, by symbol
  newest,      ///< newest listing first, then by symbol; undated last
  symbol       ///< by symbol, in byte order
};

/// A universe as a rule: who its members are, in which order, and how the entry is maintained.
/// Nothing else in the program interprets the name of a universe.
struct Universe {
  std::string name = {};      ///< for a family, with its column in braces: `sector_{sector}`
  std::string type = {};      ///< the entry's cache_type
  std::string metadata = {};  ///< of the content, as PostgreSQL prints jsonb
  Task task = Task::market_cap;
  /// The column of a family, which stands for one universe per label; otherwise empty.
  std::string each = {};
  std::string family = {};  ///< the declared name of the family that created it; otherwise empty
  /// Universes of one group share no member: each symbol is in the first one whose conditions hold.
  /// A universe without a group is a group of its own.
  std::string group = {};
  std::vector<Condition> conditions = {};
  /// Members as long as they are active, regardless of the conditions and the rest of the group.
  std::vector<std::string> include = {};
  std::optional<std::size_t> first = {};  ///< keep only this many, the first in order
  Order order = Order::market_cap;
  bool always_written = false;  ///< even if it has no member and no row yet
  /// Members stay until delisted or excluded, and new ones are appended.
  bool additions = false;
  /// The column that identifies the issuer, if only one line of each counts; empty if all do.
  std::string issuer = {};
  Stability stability = {};

  /// Returns the lowest market cap of a member in US dollars; nothing without a lower bound.
  [[nodiscard]] std::optional<double> cap_from() const;
  /// Returns the length of its window of listings in days; nothing if it requires none.
  [[nodiscard]] std::optional<int> listed_within() const;
  /// Returns whether only eligible symbols can be members.
  [[nodiscard]] bool asks_for_cap() const;
  /// Returns whether its members keep their seats longer than the conditions alone allow.
  [[nodiscard]] bool keeps_seats() const { return stability.band > 0 || stability.nights > 1; }
  /// Returns the group whose seats it has: its own name if it is in none.
  [[nodiscard]] const std::string& seat_group() const { return group.empty() ? name : group; }
  /// Returns whether a symbol is included by name.
  [[nodiscard]] bool includes(std::string_view symbol) const;
  /// Returns whether a symbol is excluded by name.
  [[nodiscard]] bool excludes(const Market& market, SymbolId symbol) const;
};

using Universes = std::vector<std::shared_ptr<const Universe>>;

/// Returns the first condition of a kind, or null.
template <typename Kind>
const Kind* find_condition(const Universe& universe) {
  for (const Condition& condition : universe.conditions) {
    if (const auto* found = std::get_if<Kind>(&condition)) return found;
  }
  return nullptr;
}

/// Returns whether one of them lets members wait, so that the waiting must be stored between
/// nights.
bool lets_wait(const Universes& universes);

/// Returns the universes of a group, in the order they are declared.
Universes group_of(const Universes& universes, const std::string& group);

/// Formats a bound as in reasons and messages: `$10 B`, `$300 M`.
std::string dollars_text(double dollars);

/// The unit in which people read an amount: `T`, `B`, `M`, or dollars without a letter.
struct DollarUnit {
  double dollars;
  std::string_view letter;
};

DollarUnit unit_of(double dollars);

/// Formats a market cap for people: `$4.22 T`, `$198.30 B`, `$52.10 M`, `$999999`; `-` if it is not
/// a finite number.
std::string dollars(double amount);

}  // namespace tickstock
