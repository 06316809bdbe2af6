#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "show/terminal.hpp"

namespace spdlog {
class logger;
}

namespace tickstock::cli {

class ProgressLine;

enum class LogFormat : unsigned char { text, json };
/// What is logged: errors alone, what an operator wants to know, or more.
enum class LogLevel : unsigned char { quiet, normal, verbose };

/// What is written to standard error. Lines carry no time of their own: whoever keeps them
/// (journal, cron, a shell) adds it, and times of the run come from PostgreSQL. For systemd's
/// journal each line begins with its priority, which the journal takes off (sd-daemon(3)).
class Log {
 public:
  enum class Level : unsigned char { debug, info, warning, error };

  Log();
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// From now on lines look like this; before, they are text of the normal level, without colour.
  void configure(LogFormat format, LogLevel level, const Screen& screen);
  /// What must be out of the way while a line is written; null for nothing.
  void set_progress(ProgressLine* progress) { progress_ = progress; }
  /// From now on every JSON line names the run.
  void set_run_id(const std::string& run_id) { run_id_ = run_id; }

  void debug(std::string_view message) { write(Level::debug, message, 0); }
  void info(std::string_view message) { write(Level::info, message, 0); }
  void warning(std::string_view message) { write(Level::warning, message, 0); }
  void error(std::string_view message) { write(Level::error, message, 0); }
  /// Step `number` of 5 begins.
  void step(int number, std::string_view name);

 private:
  void write(Level level, std::string_view message, int step);
  [[nodiscard]] std::string line(Level level, std::string_view message, int step) const;

  LogFormat format_ = LogFormat::text;
  bool to_journal_;
  Screen screen_;
  ProgressLine* progress_ = nullptr;
  std::string run_id_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace tickstock::cli
