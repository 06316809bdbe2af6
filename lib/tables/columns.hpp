#pragma once

#include <array>
#include <string_view>

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

}  // namespace tickstock::tables
