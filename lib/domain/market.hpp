#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "domain/day.hpp"
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
};

/// What only the description of a change needs, read for the symbols that came into or left
/// `recent_ipos`.
struct Company {
  std::optional<std::string> name;
  std::optional<std::string> sector;
};

/// The symbols table as one night sees it. The listings are the first symbols of the table of
/// names; whatever name an entry holds beyond them is a symbol the market does not know.
class Market {
 public:
  explicit Market(Day as_of) : as_of_(as_of) {}

  /// Adds a row. \throws Error (failed) for an empty name, or a name that was added before.
  void add(std::string_view name, const Listing& listing);

  /// Ranks the eligible symbols: market cap descending, equal caps by name in byte order. Call it
  /// once all rows are in.
  void rank();

  /// Counts a cap that is NaN or infinite: it is not eligible, and worth a warning.
  void count_not_finite() { ++not_finite_; }

  [[nodiscard]] Day as_of() const { return as_of_; }
  [[nodiscard]] SymbolTable& symbols() { return symbols_; }
  [[nodiscard]] const SymbolTable& symbols() const { return symbols_; }
  [[nodiscard]] std::size_t size() const { return listings_.size(); }
  [[nodiscard]] std::string_view name(SymbolId id) const { return symbols_.name(id); }

  /// Null for a symbol that only an entry names.
  [[nodiscard]] const Listing* find(SymbolId id) const {
    return id < listings_.size() ? &listings_[id] : nullptr;
  }

  /// `is_active` is false, or the delisting date is not after the as-of day.
  [[nodiscard]] bool delisted(SymbolId id) const;
  /// `is_active` is true and the symbol is not delisted.
  [[nodiscard]] bool active(SymbolId id) const;
  /// Active, with a market cap that is a finite number above zero.
  [[nodiscard]] bool eligible(SymbolId id) const;

  /// The eligible symbols in rank order.
  [[nodiscard]] const std::vector<SymbolId>& ranking() const { return ranking_; }
  /// Counted from 1; 0 for a symbol that is not eligible.
  [[nodiscard]] std::size_t rank_of(SymbolId id) const {
    return id < rank_of_.size() ? rank_of_[id] : 0;
  }

  [[nodiscard]] std::size_t unknown_activity() const { return unknown_activity_; }
  [[nodiscard]] std::size_t not_finite() const { return not_finite_; }

  /// Empty unless the symbol was described before.
  [[nodiscard]] const Company& company(SymbolId id) const;
  void describe(SymbolId id, Company company) { companies_[id] = std::move(company); }

 private:
  Day as_of_;
  SymbolTable symbols_;
  std::vector<Listing> listings_;
  std::vector<SymbolId> ranking_;
  std::vector<std::uint32_t> rank_of_;
  std::unordered_map<SymbolId, Company> companies_;
  std::size_t unknown_activity_ = 0;
  std::size_t not_finite_ = 0;
};

}  // namespace tickstock
