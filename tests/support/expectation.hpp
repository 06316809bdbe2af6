#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "json.hpp"
#include "postgres.hpp"

namespace tickstock::test {

/// What a `sync` should do to `cache_entries`, computed by other means than the program's: in SQL,
/// from `symbols` and the entries as they stand when the object is made. Dates must be `date`.
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

  /// In the order of the events.
  const std::vector<Write>& writes() const { return writes_; }

  /// The changes that should be reported: a line each, sorted, in the words of changes_of().
  Names changes() const;

  /// The universes that should be announced, in order, where a task announces `limit` at most.
  Names announced(std::size_t limit = 10) const;

  /// What is wrong with cache_entries after the run, a line per entry: members, count, type, other
  /// keys, times, and entries that were written without need. Empty when all is as it should be.
  Names mismatches();

  /// The changes in the document of `--format json`, a line each, sorted.
  static Names changes_of(const Json& document);

 private:
  Database& database_;
  std::vector<Write> writes_;
};

}  // namespace tickstock::test
