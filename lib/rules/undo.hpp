#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/plan.hpp"

namespace tickstock {

/// One universe that a run changed, as the journal tells it.
struct Undone {
  std::string universe;
  std::shared_ptr<const Entry> before;  ///< what stood before that run; null where nothing did
  /// The fingerprint of what the run left; nothing where its version wrote none.
  std::optional<std::uint64_t> left;
  std::string changed_by;  ///< the next run in the journal that changed it, or found it changed
  std::int64_t change;     ///< the run's first line in the journal about it
  std::vector<std::string> keys;  ///< of the content, that the run set or removed
};

/// Makes the plan that gives universes what they had before a run: members, order, count, type and
/// metadata. What the run created becomes an empty list. A universe that is not as the run left it
/// is named in the plan's `moved_on`.
Plan plan_undo(const std::string& run_id, const std::vector<Undone>& undone,
               const Entries& entries);

}  // namespace tickstock
