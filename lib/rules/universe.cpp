#include "rules/universe.hpp"

#include <fmt/format.h>

namespace tickstock {

namespace {

struct Holds {
  const Market& market;
  SymbolId symbol;

  bool operator()(const HasCap& /*any*/) const { return market.eligible(symbol); }
  bool operator()(const CapFrom& bound) const {
    return market.eligible(symbol) && market.market_cap(symbol) >= bound.dollars;
  }
  bool operator()(const CapBelow& bound) const {
    return market.eligible(symbol) && market.market_cap(symbol) < bound.dollars;
  }
  bool operator()(const ListedWithin& window) const {
    const auto listed = market.listed(symbol);
    return listed && *listed <= market.as_of() &&
           *listed > market.as_of() - std::chrono::days{window.days};
  }
};

/// The first condition of this kind, or null.
template <typename Kind>
const Kind* find_condition(const std::vector<Condition>& conditions) {
  for (const Condition& condition : conditions) {
    if (const auto* found = std::get_if<Kind>(&condition)) return found;
  }
  return nullptr;
}

}  // namespace

bool holds(const Condition& condition, const Market& market, SymbolId symbol) {
  return std::visit(Holds{market, symbol}, condition);
}

std::optional<double> Universe::cap_from() const {
  const auto* bound = find_condition<CapFrom>(conditions);
  return bound == nullptr ? std::nullopt : std::optional(bound->dollars);
}

std::optional<int> Universe::listed_within() const {
  const auto* window = find_condition<ListedWithin>(conditions);
  return window == nullptr ? std::nullopt : std::optional(window->days);
}

Universes group_of(const Universes& universes, const std::string& group) {
  Universes found;
  for (const auto& universe : universes) {
    if (!group.empty() && universe->group == group) found.push_back(universe);
  }
  return found;
}

std::string dollars_text(double dollars) {
  return dollars >= 1e9 ? fmt::format("${:g} B", dollars / 1e9)
                        : fmt::format("${:g} M", dollars / 1e6);
}

}  // namespace tickstock
