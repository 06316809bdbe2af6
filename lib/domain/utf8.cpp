#include "domain/utf8.hpp"

namespace tickstock {

std::size_t utf8_size(std::string_view text) {
  const auto byte = [text](std::size_t at) -> unsigned {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
  };
  const auto continues = [byte](std::size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    // Neither longer than need be, nor half of a surrogate pair.
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
