#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "domain/day.hpp"
#include "domain/plan.hpp"
#include "logging.hpp"

namespace tickstock::cli {

enum class Command : unsigned char { task, init, status, history, check, deliver };
enum class OutputFormat : unsigned char { text, json };

/// The command line, read and checked, but not yet merged with environment and configuration file.
/// What was not given is empty.
struct Options {
  Command command = Command::task;

  // Of every command that connects
  std::optional<std::string> database_url;
  std::optional<std::string> database_url_file;
  std::optional<std::string> redis_url;
  std::optional<std::string> redis_url_file;
  std::optional<std::string> config_file;
  std::optional<std::string> timezone;
  std::optional<std::int64_t> timeout_seconds;

  // Everywhere
  LogFormat log_format = LogFormat::text;
  bool verbose = false;
  bool quiet = false;

  // Of the tasks
  Mode mode = Mode::full;
  bool dry_run = false;
  std::optional<Day> as_of;
  std::optional<std::string> run_id;
  std::optional<std::string> triggered_by;
  std::optional<std::string> approve_plan;
  std::optional<std::int64_t> lock_wait_seconds;
  std::optional<std::int64_t> max_universe_events;
  bool no_events = false;
  bool detailed_exitcode = false;
  bool full = false;

  // Of what prints a result
  OutputFormat format = OutputFormat::text;

  // init
  bool print_sql = false;
  std::optional<std::string> print_grants;     ///< for this role
  std::optional<std::string> print_redis_acl;  ///< for this user
  // deliver
  std::optional<std::string> discard;
  // history
  std::optional<std::string> universe;
  std::optional<std::string> symbol;
  std::int64_t limit = 20;
  std::int64_t offset = 0;
};

/// A text that answers the command line by itself: help or version.
struct Answer {
  std::string text;
};

/// Whether a text can be the id of a run or the name of who triggered it: 1 to 64 of
/// `A-Za-z0-9._:-`.
bool is_word(std::string_view text);

/// Reads the command line. \throws Error (usage) for one that can't be used.
std::variant<Options, Answer> parse_command_line(int argc, const char* const* argv);

}  // namespace tickstock::cli
