#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/text.hpp"

namespace tickstock {

/// What a caller needs in order to react. It determines the exit status (cli/exit_status).
enum class ErrorKind {
  failed,       ///< a person must act: schema, privilege, content
  unavailable,  ///< PostgreSQL can't be reached or stopped serving; worth a retry
  retryable,    ///< serialization failure or deadlock: the same transaction may succeed next time
  outcome_unknown,  ///< COMMIT was sent, and not answered
  locked,           ///< another run holds the lock
  refused,          ///< a guard fired
  not_approved,     ///< the plan is not the approved one
  interrupted,      ///< a signal came before COMMIT
  usage,            ///< unusable command line
  config,           ///< unusable configuration file or environment
  output,           ///< the result could not be written
  redis,            ///< Redis can't be reached or refuses; committed events stay pending
};

/// Returns a problem and its hint as one line: `problem`, or `problem. Hint sentence.`
inline std::string with_hint(const std::string& problem, const std::string& hint) {
  if (hint.empty() || problem.empty()) return problem + hint;
  return problem +
         (std::string_view(".?!").find(problem.back()) != std::string_view::npos ? " " : ". ") +
         hint;
}

/// The parts of an error besides its kind and its problem. Each may be empty.
struct ErrorDetails {
  /// What it is about: a table or column, `Redis at …`, a file, an option or a setting, a run, an
  /// event, a universe.
  std::string object = {};
  /// What to do: sentences that begin with a capital letter and end with a period, or with a
  /// command to copy.
  std::string hint = {};
  std::string sqlstate = {};  ///< PostgreSQL's five letters
};

/// The only exception type of this project. `what()` is the line a user reads: the problem, then
/// the hint. It is always UTF-8, since it also goes into documents, records and events; other bytes
/// (a path, a server's message) are escaped.
class Error : public std::runtime_error {
 public:
  /// \param problem what failed on what, and why; in lower case, without a final period
  Error(ErrorKind kind, const std::string& problem, ErrorDetails details = {})
      : std::runtime_error(escaped_utf8(with_hint(problem, details.hint))),
        kind_(kind),
        problem_(escaped_utf8(problem)),
        details_{escaped_utf8(details.object), escaped_utf8(details.hint),
                 std::move(details.sqlstate)} {}

  [[nodiscard]] ErrorKind kind() const { return kind_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] const std::string& object() const { return details_.object; }
  [[nodiscard]] const std::string& hint() const { return details_.hint; }
  [[nodiscard]] const std::string& sqlstate() const { return details_.sqlstate; }
  [[nodiscard]] const ErrorDetails& details() const { return details_; }

  /// Returns the same error of another kind.
  [[nodiscard]] Error as(ErrorKind kind) const { return {kind, problem_, details_}; }
  /// Returns the same error about an object.
  [[nodiscard]] Error about(const std::string& object) const {
    ErrorDetails details = details_;
    details.object = object;
    return {kind_, problem_, std::move(details)};
  }
  /// Returns the same error with words before its problem.
  [[nodiscard]] Error after(const std::string& words) const {
    return {kind_, words + problem_, details_};
  }
  /// Returns the same error with another hint.
  [[nodiscard]] Error hinting(const std::string& hint) const {
    ErrorDetails details = details_;
    details.hint = hint;
    return {kind_, problem_, std::move(details)};
  }
  /// Returns the same error with another sentence after its hint.
  [[nodiscard]] Error advised(const std::string& sentence) const {
    return hinting(with_hint(hint(), sentence));
  }

 private:
  ErrorKind kind_;
  std::string problem_;
  ErrorDetails details_;
};

/// Returns an interruption as one that says that nothing was changed; any other error as it is.
inline Error reassured(const Error& error) {
  if (error.kind() != ErrorKind::interrupted) return error;
  return {error.kind(), error.problem() + "; nothing was changed", error.details()};
}

/// Something an operator should know about a run that still ends well: a problem, a hint, and the
/// names of what it counts.
struct Warning {
  std::string sentence;
  std::string hint = {};
  std::vector<std::string> names = {};

  // NOLINTNEXTLINE(google-explicit-constructor): most warnings are a sentence alone.
  Warning(std::string a_sentence, std::string a_hint = {}, std::vector<std::string> all_names = {})
      : sentence(std::move(a_sentence)), hint(std::move(a_hint)), names(std::move(all_names)) {}

  /// Returns the sentence with at most `most` of its names, and the hint.
  [[nodiscard]] std::string words(std::size_t most) const {
    return with_hint(names.empty() ? sentence : sentence + ": " + listed_names(names, most), hint);
  }
};

}  // namespace tickstock
