#include <cstdint>
#include <optional>

#include "fuzz/targets.hpp"

namespace tickstock::fuzz {

namespace {

/// Reads the front of a text by code points, decoding UTF-8 by the book: assembles a value from its
/// bits, and rejects it if it has a shorter form or is not a character.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool array(std::vector<std::string>& elements) {
    blanks();
    if (!take('[')) return false;
    blanks();
    if (!take(']')) {
      do {
        blanks();
        std::optional<std::string> element = string();
        if (!element) return false;
        elements.push_back(*std::move(element));
        blanks();
      } while (take(','));
      if (!take(']')) return false;
    }
    blanks();
    return rest_.empty();
  }

 private:
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void blanks() {
    while (take(' ') || take('\t') || take('\n') || take('\r')) {
    }
  }

  std::optional<std::string> string() {
    if (!take('"')) return std::nullopt;
    std::string value;
    while (!take('"')) {
      const std::optional<std::uint32_t> code = take('\\') ? escape() : character();
      if (!code || *code == 0) return std::nullopt;
      append(value, *code);
    }
    return value;
  }

  std::optional<std::uint32_t> character() {
    if (rest_.empty()) return std::nullopt;
    const auto lead = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    if (lead < 0x20) return std::nullopt;
    if (lead < 0x80) return lead;
    const int more = lead >= 0xf8   ? -1
                     : lead >= 0xf0 ? 3
                     : lead >= 0xe0 ? 2
                     : lead >= 0xc0 ? 1
                                    : -1;
    if (more < 0) return std::nullopt;
    std::uint32_t code = lead & (0x3fU >> more);
    for (int i = 0; i < more; ++i) {
      if (rest_.empty() || (static_cast<unsigned char>(rest_.front()) & 0xc0) != 0x80) {
        return std::nullopt;
      }
      code = (code << 6) | (static_cast<unsigned char>(rest_.front()) & 0x3f);
      rest_.remove_prefix(1);
    }
    const std::uint32_t lowest = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    if (code < lowest || code > 0x10ffff || is_surrogate(code)) return std::nullopt;
    return code;
  }

  std::optional<std::uint32_t> escape() {
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view values = "\"\\/\b\f\n\r\t";
    if (take('u')) {
      const std::optional<std::uint32_t> first = hexadecimal();
      if (!first || !is_surrogate(*first)) return first;
      if (*first >= 0xdc00 || !take('\\') || !take('u')) return std::nullopt;
      const std::optional<std::uint32_t> second = hexadecimal();
      if (!second || *second < 0xdc00 || *second > 0xdfff) return std::nullopt;
      return 0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00);
    }
    const std::size_t at = rest_.empty() ? std::string_view::npos : names.find(rest_.front());
    if (at == std::string_view::npos) return std::nullopt;
    rest_.remove_prefix(1);
    return static_cast<unsigned char>(values[at]);
  }

  std::optional<std::uint32_t> hexadecimal() {
    constexpr std::string_view digits = "0123456789abcdefABCDEF";
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const std::size_t digit = rest_.empty() ? std::string_view::npos : digits.find(rest_.front());
      if (digit == std::string_view::npos) return std::nullopt;
      code = code * 16 + static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
      rest_.remove_prefix(1);
    }
    return code;
  }

  static bool is_surrogate(std::uint32_t code) { return code >= 0xd800 && code <= 0xdfff; }

  static void append(std::string& text, std::uint32_t code) {
    if (code < 0x80) {
      text += static_cast<char>(code);
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const std::uint32_t lead = more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0;
    text += static_cast<char>(lead | (code >> (6 * more)));
    for (int i = more - 1; i >= 0; --i)
      text += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3f));
  }

  std::string_view rest_;
};

}  // namespace

bool read_plainly(std::string_view json, std::vector<std::string>& elements) {
  return Scanner(json).array(elements);
}

}  // namespace tickstock::fuzz
