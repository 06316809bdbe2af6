#pragma once

#include <cstddef>
#include <string>
#include <string_view>

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

/// What standard output (1) or standard error (2) can show. On what is no terminal lines are never
/// cut, and nothing is coloured unless the user says so; NO_COLOR and a dumb terminal count.
Screen screen_of(int descriptor, When color);

/// Whether a line can be drawn over again on standard error.
bool can_redraw(When progress);

}  // namespace tickstock::cli
