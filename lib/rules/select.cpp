#include "rules/select.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

namespace tickstock {

namespace {

/// Returns the part of the ranking that meets the cap conditions of a universe, found by bisection.
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

bool is_in(const std::vector<bool>& set, SymbolId id) { return id < set.size() && set[id]; }

/// Returns whether a market cap exceeds another by more than a percentage.
bool exceeds(double cap, double other, int percent) {
  return Percents{cap} * 100 > Percents{other} * (100 + percent);
}

/// Returns zero for a symbol without a market cap, so that every cap exceeds it.
double cap_of(const Market& market, SymbolId id) {
  return market.eligible(id) ? market.market_cap(id) : 0;
}

}  // namespace

std::vector<bool> standing(const Entry* entry, const Market& market) {
  std::vector<bool> stands(entry == nullptr ? 0 : market.symbols().size());
  if (entry != nullptr) entry->members.each([&stands](SymbolId id) { stands[id] = true; });
  return stands;
}

Turn turn_of(const Universe& universe, std::size_t rank, bool stands) {
  const std::size_t first = *universe.first;
  const auto buffer = static_cast<std::size_t>(universe.stability.buffer);
  if (rank <= first * (100 - buffer) / 100) return Turn::surely;
  return stands && rank <= first * (100 + buffer) / 100 ? Turn::tolerably : Turn::otherwise;
}

void keep_primary_lines(std::vector<SymbolId>& lines, const Market& market,
                        const Universe& universe, const std::vector<bool>& stands) {
  const std::string& issuer = universe.issuer;
  // The best line of each issuer, and the one that counted so far: an included symbol is a member
  // beside that one, and counted itself only if no other member is a line of the issuer.
  struct OfIssuer {
    std::optional<SymbolId> best;
    std::optional<SymbolId> standing;
    bool is_included = false;
  };
  const auto better = [&market](SymbolId id, const std::optional<SymbolId>& other) {
    if (!other) return true;
    const double cap = cap_of(market, id);
    const double other_cap = cap_of(market, *other);
    return cap != other_cap ? cap > other_cap : market.name(id) < market.name(*other);
  };
  std::unordered_map<LabelId, OfIssuer> by_issuer;
  for (const SymbolId id : lines) {
    OfIssuer& of = by_issuer[market.label_id(issuer, id)];
    if (better(id, of.best)) of.best = id;
    if (!is_in(stands, id)) continue;
    const bool is_included = universe.includes(market.name(id));
    if (of.standing && is_included != of.is_included ? of.is_included : better(id, of.standing)) {
      of.standing = id;
      of.is_included = is_included;
    }
  }
  std::erase_if(lines, [&](SymbolId id) {
    const LabelId label = market.label_id(issuer, id);
    if (label == 0) return false;
    const OfIssuer& of = by_issuer[label];
    const bool stays =
        of.standing &&
        !exceeds(cap_of(market, *of.best), cap_of(market, *of.standing), universe.stability.band);
    return id != (stays ? *of.standing : *of.best);
  });
}

Selection::Selection(const Market& market, const Universes& universes, const Entries& before,
                     const std::vector<Waiting>& waiting, std::vector<Task> tasks)
    : market_(market), before_(before), tasks_(std::move(tasks)) {
  for (const auto& universe : universes) {
    if (!universe->group.empty()) add(*universe, seats_[universe->group]);
  }
  for (const Waiting& each : waiting) waited_.emplace(std::pair(each.universe, each.symbol), each);
}

void Selection::add(const Universe& universe, Seats& seats) const {
  seats.universes.push_back(&universe);
  seats.taken.resize(market_.symbols().size());
  const auto number = static_cast<std::uint32_t>(seats.universes.size());
  for (const SymbolId id : included(universe)) seats.taken[id] = number;
}

std::vector<bool> Selection::set_of(const Ids& list) const {
  std::vector<bool> set(market_.symbols().size());
  for (const SymbolId id : list) set[id] = true;
  return set;
}

std::vector<SymbolId> Selection::included(const Universe& universe) const {
  Ids ids;
  for (const std::string& name : universe.include) {
    const auto id = market_.symbols().find(name);
    if (id && (universe.first ? market_.eligible(*id) : market_.active(*id))) ids.push_back(*id);
  }
  return ids;
}

bool Selection::precedes(SymbolId a, SymbolId b, Order order) const {
  if (order == Order::newest && market_.listed(a) != market_.listed(b)) {
    return market_.listed(a) > market_.listed(b);
  }
  if (order == Order::market_cap && market_.rank_of(a) != market_.rank_of(b)) {
    // Rank 0 means none, and becomes the last.
    return market_.rank_of(a) - 1 < market_.rank_of(b) - 1;
  }
  return market_.name(a) < market_.name(b);
}

void Selection::sort(Ids& members, Order order) const {
  std::ranges::sort(members,
                    [this, order](SymbolId a, SymbolId b) { return precedes(a, b, order); });
}

const std::vector<SymbolId>& Selection::in_rank_order() {
  if (!in_rank_order_.empty()) return in_rank_order_;
  in_rank_order_ = market_.ranking();
  for (SymbolId id = 0; id < market_.symbols().size(); ++id) {
    if (market_.active(id) && !market_.eligible(id)) in_rank_order_.push_back(id);
  }
  const auto unranked =
      in_rank_order_.begin() + static_cast<std::ptrdiff_t>(market_.ranking().size());
  std::ranges::sort(unranked, in_rank_order_.end(), {},
                    [this](SymbolId id) { return market_.name(id); });
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
  const auto is_list = [](const Condition& condition) {
    const auto* named = std::get_if<Named>(&condition);
    return named != nullptr && !named->negated;
  };
  if (std::erase_if(left, is_list) > 0) {
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
  // Few are left, and only they need sorting.
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
  const auto* match = find_condition<Matches>(universe);
  if (before == nullptr || match == nullptr || !match->keeps_blank) return found;
  const std::size_t labelled = found.size();
  before->members.each([&](SymbolId id) {
    const bool is_blank = market_.label_id(match->column, id) == 0;
    if (is_blank && market_.active(id) && all_hold(left, market_, id)) found.push_back(id);
  });
  if (found.size() == labelled) return found;
  sort(found, Order::market_cap);
  // A list from another writer may name a symbol twice.
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

bool Selection::keeps_seat(const Universe& universe, SymbolId member, Claim claim) {
  if (!market_.active(member) || universe.excludes(market_, member)) return false;
  if (universe.asks_for_cap() && !market_.eligible(member)) return false;
  if (all_hold(universe.conditions, market_, member, {universe.stability.band, true})) return true;
  // A run counts no nights for universes that it doesn't write.
  if (claim != Claim::patience) return claim == Claim::unwritten;
  Waiting now{universe.seat_group(), member, universe.name, 1, market_.as_of()};
  const auto waited = waited_.find({universe.name, member});
  if (waited != waited_.end() && waited->second.group == now.group) {
    const bool is_later = now.as_of > waited->second.as_of;
    now.nights = waited->second.nights + (is_later ? 1 : 0);
    now.as_of = std::max(now.as_of, waited->second.as_of);
  }
  if (now.nights >= universe.stability.nights) return false;
  waiting_.push_back(std::move(now));
  return true;
}

void Selection::hold(Seats& seats) {
  seats.held.resize(seats.universes.size());
  // Another writer, or a changed declaration, may have put a symbol into several universes of the
  // group: it keeps a seat that the run may not change, else the one with the best claim.
  for (const Claim claim : {Claim::unwritten, Claim::belongs, Claim::band, Claim::patience}) {
    for (std::size_t i = 0; i < seats.universes.size(); ++i) {
      const Universe& universe = *seats.universes[i];
      const bool is_written = writes(universe);
      if (is_written == (claim == Claim::unwritten)) continue;
      const bool keeps = !is_written || universe.keeps_seats();
      const Entry* before = keeps ? find_entry(before_, universe.name) : nullptr;
      if (before == nullptr) continue;
      before->members.each([&](SymbolId id) {
        // A list from another writer may name a symbol twice.
        if (seats.taken[id] != 0 || lost_.contains({universe.name, id})) return;
        const bool is_candidate =
            market_.active(id) && all_hold(universe.conditions, market_, id, {0, true});
        if (!is_candidate && (claim == Claim::belongs || !keeps_seat(universe, id, claim))) return;
        seats.taken[id] = static_cast<std::uint32_t>(i + 1);
        if (!is_candidate) seats.held[i].push_back(id);
      });
    }
  }
  for (Ids& held : seats.held) sort(held, Order::market_cap);
}

std::vector<SymbolId> Selection::seated(const Universe& universe, const Entry* before) {
  Ids members = candidates(universe, before);
  const bool is_alone = universe.group.empty();
  if (is_alone && !universe.keeps_seats()) return members;
  Seats own;
  if (is_alone) add(universe, own);
  Seats& seats = is_alone ? own : seats_[universe.group];
  if (seats.held.empty()) hold(seats);
  const auto place = std::ranges::find(seats.universes, &universe) - seats.universes.begin();
  const auto number = static_cast<std::uint32_t>(place + 1);
  if (!is_alone) {
    std::erase_if(members,
                  [&](SymbolId id) { return seats.taken[id] != 0 && seats.taken[id] != number; });
    for (const SymbolId id : members) seats.taken[id] = number;
  }
  const Ids& held = seats.held[number - 1];
  if (held.empty()) return members;
  const auto middle = static_cast<std::ptrdiff_t>(members.size());
  members.insert(members.end(), held.begin(), held.end());
  std::inplace_merge(members.begin(), members.begin() + middle, members.end(),
                     [this](SymbolId a, SymbolId b) { return precedes(a, b, Order::market_cap); });
  return members;
}

void Selection::keep_first(Ids& members, const Ids& chosen, const Universe& universe,
                           const std::vector<bool>& stands) const {
  std::size_t places = *universe.first - chosen.size();
  if (members.size() <= places) return;
  std::vector<Turn> turns(members.size());
  std::array<std::size_t, 3> takers{};
  std::size_t ahead = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    while (ahead < chosen.size() && precedes(chosen[ahead], members[i], universe.order)) ++ahead;
    turns[i] = turn_of(universe, ahead + i + 1, is_in(stands, members[i]));
    ++takers[static_cast<std::size_t>(turns[i])];
  }
  for (std::size_t& each : takers) {
    each = std::min(each, places);
    places -= each;
  }
  Ids kept;
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::size_t& left = takers[static_cast<std::size_t>(turns[i])];
    if (left == 0) continue;
    --left;
    kept.push_back(members[i]);
  }
  members = std::move(kept);
}

void Selection::forget_who_left(const Universe& universe, const Ids& members) {
  if (waiting_.empty()) return;
  const std::vector<bool> stays = set_of(members);
  std::erase_if(waiting_, [&](const Waiting& each) {
    return each.universe == universe.name && !stays[each.symbol];
  });
}

const Universe* Selection::seat_of(const std::string& group, SymbolId symbol) const {
  const auto seats = seats_.find(group);
  if (seats == seats_.end() || symbol >= seats->second.taken.size()) return nullptr;
  const std::uint32_t number = seats->second.taken[symbol];
  return number == 0 ? nullptr : seats->second.universes[number - 1];
}

void Selection::settle(Seats& seats) {
  if (std::exchange(seats.settled, true)) return;
  const auto may_lose = [](const Universe* universe) {
    return universe->keeps_seats() && (universe->first || !universe->issuer.empty());
  };
  if (std::ranges::none_of(seats.universes, may_lose)) return;
  const std::vector<std::uint32_t> taken = seats.taken;
  const std::vector<Waiting> waiting = waiting_;
  // A symbol that gets a freed seat may push another one out.
  for (bool again = true; again;) {
    again = false;
    for (const Universe* universe : seats.universes) {
      const std::vector<bool> stays = set_of(members(*universe));
      const Entry* before = find_entry(before_, universe->name);
      if (!may_lose(universe) || before == nullptr) continue;
      before->members.each([&](SymbolId id) {
        if (!stays[id]) again = lost_.emplace(universe->name, id).second || again;
      });
    }
    seats.taken = taken;
    seats.held.clear();
    waiting_ = waiting;
  }
}

std::vector<SymbolId> Selection::members(const Universe& universe, Contest* contest) {
  if (!universe.group.empty()) settle(seats_[universe.group]);
  const Entry* before = find_entry(before_, universe.name);
  const bool looks_back =
      universe.additions || !universe.issuer.empty() || universe.stability.buffer > 0;
  const std::vector<bool> stands = standing(looks_back ? before : nullptr, market_);
  Ids members = seated(universe, before);
  Ids chosen = included(universe);
  if (contest != nullptr) contest->seated = members;
  if (!universe.issuer.empty()) keep_primary_lines(members, market_, universe, stands);
  if (!chosen.empty()) {
    std::erase_if(members, [is_chosen = set_of(chosen)](SymbolId id) { return is_chosen[id]; });
  }
  if (universe.order != Order::market_cap) sort(members, universe.order);
  if (universe.first) {
    sort(chosen, universe.order);
    chosen.resize(std::min(chosen.size(), *universe.first));
  }
  if (contest != nullptr) {
    contest->contenders = members;
    contest->chosen = chosen;
  }
  if (universe.first) keep_first(members, chosen, universe, stands);
  if (universe.first || !universe.issuer.empty()) forget_who_left(universe, members);
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
