#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "domain/market.hpp"
#include "domain/members.hpp"
#include "rules/policy.hpp"
#include "rules/select.hpp"

namespace tickstock {

/// Turns the symbols table of today and the prices of the past into the markets of past days.
class PastMarket {
 public:
  /// \param today the symbols table, ranked \param max_price_age_days how far before a day its
  /// latest price may lie
  PastMarket(Market today, int max_price_age_days);

  [[nodiscard]] const Market& market() const { return market_; }

  /// Takes a market cap that a price gives; the prices come in the order of their days.
  void price(SymbolId id, Day day, double market_cap) { prices_[id] = {market_cap, day}; }

  /// The market of a day, ranked: labels and listings as the symbols table has them today. A symbol
  /// is active from its listing to its delisting; one that is inactive without a date never is.
  const Market& on(Day day);

 private:
  struct Price {
    double market_cap;
    Day day;
  };
  Market market_;
  std::chrono::days max_age_;
  std::vector<Listing> listings_;  ///< of today, by SymbolId
  std::vector<Price> prices_;      ///< the latest of each, by SymbolId
};

/// What became of a universe, or of all, on one night.
struct ReplayNight {
  std::uint64_t changes = 0;   ///< memberships added plus removed
  std::uint64_t undone = 0;    ///< of these, those whose opposite comes within the next five nights
  std::uint64_t members = 0;   ///< when the night is over
  std::uint64_t off_rule = 0;  ///< memberships more or less than the day gives without stability
};

/// The nights of one universe; those before it was made are empty.
struct ReplayUniverse {
  std::string name;
  std::vector<ReplayNight> nights;
};

/// The nights put together.
struct ReplaySum {
  std::uint64_t changes = 0;
  double mean = 0;  ///< changes a night; the first day, which fills the universes, is none
  double p95 = 0;   ///< their 95th percentile, linear between two nights
  std::uint64_t largest = 0;
  std::uint64_t undone = 0;
  std::uint64_t memberships = 0;  ///< members, all days together
  std::uint64_t off_rule = 0;     ///< all days together
  std::uint64_t final_size = 0;
};

ReplaySum sum_of(const std::vector<ReplayNight>& nights);

/// Folds a policy over days: what its universes would have been, night after night.
class Replay {
 public:
  explicit Replay(const Policy& policy);

  /// The night of the market's as-of day, which lies after that of the one before.
  void add(const Market& market);

  /// In the order of the plan.
  [[nodiscard]] std::vector<ReplayUniverse> universes() const;
  /// All universes together.
  [[nodiscard]] std::vector<ReplayNight> total() const;

 private:
  struct Kept {
    std::vector<ReplayNight> nights;
    std::unordered_map<SymbolId, std::size_t> last_change;  ///< its night
  };

  /// Counts the symbols that only one of two lists holds. \param take gets each
  template <typename Take>
  void each_difference(const std::vector<SymbolId>& one, const std::vector<SymbolId>& other,
                       Take take);

  Universes universes_;
  Universes without_stability_;  ///< the same ones; empty where they have none
  std::vector<std::string> order_;
  std::map<std::string, Kept> kept_;
  Entries entries_;
  std::vector<Waiting> waiting_;
  std::size_t nights_ = 0;
  std::vector<std::uint32_t> marks_;  ///< by SymbolId
  std::uint32_t mark_ = 0;
};

}  // namespace tickstock
