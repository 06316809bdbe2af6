#include "show/screen.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdint>
#include <cwchar>
#include <numeric>
#include <sstream>

#include "domain/text.hpp"
#include "environment.hpp"
#include "postgres/connection.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t usual_width = 80;
constexpr std::string_view gap = "  ";
/// Stands for a byte that is not a character.
constexpr char32_t no_character = 0xffffffff;

bool is_dumb() { return variable("TERM").value_or("dumb") == "dumb"; }

struct Character {
  char32_t code;
  std::string_view bytes;
};

/// Returns the characters of UTF-8 text; a byte that begins none stands alone.
std::vector<Character> characters_of(std::string_view text) {
  std::vector<Character> characters;
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    char32_t code = size == 0 ? no_character : size == 1 ? byte(0) : byte(0) & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) code = (code << 6) | (byte(i) & 0x3fU);
    characters.push_back({code, text.substr(0, std::max<std::size_t>(size, 1))});
    text.remove_prefix(characters.back().bytes.size());
  }
  return characters;
}

/// Returns whether it is a control character or a bidirectional control, which can make a line read
/// as another one.
bool commands_terminal(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e ||
         code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/// Returns the columns of one character by the C library's Unicode tables, whatever the user's
/// locale.
std::size_t columns_of(const Character& character) {
  if (character.code < 0x80) return 1;
  static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (unicode == nullptr) return 1;
  const locale_t before = ::uselocale(unicode);
  const int width = ::wcwidth(static_cast<wchar_t>(character.code));
  ::uselocale(before);
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

}  // namespace

std::string Screen::paint(Color color_of_text, std::string_view text) const {
  constexpr std::array<std::string_view, 4> codes{"32", "31", "33", "1;31"};
  if (!color) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", codes[static_cast<std::size_t>(color_of_text)], text);
}

Screen screen_of(int descriptor, When color) {
  const bool terminal = ::isatty(descriptor) == 1;
  const bool wanted = terminal && !is_dumb() && !variable("NO_COLOR");
  winsize size{};
  const bool tells = ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col != 0;
  const std::size_t width = !terminal ? 0 : tells ? size.ws_col : usual_width;
  return {color == When::always || (color == When::automatic && wanted), width};
}

bool can_redraw(When progress) {
  if (progress == When::never || ::isatty(STDERR_FILENO) != 1) return false;
  return progress == When::always || !is_dumb();
}

std::string csv_field(const std::string& text) {
  const bool is_plain = text.find_first_of(",\"\r\n") == std::string::npos;
  return is_plain ? text : postgres::in_quotes(text, '"', '"');
}

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const auto& [code, bytes] : characters_of(text)) {
    const bool is_byte = code < 0x80 || code == no_character;
    if (code == '\n') {
      safe += "\\n";
    } else if (code != no_character && !commands_terminal(code)) {
      safe += bytes;
    } else {
      safe += is_byte ? fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes.front()))
                      : fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
    }
  }
  return safe;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (const Character& each : characters_of(text)) columns += columns_of(each);
  return columns;
}

std::string fitted(std::string_view text, std::size_t width, bool right) {
  const std::size_t needed = columns_of(text);
  if (needed <= width) {
    const std::string blanks(width - needed, ' ');
    return right ? blanks + std::string(text) : std::string(text) + blanks;
  }
  std::string cut;
  std::size_t columns = 1;  // of the sign for what is missing
  for (const Character& each : characters_of(text)) {
    if (columns + columns_of(each) > width) break;
    columns += columns_of(each);
    cut += each.bytes;
  }
  return cut + "…" + std::string(width - std::min(width, columns), ' ');
}

std::string wrapped(const std::string& text, std::size_t indent, const Screen& screen) {
  if (screen.width <= indent) return text + '\n';
  const std::size_t width = screen.width - indent;
  std::istringstream words(text);
  std::string lines;
  std::size_t used = 0;
  for (std::string word; std::getline(words, word, ' ');) {
    if (used > 0 && used + 1 + columns_of(word) > width) {
      lines += '\n' + std::string(indent, ' ');
      used = 0;
    }
    if (used > 0) lines += ' ';
    used += (used > 0 ? 1 : 0) + columns_of(word);
    lines += word;
  }
  return lines + '\n';
}

std::vector<std::size_t> Table::widths(std::size_t limit) const {
  std::vector<std::size_t> widths(columns_.size());
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], cli::columns_of(row.cells[i]));
    }
  }
  if (limit == 0) return widths;
  const std::size_t gaps = gap.size() * (columns_.size() - 1);
  std::size_t total = std::accumulate(widths.begin(), widths.end(), gaps);
  for (; total > limit; --total) {
    // Cut the widest column that may be cut, so that narrow ones stay whole.
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (!columns_[i].may_cut || widths[i] <= columns_[i].narrowest) continue;
      if (widest == nullptr || widths[i] > *widest) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
  }
  return widths;
}

std::string Table::text(const Screen& screen) const {
  if (rows_.size() == 1) return "";
  const std::vector<std::size_t> wide = widths(screen.width);
  std::string text;
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < wide.size(); ++i) {
      // Don't pad the last column.
      const bool last = i + 1 == wide.size() && !columns_[i].right;
      const std::size_t width = last ? std::min(cli::columns_of(row.cells[i]), wide[i]) : wide[i];
      const std::string cell = fitted(row.cells[i], width, columns_[i].right);
      text += row.painted == i ? screen.paint(row.color, cell) : cell;
      text += i + 1 == wide.size() ? "\n" : gap;
    }
  }
  return text;
}

}  // namespace tickstock::cli
