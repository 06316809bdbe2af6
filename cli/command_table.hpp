#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "options.hpp"

// The commands and their options, as data.
namespace tickstock::cli {

/// Returns the options that are no settings, with the fields of `options`. What follows a slash
/// tells two options of one flag apart.
std::vector<Setting> own_options(Options& options, bool& verbose, bool& quiet);

struct CommandRow {
  const char* name;
  const char* description;
  const char* examples;  ///< one a line; each is in the man page, too
  Command command;
  const char* flags = "";  ///< the options that only some commands have
  Mode mode = Mode::full;
  bool dry_run = false;
  const char* unlisted = "";  ///< accepted without effect, besides those of its kind
  const char* needed = "";    ///< the flags that must be given
  const char* needs = "";     ///< what they are called where one is missing
  const char* hint = "";      ///< what to do then
};

extern const std::array<CommandRow, 18> command_table;

/// The options of a command, separated by blanks. Those without effect are accepted, so that a
/// script can pass the same options to every command, but the help does not list them.
struct CommandFlags {
  std::string all;
  std::string unlisted;  ///< of them
};

CommandFlags flags_of(const CommandRow& row);

/// What the program itself and every command take, besides help and version.
inline constexpr const char* everywhere = "--log-format --color --progress -v,--verbose -q,--quiet";

/// Flags of which only one may be given.
inline constexpr std::array exclusive{"-v -q", "--database-url --database-url-file",
                                      "--redis-url --redis-url-file", "--summary --full",
                                      "--print-sql --print-grants --print-redis-acl"};

/// Returns whether a list of options, separated by blanks, has this one.
bool holds(const std::string& flags, const std::string& flag);

/// Returns under which heading the help lists an option.
std::string group_of(const std::string& flag);

}  // namespace tickstock::cli
