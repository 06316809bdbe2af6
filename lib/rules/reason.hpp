#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"

namespace tickstock {

/// Why a symbol does not belong into a universe: `delisted 2026-08-20`, `crossed $10 B downward`,
/// `sector is Finance`, by the first condition that does not hold; empty where all hold.
std::string absence_reason(const Universe& rule, const Market& market, SymbolId symbol);

/// Why single members came, went or moved, in the words of the text report: `crossed $10 B
/// downward`, `listed 2026-08-03`, `delisted 2026-08-20`.
class MemberReasons {
 public:
  /// \param before the entries as they stood before the run: they tell a symbol that crossed a
  /// bound from one that is new \param ipo_days how long a listing is worth telling
  MemberReasons(const Market& market, const Entries& before, Universes universes, int ipo_days)
      : market_(market), before_(before), universes_(std::move(universes)), ipo_days_(ipo_days) {}

  [[nodiscard]] std::string added(const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] std::string removed(const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] static std::string moved(const Placement& member);

 private:
  /// A group, and which of its universes each symbol stood in: counted from 1 by SymbolId, 0 for
  /// none.
  struct Group {
    Universes universes;
    std::vector<std::uint32_t> stood;
  };

  [[nodiscard]] const Group& group(const std::string& name) const;
  [[nodiscard]] bool listed_lately(SymbolId symbol) const;

  const Market& market_;
  const Entries& before_;
  Universes universes_;
  int ipo_days_;
  mutable std::map<std::string, Group> groups_;  ///< those that were asked for
};

}  // namespace tickstock
