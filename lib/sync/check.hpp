#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/error.hpp"
#include "io/wait.hpp"
#include "sync/options.hpp"

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

}  // namespace tickstock::sync
