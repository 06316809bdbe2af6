#include "sync/data_warnings.hpp"

#include <fmt/format.h>

#include "domain/members.hpp"
#include "domain/text.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::sync {

namespace {

const std::string sector_column = "sector";

/// Nearly every market has a company above the lowest bound; one whose caps are in millions has
/// none.
bool has_no_category(const Market& market, Mode mode, std::optional<double> lowest) {
  return has_categories(mode) && lowest && !market.ranking().empty() &&
         market.ranked_from(*lowest).empty();
}

/// The lowest bound of the categories, and whose it is; null where none has one.
std::shared_ptr<const Universe> lowest_category(const Policy& policy) {
  std::shared_ptr<const Universe> lowest;
  for (const auto& category : group_of(policy.universes(), categories_group)) {
    const auto bound = category->cap_from();
    if (bound && (!lowest || *bound < *lowest->cap_from())) lowest = category;
  }
  return lowest;
}

/// A warning where entries of sectors and themes miss many of those that have a sector: nothing
/// adds to them, so they only lose.
std::optional<Warning> decay_warning(const Market& market, const Entries& entries) {
  constexpr std::size_t tolerated_percent = 5;
  constexpr std::size_t few_symbols = 20;  // of which themes alone need not hold each
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
  return fmt::format(
      "{} of {} active symbols that have a sector are in no entry of type sector or "
      "theme; declare sectors, see tickstock-cache-universes(7)",
      fmt::group_digits(missing), fmt::group_digits(with_sector));
}

}  // namespace

std::optional<int> price_days(const Policy& policy, Mode mode) {
  // The recent listings don't depend on a market cap, unless their rule was replaced.
  return mode == Mode::ipos && policy.declared.empty() ? std::nullopt : policy.price_days();
}

std::vector<std::string> columns_with_decay(const Policy& policy, const tables::Catalog& catalog) {
  const bool looks = policy.declared.empty() && catalog.symbols.columns.contains(sector_column);
  return looks ? std::vector<std::string>{sector_column} : policy.columns();
}

std::vector<Warning> data_warnings(postgres::Transaction& transaction,
                                   const Environment& environment, const tables::Catalog& catalog,
                                   const Policy& policy, Mode mode, const Market& market,
                                   const Entries& entries) {
  std::vector<Warning> warnings;
  const std::optional<int> days = price_days(policy, mode);
  const bool reads_prices = days || policy.guards.max_data_age_days;
  for (const std::string& column :
       tables::midnight_columns(transaction, environment.tables, catalog, reads_prices)) {
    const std::string name = column.substr(0, column.find(' '));
    warnings.emplace_back(fmt::format(
        "every value in {0} is a midnight of UTC, and so counts as the day before in {1}; if days "
        "are meant, name a view in [tables] that has ({2} AT TIME ZONE 'UTC')::date AS {2}",
        column, environment.timezone, name));
  }
  const auto lowest = lowest_category(policy);
  if (has_no_category(market, mode, lowest ? lowest->cap_from() : std::nullopt)) {
    warnings.emplace_back(fmt::format(
        "no symbol reaches the lowest category, {}: the largest market cap is ${:.2f}; are market "
        "caps in dollars?",
        dollars_text(*lowest->cap_from()), market.market_cap(market.ranking().front())));
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
    warnings.emplace_back(counted(
        market.unknown_activity(),
        "symbol has no is_active (NULL); it is not eligible, and stays where it is",
        "symbols have no is_active (NULL); they are not eligible, and stay where they are"));
  }
  if (market.not_finite() > 0) {
    warnings.emplace_back(
        counted(market.not_finite(), "symbol has a market cap that is not a finite number; it is",
                "symbols have a market cap that is not a finite number; they are") +
        " not eligible");
  }
  return warnings;
}

}  // namespace tickstock::sync
