#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "show/terminal.hpp"

namespace tickstock::cli {

/// How many columns of a terminal a text takes: letters of East Asia two, combining ones none.
std::size_t columns_of(std::string_view text);

/// The text in exactly so many columns: filled up with blanks, or cut, with … for what is missing.
std::string fitted(std::string_view text, std::size_t width, bool right = false);

/// Rows of cells under a heading. Each column is as wide as its widest cell; where that is more
/// than the screen has, the columns that may be cut share what is missing.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;    ///< aligned to the right, as numbers are
    bool may_cut = false;  ///< may be shown with less than it says
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// A row of as many cells; they must be printable. \param color of the cell that says how it went
  void add(std::vector<std::string> cells) { rows_.push_back({std::move(cells), {}}); }
  void add(std::vector<std::string> cells, std::size_t painted, Color color) {
    rows_.push_back({std::move(cells), {true, painted, color}});
  }

  /// Nothing without a row.
  [[nodiscard]] std::string text(const Screen& screen) const;

 private:
  struct Paint {
    bool wanted = false;
    std::size_t column = 0;
    Color color = Color::red;
  };
  struct Row {
    std::vector<std::string> cells;
    Paint paint;
  };

  [[nodiscard]] std::vector<std::size_t> widths(std::size_t limit) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace tickstock::cli
