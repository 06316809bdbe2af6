#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "domain/market.hpp"
#include "domain/plan.hpp"

namespace tickstock {

/// Why a symbol is not active any more: `delisted 2026-08-20`, `no longer active` and so on; empty
/// for an active one.
std::string departure_reason(const Market& market, SymbolId symbol);

/// Why an active symbol is no recent listing: `listed more than 30 days ago` and so on.
std::string listing_window_reason(const Market& market, SymbolId symbol, int ipo_days);

/// Why single members came, went or moved, in the words of the text report: `crossed $10 B
/// downward`, `listed 2026-08-03`, `delisted 2026-08-20`.
class MemberReasons {
 public:
  /// `before` are the entries as they stood before the run: they tell a symbol that crossed a bound
  /// from one that is new.
  MemberReasons(const Market& market, const Entries& before, int ipo_days);

  [[nodiscard]] std::string added(Task task, const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] std::string removed(Task task, const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] static std::string moved(const Placement& member);

 private:
  [[nodiscard]] std::optional<std::size_t> old_category(SymbolId symbol) const;
  [[nodiscard]] bool listed_lately(SymbolId symbol) const;

  const Market& market_;
  int ipo_days_;
  std::vector<unsigned char> old_category_;  ///< by SymbolId, counted from 1; 0 for none
};

}  // namespace tickstock
