#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/plan.hpp"

namespace tickstock {

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
