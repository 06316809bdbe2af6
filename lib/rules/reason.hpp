#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"

namespace tickstock {

/// Returns why a symbol is not active: `delisted 2026-08-20`, `not in the symbols table`; empty for
/// an active one.
std::string departure_reason(const Market& market, SymbolId symbol);

/// Returns why a symbol does not belong in a universe, by the first condition that does not hold:
/// `delisted 2026-08-20`, `crossed $10 B downward`, `sector is Finance`; empty if all hold. If
/// members keep their seats longer, returns that of a member: `below $10 B for 2 nights, beyond the
/// band of 10 %`.
std::string absence_reason(const Universe& rule, const Market& market, SymbolId symbol);

/// Returns why a member waits: `below $10 B, night 1 of 2`.
std::string waiting_reason(const Universe& rule, const Market& market, const Waiting& waiting);

/// Explains why single members were added, removed or moved, as in the text report: `crossed $10 B
/// downward`, `listed 2026-08-03`, `delisted 2026-08-20`.
class MemberReasons {
 public:
  /// \param before the entries before the run, which distinguish a symbol that crossed a bound from
  /// a new one \param ipo_days how long a listing counts as a reason
  MemberReasons(const Market& market, const Entries& before, Universes universes, int ipo_days)
      : market_(market), before_(before), universes_(std::move(universes)), ipo_days_(ipo_days) {}

  [[nodiscard]] std::string added(const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] std::string removed(const EntryWrite& write, SymbolId symbol) const;
  [[nodiscard]] static std::string moved(const Placement& member);

 private:
  /// Returns the universe of a group that had the symbol before the run; null for none.
  [[nodiscard]] const Universe* stood_in(const std::string& group, SymbolId symbol) const;
  /// Returns whether a member has the same issuer as the symbol, if only one line of each issuer
  /// counts.
  [[nodiscard]] bool has_line_of(SymbolId symbol, const Universe& rule,
                                 const std::vector<Placement>& members) const;

  const Market& market_;
  const Entries& before_;
  Universes universes_;
  int ipo_days_;
  // Only the last group is cached, since the universes of a group are written one after another.
  mutable std::string group_;
  mutable std::vector<const Universe*> stood_;  ///< by SymbolId
};

/// A symbol as every universe sees it.
struct Subject {
  const Market& market;
  SymbolId id;
  double cap;  ///< US dollars, even if it is not active; 0 for none

  [[nodiscard]] std::string_view name() const { return market.name(id); }
};

Subject subject_of(const Market& market, SymbolId symbol);

/// One condition for a symbol's membership in a universe, with the symbol's value, and what would
/// change it.
struct Decision {
  std::string condition;  ///< `market cap of at least $10 B`
  std::string value;      ///< `$9.10 B`
  bool holds = false;
  std::string need = {};    ///< what it takes to hold, as the object of "needs"
  std::string loss = {};    ///< when it stops holding, to follow "leaves"
  double more = 0;          ///< US dollars of market cap missing, if that is all
  std::size_t ranks = 0;    ///< ranks missing, if a better rank would do
  bool is_patient = false;  ///< a member leaves only after some nights without it
  bool waits = false;       ///< it holds only because the member waits
};

/// Judges a condition for a symbol as if it were active.
Decision judge(const Condition& condition, const Subject& subject, Slack slack = {});

/// Judges whether the symbol is active.
Decision judge_activity(const Subject& subject);

/// Judges whether the symbol is not delisted. That is all a member needs if the entry only gets
/// additions, or is only cleaned.
Decision judge_presence(const Subject& subject);

/// One change as documents list it: one per written universe, and for ipo one per symbol added or
/// removed. Every written entry yields at least one change.
struct Change {
  std::string_view change_type;  ///< market_cap_update, market_leader_update, ipo_assignment,
                                 ///< theme_update, delisted_cleanup, undo
  std::string_view action;       ///< updated, added, removed, cleaned, restored
  std::string universe;
  std::optional<SymbolId> symbol;
  std::string reason;
  const EntryWrite* write;  ///< valid as long as the plan
};

/// Returns the changes of one task, in the order of its writes.
std::vector<Change> changes_of(const TaskPlan& task, const Market& market);

/// Calls `take` for every symbol listed within `ipo_days` that a task of new listings adds to a
/// universe; by universe, in the order of its members.
template <typename Take>
void for_each_listing(const TaskPlan& task, const Market& market, int ipo_days, Take take) {
  if (task.task != Task::ipo && task.task != Task::themes) return;
  for (const EntryWrite& write : task.writes) {
    for (const Placement& member : write.diff.added) {
      if (holds(ListedWithin{ipo_days}, market, member.symbol)) take(write, member.symbol);
    }
  }
}

/// Returns why a universe is written, as its event and the journal say it.
std::string write_reason(const EntryWrite& write);

/// Returns what is done to a universe, as its event and the journal say it: `updated`, `cleaned` or
/// `restored`.
std::string_view write_action(const EntryWrite& write);

/// Why a symbol is in a universe or not, by the current entries and market. All decisions hold if
/// and only if the next run includes the symbol.
struct Explanation {
  std::string universe;
  bool member = false;                   ///< the entry contains it
  std::vector<Decision> decisions = {};  ///< in the order they are made
  std::string outlook = {};              ///< what the next run does, and what would change that

  /// Returns whether the next run includes the symbol.
  [[nodiscard]] bool belongs() const { return std::ranges::all_of(decisions, &Decision::holds); }
};

/// Explains a symbol for every universe of the policy, families expanded, in order, and then for
/// every other entry of a cleaned type, by name. `market` must be ranked. \param waiting who waits
/// so far \param only the one universe to explain; an unknown one yields an empty result \throws
/// Error (failed) if families can't be expanded.
std::vector<Explanation> explain(const Market& market, const Entries& entries, const Policy& policy,
                                 const std::vector<Waiting>& waiting, SymbolId symbol,
                                 const std::optional<std::string>& only = {});

}  // namespace tickstock
