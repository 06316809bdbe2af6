#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "domain/market.hpp"
#include "domain/members.hpp"
#include "rules/policy.hpp"
#include "rules/reason.hpp"
#include "rules/select.hpp"

namespace tickstock {

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
