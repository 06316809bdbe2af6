#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// What a command needs of the database.
enum class Need {
  writable_server,
  read_market,   ///< symbols
  read_prices,   ///< prices
  price_market,  ///< the same, and what a market cap is made from
  read_entries,
  list_entries,  ///< what `universes` shows of them, of a view as well
  write_entries,
  own_tables,      ///< usable where they exist
  read_own_tables  ///< they must exist and be readable
};

/// Everything that stands in the way, each with its remedy; the first that matters first. `role` is
/// who must be granted what. \param labels the columns of the symbols that declarations name, which
/// belong to reading the market
std::vector<Error> find_problems(const Catalog& catalog, const std::vector<Need>& needs,
                                 const std::string& role,
                                 const std::vector<std::string>& labels = {});

/// \throws the first problem.
void require(const Catalog& catalog, const std::vector<Need>& needs, const std::string& role,
             const std::vector<std::string>& labels = {});

// The columns that the program uses of the tables that are not its own, by what it does with them.
// What is looked for before a run and what a role is granted are both made from these.

inline constexpr std::array<std::string_view, 7> symbols_read{
    "symbol", "company_name", "market_cap", "sector", "listing_date", "is_active", "delisted_date"};

inline constexpr std::array<std::string_view, 2> prices_read{"symbol", "date"};

/// What the market cap is made from where it comes from prices.
inline constexpr std::array<std::string_view, 1> symbols_priced{"shares_outstanding"};
inline constexpr std::array<std::string_view, 1> prices_priced{"close"};

inline constexpr std::array<std::string_view, 3> entries_read{"universe", "content", "cache_type"};
inline constexpr std::array<std::string_view, 5> entries_inserted{
    "universe", "content", "cache_type", "created_at", "updated_at"};
/// PostgreSQL wants SELECT on what ON CONFLICT takes over as well.
inline constexpr std::array<std::string_view, 3> entries_updated{"content", "cache_type",
                                                                 "updated_at"};

}  // namespace tickstock::tables
