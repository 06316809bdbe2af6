#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "io/wait.hpp"
#include "rules/explain.hpp"
#include "rules/policy.hpp"
#include "sync/options.hpp"

namespace tickstock::sync {

/// Why a symbol is in universes or not, and since when; of a day of the past only whether.
struct ExplainReport {
  std::string symbol;
  std::optional<Day> past = {};
  std::string departure = {};  ///< why it is not active; empty for an active one
  double market_cap = 0;       ///< US dollars
  std::size_t rank = 0;        ///< by market cap; 0 for none
  std::size_t ranked = 0;      ///< how many have a rank

  struct Universe {
    Explanation why;
    // What the journal knows of the last change, where it fits the entry.
    std::optional<std::string> since = {};  ///< an as-of day
    std::optional<std::string> run_id = {};
  };
  std::vector<Universe> universes = {};

  // The names that are known, where the one that was asked for is not.
  std::optional<std::vector<std::string>> known_symbols = {};
  std::optional<std::vector<std::string>> known_universes = {};
};

/// Tells from the journal alone in which universes a symbol stood after the last run of a day, for
/// every universe that existed then, or one. \throws Error (failed) where the journal does not
/// reach back so far, and where that one did not exist.
ExplainReport explain_past(tables::Database& database, const std::string& symbol,
                           const std::optional<std::string>& universe, Day day);

/// Explains a symbol as of today, for every universe or one, in one transaction that only reads.
/// Without the program's own tables nobody waits and nothing is known of the past. \throws Error;
/// (failed) for a universe that neither has a rule nor is cleaned.
ExplainReport explain(const std::string& symbol, const std::optional<std::string>& universe,
                      const Policy& policy, const Environment& environment, io::Patience& patience);

}  // namespace tickstock::sync
