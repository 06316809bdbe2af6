#pragma once

#include <filesystem>
#include <string>

namespace tickstock::test {

/// A new empty directory that is removed, with its contents, at the end of the scope.
///
/// It is under /tmp unless a test asks for another place: Unix socket names must stay short, and
/// the user that PostgreSQL runs as must be able to enter, neither of which every TMPDIR
/// guarantees.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent = "/tmp");
  ~TemporaryDirectory();

  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Returns the path of an entry of this directory, whether or not it exists.
  std::string file(const std::string& name) const { return (path_ / name).string(); }

  /// Lets servers that run as another user in.
  void open_to_services() const;

  /// Writes a file into this directory and returns its path; mode as for chmod.
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const;

 private:
  std::filesystem::path path_;
};

/// Returns the content of a file; nothing if it can't be read.
std::string file_text(const std::string& path);

}  // namespace tickstock::test
