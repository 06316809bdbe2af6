#pragma once

#include <string>

namespace tickstock::cli {

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

}  // namespace tickstock::cli
