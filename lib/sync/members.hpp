#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "io/wait.hpp"
#include "sync/options.hpp"

namespace tickstock::sync {

/// One member of a universe.
struct Member {
  std::string symbol;
  std::size_t rank = 0;              ///< counted from 1; 0 for none, and for a past day
  std::optional<double> market_cap;  ///< in US dollars; nothing for a past day
};

/// The members of a universe, now or on a past day.
struct MembersReport {
  std::string universe;
  std::string as_of;   ///< today, or the day of the run
  std::string run_id;  ///< the run that left them like this; empty for current members
  std::vector<Member> members;
};

/// Reads the members; without `as_of` the current ones, with rank and market cap. \throws Error
/// (failed) if there is no such universe, or was none on that day, or if its content can't be read.
MembersReport members(tables::Database& database, const Environment& environment,
                      const Policy& policy, const std::string& universe, std::optional<Day> as_of);

}  // namespace tickstock::sync
