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

/// Computes the markets of past days from today's symbols table and past prices.
class PastMarket {
 public:
  /// \param today the symbols table, ranked \param max_price_age_days how many days before a day
  /// its latest price may be
  PastMarket(Market today, int max_price_age_days);

  [[nodiscard]] const Market& market() const { return market_; }

  /// Takes a market cap from a price. Call it in the order of the prices' days.
  void price(SymbolId id, Day day, double market_cap) { prices_[id] = {market_cap, day}; }

  /// Returns the ranked market of a day, with labels and listings as in today's symbols table. A
  /// symbol is active from its listing to its delisting; one that is inactive without a delisting
  /// date never is.
  const Market& on(Day day);

 private:
  struct Price {
    double market_cap;
    Day day;
  };
  Market market_;
  std::chrono::days max_age_;
  std::vector<Listing> listings_;  ///< today's, by SymbolId
  std::vector<Price> prices_;      ///< the latest of each symbol, by SymbolId
};

/// What happened to one universe, or to all, on one night.
struct ReplayNight {
  std::uint64_t changes = 0;   ///< memberships added plus removed
  std::uint64_t undone = 0;    ///< those of them that are reversed within the next five nights
  std::uint64_t members = 0;   ///< at the end of the night
  std::uint64_t off_rule = 0;  ///< memberships that differ from those without stability
};

/// The nights of one universe; those before it existed are empty.
struct ReplayUniverse {
  std::string name;
  std::vector<ReplayNight> nights;
};

/// Totals over all nights.
struct ReplaySum {
  std::uint64_t changes = 0;
  double mean = 0;  ///< changes per night, not counting the first day, which fills the universes
  double p95 = 0;   ///< their 95th percentile, interpolated linearly
  std::uint64_t largest = 0;
  std::uint64_t undone = 0;
  std::uint64_t memberships = 0;  ///< members summed over all days
  std::uint64_t off_rule = 0;     ///< summed over all days
  std::uint64_t final_size = 0;
};

ReplaySum sum_of(const std::vector<ReplayNight>& nights);

/// Applies a policy to a sequence of days: computes what its universes would have been, night after
/// night.
class Replay {
 public:
  explicit Replay(const Policy& policy);

  /// Adds the night of the market's as-of day, which must be later than the previous one.
  void add(const Market& market);

  /// Returns them in the order of the plan.
  [[nodiscard]] std::vector<ReplayUniverse> universes() const;
  /// Returns the nights of all universes together.
  [[nodiscard]] std::vector<ReplayNight> total() const;

 private:
  struct Kept {
    std::vector<ReplayNight> nights;
    std::unordered_map<SymbolId, std::size_t>
        last_change;  ///< the night of each symbol's last change
  };

  /// Returns the symbols that are in only one of two lists.
  std::vector<SymbolId> difference(const std::vector<SymbolId>& one,
                                   const std::vector<SymbolId>& other);

  Universes universes_;
  Universes without_stability_;  ///< the same ones; empty if they have no stability
  std::vector<std::string> order_;
  std::map<std::string, Kept> kept_;
  Entries entries_;
  std::vector<Waiting> waiting_;
  std::size_t nights_ = 0;
  std::vector<std::uint32_t> marks_;  ///< by SymbolId
  std::uint32_t mark_ = 0;
};

}  // namespace tickstock
