#pragma once

#include <string>
#include <vector>

#include "rules/replay.hpp"
#include "sync/run.hpp"

namespace tickstock::sync {

/// Which days are replayed, and by which policies.
struct ReplayOptions {
  Day first;
  Day last;
  std::vector<Policy> policies;  ///< one, or two to be compared
};

/// What the policies came to.
struct ReplayReport {
  Day first;
  Day last;
  std::vector<Day> days;  ///< those that have a price
  struct Side {
    std::vector<ReplayUniverse> universes;
    std::vector<ReplayNight> total;
  };
  std::vector<Side> sides;  ///< as the policies
};

/// Folds policies over the days of the prices table, in one transaction that only reads. \throws
/// Error; (failed) where no day of the range has a price.
ReplayReport replay(const ReplayOptions& options, const Environment& environment,
                    Observer& observer, io::Patience& patience);

}  // namespace tickstock::sync
