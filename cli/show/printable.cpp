#include "show/printable.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "domain/text.hpp"

namespace tickstock::cli {

namespace {

/// Control characters, and those that turn the direction of writing, which make a line read as
/// another one.
bool commands_terminal(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

Character first_character(std::string_view text) {
  const std::size_t size = utf8_size(text);
  if (size == 0) return {no_character, 1};
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  char32_t code = size == 1 ? byte(0) : byte(0) & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) code = (code << 6) | (byte(i) & 0x3fU);
  return {code, size};
}

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.code == '\n') {
      safe += "\\n";
    } else if (character.code == no_character || character.code < 0x80) {
      const auto byte = static_cast<unsigned char>(text.front());
      if (character.code == no_character || commands_terminal(character.code)) {
        safe += fmt::format("\\x{:02x}", byte);
      } else {
        safe += text.front();
      }
    } else if (commands_terminal(character.code)) {
      safe += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(character.code));
    } else {
      safe += text.substr(0, character.size);
    }
    text.remove_prefix(character.size);
  }
  return safe;
}

std::string dollars(double amount) {
  if (!std::isfinite(amount)) return "-";
  if (amount >= 1e12) return fmt::format("${:.2f} T", amount / 1e12);
  if (amount >= 1e9) return fmt::format("${:.2f} B", amount / 1e9);
  if (amount >= 1e6) return fmt::format("${:.2f} M", amount / 1e6);
  return fmt::format("${:.0f}", amount);
}

}  // namespace tickstock::cli
