#include "logging.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "environment.hpp"
#include "json/json.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t bar_width = 20;
constexpr std::chrono::milliseconds moment{300};
constexpr std::chrono::milliseconds pause_between_drawings{100};
/// How long to wait for a reader of standard error.
constexpr std::chrono::milliseconds reading_time{500};

/// The word for each level, and its syslog priority as systemd's journal reads it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> levels{
    {{"debug", "<7>"}, {"info", "<6>"}, {"warning", "<4>"}, {"error", "<3>"}}};

/// Returns whether standard error is the stream that systemd opened for its journal, and not a file
/// or pipe that replaced it (systemd.exec(5), JOURNAL_STREAM).
bool is_journal() {
  const auto stream = variable("JOURNAL_STREAM");
  struct stat facts {};
  return stream && ::fstat(STDERR_FILENO, &facts) == 0 &&
         stream == fmt::format("{}:{}", facts.st_dev, facts.st_ino);
}

/// Formats a duration: `1:05`.
std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/// Failing to write a line is no reason to fail, and a run must not wait in its transaction for
/// somebody to read it: what nobody takes in time is left out.
void put(std::string_view text) {
  static bool is_read = true;
  io::write_all(STDERR_FILENO, text, [] {
    const io::Deadline deadline = is_read ? io::Deadline::after(reading_time) : io::Deadline::now();
    is_read = io::wait_for(STDERR_FILENO, POLLOUT, deadline, {}) == io::Readiness::ready;
    return is_read;
  });
}

}  // namespace

Log::Log() : to_journal_(is_journal()) {}

void Log::configure(const Output& output) {
  format_ = output.log_format;
  screen_ = screen_of(STDERR_FILENO, output.color);
  lowest_ = output.quiet() ? Level::error : Level::info;
  if (output.log_level == LogLevel::verbose) lowest_ = Level::debug;
  can_draw_ = format_ == Format::text && output.log_level == LogLevel::normal &&
              can_redraw(output.progress);
}

void Log::write(Level level, std::string_view message, int step) {
  if (level < lowest_) return;
  clear_progress();
  put(fmt::format("{}{}\n", to_journal_ ? levels[static_cast<std::size_t>(level)].second : "",
                  line(level, message, step)));
}

std::string Log::line(Level level, std::string_view message, int step) const {
  std::string word(levels[static_cast<std::size_t>(level)].first);
  if (format_ == Format::text) {
    if (level == Level::info) return "tickstock-cache: " + printable(message);
    if (level == Level::error) word = screen_.paint(Color::bold_red, word);
    if (level == Level::warning) word = screen_.paint(Color::yellow, word);
    return fmt::format("tickstock-cache: {}: {}", word, printable(message));
  }
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin_);
  json::Writer json(json::BadText::escape);
  json.begin_object().put("level", word, "run_id", json::null_if_empty(run_id_), "message",
                          message);
  if (step > 0) json.put("step", step, "total_steps", 5);
  json.put("elapsed_ms", elapsed.count()).end_object();
  return json.text();
}

void Log::step(int number, std::string_view name) {
  reads_ = number == 1;
  if (drawing_) return say(fmt::format("step {}/5 {}", number, name));
  write(Level::info, fmt::format("step {}/5: {}", number, name), number);
}

void Log::tell(const std::string& sentence, bool reads) {
  reads_ = reads;
  drawing_ ? say(sentence) : info(sentence);
}

void Log::say(std::string what) {
  what_ = std::move(what);
  since_ = Clock::now();
}

bool Log::begin_progress() {
  drawing_ = can_draw_;
  next_ = Clock::now() + moment;
  return drawing_;
}

void Log::draw_progress() {
  const Clock::time_point now = Clock::now();
  if (what_.empty() || now < next_) return;
  next_ = now + pause_between_drawings;
  // Leave the last column free: some terminals wrap to the next line there.
  const std::size_t width = std::max<std::size_t>(screen_of(STDERR_FILENO, When::never).width, 2);
  const double seconds = std::chrono::duration<double>(now - since_).count();
  const tables::Reading reading = reads_ && reading_ != nullptr ? *reading_ : tables::Reading();
  put("\r" + progress_text(what_, reading, seconds, width - 1) + "\x1b[K");
  drawn_ = true;
}

void Log::clear_progress() {
  if (std::exchange(drawn_, false)) put("\r\x1b[K");
}

void Log::end_progress() {
  clear_progress();
  drawing_ = false;
}

std::string progress_text(std::string_view what, const tables::Reading& reading, double seconds,
                          std::size_t width) {
  std::string text(what);
  if (reading.day) text += "  " + to_string(*reading.day);
  double part = reading.part;
  if (reading.expected > 0) {
    part = static_cast<double>(reading.rows) / static_cast<double>(reading.expected);
  }
  // The statistics may be old.
  part = std::min(part, 1.0);
  std::string bar;
  std::string share;
  std::string rows;
  std::string pace;
  if (part > 0) {
    const auto full = static_cast<std::size_t>(part * bar_width);
    bar = fmt::format("  [{:.<{}}]", std::string(full, '#'), bar_width);
    share = fmt::format(" {:3.0f} %", part * 100);
  }
  if (reading.rows > 0) {
    const double rate = seconds > 0 ? static_cast<double>(reading.rows) / seconds : 0;
    rows = fmt::format("  {} rows,", fmt::group_digits(reading.rows));
    pace = fmt::format(" {}/s", fmt::group_digits(static_cast<std::uint64_t>(rate)));
  }
  pace += "  " + clock_text(seconds);
  if (part > 0 && part < 1) pace += fmt::format(", {} left", clock_text(seconds / part - seconds));
  // Drop the bar before any number; keep rate and time left longest.
  const auto is_too_long = [&] { return columns_of(text + bar + share + rows + pace) > width; };
  for (std::string* each : {&bar, &rows}) {
    if (is_too_long()) each->clear();
  }
  const std::size_t numbers = columns_of(share + pace);
  if (is_too_long() && numbers < width) text = fitted(text, width - numbers);
  text += bar + share + rows + pace;
  return fitted(text, std::min(columns_of(text), width));
}

}  // namespace tickstock::cli
