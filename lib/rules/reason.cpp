#include "rules/reason.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>

namespace tickstock {

namespace {

/// Puts into words what the failed condition of an active symbol means.
struct Absence {
  const Market& market;
  SymbolId symbol;
  bool keeps_seats;  ///< with a band or nights, crossing a bound is not leaving yet

  std::string operator()(const HasCap& /*any*/) const { return "no market cap"; }
  std::string operator()(const CapFrom& bound) const {
    if (!market.eligible(symbol)) return "no market cap";
    const std::string dollars = dollars_text(bound.dollars);
    return keeps_seats ? "below " + dollars : "crossed " + dollars + " downward";
  }
  std::string operator()(const CapBelow& bound) const {
    if (!market.eligible(symbol)) return "no market cap";
    const std::string dollars = dollars_text(bound.dollars);
    return keeps_seats ? "not below " + dollars : "crossed " + dollars + " upward";
  }
  std::string operator()(const ListedWithin& window) const {
    const auto listed = market.listed(symbol);
    if (!listed) return "without a listing date";
    if (*listed > market.as_of()) return "not listed before " + to_string(*listed);
    return fmt::format("listed more than {} days ago", window.days);
  }
  std::string operator()(const Matches& match) const {
    const std::string_view label = market.label(match.column, symbol);
    return label.empty() ? fmt::format("{} is blank", match.column)
                         : fmt::format("{} is {}", match.column, label);
  }
  std::string operator()(const Named& named) const {
    return named.negated ? "excluded by name" : "not included by name";
  }
};

/// Returns the first condition of a universe that does not hold for a member; null if all do.
const Condition* first_lost(const Universe& rule, const Market& market, SymbolId symbol) {
  for (const Condition& condition : rule.conditions) {
    if (!holds(condition, market, symbol, rule.stability.band)) return &condition;
  }
  return nullptr;
}

std::string lost_words(const Condition& lost, const Universe& rule, const Market& market,
                       SymbolId symbol) {
  return std::visit(Absence{market, symbol, rule.keeps_seats()}, lost);
}

/// Returns how long, and how far, a member was outside before it left.
std::string patience_words(const Condition& lost, const Universe& rule) {
  const bool is_bound =
      std::holds_alternative<CapFrom>(lost) || std::holds_alternative<CapBelow>(lost);
  if (!is_bound && !std::holds_alternative<Matches>(lost)) return "";
  std::string words;
  if (rule.stability.nights > 1) words = fmt::format(" for {} nights", rule.stability.nights);
  if (is_bound && rule.stability.band > 0) {
    words += fmt::format(", beyond the band of {} %", rule.stability.band);
  }
  return words;
}

/// Puts into words what a condition that holds says about a new symbol; empty for nothing.
struct Presence {
  const Market& market;
  SymbolId symbol;

  std::string operator()(const Matches& match) const {
    return match.negated
               ? ""
               : fmt::format("{} is {}", match.column, market.label(match.column, symbol));
  }
  std::string operator()(const CapFrom& bound) const {
    return "at least " + dollars_text(bound.dollars);
  }
  std::string operator()(const CapBelow& bound) const {
    return "below " + dollars_text(bound.dollars);
  }
  template <typename Other>
  std::string operator()(const Other& /*other*/) const {
    return "";
  }
};

/// Returns the conditions of a universe that explain why a symbol is in it.
std::string presence_reason(const Universe& rule, const Market& market, SymbolId symbol) {
  if (std::count(rule.include.begin(), rule.include.end(), market.name(symbol)) > 0) {
    return "included by name";
  }
  std::string words;
  for (const Condition& condition : rule.conditions) {
    const std::string each = std::visit(Presence{market, symbol}, condition);
    if (!each.empty()) words += (words.empty() ? "" : ", ") + each;
  }
  return words;
}

/// Returns the limit raised (1) or lowered (-1) by the buffer.
std::size_t first_with(const Universe& rule, int sign) {
  return *rule.first * static_cast<std::size_t>(100 + sign * rule.stability.buffer) / 100;
}

std::string buffer_words(const Universe& rule) {
  return fmt::format(", beyond the buffer of {} %", rule.stability.buffer);
}

/// Returns whether ranks in the universe are ranks in the whole market.
bool is_ranked(const Universe& rule) {
  return rule.order == Order::market_cap && find_condition<Matches>(rule) == nullptr;
}

/// Returns the bound that a symbol crossed from one universe of a group to another; empty if no
/// bound separates them.
std::string crossing(const Universe& from, const Universe& to) {
  const auto old_bound = from.cap_from();
  const auto bound = to.cap_from();
  if (bound && (!old_bound || *old_bound < *bound)) {
    return "crossed " + dollars_text(*bound) + " upward";
  }
  const auto* below = find_condition<CapBelow>(to);
  const bool is_lower = old_bound && below != nullptr && below->dollars <= *old_bound;
  return is_lower ? "crossed " + dollars_text(below->dollars) + " downward" : "";
}

std::string ipo_addition_reason(SymbolId symbol, const Market& market, const Universe& rule) {
  const Company& company = market.company(symbol);
  return (rule.listed_within() ? "New IPO: " : "New member: ") +
         company.name.value_or(std::string(market.name(symbol)));
}

/// A replacement of a built-in universe keeps its type.
bool is_leader(const Universe& rule) { return rule.type == "market_leader"; }

std::string ipo_removal_reason(SymbolId symbol, const Market& market, const Universe& rule) {
  std::string reason = absence_reason(rule, market, symbol);
  if (reason.empty()) return "No longer a member";
  reason[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(reason[0])));
  return reason;
}

void append_ipo_changes(const EntryWrite& write, const Market& market,
                        std::vector<Change>& changes) {
  for (const Placement& member : write.diff.added) {
    changes.push_back({"ipo_assignment", "added", write.universe, member.symbol,
                       ipo_addition_reason(member.symbol, market, *write.rule), &write});
  }
  for (const Placement& member : write.diff.removed) {
    changes.push_back({"ipo_assignment", "removed", write.universe, member.symbol,
                       ipo_removal_reason(member.symbol, market, *write.rule), &write});
  }
  if (write.diff.added.empty() && write.diff.removed.empty()) {
    changes.push_back(
        {"ipo_assignment", "updated", write.universe, std::nullopt, write_reason(write), &write});
  }
}

}  // namespace

std::string departure_reason(const Market& market, SymbolId symbol) {
  const auto listing = market.find(symbol);
  if (!listing) return "not in the symbols table";
  if (market.delisted(symbol)) {
    return listing->delisted ? "delisted " + to_string(*listing->delisted) : "no longer active";
  }
  return listing->activity == Activity::unknown ? "not known to be active" : "";
}

std::string absence_reason(const Universe& rule, const Market& market, SymbolId symbol) {
  if (std::string reason = departure_reason(market, symbol); !reason.empty()) return reason;
  const Condition* lost = first_lost(rule, market, symbol);
  if (lost == nullptr) return "";
  const std::string words = lost_words(*lost, rule, market, symbol);
  // Without a market cap it left at once.
  const bool left_at_once = rule.asks_for_cap() && !market.eligible(symbol);
  return left_at_once ? words : words + patience_words(*lost, rule);
}

std::string waiting_reason(const Universe& rule, const Market& market, const Waiting& waiting) {
  const Condition* lost = first_lost(rule, market, waiting.symbol);
  return fmt::format("{}, night {} of {}",
                     lost == nullptr ? "" : lost_words(*lost, rule, market, waiting.symbol),
                     waiting.nights, rule.stability.nights);
}

const MemberReasons::Group& MemberReasons::group(const std::string& name) const {
  Group& group = group_;
  if (group.name == name) return group;
  group = {name, group_of(universes_, name), {}};
  group.stood.resize(market_.symbols().size());
  for (std::size_t i = group.universes.size(); i > 0; --i) {
    const Entry* entry = find_entry(before_, group.universes[i - 1]->name);
    if (entry == nullptr) continue;
    // Goes backwards, so that a symbol in several universes counts for the first one.
    entry->members.each([&](SymbolId id) { group.stood[id] = static_cast<std::uint32_t>(i); });
  }
  return group;
}

bool MemberReasons::has_line_of(SymbolId symbol, const Universe& rule,
                                const std::vector<Placement>& members) const {
  if (rule.issuer.empty()) return false;
  const LabelId issuer = market_.label_id(rule.issuer, symbol);
  return issuer != 0 && std::any_of(members.begin(), members.end(), [&](const Placement& member) {
           return market_.label_id(rule.issuer, member.symbol) == issuer;
         });
}

bool MemberReasons::listed_lately(SymbolId symbol) const {
  return holds(ListedWithin{ipo_days_}, market_, symbol);
}

std::string MemberReasons::added(const EntryWrite& write, SymbolId symbol) const {
  if (write.restoration) return "";
  const Universe& rule = *write.rule;
  // In a new universe every member is new.
  if (!write.before && !rule.listed_within()) return "";
  if (!rule.group.empty()) {
    const Group& group = this->group(rule.group);
    const std::size_t old = group.stood[symbol];
    if (old != 0 && group.universes[old - 1]->name != rule.name) {
      const Universe& from = *group.universes[old - 1];
      if (from.keeps_seats()) {
        if (std::string reason = absence_reason(from, market_, symbol); !reason.empty()) {
          return reason;
        }
      } else if (std::string reason = crossing(from, rule); !reason.empty()) {
        return reason;
      }
      return fmt::format("{}, was in {}", presence_reason(rule, market_, symbol), from.name);
    }
  }
  if (rule.listed_within() || listed_lately(symbol)) {
    if (const auto listed = market_.listed(symbol)) return "listed " + to_string(*listed);
  }
  if (has_line_of(symbol, rule, write.diff.removed)) return "the line of its issuer that counts";
  if (rule.first && is_ranked(rule)) {
    const std::size_t rank = market_.rank_of(symbol);
    const bool is_sure = rule.stability.buffer > 0 && rank <= first_with(rule, -1);
    return fmt::format("rose to rank {}{}", rank, is_sure ? buffer_words(rule) : "");
  }
  if (rule.task == Task::themes) return presence_reason(rule, market_, symbol);
  return rule.group.empty() ? "" : "was in no category";
}

std::string MemberReasons::removed(const EntryWrite& write, SymbolId symbol) const {
  if (write.restoration) return "";
  static const Universe cleaned;
  const Universe& rule = write.rule ? *write.rule : cleaned;
  if (market_.active(symbol) && rule.excludes(market_, symbol)) return "excluded by name";
  if (std::string reason = absence_reason(rule, market_, symbol); !reason.empty()) return reason;
  if (has_line_of(symbol, rule, write.diff.added)) return "another line of its issuer counts";
  if (rule.first && is_ranked(rule)) {
    const std::size_t rank = market_.rank_of(symbol);
    const bool is_beyond = rule.stability.buffer > 0 && rank > first_with(rule, 1);
    return fmt::format("fell to rank {}{}", rank, is_beyond ? buffer_words(rule) : "");
  }
  if (rule.first) return fmt::format("not among the first {}", *rule.first);
  return rule.group.empty() ? "" : "another universe of its group holds it";
}

std::string MemberReasons::moved(const Placement& member) {
  // Its neighbors were added, removed or reordered, and it ended up at the same position.
  if (member.to == member.from) return fmt::format("rank {} (unchanged)", member.to + 1);
  return fmt::format("rank {}, was {}", member.to + 1, member.from + 1);
}

std::string write_reason(const EntryWrite& write) {
  if (write.restoration) return "As before run " + write.restoration->run_id;
  if (!write.rule) {
    return "Removed " + std::to_string(write.diff.removed.size()) + " delisted symbols";
  }
  if (write.rule->task == Task::ipo) {
    return "Recent IPOs: " + std::to_string(write.diff.added.size()) + " added, " +
           std::to_string(write.diff.removed.size()) + " removed";
  }
  if (write.rule->task == Task::themes) {
    return "Declared universe: " + std::to_string(write.after->members.size()) + " symbols";
  }
  if (write.rule->first && is_leader(*write.rule))
    return "Top " + std::to_string(*write.rule->first) + " by market cap";
  return "Market cap recalculation: " + std::to_string(write.after->members.size()) + " symbols";
}

std::string_view write_action(const EntryWrite& write) {
  return write.restoration ? "restored" : write.rule ? "updated" : "cleaned";
}

std::vector<Change> changes_of(const TaskPlan& task, const Market& market) {
  std::vector<Change> changes;
  for (const EntryWrite& write : task.writes) {
    if (task.task == Task::ipo) {
      append_ipo_changes(write, market, changes);
      continue;
    }
    const std::string_view type = write.restoration           ? "undo"
                                  : !write.rule               ? "delisted_cleanup"
                                  : task.task == Task::themes ? "theme_update"
                                  : is_leader(*write.rule)    ? "market_leader_update"
                                                              : "market_cap_update";
    changes.push_back(
        {type, write_action(write), write.universe, std::nullopt, write_reason(write), &write});
  }
  return changes;
}

}  // namespace tickstock
