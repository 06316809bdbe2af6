#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "tables/market_reader.hpp"

namespace tickstock::cli {

/// One line at the bottom of standard error that says what a run is at: the step, how much is read,
/// and for how long. It shows only once a run takes longer than a moment, is drawn over again, and
/// is gone when the run is over or something else is to be written.
class ProgressLine {
 public:
  explicit ProgressLine(bool enabled) : enabled_(enabled) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  [[nodiscard]] bool enabled() const { return enabled_; }

  /// What it says from now on, and how far reading is while that is what it does.
  void say(std::string what);
  /// Draws it, unless it was drawn a moment ago.
  void draw(const tables::Reading& reading);
  /// Takes it away until it is drawn again.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool enabled_;
  bool shown_ = false;
  std::string what_;
  Clock::time_point since_ = Clock::now();
  Clock::time_point next_ = since_ + std::chrono::milliseconds(300);
};

/// The words of the line in at most `width` columns.
std::string progress_text(std::string_view what, const tables::Reading& reading, double seconds,
                          std::size_t width);

}  // namespace tickstock::cli
