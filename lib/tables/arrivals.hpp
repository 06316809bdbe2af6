#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postgres/transaction.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// The last time the journal saw a symbol join or leave a universe.
struct Arrival {
  std::string universe;
  std::string run_id;
  std::string as_of;  ///< the as-of day of that run
  bool came = false;  ///< joined, or else left
};

/// Reads the last arrival or departure of a symbol for each universe. \param universe the only one
/// to look for
std::vector<Arrival> read_arrivals(Transaction& transaction, const TableNames& names,
                                   const std::string& symbol,
                                   const std::optional<std::string>& universe);

}  // namespace tickstock::tables
