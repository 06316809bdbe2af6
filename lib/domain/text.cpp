#include "domain/text.hpp"

#include <charconv>

namespace tickstock {

namespace {

// The letters behind a backslash, and what they stand for.
constexpr std::string_view escape_letters = "\"\\bfnrt";
constexpr std::string_view escaped_bytes = "\"\\\b\f\n\r\t";

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string slug_of(std::string_view text) {
  std::string slug;
  bool gap = false;
  for (const char c : text) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool kept = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
    if (kept && gap && !slug.empty()) slug += '_';
    if (kept) slug += lower;
    gap = !kept;
  }
  return slug;
}

std::string json_quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    if (const std::size_t at = escaped_bytes.find(c); at != std::string_view::npos) {
      quoted.append(1, '\\').append(1, escape_letters[at]);
    } else if (static_cast<unsigned char>(c) < ' ') {
      quoted.append("\\u00").append(1, digits[static_cast<unsigned char>(c) >> 4]);
      quoted += digits[static_cast<unsigned char>(c) & 15U];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::optional<std::string> json_unquoted(std::string_view text) {
  if (!text.starts_with('"')) return std::nullopt;
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return value;
    if (text[i] != '\\') {
      value += text[i];
      continue;
    }
    if (++i == text.size()) break;
    if (text[i] == 'u') {
      unsigned code = 0;
      const std::string_view digits = text.substr(i + 1, 4);
      std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      value += static_cast<char>(code);
      i += 4;
    } else if (const std::size_t at = escape_letters.find(text[i]); at != std::string_view::npos) {
      value += escaped_bytes[at];
    }
  }
  return std::nullopt;
}

}  // namespace tickstock
