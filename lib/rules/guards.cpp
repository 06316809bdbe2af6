#include "rules/guards.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

namespace tickstock {

namespace {

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", value);
  std::string out = text;
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

Universes categories_of(const GuardInput& input) {
  return group_of(input.plan.universes, categories_group);
}

/// `the category universes (mega to micro)`, by the names of the first and the last.
std::string categories_words(const GuardInput& input) {
  const Universes categories = categories_of(input);
  return "the category universes (" + categories.front()->name + " to " + categories.back()->name +
         ")";
}

/// The symbols that stand in the entries of the categories, each once.
std::vector<bool> categorised(const GuardInput& input) {
  std::vector<bool> stands(input.market.symbols().size(), false);
  for (const auto& category : categories_of(input)) {
    const Entry* entry = find_entry(input.entries, category->name);
    if (entry == nullptr) continue;
    entry->members.each([&stands](SymbolId id) { stands[id] = true; });
  }
  return stands;
}

GuardResult no_eligible_symbols(const GuardInput& input) {
  const std::size_t eligible = input.market.ranking().size();
  return {"no_eligible_symbols",
          "",
          static_cast<double>(eligible),
          1,
          "",
          eligible == 0,
          "no symbol is eligible: none of " + std::to_string(input.market.size()) +
              " is active with a market cap above zero"};
}

GuardResult vanished(const GuardInput& input, const std::vector<bool>& stood) {
  std::size_t base = 0;
  std::size_t gone = 0;
  for (SymbolId id = 0; id < stood.size(); ++id) {
    if (!stood[id]) continue;
    ++base;
    if (!input.market.eligible(id)) ++gone;
  }
  const double share = percent(gone, base);
  const GuardLimits& limits = input.limits;
  return {
      "vanished",
      "",
      share,
      limits.max_vanished_percent,
      "max_vanished_percent",
      gone >= static_cast<std::size_t>(limits.min_vanished) && share > limits.max_vanished_percent,
      std::to_string(gone) + " of " + std::to_string(base) + " symbols in " +
          categories_words(input) + " would stop being eligible at once: " + number(share) +
          " % is more than max_vanished_percent = " + number(limits.max_vanished_percent)};
}

GuardResult appeared(const GuardInput& input, const std::vector<bool>& stood) {
  const std::size_t base = static_cast<std::size_t>(std::count(stood.begin(), stood.end(), true));
  std::size_t fresh = 0;
  for (const TaskPlan& task : input.plan.tasks) {
    for (const EntryWrite& write : task.writes) {
      if (!write.rule || write.rule->group != categories_group) continue;
      for (const Placement& member : write.diff.added) fresh += stood[member.symbol] ? 0 : 1;
    }
  }
  const double share = percent(fresh, base);
  const GuardLimits& limits = input.limits;
  return {"appeared",
          "",
          share,
          limits.max_appeared_percent,
          "max_appeared_percent",
          base >= static_cast<std::size_t>(limits.min_base) && share > limits.max_appeared_percent,
          std::to_string(fresh) + " symbols would be new in " + categories_words(input) +
              ", which hold " + std::to_string(base) + ": " + number(share) +
              " % is more than max_appeared_percent = " + number(limits.max_appeared_percent)};
}

/// A member leaves a window of listings by age when nothing else is against it.
bool leaves_by_age(const GuardInput& input, SymbolId id, int days) {
  const auto listed = input.market.listed(id);
  return input.market.active(id) && listed &&
         *listed <= input.market.as_of() - std::chrono::days{days};
}

GuardResult removed(const GuardInput& input, const EntryWrite& write) {
  const std::size_t base = write.previous_count();
  std::size_t gone = write.diff.removed.size();
  if (const auto days = write.rule ? write.rule->listed_within() : std::nullopt) {
    gone = static_cast<std::size_t>(std::count_if(
        write.diff.removed.begin(), write.diff.removed.end(),
        [&](const Placement& member) { return !leaves_by_age(input, member.symbol, *days); }));
  }
  const double share = percent(gone, base);
  const GuardLimits& limits = input.limits;
  return {
      "removed",
      write.universe,
      share,
      limits.max_removed_percent,
      "max_removed_percent",
      base >= static_cast<std::size_t>(limits.min_members) && share > limits.max_removed_percent,
      write.universe + " would lose " + std::to_string(gone) + " of " + std::to_string(base) +
          " members: " + number(share) +
          " % is more than max_removed_percent = " + number(limits.max_removed_percent)};
}

/// Each entry that would shrink too much; where there is none, the one that would shrink most.
void append_removed(const GuardInput& input, std::vector<GuardResult>& results) {
  std::optional<GuardResult> worst;
  bool refused = false;
  for (const TaskPlan& task : input.plan.tasks) {
    for (const EntryWrite& write : task.writes) {
      GuardResult result = removed(input, write);
      if (result.refused) {
        refused = true;
        results.push_back(std::move(result));
      } else if (!worst || result.value > worst->value) {
        worst = std::move(result);
      }
    }
  }
  if (worst && !refused) results.push_back(*std::move(worst));
}

GuardResult data_age(const GuardInput& input) {
  const int days = *input.limits.max_data_age_days;
  return {"data_age",
          "",
          input.data_is_fresh ? 0.0 : static_cast<double>(days),
          static_cast<double>(days),
          "max_data_age_days",
          !input.data_is_fresh,
          "the prices table has no row in the " + std::to_string(days) + " days that end with " +
              to_string(input.market.as_of()) + " (max_data_age_days = " + std::to_string(days) +
              ")"};
}

}  // namespace

std::vector<GuardResult> evaluate_guards(const GuardInput& input) {
  std::vector<GuardResult> results;
  if (has_categories(input.mode)) {
    results.push_back(no_eligible_symbols(input));
    if (!categories_of(input).empty()) {
      const std::vector<bool> stood = categorised(input);
      results.push_back(vanished(input, stood));
      results.push_back(appeared(input, stood));
    }
  }
  append_removed(input, results);
  if (input.limits.max_data_age_days) results.push_back(data_age(input));
  return results;
}

}  // namespace tickstock
