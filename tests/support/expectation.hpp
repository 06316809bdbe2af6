#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "json.hpp"
#include "postgres.hpp"

namespace tickstock::test {

/// What a `sync` should do to `cache_entries`, computed independently of the program: in SQL, from
/// `symbols` and the entries at construction. Dates must be of type `date`.
class Expectation {
 public:
  using Names = std::vector<std::string>;

  /// An entry that should be written by one of the tasks 1, 2 and 3.
  struct Write {
    int task = 0;
    std::string universe;
    bool leader = false;
    Names old_list;  ///< a repeated name counts once
    Names new_list;
    Names added = {};
    Names removed = {};
    std::size_t moved = 0;
  };

  /// \param day the as-of day, YYYY-MM-DD
  Expectation(Database& database, const std::string& day);

  /// Returns the writes in the order of the events.
  const std::vector<Write>& writes() const { return writes_; }

  /// Returns the changes that should be reported: one per line, sorted, in the words of
  /// changes_of().
  Names changes() const;

  /// Returns the universes that should be announced, in order, if a task announces at most `limit`.
  Names announced(std::size_t limit = 10) const;

  /// Returns what is wrong with cache_entries after the run, a line per entry: members, count,
  /// type, other keys, times, and entries that were written needlessly. Empty if nothing is wrong.
  Names mismatches();

  /// Returns the changes in the document of `--format json`, one per line, sorted.
  static Names changes_of(const Json& document);

 private:
  Database& database_;
  std::vector<Write> writes_;
};

}  // namespace tickstock::test
