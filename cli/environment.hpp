#pragma once

#include <optional>
#include <string>

#include "io/wait.hpp"

// What surrounds the program: variables of the environment, files that may hold secrets, signals.
namespace tickstock::cli {

/// A text without the line feed that ends it, as a file or a Kubernetes secret may.
std::string without_line_end(std::string text);

/// Takes the line feed off the end of what libpq reads of the environment itself.
void trim_libpq_variables();

/// A variable of the environment, without a line feed at its end; an empty one counts as not set.
std::optional<std::string> variable(const char* name);

/// What a file holds, and whether nobody but its owner (this user or root) can read it.
struct FileContent {
  std::string text;
  bool is_private;
};

/// \throws Error (config) naming the file where it can't be read or is not a regular file.
FileContent read_file(const std::string& path);

/// \throws Error (config) unless only the owner can read the file.
void require_private(const FileContent& content, const std::string& path);

/// The first line of a private file, without blanks around it.
std::string read_secret_file(const std::string& path);

/// From now on SIGINT, SIGTERM and SIGHUP ask the run to end. \throws Error (failed).
io::Interrupt catch_signals();

/// The signal that came first, or 0.
int caught_signal();

}  // namespace tickstock::cli
