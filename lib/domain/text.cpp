#include "domain/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace tickstock {

namespace {

// The letters after a backslash, and the bytes they stand for.
constexpr std::string_view escape_letters = "\"\\bfnrt";
constexpr std::string_view escaped_bytes = "\"\\\b\f\n\r\t";

/// Returns whether a byte continues a UTF-8 character.
bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Returns a byte as two hexadecimal digits.
std::string hex(char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {digits[byte >> 4], digits[byte & 15U]};
}

}  // namespace

std::size_t characters_of(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, continues));
}

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

std::string replaced(std::string text, std::string_view part, std::string_view replacement) {
  for (std::size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + replacement.size())) {
    text.replace(at, part.size(), replacement);
  }
  return text;
}

std::string json_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (const std::size_t at = escaped_bytes.find(c); at != std::string_view::npos) {
      quoted.append(1, '\\').append(1, escape_letters[at]);
    } else if (static_cast<unsigned char>(c) < ' ') {
      quoted += "\\u00" + hex(c);
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

std::string joined(const std::vector<std::string>& words, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? last : ", ";
    text += words[i];
  }
  return text;
}

std::string listed_names(std::vector<std::string> names, std::size_t most) {
  std::ranges::sort(names);
  const std::size_t rest = names.size() - std::min(names.size(), most);
  names.resize(names.size() - rest);
  for (std::string& name : names) name = "'" + name + "'";
  if (rest > 0) names.push_back(std::to_string(rest) + " more");
  return joined(names, " and ");
}

std::size_t utf8_size(std::string_view text) {
  constexpr std::array<std::uint32_t, 5> lowest{0, 0, 0x80, 0x800, 0x10000};
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return 1;
  const auto size = static_cast<std::size_t>(std::countl_one(lead));
  if (size < 2 || size > 4 || text.size() < size) return 0;
  std::uint32_t character = lead & (0x7fU >> size);
  for (const char c : text.substr(1, size - 1)) {
    if (!continues(c)) return 0;
    character = character << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  }
  const bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
  return character >= lowest[size] && character <= 0x10ffff && !is_surrogate ? size : 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string escaped_utf8(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = text.front() == '\0' ? 0 : utf8_size(text);
    if (size == 0) escaped += "\\x" + hex(text.front());
    escaped += text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return escaped;
}

}  // namespace tickstock
