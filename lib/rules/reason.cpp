#include "rules/reason.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace tickstock {

namespace {

std::string bound_of(const Universe& universe) { return dollars_text(*universe.cap_from()); }

/// What a symbol crossed on its way from one step to another. Steps are counted from the highest.
std::string crossing_into(const Universes& steps, std::size_t from, std::size_t to) {
  return to < from ? "crossed " + bound_of(*steps[to]) + " upward"
                   : "crossed " + bound_of(*steps[to - 1]) + " downward";
}

}  // namespace

std::string departure_reason(const Market& market, SymbolId symbol) {
  const auto listing = market.find(symbol);
  if (!listing) return "not in the symbols table";
  if (market.delisted(symbol)) {
    return listing->delisted ? "delisted " + to_string(*listing->delisted) : "no longer active";
  }
  if (listing->activity == Activity::unknown) return "not known to be active";
  return "";
}

std::string listing_window_reason(const Market& market, SymbolId symbol, int ipo_days) {
  const auto listing = market.find(symbol);
  if (!listing || !listing->listed) return "without a listing date";
  if (*listing->listed > market.as_of()) return "not listed before " + to_string(*listing->listed);
  return "listed more than " + std::to_string(ipo_days) + " days ago";
}

MemberReasons::MemberReasons(const Market& market, const Entries& before,
                             const Universes& universes, int ipo_days)
    : market_(market), ipo_days_(ipo_days) {
  for (const auto& universe : universes) {
    if (universe->group.empty() || ladders_.contains(universe->group)) continue;
    Ladder& ladder = ladders_[universe->group];
    ladder.steps = group_of(universes, universe->group);
    ladder.stood.resize(market.symbols().size());
    for (std::size_t i = ladder.steps.size(); i > 0; --i) {
      const Entry* entry = find_entry(before, ladder.steps[i - 1]->name);
      if (entry == nullptr) continue;
      // The highest one counts.
      entry->members.each([&](SymbolId id) { ladder.stood[id] = static_cast<unsigned char>(i); });
    }
  }
}

std::pair<const MemberReasons::Ladder*, std::size_t> MemberReasons::ladder_of(
    const EntryWrite& write) const {
  if (!write.rule || write.rule->group.empty()) return {nullptr, 0};
  const Ladder& ladder = ladders_.at(write.rule->group);
  const auto step =
      std::find_if(ladder.steps.begin(), ladder.steps.end(),
                   [&write](const auto& each) { return each->name == write.universe; });
  return {&ladder, static_cast<std::size_t>(step - ladder.steps.begin())};
}

bool MemberReasons::listed_lately(SymbolId symbol) const {
  const auto listing = market_.find(symbol);
  return listing && listing->listed && *listing->listed <= market_.as_of() &&
         *listing->listed > market_.as_of() - std::chrono::days{ipo_days_};
}

std::string MemberReasons::added(const EntryWrite& write, SymbolId symbol) const {
  const Universe& rule = *write.rule;
  // In a new universe everyone is new.
  if (!write.before && !rule.listed_within()) return "";
  const auto [ladder, step] = ladder_of(write);
  if (ladder != nullptr) {
    const std::size_t old = ladder->stood[symbol];
    if (old != 0 && old != step + 1) return crossing_into(ladder->steps, old - 1, step);
  }
  if (rule.listed_within() || listed_lately(symbol)) {
    return "listed " + to_string(*market_.listed(symbol));
  }
  if (ladder != nullptr) return "was in no category";
  return "rose to rank " + std::to_string(market_.rank_of(symbol));
}

std::string MemberReasons::removed(const EntryWrite& write, SymbolId symbol) const {
  if (std::string reason = departure_reason(market_, symbol); !reason.empty()) return reason;
  if (!write.rule) return "";
  const Universe& rule = *write.rule;
  if (const auto days = rule.listed_within()) {
    return listing_window_reason(market_, symbol, *days);
  }
  if (!market_.eligible(symbol)) return "no market cap";
  if (rule.first) return "fell to rank " + std::to_string(market_.rank_of(symbol));
  const auto [ladder, step] = ladder_of(write);
  if (ladder == nullptr) return "";
  const bool upward =
      step > 0 && market_.market_cap(symbol) >= *ladder->steps[step - 1]->cap_from();
  return upward ? "crossed " + bound_of(*ladder->steps[step - 1]) + " upward"
                : "crossed " + bound_of(rule) + " downward";
}

std::string MemberReasons::moved(const Placement& member) {
  // Its neighbours came, went or changed their order, and it is back at the same number.
  if (member.to == member.from) return "place " + std::to_string(member.to + 1) + " among others";
  return "place " + std::to_string(member.to + 1) + ", was " + std::to_string(member.from + 1);
}

}  // namespace tickstock
