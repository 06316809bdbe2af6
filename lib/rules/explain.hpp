#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/market.hpp"
#include "domain/members.hpp"
#include "rules/policy.hpp"
#include "rules/select.hpp"

namespace tickstock {

/// One thing that decides whether a symbol is in a universe, with what the symbol has.
struct Decision {
  std::string condition;  ///< `market cap of at least $10 B`
  std::string value;      ///< `$9.10 B`
  bool holds = false;
};

/// Why a symbol is in a universe or not, by the entries and the market as they are now. All
/// decisions hold exactly where the next run has the symbol in the universe.
struct Explanation {
  std::string universe;
  bool member = false;                   ///< it stands in the entry
  std::vector<Decision> decisions = {};  ///< in the order in which they are made
  std::string outlook = {};              ///< what the next run does, and what would change it

  /// Whether the next run has the symbol in the universe.
  [[nodiscard]] bool belongs() const;
};

/// Explains a symbol for every universe of the policy, families expanded, in their order, and then
/// for every other entry of a cleaned type, by name. `market` must be ranked. \param waiting who
/// waits so far \param only the one universe to explain; nothing is returned where it is unknown
/// \throws Error (failed) where families can't be expanded.
std::vector<Explanation> explain(const Market& market, const Entries& entries, const Policy& policy,
                                 const std::vector<Waiting>& waiting, SymbolId symbol,
                                 const std::optional<std::string>& only = {});

}  // namespace tickstock
