#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// What a terminal shows of a text: printable, coloured, in so many columns.
namespace tickstock::cli {

/// Whether something that belongs on a terminal is shown: where there is one, or as the user says.
enum class When : unsigned char { automatic, always, never };

enum class Color : unsigned char { green, red, yellow, bold_red };

/// What a stream can show.
struct Screen {
  bool color = false;
  /// How many columns a line may have; 0 for as many as it takes.
  std::size_t width = 0;

  /// The text in this colour, or as it is.
  [[nodiscard]] std::string paint(Color color_of_text, std::string_view text) const;
};

/// Returns what standard output (1) or standard error (2) can show. On what is no terminal lines
/// are never cut, and nothing is coloured unless the user says so; NO_COLOR and a dumb terminal
/// count.
Screen screen_of(int descriptor, When color);

/// Whether a line can be drawn over again on standard error.
bool can_redraw(When progress);

/// `text` with every control character, every turn of the direction of writing and every byte that
/// is no UTF-8 written as an escape, so that a name or message from outside can neither forge a
/// line nor command the terminal. Letters of any script stay as they are.
std::string printable(std::string_view text);

/// A field of CSV: in quotes where it needs them.
std::string csv_field(const std::string& text);

/// How many columns of a terminal a text takes: letters of East Asia two, combining ones none.
std::size_t columns_of(std::string_view text);

/// The text in exactly so many columns: filled up with blanks, or cut, with … for what is missing.
std::string fitted(std::string_view text, std::size_t width, bool right = false);

/// Returns the text on as many lines as the screen needs for it, broken between words, each but the
/// first behind an indent.
std::string wrapped(const std::string& text, std::size_t indent, const Screen& screen);

/// Rows of cells under a heading. Each column is as wide as its widest cell; where that is more
/// than the screen has, the columns that may be cut share what is missing.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;         ///< aligned to the right, as numbers are
    bool may_cut = false;       ///< may be shown with less than it says
    std::size_t narrowest = 8;  ///< but not in fewer columns
  };

  /// The number of no cell.
  static constexpr std::size_t nothing = std::string::npos;

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)), rows_(1) {
    for (const Column& column : columns_) rows_[0].cells.push_back(column.title);
  }

  /// A row of as many cells; they must be printable. \param painted the cell that says how it went
  void add(std::vector<std::string> cells, std::size_t painted = nothing,
           Color color = Color::red) {
    rows_.push_back({std::move(cells), painted, color});
  }

  /// Nothing without a row.
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
