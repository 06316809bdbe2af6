#pragma once

#include <algorithm>
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

/// The value of `is_active`. NULL is neither yes nor no: such a symbol is not eligible, is no
/// recent listing, and stays in the universes it is in.
enum class Activity : unsigned char { unknown, active, inactive };

/// One row of the symbols table, as far as rules read it. PostgreSQL's infinite dates are
/// Day::min() and Day::max().
struct Listing {
  /// US dollars, as the double nearest to the stored value; NaN if NULL.
  double market_cap;
  std::optional<Day> listed;
  std::optional<Day> delisted;
  Activity activity = Activity::unknown;
  bool cap_from_price = false;  ///< the cap is a close times the shares outstanding
};

/// The number of a label in its column, counted from 1; 0 for none.
using LabelId = std::uint32_t;

/// Data needed only to describe a change. It is read only for symbols that joined or left a
/// universe of new listings.
struct Company {
  std::optional<std::string> name;
  std::optional<std::string> sector;
};

/// The symbols table on one night. It shares its table of names with the entries, which may be read
/// in any order; a name without a row is a symbol that the market does not know.
class Market {
 public:
  /// \param columns the columns of the symbols table that rules name, each once
  explicit Market(Day as_of, const std::vector<std::string>& columns = {});

  /// Reserves memory for about this many rows.
  void reserve(std::size_t rows);

  /// Adds a row, which takes effect with rank(). \param labels the values of the columns, in their
  /// order
  void add(std::string_view name, const Listing& listing,
           std::span<const std::string_view> labels = {});

  /// Ranks the eligible symbols: market cap descending, equal caps by name in byte order. Call it
  /// once all rows are in. \throws Error (failed) if a row had no name, or the name of another row.
  void rank();

  /// Moves on to another day, on which each row becomes `listing_of(id)`; this takes effect with
  /// rank().
  template <typename ListingOf>
  void turn_to(Day as_of, ListingOf listing_of) {
    as_of_ = as_of;
    for (SymbolId id = 0; id < rows_.size(); ++id) {
      if (knows(id)) put(id, listing_of(id));
    }
  }

  /// Counts a cap that is NaN or infinite: such a symbol is not eligible, and worth a warning.
  void count_not_finite() { ++not_finite_; }

  [[nodiscard]] Day as_of() const { return as_of_; }
  [[nodiscard]] SymbolTable& symbols() { return symbols_; }
  [[nodiscard]] const SymbolTable& symbols() const { return symbols_; }
  /// Returns the number of rows.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view name(SymbolId id) const { return symbols_.name(id); }

  /// Returns whether the symbol has a row, instead of only being named by an entry.
  [[nodiscard]] bool knows(SymbolId id) const { return is(id, known); }
  /// Returns US dollars; NaN for none. \pre knows.
  [[nodiscard]] double market_cap(SymbolId id) const { return rows_[id].market_cap; }
  /// Returns the listing day.
  [[nodiscard]] std::optional<Day> listed(SymbolId id) const {
    if (!is(id, has_listing_day)) return std::nullopt;
    return rows_[id].listed;
  }
  /// Returns the row of a symbol; nothing if it has none.
  [[nodiscard]] std::optional<Listing> find(SymbolId id) const;

  /// Returns whether `is_active` is false, or the delisting date is not after the as-of day, unless
  /// the symbol is relisted: active, and listed after its delisting.
  [[nodiscard]] bool delisted(SymbolId id) const { return is(id, is_delisted); }
  /// Returns whether `is_active` is true and the symbol is not delisted.
  [[nodiscard]] bool active(SymbolId id) const { return is(id, is_active); }
  /// Returns whether it is active, with a market cap that is a finite number above zero.
  [[nodiscard]] bool eligible(SymbolId id) const { return is(id, is_eligible); }

  /// Returns the eligible symbols in rank order.
  [[nodiscard]] const std::vector<SymbolId>& ranking() const { return ranking_; }
  /// Returns the front part of the ranking, down to caps of at least `bound` US dollars.
  [[nodiscard]] std::span<const SymbolId> ranked_from(double bound) const;
  /// Returns the rank, counted from 1; 0 for a symbol that is not eligible.
  [[nodiscard]] std::size_t rank_of(SymbolId id) const {
    return id < rank_of_.size() ? rank_of_[id] : 0;
  }

  [[nodiscard]] std::size_t unknown_activity() const { return unknown_activity_; }
  [[nodiscard]] std::size_t not_finite() const { return not_finite_; }
  /// Returns how many of the eligible symbols have a cap that comes from a price.
  [[nodiscard]] std::size_t caps_from_prices() const { return caps_from_prices_; }

  /// Returns the trimmed label of a symbol in a column; empty for none, which NULL and blank count
  /// as. \pre the market was created with this column.
  [[nodiscard]] std::string_view label(std::string_view column, SymbolId id) const;
  /// Returns the label numbers of all symbols by SymbolId. It may be too short: the missing ones
  /// have no label.
  [[nodiscard]] const std::vector<LabelId>& label_ids(std::string_view column) const {
    return this->column(column).label_of;
  }
  /// Returns the label number of one symbol.
  [[nodiscard]] LabelId label_id(std::string_view column, SymbolId id) const {
    const std::vector<LabelId>& labels = label_ids(column);
    return id < labels.size() ? labels[id] : 0;
  }
  /// Returns the label with this number, which must not be 0.
  [[nodiscard]] std::string_view label_name(std::string_view column, LabelId label) const {
    return this->column(column).labels.name(label - 1);
  }
  /// Returns the number of a label; nothing if no symbol has it.
  [[nodiscard]] std::optional<LabelId> find_label(std::string_view column,
                                                  std::string_view label) const;
  /// Returns how many distinct labels a column has.
  [[nodiscard]] std::size_t labels(std::string_view column) const {
    return this->column(column).labels.size();
  }
  /// Returns whether the market was created with this column.
  [[nodiscard]] bool has_column(std::string_view column) const {
    return std::ranges::count(columns_, column, &Column::name) > 0;
  }

  /// Returns what describe() stored; otherwise empty.
  [[nodiscard]] const Company& company(SymbolId id) const;
  void describe(SymbolId id, Company company) { companies_[id] = std::move(company); }

 private:
  /// What rules ask about a symbol, in one byte: a million of these fit into a cache, and a million
  /// listings don't.
  enum State : unsigned char {
    known = 1,
    is_delisted = 2,
    is_active = 4,
    is_eligible = 8,
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

  /// The labels of one column.
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
  /// Rows that do not have their numbers yet. Assigning many at once is faster.
  struct Pending {
    std::string names;
    std::vector<std::size_t> ends;
    std::vector<Listing> listings;
    std::vector<LabelId> labels;  ///< one per column for each row
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

/// Returns the fingerprint of an entry whose members have their names in a market.
std::uint64_t fingerprint_of(const Entry& entry, const Market& market);

}  // namespace tickstock
