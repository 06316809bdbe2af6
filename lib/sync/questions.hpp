#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "rules/replay.hpp"
#include "sync/run.hpp"

namespace tickstock::sync {

/// One result of the preflight.
struct Finding {
  enum class Level { good, warning, failure };
  Level level;
  std::string sentence;
  std::string hint = {};               ///< what to do; empty if nothing is known
  std::optional<ErrorKind> kind = {};  ///< of a failure

  /// The whole line: the sentence and the hint.
  [[nodiscard]] std::string words() const { return with_hint(sentence, hint); }
};

/// Checks everything that a run needs, and writes nothing: connections, tables, columns,
/// privileges, the data and its age, the outbox, Redis. Never throws an Error: a failure becomes a
/// finding.
std::vector<Finding> check(const Environment& environment, const RunOptions& options,
                           io::Patience& patience);

/// Why a symbol is in universes or not, and since when; for a past day only whether.
struct ExplainReport {
  std::string symbol;
  std::optional<Day> past = {};
  std::string departure = {};  ///< why it is not active; empty if it is
  double market_cap = 0;       ///< US dollars
  std::size_t rank = 0;        ///< by market cap; 0 for none
  std::size_t ranked = 0;      ///< how many symbols have a rank

  std::vector<tables::Membership> universes = {};

  // The known names, if the requested one is unknown.
  std::optional<std::vector<std::string>> known_symbols = {};
  std::optional<std::vector<std::string>> known_universes = {};
};

/// Explains a symbol as of today, for every universe or for one, in one read-only transaction.
/// Without the program's own tables, it assumes that nobody waits and that nothing is known about
/// the past. \throws Error, (failed) for a universe that neither has a rule nor is cleaned.
ExplainReport explain(tables::Database& database, const std::string& symbol,
                      const std::optional<std::string>& universe, const Policy& policy,
                      const Environment& environment);

/// One member of a universe.
struct Member {
  std::string symbol;
  std::optional<std::size_t> rank = {};   ///< counted from 1; nothing for a past day
  std::optional<double> market_cap = {};  ///< in US dollars; nothing for a past day
};

/// The members of a universe, now or on a past day.
struct MembersReport {
  std::string universe;
  std::string as_of;   ///< today, or the day of the run
  std::string run_id;  ///< the run that left them like this; empty for current members
  std::vector<Member> members;
};

/// Reads the members; without `as_of` the current ones, with rank and market cap. \throws Error
/// (failed) if there is no such universe, or was none on that day, or if its content can't be read.
MembersReport members(tables::Database& database, const Environment& environment,
                      const Policy& policy, const std::string& universe, std::optional<Day> as_of);

/// The days to replay, and the policies.
struct ReplayOptions {
  Day first;
  Day last;
  std::vector<Policy> policies;  ///< one, or two to compare
};

/// The results of the policies.
struct ReplayReport {
  Day first;
  Day last;
  std::vector<Day> days;  ///< those with a price
  struct Side {
    std::vector<ReplayUniverse> universes;
    std::vector<ReplayNight> total;
  };
  std::vector<Side> sides;  ///< in the order of the policies
};

/// Replays policies over the days of the prices table, in one read-only transaction. \throws Error,
/// (failed) if no day of the range has a price.
ReplayReport replay(const ReplayOptions& options, const Environment& environment,
                    Observer& observer, io::Patience& patience);

}  // namespace tickstock::sync
