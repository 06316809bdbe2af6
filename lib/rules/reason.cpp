#include "rules/reason.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "domain/text.hpp"

namespace tickstock {

namespace {

/// Puts into words what the failed condition of an active symbol means.
struct Absence {
  const Market& market;
  SymbolId symbol;
  bool keeps_seats;  ///< with a band or nights, crossing a bound is not leaving yet

  std::string operator()(const HasCap& /*any*/) const { return "no market cap"; }
  std::string operator()(const CapFrom& bound) const {
    return beyond(bound.dollars, "below", "downward");
  }
  std::string operator()(const CapBelow& bound) const {
    return beyond(bound.dollars, "not below", "upward");
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

 private:
  [[nodiscard]] std::string beyond(double bound, const char* side, const char* direction) const {
    if (!market.eligible(symbol)) return "no market cap";
    return keeps_seats ? fmt::format("{} {}", side, dollars_text(bound))
                       : fmt::format("crossed {} {}", dollars_text(bound), direction);
  }
};

/// Returns the first condition of a universe that does not hold for a member; null if all do.
const Condition* first_lost(const Universe& rule, const Market& market, SymbolId symbol) {
  for (const Condition& condition : rule.conditions) {
    if (!holds(condition, market, symbol, {rule.stability.band, true})) return &condition;
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

/// Returns the conditions of a universe that explain why a symbol is in it.
std::string presence_reason(const Universe& rule, const Market& market, SymbolId symbol) {
  if (rule.includes(market.name(symbol))) return "included by name";
  std::vector<std::string> words;
  for (const Condition& condition : rule.conditions) {
    if (const auto* from = std::get_if<CapFrom>(&condition)) {
      words.push_back("at least " + dollars_text(from->dollars));
    } else if (const auto* below = std::get_if<CapBelow>(&condition)) {
      words.push_back("below " + dollars_text(below->dollars));
    } else if (const auto* match = std::get_if<Matches>(&condition);
               match != nullptr && !match->negated) {
      words.push_back(fmt::format("{} is {}", match->column, market.label(match->column, symbol)));
    }
  }
  return joined(words, ", ");
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

std::string_view change_type(const EntryWrite& write) {
  if (write.restoration) return "undo";
  if (!write.rule) return "delisted_cleanup";
  if (write.rule->task == Task::ipo) return "ipo_assignment";
  if (write.rule->task == Task::themes) return "theme_update";
  return is_leader(*write.rule) ? "market_leader_update" : "market_cap_update";
}

/// Formats a market cap with enough digits to show on which side of a bound it is.
std::string beside(double cap, double bound) {
  const auto [unit, letter] = unit_of(cap);
  for (int digits = 2; !letter.empty() && digits < 10; ++digits) {
    const double power = std::pow(10, digits);
    const double shown = std::round(cap / unit * power) / power * unit;
    const bool is_true = (shown < bound) == (cap < bound);
    if (is_true) return fmt::format("${:.{}f} {}", cap / unit, digits, letter);
  }
  return cap == std::floor(cap) ? fmt::format("${:.0f}", cap) : fmt::format("${}", cap);
}

/// Puts into words what one condition of a universe says about a symbol, as if it were active.
struct Judge {
  const Subject& subject;
  Slack slack;
  int band = slack.band;

  Decision operator()(const HasCap& /*any*/) const {
    return {"has a market cap", cap(0), subject.cap > 0, "a market cap"};
  }
  Decision operator()(const CapFrom& bound) const {
    const double from = bound.dollars * (100 - band) / 100;
    const std::string least = dollars_text(from);
    return {.condition = "market cap of at least " + least + widened(bound.dollars),
            .value = cap(from),
            .holds = subject.cap > 0 && reaches(subject.cap, bound, band),
            .need = "a market cap of at least " + least,
            .loss = "below " + least,
            .more = subject.cap > 0 ? std::max(from - subject.cap, 0.0) : 0};
  }
  Decision operator()(const CapBelow& bound) const {
    const double below = bound.dollars * (100 + band) / 100;
    const std::string most = dollars_text(below);
    return {"market cap below " + most + widened(bound.dollars), cap(below),
            subject.cap > 0 && lies_below(subject.cap, bound, band),
            (subject.cap > 0 ? "to fall below " : "a market cap below ") + most,
            "at " + most + " or more"};
  }
  Decision operator()(const ListedWithin& window) const {
    const auto listed = subject.market.listed(subject.id);
    const Day as_of = subject.market.as_of();
    Decision decision{
        fmt::format("listed within {} days", window.days),
        listed ? "listed " + to_string(*listed) : "no listing date",
        holds(window, subject.market, subject.id),
        "a listing date of " + to_string(as_of - std::chrono::days{window.days - 1}) + " or later"};
    if (decision.holds) {
      decision.loss = "on " + to_string(*listed + std::chrono::days{window.days});
    } else if (listed && *listed > as_of) {
      decision.need = "to be listed, on " + to_string(*listed);
    }
    return decision;
  }
  Decision operator()(const Matches& match) const {
    const std::string_view label = subject.market.label(match.column, subject.id);
    const std::string values = joined(match.values, " or ");
    const bool may_be_blank = match.keeps_blank && slack.is_member;
    const char* const blank = may_be_blank ? "blank, which members may be" : "blank";
    return {fmt::format("{} is {}{}", match.column, match.negated ? "not " : "", values),
            label.empty() ? blank : std::string(label),
            holds(match, subject.market, subject.id, slack),
            match.negated ? "another " + match.column : match.column + " to be " + values,
            "when its " + match.column + " changes"};
  }
  Decision operator()(const Named& named) const {
    const bool is_held = holds(named, subject.market, subject.id);
    if (!named.negated) {
      return {"included by name", is_held ? "included" : "not included", is_held,
              "to be included by name", "when it is no longer included by name"};
    }
    return {"not excluded by name", is_held ? "not excluded" : "excluded", is_held,
            "to be excluded no longer"};
  }

 private:
  [[nodiscard]] std::string cap(double bound) const {
    return subject.cap > 0 ? beside(subject.cap, bound) : "none";
  }
  [[nodiscard]] std::string widened(double dollars) const {
    if (band == 0) return "";
    return fmt::format(" ({} with a band of {} %)", dollars_text(dollars), band);
  }
};

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

Subject subject_of(const Market& market, SymbolId symbol) {
  const auto listing = market.find(symbol);
  const bool has_cap = listing && std::isfinite(listing->market_cap) && listing->market_cap > 0;
  return {market, symbol, has_cap ? listing->market_cap : 0};
}

Decision judge(const Condition& condition, const Subject& subject, Slack slack) {
  return std::visit(Judge{subject, slack}, condition);
}

Decision judge_activity(const Subject& subject) {
  const std::string reason = departure_reason(subject.market, subject.id);
  const char* const need = !subject.market.knows(subject.id)     ? "a row in the symbols table"
                           : subject.market.delisted(subject.id) ? "to be listed again"
                                                                 : "is_active to be true";
  return {"active", reason.empty() ? "active" : reason, reason.empty(), need,
          "when it is delisted"};
}

Decision judge_presence(const Subject& subject) {
  const std::string reason = departure_reason(subject.market, subject.id);
  return {"not delisted", reason.empty() ? "active" : reason, !subject.market.delisted(subject.id),
          "to be listed again", "when it is delisted"};
}

const Universe* MemberReasons::stood_in(const std::string& group, SymbolId symbol) const {
  if (group_ != group) {
    group_ = group;
    stood_.assign(market_.symbols().size(), nullptr);
    for (const auto& universe : group_of(universes_, group)) {
      const Entry* entry = find_entry(before_, universe->name);
      if (entry == nullptr) continue;
      entry->members.each([&](SymbolId id) {
        // A symbol in several universes counts for the first one.
        if (stood_[id] == nullptr) stood_[id] = universe.get();
      });
    }
  }
  return stood_[symbol];
}

bool MemberReasons::has_line_of(SymbolId symbol, const Universe& rule,
                                const std::vector<Placement>& members) const {
  if (rule.issuer.empty()) return false;
  const LabelId issuer = market_.label_id(rule.issuer, symbol);
  return issuer != 0 && std::ranges::any_of(members, [&](const Placement& member) {
           return market_.label_id(rule.issuer, member.symbol) == issuer;
         });
}

std::string MemberReasons::added(const EntryWrite& write, SymbolId symbol) const {
  if (write.restoration) return "";
  const Universe& rule = *write.rule;
  // In a new universe every member is new.
  if (!write.before && !rule.listed_within()) return "";
  const Universe* from = rule.group.empty() ? nullptr : stood_in(rule.group, symbol);
  if (from != nullptr && from->name != rule.name) {
    std::string reason =
        from->keeps_seats() ? absence_reason(*from, market_, symbol) : crossing(*from, rule);
    if (!reason.empty()) return reason;
    return fmt::format("{}, was in {}", presence_reason(rule, market_, symbol), from->name);
  }
  if (rule.listed_within() || holds(ListedWithin{ipo_days_}, market_, symbol)) {
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
  const MembershipDiff& diff = write.diff;
  if (!write.rule) return fmt::format("Removed {} delisted symbols", diff.removed.size());
  const Universe& rule = *write.rule;
  if (rule.task == Task::ipo) {
    return fmt::format("Recent IPOs: {} added, {} removed", diff.added.size(), diff.removed.size());
  }
  if (rule.first && is_leader(rule)) return fmt::format("Top {} by market cap", *rule.first);
  return fmt::format("{}: {} symbols",
                     rule.task == Task::themes ? "Declared universe" : "Market cap recalculation",
                     write.after->members.size());
}

std::string_view write_action(const EntryWrite& write) {
  return write.restoration ? "restored" : write.rule ? "updated" : "cleaned";
}

std::vector<Change> changes_of(const TaskPlan& task, const Market& market) {
  std::vector<Change> changes;
  for (const EntryWrite& write : task.writes) {
    const auto add = [&](std::string_view action, std::optional<SymbolId> id, std::string reason) {
      changes.push_back(
          {change_type(write), action, write.universe, id, std::move(reason), &write});
    };
    const auto& [added, removed, moved, before] = write.diff;
    const bool names_members = task.task == Task::ipo && !(added.empty() && removed.empty());
    if (!names_members) {
      add(write_action(write), std::nullopt, write_reason(write));
      continue;
    }
    for (const auto& [id, from, to] : added) {
      add("added", id, ipo_addition_reason(id, market, *write.rule));
    }
    for (const auto& [id, from, to] : removed) {
      add("removed", id, ipo_removal_reason(id, market, *write.rule));
    }
  }
  return changes;
}

}  // namespace tickstock
