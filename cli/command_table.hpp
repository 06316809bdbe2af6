#pragma once

#include <array>
#include <string>
#include <vector>

#include "options.hpp"

// The commands and their options, as data.
namespace tickstock::cli {

/// Returns the options that are not settings, bound to the fields of `options`. A slash and what
/// follows it tell apart two options with the same flag.
std::vector<Setting> own_options(Options& options, bool& verbose, bool& quiet);

/// An argument or options that must be given.
struct Needed {
  const char* flags = "";
  const char* called = "";  ///< what they are called where one is missing
  const char* hint = "";    ///< what to do then
};

struct CommandRow {
  const char* name;
  const char* description;
  const char* examples;  ///< one per line; the man page has each of them too
  Command command;
  const char* flags;  ///< options that only some commands have
  /// Options without effect: accepted, so that a script can pass the same ones to every command,
  /// but not listed by the help.
  const char* unlisted = "";
  Needed needed = {};
  Mode mode = Mode::full;
  bool dry_run = false;
};

extern const std::array<CommandRow, 18> command_table;

/// Returns all options of a command, separated by spaces.
std::string flags_of(const CommandRow& row);

/// The options of the program itself and of every command, besides help and version.
inline constexpr const char* everywhere = "--log-format --color --progress -v,--verbose -q,--quiet";

/// Groups of flags that cannot be combined.
inline constexpr std::array exclusive{"-v -q",
                                      "--discard --renumber",
                                      "--database-url --database-url-file",
                                      "--redis-url --redis-url-file",
                                      "--summary --full",
                                      "--print-sql --print-grants --print-redis-acl"};

/// Returns whether a list of options, separated by spaces, contains this one.
bool holds(const std::string& flags, const std::string& flag);

/// Returns the heading under which the help lists an option.
std::string group_of(const std::string& flag);

}  // namespace tickstock::cli
