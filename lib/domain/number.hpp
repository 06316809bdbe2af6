#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace tickstock {

/// Returns the number that a text is from its first character to its last; nothing for any other
/// text. \param format as of std::from_chars, such as a base
template <typename Number, typename... Format>
std::optional<Number> number_of(std::string_view text, Format... format) {
  Number number{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, format...);
  if (error != std::errc{} || end != last) return std::nullopt;
  return number;
}

}  // namespace tickstock
