#include "rules/guards.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

namespace tickstock {

namespace {

/// Returns a guard on a share; `sentence` says what it is a share of.
GuardResult share(const std::string& name, const std::string& universe, std::size_t part,
                  std::size_t whole, double limit, bool counts, const std::string& sentence) {
  const double value =
      whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  const std::string setting = fmt::format("max_{}_percent", name);
  // Two decimals are enough: `0.33`; but not for what they would hide.
  const double rounded = std::round(value * 100) / 100;
  const double shown = value > limit && rounded <= limit ? value : rounded;
  const std::string why =
      fmt::format("{}: {} % is more than {} = {}", sentence, shown, setting, limit);
  return {name, universe, value, limit, setting, counts && value > limit, why};
}

GuardResult no_eligible_symbols(const GuardInput& input) {
  const std::size_t eligible = input.market.ranking().size();
  const std::string why =
      fmt::format("no symbol is eligible: none of {} is active with a market cap above zero",
                  input.market.size());
  return {"no_eligible_symbols", "", static_cast<double>(eligible), 1, "", eligible == 0, why};
}

/// Appends the two guards about the symbols in the entries of the categories, each counted once.
void append_categories(const GuardInput& input, std::vector<GuardResult>& results) {
  const Universes categories = group_of(input.plan.universes, categories_group);
  if (categories.empty()) return;
  const std::string words = fmt::format("the category universes ({} to {})",
                                        categories.front()->name, categories.back()->name);
  std::vector<bool> stood(input.market.symbols().size(), false);
  for (const auto& category : categories) {
    const Entry* entry = find_entry(input.entries, category->name);
    if (entry != nullptr) entry->members.each([&stood](SymbolId id) { stood[id] = true; });
  }
  std::size_t base = 0;
  std::size_t gone = 0;
  for (SymbolId id = 0; id < stood.size(); ++id) {
    if (!stood[id]) continue;
    ++base;
    if (!input.market.eligible(id)) ++gone;
  }
  std::size_t fresh = 0;
  for (const TaskPlan& task : input.plan.tasks) {
    for (const EntryWrite& write : task.writes) {
      if (!write.rule || write.rule->group != categories_group) continue;
      for (const Placement& member : write.diff.added) fresh += stood[member.symbol] ? 0 : 1;
    }
  }
  const GuardLimits& limits = input.limits;
  results.push_back(share(
      "vanished", "", gone, base, limits.max_vanished_percent, gone >= limits.min_vanished,
      fmt::format("{} of {} symbols in {} would stop being eligible at once", gone, base, words)));
  results.push_back(
      share("appeared", "", fresh, base, limits.max_appeared_percent, base >= limits.min_base,
            fmt::format("{} symbols would be new in {}, which hold {}", fresh, words, base)));
}

/// Returns whether a member leaves a window of listings only because of its age.
bool leaves_by_age(const GuardInput& input, SymbolId id, int days) {
  const auto listed = input.market.listed(id);
  return input.market.active(id) && listed &&
         *listed <= input.market.as_of() - std::chrono::days{days};
}

GuardResult removed(const GuardInput& input, const EntryWrite& write) {
  const std::size_t base = write.previous_count();
  const std::vector<Placement>& removed = write.diff.removed;
  const auto days = write.rule ? write.rule->listed_within() : std::nullopt;
  const auto gone =
      static_cast<std::size_t>(std::ranges::count_if(removed, [&](const Placement& member) {
        return !days || !leaves_by_age(input, member.symbol, *days);
      }));
  return share("removed", write.universe, gone, base, input.limits.max_removed_percent,
               base >= input.limits.min_members,
               fmt::format("{} would lose {} of {} members", write.universe, gone, base));
}

/// Appends each entry that would shrink too much; if there is none, the one that would shrink most.
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

GuardResult future_as_of(const GuardInput& input) {
  const Day as_of = input.market.as_of();
  const auto days = static_cast<double>((as_of - input.today).count());
  const std::string why =
      fmt::format("the as-of day {} is after today, {}", to_string(as_of), to_string(input.today));
  return {"future_as_of", "", std::max(days, 0.0), 0, "", days > 0, why};
}

GuardResult data_age(const GuardInput& input) {
  const int days = *input.limits.max_data_age_days;
  const double limit = days;
  const bool is_old = !input.data_is_fresh;
  const std::string why = fmt::format(
      "the prices table has no row in the last {0} days up to {1} (max_data_age_days = {0})", days,
      to_string(input.market.as_of()));
  return {"data_age", "", is_old ? limit : 0, limit, "max_data_age_days", is_old, why};
}

}  // namespace

std::vector<GuardResult> evaluate_guards(const GuardInput& input) {
  std::vector<GuardResult> results;
  if (has_categories(input.mode)) {
    results.push_back(no_eligible_symbols(input));
    append_categories(input, results);
  }
  append_removed(input, results);
  for (const Plan::MovedOn& each : input.plan.moved_on) {
    results.push_back({"changed_since", each.universe, 1, 0, "", true, each.why});
  }
  if (input.mode != Mode::undo) results.push_back(future_as_of(input));
  if (input.limits.max_data_age_days && input.mode != Mode::undo)
    results.push_back(data_age(input));
  return results;
}

std::vector<GuardResult> refusals_of(const std::vector<GuardResult>& guards) {
  std::vector<GuardResult> refusals;
  std::ranges::copy_if(guards, std::back_inserter(refusals), &GuardResult::refused);
  const auto excess = [](const GuardResult& each) {
    return each.setting.empty() || each.limit == 0 ? std::numeric_limits<double>::infinity()
                                                   : each.value / each.limit;
  };
  std::ranges::stable_sort(refusals, std::ranges::greater(), excess);
  return refusals;
}

}  // namespace tickstock
