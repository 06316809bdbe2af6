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

/// The command line, parsed and checked, but not yet merged with the environment and the
/// configuration file. Fields that were not given are empty.
struct Options {
  Command command = Command::task;

  /// The settings given by flags.
  std::vector<Given> given;

  /// Returns whether this is a run that writes.
  [[nodiscard]] bool is_run() const { return command == Command::task && !dry_run; }

  // For every command that connects
  std::optional<std::string> database_url_file;
  std::optional<std::string> redis_url_file;
  std::optional<std::string> config_file;

  // For the tasks
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
  /// text or json; for dry runs also markdown, for history, members and replay also csv; empty for
  /// the setting's value
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

/// Text that answers the command line by itself: help or version.
struct Answer {
  std::string text;
};

/// Parses the command line. \throws Error (usage) if it is invalid.
std::variant<Options, Answer> parse_command_line(int argc, const char* const* argv);

/// Salvages from an invalid command line what determines how its failure is shown and announced:
/// format, configuration file, Redis, run id, and whether it was meant to be a `sync`; if not, the
/// command is `config`.
Options salvage_command_line(int argc, const char* const* argv);

/// Runs the command and prints its result. \return the exit status. \throws Error for a failure
/// without a report.
int run_command(const Options& options, const Settings& settings, Log& log,
                const io::Interrupt& interrupt);

/// Returns the data for shell completion: a line `command;names;value;description` for each option
/// of each command and of the program itself, and one line without names for each command.
std::string completion_table();

/// Returns a text in single quotes, inside which a shell takes everything literally.
std::string shell_quoted(const std::string& text);

}  // namespace tickstock::cli
