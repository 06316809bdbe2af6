#include "logging.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "json/writer.hpp"
#include "printable.hpp"

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

}  // namespace

Log::Log(LogFormat format, Level lowest)
    : format_(format),
      logger_(std::make_unique<spdlog::logger>("tickstock-cache",
                                               std::make_shared<spdlog::sinks::stderr_sink_st>())) {
  logger_->set_pattern("%v");
  logger_->set_level(spdlog_level(lowest));
  logger_->flush_on(spdlog::level::trace);
}

Log::~Log() = default;

void Log::step(int number, std::string_view name) {
  write(Level::info, fmt::format("step {}/5: {}", number, name), number);
}

void Log::write(Level level, std::string_view message, int step) {
  if (!logger_->should_log(spdlog_level(level))) return;
  if (format_ == LogFormat::text) {
    logger_->log(spdlog_level(level),
                 fmt::format("tickstock-cache: {}{}{}", level == Level::info ? "" : word_of(level),
                             level == Level::info ? "" : ": ", printable(message)));
    return;
  }
  json::Writer json;
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
  logger_->log(spdlog_level(level), json.text());
}

}  // namespace tickstock::cli
