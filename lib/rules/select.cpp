#include "rules/select.hpp"

#include <algorithm>

namespace tickstock {

namespace {

bool is_about_caps(const Condition& condition) {
  return !std::holds_alternative<ListedWithin>(condition);
}

void sort_newest_first(std::vector<SymbolId>& members, const Market& market) {
  std::sort(members.begin(), members.end(), [&market](SymbolId a, SymbolId b) {
    const auto listed_a = market.listed(a);
    const auto listed_b = market.listed(b);
    return listed_a != listed_b ? listed_a > listed_b : market.name(a) < market.name(b);
  });
}

void sort_by_rank(std::vector<SymbolId>& members, const Market& market) {
  std::sort(members.begin(), members.end(), [&market](SymbolId a, SymbolId b) {
    // Rank 0 is none, and becomes the last.
    const std::size_t rank_a = market.rank_of(a) - 1;
    const std::size_t rank_b = market.rank_of(b) - 1;
    return rank_a != rank_b ? rank_a < rank_b : market.name(a) < market.name(b);
  });
}

/// The part of the ranking that the cap conditions of a universe leave, found by bisection.
std::span<const SymbolId> ranked_part(const Universe& universe, const Market& market) {
  std::span<const SymbolId> part = market.ranking();
  for (const Condition& condition : universe.conditions) {
    if (const auto* from = std::get_if<CapFrom>(&condition)) {
      const auto end = market.ranked_from(from->dollars).size();
      const auto begin = static_cast<std::size_t>(part.data() - market.ranking().data());
      part = part.first(std::min(part.size(), end > begin ? end - begin : 0));
    }
    if (const auto* below = std::get_if<CapBelow>(&condition)) {
      const auto above = market.ranked_from(below->dollars).size();
      const auto begin = static_cast<std::size_t>(part.data() - market.ranking().data());
      part = part.subspan(std::min(part.size(), above > begin ? above - begin : 0));
    }
  }
  return part;
}

}  // namespace

std::vector<SymbolId> Selection::candidates(const Universe& universe) const {
  const bool ranked =
      std::any_of(universe.conditions.begin(), universe.conditions.end(), is_about_caps);
  std::vector<Condition> others;
  for (const Condition& condition : universe.conditions) {
    if (!is_about_caps(condition)) others.push_back(condition);
  }
  const auto is_member = [this, &others](SymbolId id) {
    return std::all_of(others.begin(), others.end(), [this, id](const Condition& condition) {
      return holds(condition, market_, id);
    });
  };
  std::vector<SymbolId> found;
  if (ranked) {
    const std::span<const SymbolId> part = ranked_part(universe, market_);
    if (others.empty()) {
      found.assign(part.begin(), part.end());
    } else {
      std::copy_if(part.begin(), part.end(), std::back_inserter(found), is_member);
    }
  } else {
    for (SymbolId id = 0; id < market_.symbols().size(); ++id) {
      if (market_.active(id) && is_member(id)) found.push_back(id);
    }
  }
  if (universe.order == Order::newest) {
    sort_newest_first(found, market_);
  } else if (!ranked) {
    sort_by_rank(found, market_);
  }
  return found;
}

std::vector<SymbolId> Selection::members(const Universe& universe) {
  std::vector<SymbolId> members = candidates(universe);
  std::vector<bool>* const seated = universe.group.empty() ? nullptr : &seated_[universe.group];
  if (seated != nullptr) {
    seated->resize(market_.symbols().size());
    std::erase_if(members, [seated](SymbolId id) { return (*seated)[id]; });
  }
  if (universe.first) members.resize(std::min(members.size(), *universe.first));
  if (seated != nullptr) {
    for (const SymbolId id : members) (*seated)[id] = true;
  }
  return members;
}

}  // namespace tickstock
