#include "sync/data_warnings.hpp"

#include <fmt/format.h>

#include "domain/counted.hpp"
#include "domain/entry.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::sync {

namespace {

/// Nearly every market has a company above the lowest bound; one whose caps are in millions has
/// none.
bool has_no_category(const Market& market, Mode mode, const Universes& categories) {
  return has_categories(mode) && !categories.empty() && !market.ranking().empty() &&
         market.ranked_from(*categories.back()->cap_from()).empty();
}

}  // namespace

std::optional<int> price_days(const Policy& policy, Mode mode) {
  // The recent listings don't depend on a market cap.
  return mode == Mode::ipos ? std::nullopt : policy.price_days();
}

std::vector<Warning> data_warnings(postgres::Transaction& transaction,
                                   const Environment& environment, const tables::Catalog& catalog,
                                   const Policy& policy, Mode mode, const Market& market) {
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
  const Universes categories = group_of(policy.universes(), categories_group);
  if (has_no_category(market, mode, categories)) {
    warnings.emplace_back(fmt::format(
        "no symbol reaches the lowest category, {}: the largest market cap is ${:.2f}; are market "
        "caps in dollars?",
        dollars_text(*categories.back()->cap_from()), market.market_cap(market.ranking().front())));
  }
  if (days && market.caps_from_prices() == 0) {
    warnings.emplace_back(fmt::format(
        "no market cap comes from prices: no eligible symbol has both a close of the {} days "
        "before the as-of day and shares_outstanding",
        *days));
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
