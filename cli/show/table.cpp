#include "show/table.hpp"

#include <algorithm>
#include <clocale>
#include <cwchar>
#include <numeric>

#include "show/printable.hpp"

namespace tickstock::cli {

namespace {

/// No column is cut to less.
constexpr std::size_t narrowest = 8;
constexpr std::string_view gap = "  ";

/// Columns of one character, by the C library's tables of Unicode, whatever the user's locale.
std::size_t columns_of_character(char32_t code) {
  static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (unicode == nullptr) return 1;
  const locale_t before = ::uselocale(unicode);
  const int width = ::wcwidth(static_cast<wchar_t>(code));
  ::uselocale(before);
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

std::size_t columns_of(const Character& character) {
  return character.code < 0x80 ? 1 : columns_of_character(character.code);
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    columns += columns_of(character);
    text.remove_prefix(character.size);
  }
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
  while (!text.empty()) {
    const Character character = first_character(text);
    if (columns + columns_of(character) > width) break;
    columns += columns_of(character);
    cut += text.substr(0, character.size);
    text.remove_prefix(character.size);
  }
  return cut + "…" + std::string(width - std::min(width, columns), ' ');
}

std::vector<std::size_t> Table::widths(std::size_t limit) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = cli::columns_of(columns_[i].title);
    for (const Row& row : rows_) width = std::max(width, cli::columns_of(row.cells[i]));
    widths.push_back(width);
  }
  if (limit == 0) return widths;
  const std::size_t gaps = gap.size() * (columns_.size() - 1);
  std::size_t total = std::accumulate(widths.begin(), widths.end(), gaps);
  while (total > limit) {
    // The widest that may be cut, so that those that need little keep it.
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (!columns_[i].may_cut || widths[i] <= narrowest) continue;
      if (widest == nullptr || widths[i] > *widest) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
    --total;
  }
  return widths;
}

std::string Table::text(const Screen& screen) const {
  if (rows_.empty()) return "";
  const std::vector<std::size_t> wide = widths(screen.width);
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells, const Paint& paint) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      // Nothing is filled up behind the last one.
      const bool last = i + 1 == cells.size() && !columns_[i].right;
      const std::size_t width = last ? std::min(cli::columns_of(cells[i]), wide[i]) : wide[i];
      const std::string cell = fitted(cells[i], width, columns_[i].right);
      text += paint.wanted && paint.column == i ? screen.paint(paint.color, cell) : cell;
      text += i + 1 == cells.size() ? "\n" : gap;
    }
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  line(titles, {});
  for (const Row& row : rows_) line(row.cells, row.paint);
  return text;
}

}  // namespace tickstock::cli
