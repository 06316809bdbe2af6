#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <set>

#include "domain/text.hpp"
#include "rules/reason.hpp"

namespace tickstock {

namespace {

bool is_in(const std::vector<SymbolId>& list, SymbolId id) {
  return std::ranges::find(list, id) != list.end();
}

bool stands_in(const Entry* entry, SymbolId id) {
  return entry != nullptr && is_in(entry->members.list(), id);
}

Decision judge_unreadable(const Entry& entry) {
  return {"its content can be read", std::string(unreadable_because(entry)), false,
          "a content that can be read"};
}

/// Formats an amount, rounded to about three digits so that it is still enough: `$1.2 B`.
std::string enough(double amount) {
  const auto [unit, letter] = unit_of(amount);
  if (letter.empty()) return fmt::format("${:.0f}", std::max(std::ceil(amount), 1.0));
  // What is too small for a double to represent must not add a cent.
  return fmt::format("${:g} {}", std::ceil(amount / unit * 100 - 1e-6) / 100, letter);
}

/// What the explanations of one symbol share.
struct Scene {
  const Subject subject;
  const Entries& entries;
  const Universes universes;
  const std::vector<Waiting>& waiting;
  Selection selection;
};

/// One universe deciding about a symbol, step by step as Selection does.
class Case {
 public:
  Case(Scene& scene, const Universe& rule) : scene_(scene), rule_(rule) {}

  Explanation explain() {
    scene_.selection.members(rule_, &contest_);
    decide();
    explanation_.outlook = outlook();
    return explanation_;
  }

 private:
  void decide() {
    if (rule_.additions && is_member_) {
      decisions_.push_back(judge_presence(subject_));
      for (const Condition& condition : rule_.conditions) {
        const auto* named = std::get_if<Named>(&condition);
        if (named != nullptr && named->negated) decisions_.push_back(judge(condition, subject_));
      }
      return;
    }
    if (rule_.additions && entry_ != nullptr && !entry_->readable) {
      decisions_.push_back(judge_unreadable(*entry_));
    }
    decisions_.push_back(judge_activity(subject_));
    if (rule_.includes(subject_.name())) return decide_on_included();
    for (const Condition& condition : rule_.conditions) decide_on(condition);
    if (!rule_.group.empty()) decisions_.push_back(seat());
    if (!rule_.issuer.empty()) decisions_.push_back(line());
    if (rule_.first) decisions_.push_back(place());
  }

  /// Included symbols need nothing else.
  void decide_on_included() {
    decisions_.push_back(
        {"included by name", "included", true, "", "when it is no longer included by name"});
    if (!rule_.first) return;
    decisions_.push_back(judge(HasCap{}, subject_));
    if (rule_.include.size() <= *rule_.first) return;
    const auto before = std::ranges::count_if(contest_.chosen, [this](SymbolId id) {
      return id != subject_.id && precedes(id, subject_.id);
    });
    const bool is_chosen = static_cast<std::size_t>(before) < *rule_.first;
    decisions_.push_back({fmt::format("one of the first {} included by name", *rule_.first),
                          is_chosen ? "one of them" : "behind them", is_chosen,
                          "fewer included before it"});
  }

  void decide_on(const Condition& condition) {
    const bool keeps = is_member_ && rule_.keeps_seats();
    Decision decision = judge(condition, subject_, {keeps ? rule_.stability.band : 0, is_member_});
    const int nights = keeps ? rule_.stability.nights : 1;
    const bool may_wait = subject_.market.active(subject_.id) &&
                          !rule_.excludes(subject_.market, subject_.id) &&
                          (!rule_.asks_for_cap() || subject_.cap > 0);
    decision.is_patient = nights > 1;
    if (nights > 1 && may_wait && !decision.holds) {
      decision.condition += fmt::format(", or outside for fewer than {} nights", nights);
      decision.value += fmt::format(", outside for {} of {} nights", nights_waited(), nights);
      // It has a seat without meeting the condition.
      decision.holds = decision.waits = is_in(contest_.seated, subject_.id);
    }
    decisions_.push_back(std::move(decision));
  }

  [[nodiscard]] int nights_waited() const {
    for (const Waiting& each : scene_.waiting) {
      const bool is_it = each.symbol == subject_.id && each.universe == rule_.name &&
                         each.group == rule_.seat_group();
      if (is_it) return each.nights;
    }
    return 0;
  }

  /// Returns whether a universe would give it a seat that it doesn't have yet, if it were active.
  [[nodiscard]] bool accepts(const Universe& rule) const {
    const bool stands = stands_in(find_entry(scene_.entries, rule.name), subject_.id);
    return std::ranges::all_of(rule.conditions, [&](const Condition& condition) {
      return judge(condition, subject_, {0, stands}).holds;
    });
  }

  /// Returns the universe of the group that comes before this one; null for none.
  [[nodiscard]] const Universe* rival(const Universe* seat) const {
    const Universes group = group_of(scene_.universes, rule_.group);
    for (const auto& each : group) {
      const bool has_cap = !each->first || subject_.cap > 0;
      if (each->includes(subject_.name()) && has_cap) return each.get();
    }
    if (seat == &rule_) return nullptr;
    const bool keeps = seat != nullptr && seat->keeps_seats() &&
                       stands_in(find_entry(scene_.entries, seat->name), subject_.id);
    if (keeps) return seat;
    for (const auto& each : group) {
      if (each.get() == &rule_) break;
      if (accepts(*each)) return each.get();
    }
    return nullptr;
  }

  Decision seat() {
    const Universe* seat = scene_.selection.seat_of(rule_.group, subject_.id);
    const Universe* rival = this->rival(seat);
    const std::string value = rival != nullptr  ? "taken by " + rival->name
                              : seat == nullptr ? "free"
                              : seat == &rule_  ? "this one holds it"
                                                : "in " + seat->name + ", declared later";
    return {fmt::format("not taken by another universe of group {}", rule_.group), value,
            rival == nullptr, rival == nullptr ? "" : "to leave " + rival->name};
  }

  /// Returns the number of a symbol's issuer; 0 for none, or if all lines count.
  [[nodiscard]] LabelId issuer_of(SymbolId id) const {
    return rule_.issuer.empty() ? 0 : subject_.market.label_id(rule_.issuer, id);
  }

  Decision line() {
    Decision decision{"the line of its issuer that counts", ""};
    const LabelId issuer = issuer_of(subject_.id);
    if (issuer == 0) {
      decision.value = rule_.issuer + " is blank";
      decision.holds = true;
      return decision;
    }
    std::vector<SymbolId> lines{subject_.id};
    std::ranges::copy_if(contest_.seated, std::back_inserter(lines),
                         [&](SymbolId id) { return id != subject_.id && issuer_of(id) == issuer; });
    keep_primary_lines(lines, subject_.market, rule_, stands_);
    const SymbolId counts = lines.front();
    decision.value = std::string(subject_.market.name(counts));
    decision.holds = counts == subject_.id;
    decision.loss = "when another line of its issuer exceeds it";
    const int percent = rule_.stability.band;
    if (percent > 0) decision.loss += fmt::format(" by more than {} %", percent);
    if (decision.holds) return decision;
    // The band favors the line that is a member.
    const double band = rule_.stability.band / 100.0;
    const double other = subject_of(subject_.market, counts).cap;
    const bool is_beside = is_member_ && rule_.includes(decision.value);
    const double needed = stands(counts) && !is_beside ? other * (1 + band)
                          : is_member_                 ? other / (1 + band)
                                                       : other;
    decision.need = "a market cap above that of " + decision.value;
    if (subject_.cap > 0) decision.more = std::max(needed - subject_.cap, 1.0);
    return decision;
  }

  [[nodiscard]] double cap_of(SymbolId id) const {
    return id == subject_.id ? subject_.cap : subject_.market.market_cap(id);
  }

  /// Returns whether one comes before the other in the universe's order, as if the symbol were
  /// active.
  [[nodiscard]] bool precedes(SymbolId a, SymbolId b) const {
    const Market& market = subject_.market;
    if (rule_.order == Order::newest && market.listed(a) != market.listed(b)) {
      return market.listed(a) > market.listed(b);
    }
    if (rule_.order == Order::market_cap && cap_of(a) != cap_of(b)) return cap_of(a) > cap_of(b);
    return market.name(a) < market.name(b);
  }

  /// Returns who else is ranked, in order. \param chosen gets for each whether it is included by
  /// name
  std::vector<SymbolId> others(std::vector<bool>& chosen) const {
    std::vector<SymbolId> contenders = contest_.contenders;
    const LabelId issuer = issuer_of(subject_.id);
    std::erase_if(contenders, [&](SymbolId id) {
      return id == subject_.id || (issuer != 0 && issuer_of(id) == issuer);
    });
    std::vector<SymbolId> others;
    std::ranges::merge(contenders, contest_.chosen, std::back_inserter(others),
                       [this](SymbolId a, SymbolId b) { return precedes(a, b); });
    const std::set<SymbolId> names(contest_.chosen.begin(), contest_.chosen.end());
    for (const SymbolId id : others) chosen.push_back(names.contains(id));
    return others;
  }

  /// Returns whether it would be in with this many of the others ahead of it.
  [[nodiscard]] bool is_in_behind(std::size_t ahead, const std::vector<SymbolId>& others,
                                  const std::vector<bool>& chosen) const {
    const Turn turn = turn_of(rule_, ahead + 1, is_member_);
    std::size_t earlier = 0;  // other members with places before it
    for (std::size_t i = 0; i < others.size(); ++i) {
      if (chosen[i]) continue;
      const Turn other = turn_of(rule_, i + 1 + (i < ahead ? 0 : 1), stands(others[i]));
      if (other < turn || (other == turn && i < ahead)) ++earlier;
    }
    return earlier < *rule_.first - contest_.chosen.size();
  }

  /// Returns how many ranks are in; they are the first ones.
  [[nodiscard]] std::size_t last_rank(const std::vector<SymbolId>& others,
                                      const std::vector<bool>& chosen) const {
    std::size_t last = 0;
    std::size_t out = others.size() + 1;
    while (last < out) {
      const std::size_t middle = (last + out) / 2;
      if (is_in_behind(middle, others, chosen)) {
        last = middle + 1;
      } else {
        out = middle;
      }
    }
    return last;
  }

  Decision place() {
    std::vector<bool> chosen;
    const std::vector<SymbolId> others = this->others(chosen);
    const auto place = std::ranges::partition_point(
        others, [this](SymbolId id) { return precedes(id, subject_.id); });
    const auto rank = static_cast<std::size_t>(place - others.begin() + 1);
    const std::size_t last = last_rank(others, chosen);
    const bool is_full = last <= others.size();
    constexpr std::array<std::string_view, 3> orders{"", " by newest listing", " by symbol"};
    Decision decision;
    decision.condition =
        fmt::format("rank {} or better{}{}", is_full ? last : *rule_.first,
                    orders[static_cast<std::size_t>(rule_.order)],
                    is_full && last != *rule_.first ? fmt::format(" ({})", exception()) : "");
    if (subject_.cap <= 0) {
      decision.value = "no rank";
      return decision;
    }
    decision.value = fmt::format("rank {}", rank);
    decision.holds = rank <= last;
    const bool by_cap = rule_.order == Order::market_cap;
    if (!decision.holds && last == 0) {
      decision.need = "a place that members included by name leave";
    } else if (!decision.holds) {
      decision.ranks = rank - last;
      decision.need = counted(decision.ranks, "rank", "ranks");
      if (by_cap) decision.more = std::max(cap_of(others[last - 1]) - subject_.cap, 1.0);
    } else if (is_full) {
      decision.loss = counted(last - rank + 1, "rank", "ranks") + " down";
      const double spare = subject_.cap - cap_of(others[last - 1]);
      if (by_cap) decision.loss = fmt::format("with {} less, or {}", enough(spare), decision.loss);
    } else {
      decision.loss = fmt::format("when {} others rank before it", *rule_.first);
    }
    return decision;
  }

  /// Returns the limit, with what shifts the last rank away from it.
  [[nodiscard]] std::string exception() const {
    std::string words = std::to_string(*rule_.first);
    if (rule_.stability.buffer > 0) {
      words += fmt::format(" with a buffer of {} %", rule_.stability.buffer);
    }
    if (!contest_.chosen.empty()) {
      words += fmt::format(" with {} included by name", contest_.chosen.size());
    }
    return words;
  }

  /// Returns what is missing; if nothing is, what a waiting member lacks.
  [[nodiscard]] std::string needs() const {
    const bool belongs = explanation_.belongs();
    std::vector<std::string> words;
    double more = 0;
    std::string or_ranks;
    for (const Decision& each : decisions_) {
      if (each.holds && !(belongs && each.waits)) continue;
      if (each.more == 0 && !each.need.empty()) words.push_back(each.need);
      if (each.more <= more) continue;
      more = each.more;
      or_ranks = each.ranks == 0 ? "" : ", or " + each.need;
    }
    const std::string cap = "a market cap";
    const bool says_which = std::ranges::any_of(
        words, [&cap](const std::string& each) { return each.starts_with(cap + " "); });
    if (says_which) std::erase(words, cap);
    if (more == 0) return joined(words, " and ");
    words.insert(words.begin(), enough(more) + " more" + or_ranks);
    return joined(words, or_ranks.empty() ? " and " : ", and ");
  }

  [[nodiscard]] std::string losses() const {
    std::vector<std::string> patient;
    std::vector<std::string> words;
    for (const Decision& each : decisions_) {
      if (!each.loss.empty()) (each.is_patient ? patient : words).push_back(each.loss);
    }
    if (!patient.empty()) {
      const std::string nights = fmt::format(" for {} nights", rule_.stability.nights);
      words.push_back(joined(patient, " or ") + nights);
    }
    // Delisted symbols always leave, so don't say it.
    if (words.size() > 1) words.erase(words.begin());
    return joined(words, ", or ");
  }

  [[nodiscard]] std::string outlook() const {
    const bool belongs = explanation_.belongs();
    const std::string needs = this->needs();
    if (!is_member_) return belongs ? "The next run adds it." : fmt::format("It needs {}.", needs);
    if (!belongs) return fmt::format("The next run removes it; to stay, it needs {}.", needs);
    if (needs.empty()) return fmt::format("It leaves {}.", losses());
    const int left = std::max(rule_.stability.nights - nights_waited(), 1);
    return fmt::format("It leaves after {}; to stay, it needs {}.",
                       counted(left, "more night", "more nights"), needs);
  }

  [[nodiscard]] bool stands(SymbolId id) const { return id < stands_.size() && stands_[id]; }

  Scene& scene_;
  const Universe& rule_;
  const Subject& subject_ = scene_.subject;
  const Entry* entry_ = find_entry(scene_.entries, rule_.name);
  std::vector<bool> stands_ = standing(entry_, subject_.market);
  bool is_member_ = stands(subject_.id);
  Contest contest_;
  Explanation explanation_{rule_.name, is_member_};
  std::vector<Decision>& decisions_ = explanation_.decisions;
};

/// Explains an entry that no rule adds to.
Explanation explain_cleaned(const std::string& name, const Entry& entry, const Subject& subject) {
  Explanation explanation{name, stands_in(&entry, subject.id)};
  if (!entry.readable) {
    explanation.decisions = {judge_unreadable(entry)};
    explanation.outlook = "Its content can't be read, so it is left unchanged.";
  } else if (!explanation.member) {
    explanation.decisions = {{"added by another program", "not added", false}};
    explanation.outlook = "No rule adds to this entry.";
  } else {
    explanation.decisions = {judge_presence(subject)};
    explanation.outlook = explanation.belongs()
                              ? "Only a delisting removes it; no rule adds to this entry."
                              : "The next run removes it.";
  }
  return explanation;
}

}  // namespace

std::vector<Explanation> explain(const Market& market, const Entries& entries, const Policy& policy,
                                 const std::vector<Waiting>& waiting, SymbolId symbol,
                                 const std::optional<std::string>& only) {
  std::vector<Warning> warnings;
  const Universes universes = expand(policy.universes(), market, entries, warnings);
  Scene scene{subject_of(market, symbol), entries, universes, waiting,
              Selection(market, universes, entries, waiting, tasks_of(Mode::full, policy))};
  std::vector<Explanation> explanations;
  std::set<std::string_view> ruled;
  std::set<std::string_view> seated;
  for (const auto& universe : universes) {
    ruled.insert(universe->name);
    if (only && universe->name != *only) continue;
    if (!universe->group.empty() && seated.insert(universe->group).second) {
      // Who has the seat is known only after all of them have taken theirs.
      for (const auto& each : group_of(universes, universe->group)) {
        scene.selection.members(*each);
      }
    }
    explanations.push_back(Case(scene, *universe).explain());
  }
  for (const auto& [name, entry] : entries) {
    if (ruled.contains(name) || (only && name != *only) || !policy.cleans(entry->cache_type)) {
      continue;
    }
    explanations.push_back(explain_cleaned(name, *entry, scene.subject));
  }
  return explanations;
}

}  // namespace tickstock
