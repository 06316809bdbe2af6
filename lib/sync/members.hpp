#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "io/wait.hpp"
#include "sync/options.hpp"

namespace tickstock::sync {

/// One member of a list.
struct Member {
  std::string symbol;
  std::size_t rank = 0;              ///< counted from 1; 0 for none, and in the past
  std::optional<double> market_cap;  ///< in US dollars; nothing in the past
};

/// The members of a universe as they stand, or as they stood.
struct MembersReport {
  std::string universe;
  std::string as_of;   ///< the day: today, or that of the run
  std::string run_id;  ///< after which they stood so; empty where they stand so now
  std::vector<Member> members;
};

/// Reads them; without `as_of` those of now, with rank and market cap. \throws Error (failed) where
/// there is no such universe, on that day, or its content can't be read.
MembersReport members(tables::Database& database, const Environment& environment,
                      const Policy& policy, const std::string& universe, std::optional<Day> as_of);

}  // namespace tickstock::sync
