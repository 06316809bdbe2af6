#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

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

/// Everything that stands in the way, each with its remedy for the role that is logged in; the
/// first that matters first. \param labels the columns of the symbols that declarations name, which
/// belong to reading the market
std::vector<Error> find_problems(const Database& database, const std::vector<Need>& needs,
                                 const std::vector<std::string>& labels = {});

/// Whether nothing stands in the way.
inline bool has(const Database& database, Need need) {
  return find_problems(database, {need}).empty();
}

/// \throws the first problem.
void require(const Database& database, const std::vector<Need>& needs,
             const std::vector<std::string>& labels = {});

}  // namespace tickstock::tables
