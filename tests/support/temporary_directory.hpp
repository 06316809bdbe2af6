#pragma once

#include <filesystem>
#include <string>

namespace tickstock::test {

/// A new empty directory that is removed, with all that stands in it, at the end of the scope.
///
/// It is made under /tmp unless a test asks for another place: Unix socket names must stay short,
/// and the user that PostgreSQL runs as must be able to enter, neither of which can be said of
/// every TMPDIR.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent = "/tmp");
  ~TemporaryDirectory();

  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// The path of an entry of this directory, whether it exists or not.
  std::string file(const std::string& name) const { return (path_ / name).string(); }

  /// Lets servers that run as somebody else in.
  void open_to_services() const;

  /// Writes a file into this directory and returns its path; mode as for chmod.
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const;

 private:
  std::filesystem::path path_;
};

/// What a file holds; nothing where it can't be read.
std::string file_text(const std::string& path);

}  // namespace tickstock::test
