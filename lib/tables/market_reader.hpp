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

/// The data that a plan is made from.
struct Sources {
  Market market;  ///< ranked
  Entries entries;
};

/// Progress of reading.
struct Reading {
  std::uint64_t rows = 0;
  std::uint64_t expected = 0;  ///< by the statistics; 0 if there are none
  // When reading day by day:
  std::optional<Day> day = {};  ///< the day being read
  double part = 0;              ///< fraction of the days already read
};

/// What to read.
struct SourceOptions {
  Day as_of;
  /// Nothing to use the market cap column alone. Otherwise a market cap is shares outstanding times
  /// the latest close from the as-of day or this many days before it; the column is used only if
  /// that is not a finite number above zero.
  std::optional<int> price_days = {};
  /// The label columns to read from the symbols table.
  std::vector<std::string> columns = {};
  /// Whether to read every entry that the journal knows, too.
  bool known_entries = false;
  Companion* companion = nullptr;  ///< if it can join, it reads the entries at the same time
  Reading* progress = nullptr;     ///< where to show it
};

/// Returns the transaction settings that tell read_sources() which entries to read: those of the
/// policy's universes, those that families may have created, those of the cleaned types, and
/// `more`.
std::vector<std::pair<std::string_view, std::string>> wanted_entries(
    const Policy& policy, const std::vector<std::string>& more = {});

/// Reads the symbols table and the wanted entries in a transaction of the database, as rows arrive.
/// The transaction's time zone determines the day of a timestamptz. \throws Error (failed) for two
/// rows with the same symbol, or a row without one.
Sources read_sources(Database& database, const Transaction& transaction,
                     const SourceOptions& options);

/// Reads the symbols table alone, in the database's open transaction.
Market read_market(Database& database, const SourceOptions& options);

/// One past price, as the market cap it gives a symbol.
struct PastPrice {
  std::string_view symbol;
  Day day;
  double market_cap;  ///< US dollars; NaN if shares outstanding are unknown
};

/// Reads the prices from `first` to `last` in order of day, as they arrive, and passes them to
/// `take` one by one. If a symbol has two prices on one day, the later one comes last.
void read_prices(Database& database, Day first, Day last,
                 const std::function<void(const PastPrice&)>& take);

/// Requests names and sectors of some symbols, at least one, without waiting for the answer. Call
/// take_companies() before asking anything else of the database. \return what was asked. \throws
/// Error.
Statement ask_companies(Database& database, const Market& market,
                        const std::vector<SymbolId>& symbols);

/// Waits for the answer and stores it in the market. \throws Error.
void take_companies(Database& database, const Statement& asked, Market& market);

/// Returns a query for whether the prices table has a row in the last `days` days up to the as-of
/// day. It looks up symbol by symbol through the table's key, until the first hit.
Statement ask_recent_prices(const TableNames& names, Day as_of, int days);

/// Returns the day columns, such as `listing_date of public.symbols`, that hold only midnights in
/// UTC and so show the previous day in the transaction's time zone: whoever wrote them meant a day.
/// Only timestamptz columns are checked.
std::vector<std::string> midnight_columns(Database& database, bool with_prices);

/// Returns queries for the newest price day of each of the largest symbols.
std::vector<Statement> ask_newest_prices(const TableNames& names, const Market& market);
/// Returns the newest day in the answers; nothing if these symbols have no price.
std::optional<Day> newest_price_day(std::span<const Result> answers);

}  // namespace tickstock::tables
