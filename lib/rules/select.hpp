#pragma once

#include <map>
#include <string>
#include <vector>

#include "rules/universe.hpp"

namespace tickstock {

/// Finds the members of universes, one after the other in the order in which they are declared: in
/// a group a symbol goes to the first universe that holds for it.
class Selection {
 public:
  explicit Selection(const Market& market) : market_(market) {}

  /// Returns the members in order.
  std::vector<SymbolId> members(const Universe& universe);

 private:
  [[nodiscard]] std::vector<SymbolId> candidates(const Universe& universe) const;

  const Market& market_;
  std::map<std::string, std::vector<bool>> seated_;  ///< by group, and there by SymbolId
};

}  // namespace tickstock
