#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"

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
  /// \param before the entries as they stood before the run: they tell a symbol that crossed a
  /// bound from one that is new \param ipo_days how long a listing is worth telling
  MemberReasons(const Market& market, const Entries& before, const Universes& universes,
                int ipo_days);

  [[nodiscard]] std::string added(const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] std::string removed(const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] static std::string moved(const Placement& member);

 private:
  /// The universes of a group that are told apart by their lowest cap, and which of them each
  /// symbol stood in: counted from 1 by SymbolId, 0 for none.
  struct Ladder {
    Universes steps;
    std::vector<unsigned char> stood;
  };

  /// The group of a universe, and its place in it; null for one without a group.
  [[nodiscard]] std::pair<const Ladder*, std::size_t> ladder_of(const EntryWrite& write) const;
  [[nodiscard]] bool listed_lately(SymbolId symbol) const;

  const Market& market_;
  int ipo_days_;
  std::map<std::string, Ladder> ladders_;
};

}  // namespace tickstock
