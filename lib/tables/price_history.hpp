#pragma once

#include <functional>
#include <string_view>

#include "postgres/transaction.hpp"
#include "tables/catalog.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::tables {

/// One price of the past, as what it makes of a symbol.
struct PastPrice {
  std::string_view symbol;
  Day day;
  double market_cap;  ///< US dollars; NaN where no shares outstanding are known
};

/// Reads the prices from one day to another in the order of their days, as they arrive, and hands
/// them over one by one. Of two prices of one symbol and day the later one comes last.
void read_prices(postgres::Transaction& transaction, const TableNames& names,
                 const Catalog& catalog, Day first, Day last,
                 const std::function<void(const PastPrice&)>& take);

}  // namespace tickstock::tables
