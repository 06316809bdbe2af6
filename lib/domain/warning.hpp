#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "domain/counted.hpp"

namespace tickstock {

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
