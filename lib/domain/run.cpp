#include "domain/run.hpp"

#include <algorithm>
#include <array>

#include "domain/error.hpp"

namespace tickstock {

namespace {

/// In the order of RunStatus.
constexpr std::array<std::string_view, 6> words{"running", "completed", "completed_with_errors",
                                                "failed",  "refused",   "interrupted"};

}  // namespace

std::string_view to_string(RunStatus status) { return words[static_cast<std::size_t>(status)]; }

RunStatus parse_run_status(std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) {
    throw Error(ErrorKind::failed, "a record has the unknown status '" + std::string(word) + "'");
  }
  return static_cast<RunStatus>(found - words.begin());
}

std::string_view application_status(RunStatus status) {
  if (status == RunStatus::running) return "running";
  const bool committed =
      status == RunStatus::completed || status == RunStatus::completed_with_errors;
  return committed ? "completed" : "failed";
}

}  // namespace tickstock
