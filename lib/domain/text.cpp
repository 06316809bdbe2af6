#include "domain/text.hpp"

namespace tickstock {

namespace {

// The letters after a backslash, and the bytes they stand for.
constexpr std::string_view escape_letters = "\"\\bfnrt";
constexpr std::string_view escaped_bytes = "\"\\\b\f\n\r\t";

}  // namespace

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
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

std::size_t utf8_size(std::string_view text) {
  const auto byte = [text](std::size_t at) -> unsigned {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
  };
  const auto continues = [byte](std::size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    // Neither an overlong form nor half of a surrogate pair.
    const bool sound = lead == 0xe0 ? byte(1) >= 0xa0 : lead != 0xed || byte(1) <= 0x9f;
    return sound && continues(1) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool sound = lead == 0xf0 ? byte(1) >= 0x90 : lead != 0xf4 || byte(1) <= 0x8f;
    return sound && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
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
  constexpr std::string_view digits = "0123456789abcdef";
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = text.front() == '\0' ? 0 : utf8_size(text);
    if (size == 0) {
      const auto byte = static_cast<unsigned char>(text.front());
      escaped.append("\\x").append({digits[byte >> 4], digits[byte & 15U]});
    } else {
      escaped += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return escaped;
}

}  // namespace tickstock
