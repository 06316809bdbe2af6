#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/market.hpp"
#include "domain/members.hpp"
#include "postgres/transaction.hpp"
#include "rules/policy.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// What a plan is made of.
struct Sources {
  Market market;  ///< ranked
  Entries entries;
};

/// How far reading has come.
struct Reading {
  std::uint64_t rows = 0;
  std::uint64_t expected = 0;  ///< by the statistics; 0 where there are none
  // Of what is read day by day:
  std::optional<Day> day = {};  ///< the one that is being read
  double part = 0;              ///< of the days, those that lie behind
};

/// What is to be read.
struct SourceOptions {
  Day as_of;
  /// A market cap is the latest close of the as-of day and so many days before it times the shares
  /// outstanding, and the column's only where that is no finite number above zero; prices are not
  /// asked where this is not given.
  std::optional<int> price_days = {};
  /// The columns of labels to read of the symbols.
  std::vector<std::string> columns = {};
};

/// The settings of a transaction by which read_sources() knows which entries are wanted: those of
/// the universes of a policy, what families may have made, and those of the cleaned types.
std::vector<std::pair<std::string_view, std::string>> wanted_entries(const Policy& policy);

/// The same for exactly these entries.
std::vector<std::pair<std::string_view, std::string>> wanted_entries(
    const std::vector<std::string>& universes);

/// Reads the symbols table and the wanted entries, as rows arrive; both tables at once where a
/// companion can join. The transaction's zone tells which day a timestamptz shows. \throws Error
/// (failed) for two rows of a symbol, or one without a name.
Sources read_sources(Transaction& transaction, Companion* companion, const TableNames& names,
                     const Catalog& catalog, const SourceOptions& options, Reading& reading);

/// Reads the symbols table alone.
Market read_market(Transaction& transaction, const TableNames& names, const Catalog& catalog,
                   const SourceOptions& options, Reading& reading);

/// One price of the past, as what it makes of a symbol.
struct PastPrice {
  std::string_view symbol;
  Day day;
  double market_cap;  ///< US dollars; NaN where no shares outstanding are known
};

/// Reads the prices from one day to another in the order of their days, as they arrive, and hands
/// them over one by one. Of two prices of one symbol and day the later one comes last.
void read_prices(Transaction& transaction, const TableNames& names, const Catalog& catalog,
                 Day first, Day last, const std::function<void(const PastPrice&)>& take);

/// Asks for name and sector of some symbols, one at least, and does not wait for the answer. Until
/// it is taken, nothing else may be asked of the transaction. \return what was asked. \throws
/// Error.
Statement ask_companies(Transaction& transaction, const TableNames& names, const Market& market,
                        const std::vector<SymbolId>& symbols);

/// Waits for the answer and puts it into the market. \throws Error.
void take_companies(Transaction& transaction, const Statement& asked, Market& market);

/// Whether the prices table has a row in the `days` that end with the as-of day. Asked symbol by
/// symbol through the key of that table, until the first hit.
Statement ask_recent_prices(const TableNames& names, Day as_of, int days);

/// The columns of days, as `listing_date of public.symbols`, that hold nothing but midnights of UTC
/// and show the day before in the transaction's zone: whoever wrote them meant a day. Only those of
/// type timestamptz are looked at.
std::vector<std::string> midnight_columns(Transaction& transaction, const Catalog& catalog,
                                          bool with_prices);

/// Asks for the newest day of prices of the largest symbols, each.
std::vector<Statement> ask_newest_prices(const TableNames& names, const Market& market);
/// Returns the newest day in the answers; nothing where these symbols have no price.
std::optional<Day> newest_price_day(std::span<const Result> answers);

}  // namespace tickstock::tables
