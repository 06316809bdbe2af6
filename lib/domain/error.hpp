#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "domain/text.hpp"

namespace tickstock {

/// What a caller decides by. Each kind ends the program with a status of its own (cli/exit_status).
enum class ErrorKind {
  failed,       ///< a person must act: schema, privilege, content
  unavailable,  ///< PostgreSQL can't be reached or stopped serving; worth a retry
  retryable,    ///< serialization failure or deadlock: the same transaction may succeed next time
  outcome_unknown,  ///< the connection was lost during COMMIT
  locked,           ///< another run holds the lock
  refused,          ///< a guard fired
  not_approved,     ///< the plan is not the approved one
  interrupted,      ///< a signal came before COMMIT
  usage,            ///< unusable command line
  config,           ///< unusable configuration file or environment
  output,           ///< the result could not be written
  redis,            ///< Redis can't be reached or refuses; committed events stay pending
};

/// The one exception of this project. `what()` is the line a user reads: what failed, on which
/// object, and what to do. It is always UTF-8, since it also goes into documents, records and
/// events; other bytes (a path, a server's message) stand in it escaped.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::string sqlstate = {})
      : std::runtime_error(escaped_utf8(message)), kind_(kind), sqlstate_(std::move(sqlstate)) {}

  [[nodiscard]] ErrorKind kind() const { return kind_; }

  /// PostgreSQL's five letters, empty where the failure has none.
  [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }

 private:
  ErrorKind kind_;
  std::string sqlstate_;
};

/// What an operator should know of a run that ends well all the same: a sentence, and the names of
/// what it counts.
struct Warning {
  std::string sentence;
  std::vector<std::string> names = {};

  // NOLINTNEXTLINE(google-explicit-constructor): most warnings are a sentence alone.
  Warning(std::string a_sentence, std::vector<std::string> all_names = {})
      : sentence(std::move(a_sentence)), names(std::move(all_names)) {}

  /// The sentence with its names, at most so many.
  [[nodiscard]] std::string words(std::size_t most) const {
    return names.empty() ? sentence : sentence + ": " + listed_names(names, most);
  }
};

}  // namespace tickstock
