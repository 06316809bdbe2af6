#pragma once

#include <cstddef>
#include <vector>

#include "domain/members.hpp"

namespace tickstock {

/// A member and where it stands; a name repeated in a list counts once, at its first place.
struct Placement {
  SymbolId symbol;
  Place from;  ///< in the old list; not used for an added member
  Place to;    ///< in the new list; not used for a removed member
};

/// What turns one list of members into another.
struct MembershipDiff {
  std::vector<Placement> added;    ///< in the order of the new list
  std::vector<Placement> removed;  ///< in the order of the old list
  std::vector<Placement>
      moved;               ///< in the order of the new list; the fewest that must change place
  std::size_t before = 0;  ///< how many different members the old list has

  [[nodiscard]] bool empty() const { return added.empty() && removed.empty() && moved.empty(); }
};

/// `list` with each name once, at its first place.
std::vector<SymbolId> distinct(const std::vector<SymbolId>& list);

/// Added and removed are the differences of the two sets; moved are the kept members that are not
/// on a longest increasing subsequence of old places, so no smaller set exists. O(n log n).
MembershipDiff diff_memberships(const std::vector<SymbolId>& before,
                                const std::vector<SymbolId>& after);

}  // namespace tickstock
