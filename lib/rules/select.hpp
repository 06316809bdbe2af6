#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/members.hpp"
#include "rules/universe.hpp"

namespace tickstock {

/// Finds the members of universes, one after the other in the order in which they are declared: in
/// a group a symbol goes to the first universe whose conditions hold for it.
class Selection {
 public:
  /// \param universes all there are, families expanded
  Selection(const Market& market, const Universes& universes);

  /// Returns the members in order. \param before its entry, or null: who stands there has a say
  /// where a label is blank, where one line of an issuer counts, and where members are only added
  std::vector<SymbolId> members(const Universe& universe, const Entry* before);

 private:
  using Ids = std::vector<SymbolId>;

  /// The active symbols in rank order, then those without a cap by symbol.
  const Ids& in_rank_order();
  /// The same for each label of a column.
  const std::vector<Ids>& by_label(const std::string& column);
  /// The fewest symbols at hand among which all candidates are. \param left the conditions that
  /// are not true of all of them
  Ids pool(const Universe& universe, std::vector<Condition>& left);
  Ids candidates(const Universe& universe, const Entry* before);
  void sort(Ids& members, Order order) const;
  void keep_primary_lines(Ids& members, const std::string& issuer,
                          const std::vector<bool>& stands) const;
  [[nodiscard]] Ids included(const Universe& universe) const;

  const Market& market_;
  Ids in_rank_order_;
  std::map<std::string, std::vector<Ids>> by_label_;
  std::map<std::string, std::vector<bool>> seated_;  ///< by group, and there by SymbolId
};

}  // namespace tickstock
