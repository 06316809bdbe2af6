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

/// Returns the name of a task in documents, events and records, such as `market_cap_recalculation`.
std::string_view to_string(Task task);

/// Selects the tasks of a run.
enum class Mode : unsigned char { full, market_cap, ipos, themes, delisted, undo };

/// Returns `full`, `market_cap`, `ipos`, `themes`, `delisted` or `undo`.
std::string_view to_string(Mode mode);

/// Returns the tasks of a mode, in the order they run. A full run leaves out the task of declared
/// universes if none are declared.
std::vector<Task> tasks_of(Mode mode, const Policy& policy);

/// Returns whether the guards about the categories apply to this mode.
bool has_categories(Mode mode);

/// What a write restores from the journal.
struct Restoration {
  std::string run_id;             ///< the run being undone
  std::int64_t change;            ///< the journal line with the previous content
  std::vector<std::string> keys;  ///< keys of the content to restore; the others stay
};

/// One entry that a task would write.
struct EntryWrite {
  std::string universe;
  std::shared_ptr<const Universe> rule;  ///< the rule it follows; null if it is only cleaned
  std::shared_ptr<const Entry> before;   ///< null if the row is missing
  std::shared_ptr<const Entry> after;
  MembershipDiff diff;
  /// For an undo: what it restores instead of following a rule.
  std::optional<Restoration> restoration = {};

  /// Returns whether the row changes its type.
  [[nodiscard]] bool is_take_over() const {
    return before && before->cache_type != after->cache_type;
  }
  /// Returns how many distinct members the row had.
  [[nodiscard]] std::size_t previous_count() const { return diff.before; }
};

/// What one task would do.
struct TaskPlan {
  Task task;
  std::vector<EntryWrite> writes;  ///< in the order they are announced
  std::vector<Warning> warnings;
};

/// What a run would do: a pure function of the market, the entries, the as-of day and the policy.
struct Plan {
  std::vector<TaskPlan> tasks;
  Universes universes;  ///< all of them, families expanded, including those of other modes' tasks

  std::size_t considered = 0;  ///< how many of the entries the tasks of this plan maintain

  std::vector<Waiting> waited;   ///< previous waiting members of the universes this plan decides on
  std::vector<Waiting> waiting;  ///< those who wait from now on; by group, symbol and universe
  std::size_t waiting_elsewhere = 0;  ///< members waiting in universes of other tasks

  /// For an undo: a universe that is no longer as the undone run left it, and why.
  struct MovedOn {
    std::string universe;
    std::string why;
  };
  std::vector<MovedOn> moved_on = {};

  [[nodiscard]] bool empty() const;
  /// Returns the universe of that name, or null.
  [[nodiscard]] const Universe* find(std::string_view universe) const;
};

/// Makes the plan of a mode; each task builds on the result of the previous one. `market` must be
/// ranked. \param waiting who waits so far \throws Error (failed) if families can't be expanded.
Plan make_plan(Mode mode, const Market& market, Entries entries, const Policy& policy,
               const std::vector<Waiting>& waiting = {});

/// One universe that a run changed, according to the journal.
struct Undone {
  std::string universe;
  std::shared_ptr<const Entry> before;  ///< before that run; null if it did not exist
  /// The fingerprint of what the run left; nothing if its program version stored none.
  std::optional<std::uint64_t> left;
  std::string changed_by;  ///< the next run in the journal that changed it, or found it changed
  std::int64_t change;     ///< the run's first journal line about it
  std::vector<std::string> keys;  ///< keys of the content that the run set or removed
};

/// Makes the plan that restores universes as they were before a run: members, order, count, type
/// and metadata. What the run created becomes an empty list. A universe that is no longer as the
/// run left it is listed in the plan's `moved_on`.
Plan plan_undo(const std::string& run_id, const std::vector<Undone>& undone,
               const Entries& entries);

}  // namespace tickstock
