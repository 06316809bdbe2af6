#include "sync/planning.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <utility>

#include "domain/members.hpp"
#include "domain/text.hpp"
#include "events/sha256.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::sync {

namespace {

const std::string sector_column = "sector";

/// Returns the category with the lowest bound; null if none has a bound.
std::shared_ptr<const Universe> lowest_category(const Policy& policy) {
  std::shared_ptr<const Universe> lowest;
  for (const auto& category : group_of(policy.universes(), categories_group)) {
    const auto bound = category->cap_from();
    if (bound && (!lowest || *bound < *lowest->cap_from())) lowest = category;
  }
  return lowest;
}

/// Warns if entries of sectors and themes lack many of the symbols that have a sector: nothing adds
/// to these entries, so they only lose members.
std::optional<Warning> decay_warning(const Market& market, const Entries& entries) {
  constexpr std::size_t tolerated_percent = 5;
  constexpr std::size_t few_symbols = 20;  // themes alone need not contain every symbol
  std::vector<bool> listed(market.symbols().size());
  bool has_sectors = false;
  bool has_themes = false;
  for (const auto& [universe, entry] : entries) {
    if (entry->cache_type != "sector" && entry->cache_type != "theme") continue;
    (entry->cache_type == "sector" ? has_sectors : has_themes) = true;
    entry->members.each([&listed](SymbolId id) { listed[id] = true; });
  }
  std::size_t with_sector = 0;
  std::size_t missing = 0;
  for (SymbolId id = 0; id < listed.size(); ++id) {
    if (!market.active(id) || market.label_id(sector_column, id) == 0) continue;
    ++with_sector;
    if (!listed[id]) ++missing;
  }
  const bool has_lists = has_sectors || (has_themes && with_sector >= few_symbols);
  if (!has_lists || missing * 100 <= tolerated_percent * with_sector) return std::nullopt;
  return Warning(fmt::format("{} of {} active symbols that have a sector are in no entry of type "
                             "sector or theme",
                             fmt::group_digits(missing), fmt::group_digits(with_sector)),
                 "Declare sectors: see tickstock-cache-universes(7).");
}

/// The commands in the order of Mode.
constexpr std::array<std::string_view, 6> commands{"sync",   "market-cap", "ipo",
                                                   "themes", "delisted",   "undo"};

void add_entry(events::Sha256& hash, const Entry* entry, const Market& market) {
  if (entry == nullptr) {
    hash.add("missing");
    return;
  }
  hash.add(entry->readable ? "entry" : "unreadable entry").add(entry->cache_type);
  hash.add(std::uint64_t{entry->members.size()});
  market.symbols().each_name(entry->members.list(),
                             [&hash](std::string_view name) { hash.add(name); });
  hash.add(entry->count).add(entry->metadata);
}

}  // namespace

std::optional<int> price_days(const Policy& policy, Mode mode) {
  // Recent listings don't depend on market caps, unless their rule was replaced.
  const bool needs_no_cap = mode == Mode::undo || (mode == Mode::ipos && policy.declared.empty());
  return needs_no_cap ? std::nullopt : policy.price_days();
}

std::vector<std::string> columns_with_decay(const Policy& policy, const tables::Catalog& catalog) {
  const bool looks = policy.declared.empty() && catalog.symbols.columns.contains(sector_column);
  return looks ? std::vector<std::string>{sector_column} : policy.columns();
}

std::vector<Warning> data_warnings(tables::Database& database, const std::string& timezone,
                                   const Policy& policy, Mode mode, const Market& market,
                                   const Entries& entries) {
  std::vector<Warning> warnings;
  const std::optional<int> days = price_days(policy, mode);
  const bool reads_prices = days || policy.guards.max_data_age_days;
  for (const std::string& column : tables::midnight_columns(database, reads_prices)) {
    const std::string name = column.substr(0, column.find(' '));
    warnings.emplace_back(
        fmt::format("every value in {} is midnight UTC, which counts as the day before in {}",
                    column, timezone),
        fmt::format("If days are meant, name a view in [tables] that has "
                    "({0} AT TIME ZONE 'UTC')::date AS {0}.",
                    name));
  }
  // In nearly every market one does, unless its caps are in millions.
  if (const auto lowest = lowest_category(policy);
      has_categories(mode) && lowest && !market.ranking().empty() &&
      market.ranked_from(*lowest->cap_from()).empty()) {
    warnings.emplace_back(
        fmt::format("no symbol reaches the lowest category, {}: the largest market cap is ${:.2f}",
                    dollars_text(*lowest->cap_from()), market.market_cap(market.ranking().front())),
        "Check that market caps are in dollars.");
  }
  if (days && market.caps_from_prices() == 0) {
    warnings.emplace_back(fmt::format(
        "no market cap comes from prices: no eligible symbol has both a close of the {} days "
        "before the as-of day and shares_outstanding",
        *days));
  }
  if (policy.declared.empty() && market.has_column(sector_column)) {
    if (auto decay = decay_warning(market, entries)) warnings.push_back(*std::move(decay));
  }
  if (market.unknown_activity() > 0) {
    const std::string where = policy.declared.empty() ? "" : " but in declared universes";
    warnings.emplace_back(
        counted(
            market.unknown_activity(),
            "symbol has no is_active (NULL), so it is not eligible, and stays where it is",
            "symbols have no is_active (NULL), so they are not eligible, and stay where they are") +
        where);
  }
  if (market.not_finite() > 0) {
    warnings.emplace_back(
        counted(market.not_finite(),
                "symbol has a market cap that is not a finite number, so it is",
                "symbols have a market cap that is not a finite number, so they are") +
        " not eligible");
  }
  return warnings;
}

std::string plan_digest(const Plan& plan, const Market& market) {
  // If two tasks write one entry, compare the state before the first and after the last.
  std::map<std::string_view, std::pair<const Entry*, const Entry*>> entries;
  for (const TaskPlan& task : plan.tasks) {
    for (const EntryWrite& write : task.writes) {
      const auto place = entries.try_emplace(write.universe, write.before.get(), nullptr).first;
      place->second.second = write.after.get();
    }
  }
  events::Sha256 hash;
  hash.add("tickstock-cache plan 1");
  for (const auto& [universe, sides] : entries) {
    hash.add(universe);
    add_entry(hash, sides.first, market);
    add_entry(hash, sides.second, market);
  }
  if (!plan.waiting.empty()) hash.add("waiting");
  for (const Waiting& each : plan.waiting) {
    hash.add(each.group).add(market.name(each.symbol)).add(each.universe);
    hash.add(static_cast<std::uint64_t>(each.nights));
  }
  return hash.hex();
}

std::string approval(const RunOptions& options, const Report& report) {
  std::string command =
      fmt::format("tickstock-cache {}", commands[static_cast<std::size_t>(options.mode)]);
  if (!report.undone.empty()) command += " " + report.undone;
  if (options.as_of) command += " --as-of " + to_string(*options.as_of);
  return command + " --approve-plan " + report.plan_digest + options.plan_flags;
}

std::vector<SymbolId> described_symbols(const Plan& plan, const Market& market, int ipo_days) {
  std::vector<SymbolId> symbols;
  for (const TaskPlan& task : plan.tasks) {
    if (task.task == Task::ipo) {
      for (const EntryWrite& write : task.writes) {
        for (const Placement& member : write.diff.added) symbols.push_back(member.symbol);
        for (const Placement& member : write.diff.removed) symbols.push_back(member.symbol);
      }
    } else {
      for_each_listing(
          task, market, ipo_days,
          [&symbols](const EntryWrite& /*write*/, SymbolId id) { symbols.push_back(id); });
    }
  }
  return symbols;
}

void require_approval(const Report& report, const RunOptions& options) {
  if (options.approve_plan) {
    if (*options.approve_plan == report.plan_digest) return;
    throw Error(ErrorKind::not_approved,
                "the plan has digest " + report.plan_digest + ", which is not the approved one",
                {.object = "--approve-plan", .hint = "Read a new dry run and approve that."});
  }
  const std::vector<GuardResult> refusals = refusals_of(report.guards);
  if (refusals.empty()) return;
  const std::string more =
      refusals.size() == 1 ? "" : fmt::format(", and {} more", refusals.size() - 1);
  // The command comes last, unquoted, so that it can be copied.
  throw Error(
      ErrorKind::refused, "refused by a guard: " + refusals.front().sentence + more,
      {.object = refusals.front().universe.empty() ? "" : "universe " + refusals.front().universe,
       .hint = fmt::format("{} a dry run and approve exactly this plan: {}",
                           options.undo ? "Read" : "Fix the data, or read",
                           approval(options, report))});
}

}  // namespace tickstock::sync
