#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace tickstock {

/// Returns the number that a text is from its first character to its last; nothing for any other
/// text.
template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc{} || end != last) return std::nullopt;
  return number;
}

}  // namespace tickstock
