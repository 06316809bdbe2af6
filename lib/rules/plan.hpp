#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "domain/members.hpp"
#include "rules/policy.hpp"
#include "rules/select.hpp"

namespace tickstock {

/// The name of a task in documents, events and records: `market_cap_recalculation` and so on.
std::string_view to_string(Task task);

/// Which tasks a run does.
enum class Mode : unsigned char { full, market_cap, ipos, themes, delisted, undo };

/// `full`, `market_cap`, `ipos`, `themes`, `delisted`, `undo`.
std::string_view to_string(Mode mode);

/// The tasks of a mode, in the order in which they run; that of declared universes is none of a
/// full run where nothing is declared.
std::vector<Task> tasks_of(Mode mode, const Policy& policy);

/// Whether guards about the categories belong to this mode.
bool has_categories(Mode mode);

/// What of the journal a write puts back.
struct Restoration {
  std::string run_id;             ///< that is undone
  std::int64_t change;            ///< the line of the journal that holds what stood before
  std::vector<std::string> keys;  ///< of the content; the others stay as they are
};

/// One entry that a task would write.
struct EntryWrite {
  std::string universe;
  std::shared_ptr<const Universe> rule;  ///< that it follows; null where it is only cleaned
  std::shared_ptr<const Entry> before;   ///< null where the row is missing
  std::shared_ptr<const Entry> after;
  MembershipDiff diff;
  std::optional<Restoration> restoration = {};  ///< of what it follows instead of a rule

  /// The row belonged to another type, and changes it.
  [[nodiscard]] bool is_take_over() const {
    return before && before->cache_type != after->cache_type;
  }
  /// How many different members stood in the row.
  [[nodiscard]] std::size_t previous_count() const { return diff.before; }
};

/// What one task would do.
struct TaskPlan {
  Task task;
  std::vector<EntryWrite> writes;  ///< in the order in which they are announced
  std::vector<Warning> warnings;
};

/// What a run would do: a pure function of the market, the entries, the as-of day and the policy.
struct Plan {
  std::vector<TaskPlan> tasks;
  Universes universes;  ///< all there are, families expanded, of the tasks of other modes too

  std::vector<std::string> cleaned_types;

  std::vector<Waiting> waited;   ///< who waited so far, of the universes that this plan decides on
  std::vector<Waiting> waiting;  ///< who takes their place; by group, symbol and universe
  std::size_t waiting_elsewhere = 0;  ///< those that universes of other tasks keep

  /// Of an undo: the universes that are not as the undone run left them, and why.
  struct MovedOn {
    std::string universe;
    std::string why;
  };
  std::vector<MovedOn> moved_on = {};

  [[nodiscard]] bool empty() const;
  /// The universe of that name, or null.
  [[nodiscard]] const Universe* find(std::string_view universe) const;
  /// How many of the entries a task of this plan looks after.
  [[nodiscard]] std::size_t considered(const Entries& entries) const;
};

/// Makes the plan of a mode: each task on the result of the one before. `market` must be ranked.
/// \param waiting who waits so far \throws Error (failed) where families can't be expanded.
Plan make_plan(Mode mode, const Market& market, Entries entries, const Policy& policy,
               const std::vector<Waiting>& waiting = {});

}  // namespace tickstock
