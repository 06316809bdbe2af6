#include "show/progress_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "show/table.hpp"
#include "show/terminal.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t bar_width = 20;
constexpr std::chrono::milliseconds pause_between_drawings{100};

/// `1,234,567`
std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

/// The terminal is the user's; a line that can't be drawn is no reason to fail.
void put(std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

std::string progress_text(std::string_view what, const tables::Reading& reading, double seconds,
                          std::size_t width) {
  std::string text(what);
  if (reading.rows > 0) {
    if (reading.expected > 0) {
      const double part =
          std::min(1.0, static_cast<double>(reading.rows) / static_cast<double>(reading.expected));
      const auto full = static_cast<std::size_t>(part * bar_width);
      text += fmt::format("  [{}{}] {:3.0f} %", std::string(full, '#'),
                          std::string(bar_width - full, '.'), part * 100);
    }
    const double rate = seconds > 0 ? static_cast<double>(reading.rows) / seconds : 0;
    text += fmt::format("  {} rows, {}/s", grouped(reading.rows),
                        grouped(static_cast<std::uint64_t>(rate)));
  }
  const auto whole = static_cast<std::int64_t>(seconds);
  text += fmt::format("  {}:{:02}", whole / 60, whole % 60);
  return fitted(text, std::min(columns_of(text), width));
}

void ProgressLine::say(std::string what) {
  what_ = std::move(what);
  since_ = Clock::now();
}

void ProgressLine::draw(const tables::Reading& reading) {
  const Clock::time_point now = Clock::now();
  if (!enabled_ || what_.empty() || now < next_) return;
  next_ = now + pause_between_drawings;
  // The last column stays free: some terminals turn to the next line there.
  const std::size_t width = std::max<std::size_t>(screen_of(STDERR_FILENO, When::never).width, 2);
  const double seconds = std::chrono::duration<double>(now - since_).count();
  put("\r" + progress_text(what_, reading, seconds, width - 1) + "\x1b[K");
  shown_ = true;
}

void ProgressLine::clear() {
  if (!shown_) return;
  put("\r\x1b[K");
  shown_ = false;
}

}  // namespace tickstock::cli
