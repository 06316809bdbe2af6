#pragma once

#include <algorithm>
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

/// A member whose universe's conditions no longer hold, but who keeps its seat for now.
struct Waiting {
  std::string group;  ///< the group of the seat
  SymbolId symbol;
  std::string universe;
  int nights;  ///< consecutive as-of days on which its universe's conditions did not hold
  Day as_of;   ///< the last of them
};

/// The priority of a symbol for a universe with a limited number of places: those who are in for
/// certain, then members within the buffer, then the rest.
enum class Turn : unsigned char { surely, tolerably, otherwise };

/// Returns the priority of a symbol. \param rank counted from 1, including those included by name
/// \param stands whether it is a member
Turn turn_of(const Universe& universe, std::size_t rank, bool stands);

/// Keeps only the line that counts for each issuer. \param stands by SymbolId, whether it is a
/// member
void keep_primary_lines(std::vector<SymbolId>& lines, const Market& market,
                        const Universe& universe, const std::vector<bool>& stands);

/// Returns by SymbolId whether the entry contains the symbol; all false without an entry.
std::vector<bool> standing(const Entry* entry, const Market& market);

/// The symbols left after each step of finding a universe's members.
struct Contest {
  /// They meet its conditions, as members leniently, and have a seat.
  std::vector<SymbolId> seated;
  std::vector<SymbolId> contenders;  ///< in order, without other lines and without those `chosen`
  std::vector<SymbolId> chosen;      ///< included by name, in order, as many as there are places
};

/// Finds the members of universes one after another, in the order they are declared: within a
/// group, a symbol without a seat goes to the first universe whose conditions hold for it.
class Selection {
 public:
  /// \param universes all of them, families expanded; they must outlive the selection \param before
  /// the current entries: they show who has a seat, and their members count where a label is blank,
  /// where one line of an issuer counts, and where members are only added \param waiting who waits
  /// so far \param tasks those whose universes are written; members of the others keep their seats
  Selection(const Market& market, const Universes& universes, const Entries& before,
            const std::vector<Waiting>& waiting, std::vector<Task> tasks);

  /// Returns the members in order. \param contest gets the intermediate steps
  std::vector<SymbolId> members(const Universe& universe, Contest* contest = nullptr);

  /// Returns the universe in which a symbol has its seat in a group, once all members of the group
  /// were found; null for none.
  [[nodiscard]] const Universe* seat_of(const std::string& group, SymbolId symbol) const;

  /// Returns who waits from now on, in the groups processed so far; in no particular order.
  [[nodiscard]] const std::vector<Waiting>& waiting() const { return waiting_; }

 private:
  using Ids = std::vector<SymbolId>;

  /// The seats of a group.
  struct Seats {
    std::vector<const Universe*> universes;
    /// By SymbolId, the universe where it has its seat, counted from 1; 0 for none.
    std::vector<std::uint32_t> taken;
    std::vector<Ids> held;  ///< by universe, in rank order; empty until the first is processed
    bool settled = false;   ///< whether it is known who loses a seat
  };

  /// Adds a universe to a group. Included symbols have seats regardless of conditions.
  void add(const Universe& universe, Seats& seats) const;

  /// Finds the members of a group that lose their seats by rank or to another line. The rest of the
  /// group treats them as having no seat from the start, as in the next run.
  void settle(Seats& seats);

  /// Returns the active symbols in rank order, then those without a cap by symbol.
  const Ids& in_rank_order();
  /// Returns the same for each label of a column.
  const std::vector<Ids>& by_label(const std::string& column);
  /// Returns the smallest list at hand that contains all candidates. \param left the conditions
  /// that do not hold for all of it
  Ids pool(const Universe& universe, std::vector<Condition>& left);
  Ids candidates(const Universe& universe, const Entry* before);
  /// Returns the candidates that get a seat, and the members that keep one without being
  /// candidates.
  Ids seated(const Universe& universe, const Entry* before);
  /// Why a member keeps its seat: the run does not write its universe, the conditions hold, they
  /// hold with the band, or it may still stay without them.
  enum class Claim : unsigned char { unwritten, belongs, band, patience };
  /// Gives the members of a group their seats; those that are not candidates are `held`.
  void hold(Seats& seats);
  /// Returns whether the run writes a universe.
  [[nodiscard]] bool writes(const Universe& universe) const {
    return std::ranges::find(tasks_, universe.task) != tasks_.end();
  }
  /// Decides about a member whose universe's conditions do not hold. \return whether it keeps its
  /// seat
  bool keeps_seat(const Universe& universe, SymbolId member, Claim claim);

  [[nodiscard]] bool precedes(SymbolId a, SymbolId b, Order order) const;
  void sort(Ids& members, Order order) const;
  /// Keeps the first members, as many as there are places besides those `chosen`. Both lists are in
  /// order.
  void keep_first(Ids& members, const Ids& chosen, const Universe& universe,
                  const std::vector<bool>& stands) const;
  /// Removes from the waiting those who lost their place to others, by rank or to another line.
  void forget_who_left(const Universe& universe, const Ids& members);
  [[nodiscard]] Ids included(const Universe& universe) const;
  /// Returns by SymbolId whether it is in the list.
  [[nodiscard]] std::vector<bool> set_of(const Ids& list) const;

  const Market& market_;
  const Entries& before_;
  std::vector<Task> tasks_;
  Ids in_rank_order_;
  std::map<std::string, std::vector<Ids>> by_label_;
  std::map<std::string, Seats> seats_;                          ///< by group
  std::map<std::pair<std::string, SymbolId>, Waiting> waited_;  ///< by universe and symbol
  std::vector<Waiting> waiting_;
  std::set<std::pair<std::string, SymbolId>> lost_;  ///< by universe, those who lose a seat
};

}  // namespace tickstock
