#include "tables/price_history.hpp"

#include <string>

#include "postgres/copy.hpp"

namespace tickstock::tables {

namespace {

// COPY takes no parameters, so the days are in the text. A price of a symbol that the symbols table
// lacks makes its day one with a price all the same.
constexpr std::string_view prices_sql = R"(
COPY (SELECT p.symbol::text, p.date::date, {cap of price}
        FROM {prices} p LEFT JOIN {symbols} s ON s.symbol = p.symbol
       WHERE p.close IS NOT NULL AND p.date >= DATE '{first}' AND p.date < DATE '{last}' + 1
       ORDER BY p.date) TO STDOUT (FORMAT binary))";

}  // namespace

void read_prices(postgres::Transaction& transaction, const TableNames& names,
                 const Catalog& catalog, Day first, Day last,
                 const std::function<void(const PastPrice&)>& take) {
  std::string sql = names.in(prices_sql, first, last);
  constexpr std::string_view token = "{cap of price}";
  sql.replace(sql.find(token), token.size(), priced_cap(catalog));
  postgres::BinaryCopyReader reader(3, [&take](std::span<const postgres::CopyField> row) {
    const auto day = postgres::copy_day(row[1]);
    if (row[0] && day) take({*row[0], *day, postgres::copy_numeric(row[2])});
  });
  postgres::CopyOut(transaction.connection(), {"reading " + names.prices.shown(), sql},
                    [&reader](std::string_view bytes) { reader.feed(bytes); })
      .finish();
}

}  // namespace tickstock::tables
