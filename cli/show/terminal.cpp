#include "show/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include "environment.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t usual_width = 80;

bool is_dumb() { return variable("TERM").value_or("dumb") == "dumb"; }

std::size_t width_of(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return usual_width;
  return size.ws_col;
}

std::string_view code_of(Color color) {
  switch (color) {
    case Color::green: return "32";
    case Color::red: return "31";
    case Color::yellow: return "33";
    case Color::bold_red: return "1;31";
  }
  return "0";
}

}  // namespace

std::string Screen::paint(Color color_of_text, std::string_view text) const {
  if (!color) return std::string(text);
  return "\x1b[" + std::string(code_of(color_of_text)) + "m" + std::string(text) + "\x1b[0m";
}

Screen screen_of(int descriptor, When color) {
  const bool terminal = ::isatty(descriptor) == 1;
  Screen screen;
  screen.color = color == When::always ||
                 (color == When::automatic && terminal && !is_dumb() && !variable("NO_COLOR"));
  if (terminal) screen.width = width_of(descriptor);
  return screen;
}

bool can_redraw(When progress) {
  if (progress == When::never || ::isatty(STDERR_FILENO) != 1) return false;
  return progress == When::always || !is_dumb();
}

}  // namespace tickstock::cli
