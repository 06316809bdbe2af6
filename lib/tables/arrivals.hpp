#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postgres/transaction.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// The last time that the journal saw a symbol come into a universe, or leave it.
struct Arrival {
  std::string universe;
  std::string run_id;
  std::string as_of;  ///< of that run
  bool came = false;  ///< it left otherwise
};

/// Reads them, one for each universe. \param universe the only one to look for
std::vector<Arrival> read_arrivals(Transaction& transaction, const TableNames& names,
                                   const std::string& symbol,
                                   const std::optional<std::string>& universe);

}  // namespace tickstock::tables
