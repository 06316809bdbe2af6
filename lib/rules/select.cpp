#include "rules/select.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace tickstock {

namespace {

/// The part of the ranking that the cap conditions of a universe leave, found by bisection.
std::span<const SymbolId> ranked_part(const Universe& universe, const Market& market) {
  std::size_t begin = 0;
  std::size_t end = market.ranking().size();
  for (const Condition& condition : universe.conditions) {
    if (const auto* from = std::get_if<CapFrom>(&condition)) {
      end = std::min(end, market.ranked_from(from->dollars).size());
    }
    if (const auto* below = std::get_if<CapBelow>(&condition)) {
      begin = std::max(begin, market.ranked_from(below->dollars).size());
    }
  }
  return std::span(market.ranking()).subspan(begin, std::max(end, begin) - begin);
}

bool all_hold(const std::vector<Condition>& conditions, const Market& market, SymbolId id) {
  return std::all_of(
      conditions.begin(), conditions.end(),
      [&market, id](const Condition& condition) { return holds(condition, market, id); });
}

/// By SymbolId, who stands in an entry.
std::vector<bool> standing(const Entry* entry, const Market& market) {
  std::vector<bool> stands(entry == nullptr ? 0 : market.symbols().size());
  if (entry != nullptr) entry->members.each([&stands](SymbolId id) { stands[id] = true; });
  return stands;
}

bool is_in(const std::vector<bool>& set, SymbolId id) { return id < set.size() && set[id]; }

/// Zero for a symbol without a market cap, which every cap exceeds.
double cap_of(const Market& market, SymbolId id) {
  return market.eligible(id) ? market.market_cap(id) : 0;
}

}  // namespace

Selection::Selection(const Market& market, const Universes& universes) : market_(market) {
  // Included symbols have their seats before all conditions are asked.
  for (const auto& universe : universes) {
    if (universe->group.empty()) continue;
    std::vector<bool>& seated = seated_[universe->group];
    seated.resize(market.symbols().size());
    for (const SymbolId id : included(*universe)) seated[id] = true;
  }
}

std::vector<SymbolId> Selection::included(const Universe& universe) const {
  Ids ids;
  for (const std::string& name : universe.include) {
    const auto id = market_.symbols().find(name);
    if (id && (universe.first ? market_.eligible(*id) : market_.active(*id))) ids.push_back(*id);
  }
  return ids;
}

void Selection::sort(Ids& members, Order order) const {
  std::sort(members.begin(), members.end(), [this, order](SymbolId a, SymbolId b) {
    if (order == Order::newest && market_.listed(a) != market_.listed(b)) {
      return market_.listed(a) > market_.listed(b);
    }
    if (order == Order::market_cap && market_.rank_of(a) != market_.rank_of(b)) {
      // Rank 0 is none, and becomes the last.
      return market_.rank_of(a) - 1 < market_.rank_of(b) - 1;
    }
    return market_.name(a) < market_.name(b);
  });
}

const std::vector<SymbolId>& Selection::in_rank_order() {
  if (!in_rank_order_.empty()) return in_rank_order_;
  in_rank_order_ = market_.ranking();
  for (SymbolId id = 0; id < market_.symbols().size(); ++id) {
    if (market_.active(id) && !market_.eligible(id)) in_rank_order_.push_back(id);
  }
  const auto unranked =
      in_rank_order_.begin() + static_cast<std::ptrdiff_t>(market_.ranking().size());
  std::sort(unranked, in_rank_order_.end(),
            [this](SymbolId a, SymbolId b) { return market_.name(a) < market_.name(b); });
  return in_rank_order_;
}

const std::vector<std::vector<SymbolId>>& Selection::by_label(const std::string& column) {
  const auto [place, is_new] = by_label_.try_emplace(column, market_.labels(column) + 1);
  if (!is_new) return place->second;
  const std::vector<LabelId>& label_ids = market_.label_ids(column);
  for (const SymbolId id : in_rank_order()) {
    if (id < label_ids.size()) place->second[label_ids[id]].push_back(id);
  }
  return place->second;
}

std::vector<SymbolId> Selection::pool(const Universe& universe, std::vector<Condition>& left) {
  left = universe.conditions;
  for (auto each = left.begin(); each != left.end(); ++each) {
    const auto* match = std::get_if<Matches>(&*each);
    if (match == nullptr || match->negated) continue;
    const std::vector<Ids>& by_label = this->by_label(match->column);
    Ids found;
    for (const std::string& value : match->values) {
      const auto label = market_.find_label(match->column, value);
      if (label) found.insert(found.end(), by_label[*label].begin(), by_label[*label].end());
    }
    if (match->values.size() > 1) sort(found, Order::market_cap);
    left.erase(each);
    return found;
  }
  for (auto each = left.begin(); each != left.end(); ++each) {
    const auto* named = std::get_if<Named>(&*each);
    if (named == nullptr || named->negated) continue;
    left.erase(each);
    Ids found = included(universe);
    sort(found, Order::market_cap);
    return found;
  }
  if (universe.asks_for_cap()) {
    std::erase_if(left, [](const Condition& condition) {
      return std::holds_alternative<HasCap>(condition) ||
             std::holds_alternative<CapFrom>(condition) ||
             std::holds_alternative<CapBelow>(condition);
    });
    const std::span<const SymbolId> ranked = ranked_part(universe, market_);
    return {ranked.begin(), ranked.end()};
  }
  if (!universe.listed_within()) return in_rank_order();
  // Few are left, and only they need to be brought in order.
  Ids found;
  for (SymbolId id = 0; id < market_.symbols().size(); ++id) {
    if (market_.active(id) && all_hold(left, market_, id)) found.push_back(id);
  }
  left.clear();
  sort(found, Order::market_cap);
  return found;
}

std::vector<SymbolId> Selection::candidates(const Universe& universe, const Entry* before) {
  std::vector<Condition> left;
  Ids found = pool(universe, left);
  if (!left.empty()) {
    std::erase_if(found, [&](SymbolId id) { return !all_hold(left, market_, id); });
  }
  if (!universe.keeps_blank || before == nullptr) return found;
  // The first condition of the universe of a family is its label.
  const std::vector<LabelId>& label_ids =
      market_.label_ids(std::get<Matches>(universe.conditions.front()).column);
  const std::size_t labelled = found.size();
  before->members.each([&](SymbolId id) {
    const bool is_blank = id >= label_ids.size() || label_ids[id] == 0;
    if (is_blank && market_.active(id) && all_hold(left, market_, id)) found.push_back(id);
  });
  if (found.size() == labelled) return found;
  sort(found, Order::market_cap);
  // A list that somebody else wrote may name a symbol twice.
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

void Selection::keep_primary_lines(Ids& members, const std::string& issuer,
                                   const std::vector<bool>& stands) const {
  // The best line of each issuer, and the best of those that stand there.
  struct Lines {
    std::optional<SymbolId> best;
    std::optional<SymbolId> standing;
  };
  const auto better = [this](SymbolId id, const std::optional<SymbolId>& other) {
    if (!other) return true;
    const double cap = cap_of(market_, id);
    const double other_cap = cap_of(market_, *other);
    return cap != other_cap ? cap > other_cap : market_.name(id) < market_.name(*other);
  };
  std::unordered_map<LabelId, Lines> by_issuer;
  for (const SymbolId id : members) {
    Lines& lines = by_issuer[market_.label_id(issuer, id)];
    if (better(id, lines.best)) lines.best = id;
    if (is_in(stands, id) && better(id, lines.standing)) lines.standing = id;
  }
  std::erase_if(members, [&](SymbolId id) {
    const LabelId label = market_.label_id(issuer, id);
    if (label == 0) return false;
    const Lines& lines = by_issuer[label];
    const bool stays =
        lines.standing && cap_of(market_, *lines.best) <= cap_of(market_, *lines.standing);
    return id != (stays ? *lines.standing : *lines.best);
  });
}

std::vector<SymbolId> Selection::members(const Universe& universe, const Entry* before) {
  const bool looks_back = universe.additions || !universe.issuer.empty();
  const std::vector<bool> stands = standing(looks_back ? before : nullptr, market_);
  Ids members = candidates(universe, before);
  Ids chosen = included(universe);
  std::vector<bool> is_chosen(chosen.empty() ? 0 : market_.symbols().size());
  for (const SymbolId id : chosen) is_chosen[id] = true;
  if (!universe.group.empty()) {
    std::vector<bool>& seated = seated_[universe.group];
    std::erase_if(members, [&](SymbolId id) { return seated[id] && !is_in(is_chosen, id); });
    for (const SymbolId id : members) seated[id] = true;
  }
  if (!universe.issuer.empty()) keep_primary_lines(members, universe.issuer, stands);
  std::erase_if(members, [&is_chosen](SymbolId id) { return is_in(is_chosen, id); });
  if (universe.order != Order::market_cap) sort(members, universe.order);
  if (universe.first) {
    sort(chosen, universe.order);
    chosen.resize(std::min(chosen.size(), *universe.first));
    members.resize(std::min(members.size(), *universe.first - chosen.size()));
  }
  if (!chosen.empty()) {
    members.insert(members.end(), chosen.begin(), chosen.end());
    sort(members, universe.order);
  }
  if (!universe.additions || before == nullptr) return members;
  Ids kept = before->members
                 .without([&](SymbolId id) {
                   return market_.delisted(id) || universe.excludes(market_, id);
                 })
                 .list();
  std::erase_if(members, [&stands](SymbolId id) { return stands[id]; });
  kept.insert(kept.end(), members.begin(), members.end());
  return kept;
}

}  // namespace tickstock
