#include "logging.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
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

spdlog::level::level_enum spdlog_level(Log::Level level) {
  static_assert(static_cast<int>(Log::Level::debug) == spdlog::level::debug &&
                static_cast<int>(Log::Level::error) == spdlog::level::err);
  return static_cast<spdlog::level::level_enum>(level);
}

std::string_view word_of(Log::Level level) {
  const auto word = spdlog::level::to_string_view(spdlog_level(level));
  return {word.data(), word.size()};
}

Log::Level lowest_of(LogLevel level) {
  if (level == LogLevel::quiet) return Log::Level::error;
  return level == LogLevel::verbose ? Log::Level::debug : Log::Level::info;
}

/// Whether standard error is what systemd made for its journal, and not a file or a pipe that
/// somebody put in its place (systemd.exec(5), JOURNAL_STREAM).
bool is_journal() {
  const auto stream = variable("JOURNAL_STREAM");
  struct stat facts {};
  return stream && ::fstat(STDERR_FILENO, &facts) == 0 &&
         stream == fmt::format("{}:{}", facts.st_dev, facts.st_ino);
}

/// `1,234,567`
std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

/// `1:05`
std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/// The terminal is the user's; a line that can't be drawn is no reason to fail.
void put(std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

Log::Log()
    : to_journal_(is_journal()),
      logger_(std::make_unique<spdlog::logger>("tickstock-cache",
                                               std::make_shared<spdlog::sinks::stderr_sink_st>())) {
  logger_->set_pattern("%v");
  logger_->flush_on(spdlog::level::trace);
}

Log::~Log() { clear_progress(); }

void Log::configure(const Output& output) {
  format_ = output.log_format;
  screen_ = screen_of(STDERR_FILENO, output.color);
  logger_->set_level(spdlog_level(lowest_of(output.log_level)));
  can_draw_ = format_ == LogFormat::text && output.log_level == LogLevel::normal &&
              can_redraw(output.progress);
}

void Log::write(Level level, std::string_view message, int step) {
  if (!logger_->should_log(spdlog_level(level))) return;
  clear_progress();
  // The priority of syslog as systemd's journal reads it.
  constexpr std::array<std::string_view, 4> priorities{"<7>", "<6>", "<4>", "<3>"};
  const std::string_view priority =
      to_journal_ ? priorities[static_cast<std::size_t>(level) - 1] : "";
  logger_->log(spdlog_level(level), fmt::format("{}{}", priority, line(level, message, step)));
}

std::string Log::line(Level level, std::string_view message, int step) const {
  if (format_ == LogFormat::text) {
    std::string word(level == Level::info ? "" : word_of(level));
    if (level == Level::error) word = screen_.paint(Color::bold_red, word);
    if (level == Level::warning) word = screen_.paint(Color::yellow, word);
    return fmt::format("tickstock-cache: {}{}{}", word, word.empty() ? "" : ": ",
                       printable(message));
  }
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin_);
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("level").string(word_of(level));
  json.put("run_id", json::null_if_empty(run_id_));
  json.key("message").string(message);
  if (step > 0) json.key("step").number(step).key("total_steps").number(5);
  json.key("elapsed_ms").number(std::int64_t{elapsed.count()});
  json.end_object();
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
  // The last column stays free: some terminals turn to the next line there.
  const std::size_t width = std::max<std::size_t>(screen_of(STDERR_FILENO, When::never).width, 2);
  const double seconds = std::chrono::duration<double>(now - since_).count();
  const tables::Reading reading = reads_ && reading_ != nullptr ? *reading_ : tables::Reading();
  put("\r" + progress_text(what_, reading, seconds, width - 1) + "\x1b[K");
  drawn_ = true;
}

void Log::clear_progress() {
  if (!std::exchange(drawn_, false)) return;
  put("\r\x1b[K");
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
  std::string numbers;
  if (part > 0) {
    const auto full = static_cast<std::size_t>(part * bar_width);
    bar = fmt::format("  [{:.<{}}]", std::string(full, '#'), bar_width);
    numbers = fmt::format(" {:3.0f} %", part * 100);
  }
  if (reading.rows > 0) {
    const double rate = seconds > 0 ? static_cast<double>(reading.rows) / seconds : 0;
    numbers += fmt::format("  {} rows, {}/s", grouped(reading.rows),
                           grouped(static_cast<std::uint64_t>(rate)));
  }
  numbers += "  " + clock_text(seconds);
  if (part > 0 && part < 1)
    numbers += fmt::format(", {} left", clock_text(seconds / part - seconds));
  // The bar goes before a number does.
  if (columns_of(text) + columns_of(bar) + columns_of(numbers) > width) bar.clear();
  text += bar + numbers;
  return fitted(text, std::min(columns_of(text), width));
}

}  // namespace tickstock::cli
