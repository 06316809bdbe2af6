#pragma once

#include <string>
#include <vector>

namespace tickstock::store {

/// The text form of a PostgreSQL array of texts, for a parameter of type text[].
template <typename Text>
std::string array_literal(const std::vector<Text>& values) {
  std::string literal = "{";
  for (const auto& value : values) {
    if (literal.size() > 1) literal += ',';
    literal += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') literal += '\\';
      literal += c;
    }
    literal += '"';
  }
  return literal + "}";
}

}  // namespace tickstock::store
