#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"

namespace tickstock {

/// Why a symbol is not active: `delisted 2026-08-20`, `not in the symbols table`; empty for an
/// active one.
std::string departure_reason(const Market& market, SymbolId symbol);

/// Why a symbol does not belong into a universe: `delisted 2026-08-20`, `crossed $10 B downward`,
/// `sector is Finance`, by the first condition that does not hold; empty where all hold. Where
/// members keep their seats longer, for a member: `below $10 B for 2 nights, beyond the band of
/// 10 %`.
std::string absence_reason(const Universe& rule, const Market& market, SymbolId symbol);

/// Why a member waits: `below $10 B, night 1 of 2`.
std::string waiting_reason(const Universe& rule, const Market& market, const Waiting& waiting);

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
  /// none. One is kept: the universes of a group are written one after the other.
  struct Group {
    std::string name;
    Universes universes;
    std::vector<std::uint32_t> stood;
  };

  [[nodiscard]] const Group& group(const std::string& name) const;
  [[nodiscard]] bool listed_lately(SymbolId symbol) const;
  /// Whether one of the members is of the issuer of a symbol, where only one line of each counts.
  [[nodiscard]] bool has_line_of(SymbolId symbol, const Universe& rule,
                                 const std::vector<Placement>& members) const;

  const Market& market_;
  const Entries& before_;
  Universes universes_;
  int ipo_days_;
  mutable Group group_;  ///< the one that was asked for last
};

/// One change as the document lists it: one per written universe; of ipo one per symbol that came
/// or went. A written entry is at least one change.
struct Change {
  std::string_view change_type;  ///< market_cap_update, market_leader_update, ipo_assignment,
                                 ///< theme_update, delisted_cleanup, undo
  std::string_view action;       ///< updated, added, removed, cleaned, restored
  std::string universe;
  std::optional<SymbolId> symbol;
  std::string reason;
  const EntryWrite* write;  ///< what it is about; valid as long as the plan lives
};

/// The changes of one task, in the order of its writes.
std::vector<Change> changes_of(const TaskPlan& task, const Market& market);

/// Calls `take` for every symbol that a task of new listings puts into a universe where it was not,
/// and that was listed within `ipo_days`; by universe, in the order of its members.
template <typename Take>
void for_each_listing(const TaskPlan& task, const Market& market, int ipo_days, Take take) {
  if (task.task != Task::ipo && task.task != Task::themes) return;
  for (const EntryWrite& write : task.writes) {
    for (const Placement& member : write.diff.added) {
      if (holds(ListedWithin{ipo_days}, market, member.symbol)) take(write, member.symbol);
    }
  }
}

/// Why a universe is written, in the words of its event and of the journal.
std::string write_reason(const EntryWrite& write);

/// What is done to a universe, in the word of its event and of the journal: `updated`, `cleaned` or
/// `restored`.
std::string_view write_action(const EntryWrite& write);

}  // namespace tickstock
