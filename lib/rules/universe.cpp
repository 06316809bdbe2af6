#include "rules/universe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tickstock {

namespace {

struct Holds {
  const Market& market;
  SymbolId symbol;
  Slack slack;

  bool operator()(const HasCap& /*any*/) const { return market.eligible(symbol); }
  bool operator()(const CapFrom& bound) const {
    return market.eligible(symbol) && reaches(market.market_cap(symbol), bound, slack.band);
  }
  bool operator()(const CapBelow& bound) const {
    return market.eligible(symbol) && lies_below(market.market_cap(symbol), bound, slack.band);
  }
  bool operator()(const ListedWithin& window) const {
    const auto listed = market.listed(symbol);
    return listed && *listed <= market.as_of() &&
           *listed > market.as_of() - std::chrono::days{window.days};
  }
  bool operator()(const Matches& match) const {
    const std::string_view label = market.label(match.column, symbol);
    if (label.empty() && match.keeps_blank && slack.is_member) return true;
    const bool found =
        !label.empty() && std::ranges::find(match.values, label) != match.values.end();
    return found != match.negated;
  }
  bool operator()(const Named& named) const {
    return std::ranges::binary_search(named.symbols, market.name(symbol)) != named.negated;
  }
};

}  // namespace

bool reaches(double market_cap, const CapFrom& bound, int band) {
  if (band == 0) return market_cap >= bound.dollars;
  return Percents{market_cap} * 100 >= Percents{bound.dollars} * (100 - band);
}

bool lies_below(double market_cap, const CapBelow& bound, int band) {
  if (band == 0) return market_cap < bound.dollars;
  return Percents{market_cap} * 100 < Percents{bound.dollars} * (100 + band);
}

bool holds(const Condition& condition, const Market& market, SymbolId symbol, Slack slack) {
  return std::visit(Holds{market, symbol, slack}, condition);
}

bool all_hold(const std::vector<Condition>& conditions, const Market& market, SymbolId symbol,
              Slack slack) {
  return std::ranges::all_of(
      conditions, [&](const auto& condition) { return holds(condition, market, symbol, slack); });
}

std::optional<double> Universe::cap_from() const {
  const auto* bound = find_condition<CapFrom>(*this);
  return bound == nullptr ? std::nullopt : std::optional(bound->dollars);
}

std::optional<int> Universe::listed_within() const {
  const auto* window = find_condition<ListedWithin>(*this);
  return window == nullptr ? std::nullopt : std::optional(window->days);
}

bool Universe::asks_for_cap() const {
  return find_condition<HasCap>(*this) != nullptr || find_condition<CapFrom>(*this) != nullptr ||
         find_condition<CapBelow>(*this) != nullptr;
}

bool Universe::includes(std::string_view symbol) const {
  return std::ranges::find(include, symbol) != include.end();
}

bool Universe::excludes(const Market& market, SymbolId symbol) const {
  return std::ranges::any_of(conditions, [&](const Condition& condition) {
    const auto* named = std::get_if<Named>(&condition);
    return named != nullptr && named->negated && !tickstock::holds(condition, market, symbol);
  });
}

bool lets_wait(const Universes& universes) {
  return std::ranges::any_of(universes,
                             [](const auto& universe) { return universe->stability.nights > 1; });
}

Universes group_of(const Universes& universes, const std::string& group) {
  Universes found;
  for (const auto& universe : universes) {
    if (!group.empty() && universe->group == group) found.push_back(universe);
  }
  return found;
}

std::string dollars_text(double dollars) {
  // As many digits as a double holds.
  if (dollars >= 1e9) return fmt::format("${:.15g} B", dollars / 1e9);
  return dollars >= 1e6 ? fmt::format("${:.15g} M", dollars / 1e6)
                        : fmt::format("${:.15g}", dollars);
}

DollarUnit unit_of(double dollars) {
  if (dollars >= 1e12) return {1e12, "T"};
  if (dollars >= 1e9) return {1e9, "B"};
  return dollars >= 1e6 ? DollarUnit{1e6, "M"} : DollarUnit{1, ""};
}

std::string dollars(double amount) {
  if (!std::isfinite(amount)) return "-";
  const auto [unit, letter] = unit_of(amount);
  if (letter.empty()) return fmt::format("${:.0f}", amount);
  return fmt::format("${:.2f} {}", amount / unit, letter);
}

}  // namespace tickstock
