#include "logging.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include "environment.hpp"
#include "json/json.hpp"
#include "show/printable.hpp"
#include "show/progress_line.hpp"

namespace tickstock::cli {

namespace {

spdlog::level::level_enum spdlog_level(Log::Level level) {
  switch (level) {
    case Log::Level::debug: return spdlog::level::debug;
    case Log::Level::info: return spdlog::level::info;
    case Log::Level::warning: return spdlog::level::warn;
    case Log::Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string_view word_of(Log::Level level) {
  switch (level) {
    case Log::Level::debug: return "debug";
    case Log::Level::info: return "info";
    case Log::Level::warning: return "warning";
    case Log::Level::error: return "error";
  }
  return "";
}

/// The priority of syslog as systemd's journal reads it.
std::string_view priority_of(Log::Level level) {
  switch (level) {
    case Log::Level::debug: return "<7>";
    case Log::Level::info: return "<6>";
    case Log::Level::warning: return "<4>";
    case Log::Level::error: return "<3>";
  }
  return "";
}

spdlog::level::level_enum lowest_of(LogLevel level) {
  switch (level) {
    case LogLevel::quiet: return spdlog::level::err;
    case LogLevel::normal: return spdlog::level::info;
    case LogLevel::verbose: return spdlog::level::debug;
  }
  return spdlog::level::info;
}

/// Whether standard error is what systemd made for its journal, and not a file or a pipe that
/// somebody put in its place (systemd.exec(5), JOURNAL_STREAM).
bool is_journal() {
  const auto stream = variable("JOURNAL_STREAM");
  struct stat facts {};
  return stream && ::fstat(STDERR_FILENO, &facts) == 0 &&
         stream == fmt::format("{}:{}", facts.st_dev, facts.st_ino);
}

}  // namespace

Log::Log()
    : to_journal_(is_journal()),
      logger_(std::make_unique<spdlog::logger>("tickstock-cache",
                                               std::make_shared<spdlog::sinks::stderr_sink_st>())) {
  logger_->set_pattern("%v");
  logger_->flush_on(spdlog::level::trace);
}

Log::~Log() = default;

void Log::configure(LogFormat format, LogLevel level, const Screen& screen) {
  format_ = format;
  screen_ = screen;
  logger_->set_level(lowest_of(level));
}

void Log::step(int number, std::string_view name) {
  write(Level::info, fmt::format("step {}/5: {}", number, name), number);
}

void Log::write(Level level, std::string_view message, int step) {
  if (!logger_->should_log(spdlog_level(level))) return;
  if (progress_ != nullptr) progress_->clear();
  const std::string_view priority = to_journal_ ? priority_of(level) : "";
  logger_->log(spdlog_level(level), fmt::format("{}{}", priority, line(level, message, step)));
}

std::string Log::line(Level level, std::string_view message, int step) const {
  if (format_ == LogFormat::text) {
    std::string word(word_of(level));
    if (level == Level::error) word = screen_.paint(Color::bold_red, word);
    if (level == Level::warning) word = screen_.paint(Color::yellow, word);
    return fmt::format("tickstock-cache: {}{}{}", level == Level::info ? "" : word,
                       level == Level::info ? "" : ": ", printable(message));
  }
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("level").string(word_of(level));
  json.key("run_id").text_or_null(run_id_);
  json.key("message").string(message);
  if (step > 0) json.key("step").number(step).key("total_steps").number(5);
  json.key("elapsed_ms")
      .number(std::int64_t{std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::steady_clock::now() - begin_)
                               .count()});
  json.end_object();
  return json.text();
}

}  // namespace tickstock::cli
