#pragma once

#include <vector>

#include "rules/replay.hpp"
#include "sync/run.hpp"

namespace tickstock::sync {

/// The days to replay, and the policies.
struct ReplayOptions {
  Day first;
  Day last;
  std::vector<Policy> policies;  ///< one, or two to compare
};

/// The results of the policies.
struct ReplayReport {
  Day first;
  Day last;
  std::vector<Day> days;  ///< those with a price
  struct Side {
    std::vector<ReplayUniverse> universes;
    std::vector<ReplayNight> total;
  };
  std::vector<Side> sides;  ///< in the order of the policies
};

/// Replays policies over the days of the prices table, in one read-only transaction. \throws Error,
/// (failed) if no day of the range has a price.
ReplayReport replay(const ReplayOptions& options, const Environment& environment,
                    Observer& observer, io::Patience& patience);

}  // namespace tickstock::sync
