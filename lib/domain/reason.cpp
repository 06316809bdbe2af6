#include "domain/reason.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace tickstock {

namespace {

std::optional<std::size_t> category_index(std::string_view universe) {
  const auto found =
      std::find_if(categories.begin(), categories.end(),
                   [universe](const Category& each) { return each.universe == universe; });
  if (found == categories.end()) return std::nullopt;
  return static_cast<std::size_t>(found - categories.begin());
}

bool is_leader(std::string_view universe) {
  return std::any_of(leaders.begin(), leaders.end(),
                     [universe](const Leader& each) { return each.universe == universe; });
}

std::string bound_text(std::size_t category) {
  const double bound = categories[category].bound;
  return bound >= 1e9 ? "$" + std::to_string(static_cast<int>(bound / 1e9)) + " B"
                      : "$" + std::to_string(static_cast<int>(bound / 1e6)) + " M";
}

/// What a symbol crossed on its way from one category to another. Categories are counted from the
/// highest.
std::string crossing_into(std::size_t from, std::size_t to) {
  return to < from ? "crossed " + bound_text(to) + " upward"
                   : "crossed " + bound_text(to - 1) + " downward";
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

MemberReasons::MemberReasons(const Market& market, const Entries& before, int ipo_days)
    : market_(market), ipo_days_(ipo_days), old_category_(market.symbols().size()) {
  for (std::size_t i = categories.size(); i > 0; --i) {
    const Entry* entry = find_entry(before, categories[i - 1].universe);
    if (entry == nullptr) continue;
    // The highest one counts.
    entry->members.each([&](SymbolId id) { old_category_[id] = static_cast<unsigned char>(i); });
  }
}

std::optional<std::size_t> MemberReasons::old_category(SymbolId symbol) const {
  if (old_category_[symbol] == 0) return std::nullopt;
  return old_category_[symbol] - std::size_t{1};
}

bool MemberReasons::listed_lately(SymbolId symbol) const {
  const auto listing = market_.find(symbol);
  return listing && listing->listed && *listing->listed <= market_.as_of() &&
         *listing->listed > market_.as_of() - std::chrono::days{ipo_days_};
}

std::string MemberReasons::added(Task task, const EntryWrite& write, SymbolId symbol) const {
  // In a new universe everyone is new.
  if (!write.before && task == Task::market_cap) return "";
  const auto category = category_index(write.universe);
  const auto old = old_category(symbol);
  if (category && old && *old != *category) return crossing_into(*old, *category);
  if (task == Task::ipo || listed_lately(symbol)) {
    return "listed " + to_string(*market_.find(symbol)->listed);
  }
  if (category) return "was in no category";
  return "rose to rank " + std::to_string(market_.rank_of(symbol));
}

std::string MemberReasons::removed(Task task, const EntryWrite& write, SymbolId symbol) const {
  if (std::string reason = departure_reason(market_, symbol); !reason.empty()) return reason;
  if (task == Task::ipo) return listing_window_reason(market_, symbol, ipo_days_);
  if (!market_.eligible(symbol)) return "no market cap";
  if (is_leader(write.universe)) {
    return "fell to rank " + std::to_string(market_.rank_of(symbol));
  }
  const auto category = category_index(write.universe);
  if (!category) return "";
  const bool upward =
      *category > 0 && market_.find(symbol)->market_cap >= categories[*category - 1].bound;
  return upward ? "crossed " + bound_text(*category - 1) + " upward"
                : "crossed " + bound_text(*category) + " downward";
}

std::string MemberReasons::moved(const Placement& member) {
  // Its neighbours came, went or changed their order, and it is back at the same number.
  if (member.to == member.from) return "place " + std::to_string(member.to + 1) + " among others";
  return "place " + std::to_string(member.to + 1) + ", was " + std::to_string(member.from + 1);
}

}  // namespace tickstock
