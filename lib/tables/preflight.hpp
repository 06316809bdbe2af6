#pragma once

#include <string>
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

}  // namespace tickstock::tables
