#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tickstock::postgres {

/// The text form of a PostgreSQL array of texts, for a parameter of type text[].
template <typename Text>
std::string array_literal(const std::vector<Text>& values) {
  std::string literal = "{";
  for (const auto& value : values) {
    if (literal.size() > 1) literal += ',';
    literal += '"';
    std::string_view rest = value;
    for (std::size_t at; (at = rest.find_first_of("\"\\")) != std::string_view::npos;) {
      literal.append(rest.substr(0, at)).append({'\\', rest[at]});
      rest.remove_prefix(at + 1);
    }
    literal.append(rest) += '"';
  }
  return literal += '}';
}

}  // namespace tickstock::postgres
