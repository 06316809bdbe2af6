#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "domain/members.hpp"
#include "rules/universe.hpp"

namespace tickstock {

/// A member for which its universe does not hold any more, and that keeps its seat for now.
struct Waiting {
  std::string group;  ///< whose seat it is
  SymbolId symbol;
  std::string universe;
  int nights;  ///< as-of days in a row on which its universe did not hold
  Day as_of;   ///< the last of them
};

/// In which turn a symbol gets one of the places of a universe that has only so many: who is in for
/// sure, then members within the buffer, then the rest.
enum class Turn : unsigned char { surely, tolerably, otherwise };

/// \param rank counted from 1, with those included by name \param stands whether it is a member
Turn turn_of(const Universe& universe, std::size_t rank, bool stands);

/// Leaves of each issuer the line that counts. \param stands by SymbolId, who is a member
void keep_primary_lines(std::vector<SymbolId>& lines, const Market& market,
                        const Universe& universe, const std::vector<bool>& stands);

/// By SymbolId, who stands in an entry; nobody without one.
std::vector<bool> standing(const Entry* entry, const Market& market);

/// Who was left at each step to the members of a universe.
struct Contest {
  std::vector<SymbolId> seated;      ///< its conditions hold, or do for a member, and it has a seat
  std::vector<SymbolId> contenders;  ///< without other lines and without those `chosen`, in order
  std::vector<SymbolId> chosen;      ///< included by name, as many as there are places, in order
};

/// Finds the members of universes, one after the other in the order in which they are declared: in
/// a group a symbol that has no seat goes to the first universe whose conditions hold for it.
class Selection {
 public:
  /// \param universes all there are, families expanded \param before the entries as they stand:
  /// they tell who has a seat, and who stands there has a say where a label is blank, where one
  /// line of an issuer counts, and where members are only added \param waiting who waits so far
  /// \param tasks those whose universes are written; the members of others keep their seats
  Selection(const Market& market, const Universes& universes, const Entries& before,
            const std::vector<Waiting>& waiting, std::vector<Task> tasks);

  /// Returns the members in order. \param contest is told how it came to them
  std::vector<SymbolId> members(const Universe& universe, Contest* contest = nullptr);

  /// The universe that has the seat of a symbol in a group once the members of all of them were
  /// found; null for none.
  [[nodiscard]] const Universe* seat_of(const std::string& group, SymbolId symbol) const;

  /// Who waits from now on, of the groups that were asked for; in no order.
  [[nodiscard]] const std::vector<Waiting>& waiting() const { return waiting_; }

 private:
  using Ids = std::vector<SymbolId>;

  /// The seats of a group.
  struct Seats {
    Universes universes;
    /// By SymbolId the universe that has the symbol, counted from 1; 0 for none.
    std::vector<std::uint32_t> taken;
    std::vector<Ids> held;  ///< by universe; empty until the first of them is asked for
    bool settled = false;   ///< it is known who loses a seat
  };

  /// Finds the members of a group that lose their seats by rank or to another line: for the others
  /// of the group they have none from the start, as they won't have in the next run.
  void settle(Seats& seats);

  /// The active symbols in rank order, then those without a cap by symbol.
  const Ids& in_rank_order();
  /// The same for each label of a column.
  const std::vector<Ids>& by_label(const std::string& column);
  /// The fewest symbols at hand among which all candidates are. \param left the conditions that
  /// are not true of all of them
  Ids pool(const Universe& universe, std::vector<Condition>& left);
  Ids candidates(const Universe& universe, const Entry* before);
  /// The candidates that find a seat, and the members that keep one without being candidates.
  Ids seated(const Universe& universe, const Entry* before);
  /// The members that keep a seat without being candidates, in rank order. \param is_taken tells
  /// whether a symbol has a seat already \param take is told of each member that keeps one
  template <typename IsTaken, typename Take>
  Ids held(const Universe& universe, IsTaken is_taken, Take take);
  /// Decides on a member for which its universe does not hold. \return whether it keeps its seat
  bool keeps_seat(const Universe& universe, SymbolId member);
  /// Whether all conditions hold for a member; a blank label counts as that of its universe.
  [[nodiscard]] bool holds_for_member(const Universe& universe, SymbolId member, int band) const;

  [[nodiscard]] bool precedes(SymbolId a, SymbolId b, Order order) const;
  void sort(Ids& members, Order order) const;
  /// Leaves the first ones, as many as there are places beside those `chosen`. \param members in
  /// order, as those chosen are
  void keep_first(Ids& members, const Ids& chosen, const Universe& universe,
                  const std::vector<bool>& stands) const;
  /// Takes from those who wait whoever lost its place to others: by rank, or to another line.
  void forget_who_left(const Universe& universe, const Ids& members);
  [[nodiscard]] Ids included(const Universe& universe) const;

  const Market& market_;
  const Entries& before_;
  std::vector<Task> tasks_;
  Ids in_rank_order_;
  std::map<std::string, std::vector<Ids>> by_label_;
  std::map<std::string, Seats> seats_;                          ///< by group
  std::map<std::pair<std::string, SymbolId>, Waiting> waited_;  ///< by universe and symbol
  std::vector<Waiting> waiting_;
  std::set<std::pair<std::string, SymbolId>> lost_;  ///< by universe, who loses a seat
};

}  // namespace tickstock
