#pragma once

#include "domain/day.hpp"
#include "io/wait.hpp"
#include "rules/plan.hpp"
#include "settings.hpp"
#include "tables/runs.hpp"

namespace tickstock::cli {

class Log;

enum class Command : unsigned char {
  task,
  init,
  status,
  history,
  universes,
  events,
  members,
  check,
  deliver,
  config,
  replay,
  explain
};

/// The command line, read and checked, but not yet merged with environment and configuration file.
/// What was not given is empty.
struct Options {
  Command command = Command::task;

  /// The settings that a flag gave.
  std::vector<Given> given;

  /// A run that writes.
  [[nodiscard]] bool is_run() const { return command == Command::task && !dry_run; }

  // Of every command that connects
  std::optional<std::string> database_url_file;
  std::optional<std::string> redis_url_file;
  std::optional<std::string> config_file;

  // Of the tasks
  Mode mode = Mode::full;
  bool dry_run = false;
  std::optional<Day> as_of;
  std::optional<std::string> run_id;
  std::optional<std::string> approve_plan;
  std::optional<std::string> undo;  ///< the run to undo
  bool summary = false;

  // init
  bool print_sql = false;
  std::optional<std::string> print_grants;     ///< for this role
  std::optional<std::string> print_redis_acl;  ///< for this user
  // config
  bool example = false;
  // deliver
  std::optional<std::string> discard;
  bool renumber = false;
  // events
  std::int64_t after = 0;
  std::int64_t most_events = 1'000;
  // Of dry runs and replay
  /// text or json; of a dry run markdown, of a replay csv; as the settings say where empty
  std::string listing;
  // replay
  std::optional<Day> from;
  std::optional<Day> to;
  std::optional<std::string> against;  ///< another configuration file
  // members and explain
  std::optional<std::string> symbol;
  std::optional<std::string> universe;
  // history
  tables::ChangeFilter changes;
  tables::JournalPage page{{}, 20, 0};
};

/// A text that answers the command line by itself: help or version.
struct Answer {
  std::string text;
};

/// Reads the command line. \throws Error (usage) for one that can't be used.
std::variant<Options, Answer> parse_command_line(int argc, const char* const* argv);

/// Returns what a command line that can't be used still says soundly of how its failure is shown
/// and announced: format, configuration file, Redis, run id, and whether it was to be a `sync`; the
/// command is `config` where it was not.
Options salvage_command_line(int argc, const char* const* argv);

/// Runs the command and prints its result. \return the exit status. \throws Error for a failure
/// without a report.
int run_command(const Options& options, const Settings& settings, Log& log,
                const io::Interrupt& interrupt);

/// Returns what shells complete: a line `command;names;value;description` for each option of each
/// command, and of the program itself, and for each command one without names.
std::string completion_table();

}  // namespace tickstock::cli
