#pragma once

#include <optional>
#include <string>

#include "io/wait.hpp"

// The surroundings of the program: environment variables, files that may hold secrets, signals.
namespace tickstock::cli {

/// Returns a text without a trailing line feed, which a file or a Kubernetes secret may have.
std::string without_line_end(std::string text);

/// Removes trailing line feeds from the environment variables that libpq reads itself.
void trim_libpq_variables();

/// Returns an environment variable without a trailing line feed; an empty one counts as unset.
std::optional<std::string> variable(const char* name);

/// The content of a file, and whether only its owner (this user or root) can read it.
struct FileContent {
  std::string text;
  bool is_private;
};

/// Reads a file. \throws Error (config) naming it if it can't be read or is not a regular file, and
/// without naming it if its name is a URL.
FileContent read_file(const std::string& path);

/// \throws Error (config) unless only the owner can read the file.
void require_private(const FileContent& content, const std::string& path);

/// Returns the first line of a private file, without surrounding white space.
std::string read_secret_file(const std::string& path);

/// Makes SIGINT, SIGTERM and SIGHUP ask the run to end from now on. \throws Error (failed).
io::Interrupt catch_signals();

/// Returns the first signal that came, or 0.
int caught_signal();

}  // namespace tickstock::cli
