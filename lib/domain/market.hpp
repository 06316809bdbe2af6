#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "domain/day.hpp"
#include "domain/members.hpp"
#include "domain/symbol_table.hpp"

namespace tickstock {

/// What `is_active` says. NULL is neither yes nor no: such a symbol is not eligible, no recent
/// listing, and stays where it stands.
enum class Activity : unsigned char { unknown, active, inactive };

/// One row of the symbols table, as far as a rule reads it. An infinite date of PostgreSQL is
/// Day::min() or Day::max().
struct Listing {
  /// US dollars, the nearest double to what the table holds; NaN where it is NULL.
  double market_cap;
  std::optional<Day> listed;
  std::optional<Day> delisted;
  Activity activity = Activity::unknown;
  bool cap_from_price = false;  ///< it is a close times the shares outstanding
};

/// The number of a label in its column, counted from 1; 0 for none.
using LabelId = std::uint32_t;

/// What only the description of a change needs, read for the symbols that came into or left
/// a universe of new listings.
struct Company {
  std::optional<std::string> name;
  std::optional<std::string> sector;
};

/// The symbols table as one night sees it. Its names share one table with those that the entries
/// hold, in whatever order they are read; a name without a row is a symbol the market does not
/// know.
class Market {
 public:
  /// \param columns those of the symbols table that rules ask for by name, each once
  explicit Market(Day as_of, const std::vector<std::string>& columns = {});

  /// Makes room for about so many rows.
  void reserve(std::size_t rows);

  /// Adds a row; it counts from rank() on. \param labels what the columns hold, in their order
  void add(std::string_view name, const Listing& listing,
           std::span<const std::string_view> labels = {});

  /// Ranks the eligible symbols: market cap descending, equal caps by name in byte order. Call it
  /// once all rows are in. \throws Error (failed) where a row had no name, or the name of another.
  void rank();

  /// Moves on to another day, on which every row is another listing, by `listing_of(id)`; it counts
  /// from rank() on.
  template <typename ListingOf>
  void turn_to(Day as_of, ListingOf listing_of) {
    as_of_ = as_of;
    for (SymbolId id = 0; id < rows_.size(); ++id) {
      if (knows(id)) put(id, listing_of(id));
    }
  }

  /// Counts a cap that is NaN or infinite: it is not eligible, and worth a warning.
  void count_not_finite() { ++not_finite_; }

  [[nodiscard]] Day as_of() const { return as_of_; }
  [[nodiscard]] SymbolTable& symbols() { return symbols_; }
  [[nodiscard]] const SymbolTable& symbols() const { return symbols_; }
  /// How many rows it has.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view name(SymbolId id) const { return symbols_.name(id); }
  /// Hands over the names of many symbols, in their order.
  template <typename Take>
  void each_name(std::span<const SymbolId> ids, Take take) const {
    symbols_.each_name(ids, take);
  }

  /// Whether the symbol has a row; not when only an entry names it.
  [[nodiscard]] bool knows(SymbolId id) const { return is(id, known); }
  /// US dollars, NaN for none. \pre knows.
  [[nodiscard]] double market_cap(SymbolId id) const { return rows_[id].market_cap; }
  /// When it was listed.
  [[nodiscard]] std::optional<Day> listed(SymbolId id) const {
    if (!is(id, has_listing_day)) return std::nullopt;
    return rows_[id].listed;
  }
  /// The row of a symbol; nothing where it has none.
  [[nodiscard]] std::optional<Listing> find(SymbolId id) const;

  /// `is_active` is false, or the delisting date is not after the as-of day.
  [[nodiscard]] bool delisted(SymbolId id) const { return is(id, has_left); }
  /// `is_active` is true and the symbol is not delisted.
  [[nodiscard]] bool active(SymbolId id) const { return is(id, trades); }
  /// Active, with a market cap that is a finite number above zero.
  [[nodiscard]] bool eligible(SymbolId id) const { return is(id, counts); }

  /// The eligible symbols in rank order.
  [[nodiscard]] const std::vector<SymbolId>& ranking() const { return ranking_; }
  /// The front part of the ranking, down to caps of at least `bound` US dollars.
  [[nodiscard]] std::span<const SymbolId> ranked_from(double bound) const;
  /// Counted from 1; 0 for a symbol that is not eligible.
  [[nodiscard]] std::size_t rank_of(SymbolId id) const {
    return id < rank_of_.size() ? rank_of_[id] : 0;
  }

  [[nodiscard]] std::size_t unknown_activity() const { return unknown_activity_; }
  [[nodiscard]] std::size_t not_finite() const { return not_finite_; }
  /// How many of the eligible symbols have their cap from a price.
  [[nodiscard]] std::size_t caps_from_prices() const { return caps_from_prices_; }

  /// The label of a symbol in a column, trimmed; empty where it has none: NULL and blank are no
  /// label. \pre the column is one of those the market was made with.
  [[nodiscard]] std::string_view label(std::string_view column, SymbolId id) const;
  /// The same of all symbols as numbers, by SymbolId; the last ones may be missing, which have
  /// none.
  [[nodiscard]] const std::vector<LabelId>& label_ids(std::string_view column) const {
    return this->column(column).label_of;
  }
  /// The same of one.
  [[nodiscard]] LabelId label_id(std::string_view column, SymbolId id) const;
  /// The label of a number that is not 0.
  [[nodiscard]] std::string_view label_name(std::string_view column, LabelId label) const;
  /// The number of a label; nothing where no symbol has it.
  [[nodiscard]] std::optional<LabelId> find_label(std::string_view column,
                                                  std::string_view label) const;
  /// How many different labels a column has.
  [[nodiscard]] std::size_t labels(std::string_view column) const;
  /// Whether the market was made with this column.
  [[nodiscard]] bool has_column(std::string_view column) const;

  /// Empty unless the symbol was described before.
  [[nodiscard]] const Company& company(SymbolId id) const;
  void describe(SymbolId id, Company company) { companies_[id] = std::move(company); }

 private:
  /// What a rule asks of a symbol, in one byte: a million of them fit into a cache, and a million
  /// listings don't.
  enum State : unsigned char {
    known = 1,
    has_left = 2,
    trades = 4,
    counts = 8,
    has_listing_day = 16,
    has_delisting_day = 32,
    is_inactive = 64,
    has_price = 128
  };
  /// The rest of a listing.
  struct Row {
    double market_cap;
    Day listed;
    Day delisted;
  };

  /// What one column says.
  struct Column {
    std::string name;
    SymbolTable labels;
    std::vector<LabelId> label_of;  ///< by SymbolId
  };

  [[nodiscard]] const Column& column(std::string_view name) const;
  [[nodiscard]] bool is(SymbolId id, State state) const {
    return id < states_.size() && (states_[id] & state) != 0;
  }
  [[nodiscard]] unsigned char state_of(const Listing& listing) const;
  void require_one_row_each() const;
  void take_in_pending();
  void take_in(SymbolId id, const Listing& listing, std::span<const LabelId> labels);
  void put(SymbolId id, const Listing& listing);

  Day as_of_;
  SymbolTable symbols_;
  /// Rows that wait for their numbers, which many get faster than one.
  struct Pending {
    std::string names;
    std::vector<std::size_t> ends;
    std::vector<Listing> listings;
    std::vector<LabelId> labels;  ///< one of each column for each row
  };
  Pending pending_;
  std::vector<Row> rows_;  ///< by SymbolId, with gaps where only an entry names a symbol
  std::vector<unsigned char> states_;
  std::vector<Column> columns_;
  std::size_t size_ = 0;
  std::vector<SymbolId> ranking_;
  std::vector<std::uint32_t> rank_of_;
  std::unordered_map<SymbolId, Company> companies_;
  std::size_t nameless_ = 0;
  std::set<SymbolId> doubled_;
  std::size_t unknown_activity_ = 0;
  std::size_t not_finite_ = 0;
  std::size_t caps_from_prices_ = 0;
};

/// The fingerprint of an entry whose members have their names in a market.
std::uint64_t fingerprint_of(const Entry& entry, const Market& market);

}  // namespace tickstock
