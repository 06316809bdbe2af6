#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// How text looks on a terminal: printable, colored, in a limited number of columns.
namespace tickstock::cli {

/// Whether to show something meant for terminals: automatic means only on one.
enum class When : unsigned char { automatic, always, never };

enum class Color : unsigned char { green, red, yellow, bold_red };

/// What a stream can show.
struct Screen {
  bool color = false;
  /// The maximum width of a line in columns; 0 for no limit.
  std::size_t width = 0;

  /// Returns the text in this color, or unchanged if the screen has no color.
  [[nodiscard]] std::string paint(Color color_of_text, std::string_view text) const;
};

/// Returns what standard output (1) or standard error (2) can show. Other than on a terminal, lines
/// are never cut, and nothing is colored unless the user says so. Respects NO_COLOR and a dumb
/// terminal.
Screen screen_of(int descriptor, When color);

/// Returns whether a line on standard error can be redrawn in place.
bool can_redraw(When progress);

/// Returns `text` with every control character, every bidirectional control and every byte that is
/// not UTF-8 escaped, so that a name or message from outside can neither forge a line nor control
/// the terminal. Letters of any script stay as they are.
std::string printable(std::string_view text);

/// Returns a CSV field, quoted if needed.
std::string csv_field(const std::string& text);

/// Returns how many terminal columns a text takes: two for East Asian letters, none for combining
/// ones.
std::size_t columns_of(std::string_view text);

/// Returns the text in exactly `width` columns: padded with spaces, or cut and ending in ….
std::string fitted(std::string_view text, std::size_t width, bool right = false);

/// Returns the text as lines, each ending in a newline, broken between words where the screen ends
/// and indented after the first. A word wider than the screen is left whole.
std::string wrapped(const std::string& text, std::size_t indent, const Screen& screen);

/// Rows of cells under a heading. Each column is as wide as its widest cell; if the screen is too
/// narrow, the columns that may be cut share the shortage.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;         ///< aligned right, as numbers are
    bool may_cut = false;       ///< may be cut
    std::size_t narrowest = 8;  ///< but not below this many columns
  };

  /// Stands for no cell.
  static constexpr std::size_t nothing = std::string::npos;

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)), rows_(1) {
    for (const Column& column : columns_) rows_[0].cells.push_back(column.title);
  }

  /// Adds a row with one cell per column; cells must be printable. \param painted the cell to color
  void add(std::vector<std::string> cells, std::size_t painted = nothing,
           Color color = Color::red) {
    rows_.push_back({std::move(cells), painted, color});
  }

  /// Returns the table; empty if it has no rows.
  [[nodiscard]] std::string text(const Screen& screen) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::size_t painted = nothing;
    Color color = Color::red;
  };

  [[nodiscard]] std::vector<std::size_t> widths(std::size_t limit) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;  ///< the first one is the heading
};

}  // namespace tickstock::cli
