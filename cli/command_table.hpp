#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "options.hpp"

// The commands and their options, as data.
namespace tickstock::cli {

/// Returns the options that are not settings, bound to the fields of `options`. A slash and what
/// follows it tell apart two options with the same flag.
std::vector<Setting> own_options(Options& options, bool& verbose, bool& quiet);

struct CommandRow {
  const char* name;
  const char* description;
  const char* examples;  ///< one per line; the man page has each of them too
  Command command;
  const char* flags = "";  ///< options that only some commands have
  Mode mode = Mode::full;
  bool dry_run = false;
  const char* unlisted = "";  ///< accepted without effect, besides those of its kind
  const char* needed = "";    ///< the flags that must be given
  const char* needs = "";     ///< what they are called where one is missing
  const char* hint = "";      ///< what to do then
};

extern const std::array<CommandRow, 18> command_table;

/// The options of a command, separated by spaces. Some are accepted without effect, so that a
/// script can pass the same options to every command; the help does not list those.
struct CommandFlags {
  std::string all;
  std::string unlisted;  ///< the ones without effect
};

CommandFlags flags_of(const CommandRow& row);

/// The options of the program itself and of every command, besides help and version.
inline constexpr const char* everywhere = "--log-format --color --progress -v,--verbose -q,--quiet";

/// Groups of flags that cannot be combined.
inline constexpr std::array exclusive{"-v -q", "--database-url --database-url-file",
                                      "--redis-url --redis-url-file", "--summary --full",
                                      "--print-sql --print-grants --print-redis-acl"};

/// Returns whether a list of options, separated by spaces, contains this one.
bool holds(const std::string& flags, const std::string& flag);

/// Returns the heading under which the help lists an option.
std::string group_of(const std::string& flag);

}  // namespace tickstock::cli
