#include "secret_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include "domain/error.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t largest_file = 1024UL * 1024;

[[noreturn]] void unusable(const std::string& path, const std::string& why) {
  throw Error(ErrorKind::config, "cannot read the file " + path + ": " + why);
}

/// Closes a descriptor.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

bool has_group(gid_t group) {
  if (group == ::getegid()) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  return std::find(groups.begin(), groups.begin() + std::max(count, 0), group) !=
         groups.begin() + std::max(count, 0);
}

/// Only the owner can read it; or it is root's and can't be written, and read by a group of this
/// process alone, as Kubernetes mounts a secret.
bool is_private(const struct stat& facts) {
  const mode_t mode = facts.st_mode & 07777;
  if ((mode & 077) == 0) return facts.st_uid == ::geteuid() || facts.st_uid == 0;
  return mode == 0440 && facts.st_uid == 0 && has_group(facts.st_gid);
}

}  // namespace

FileContent read_file(const std::string& path) {
  const auto reason = [] { return std::generic_category().message(errno); };
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) unusable(path, reason());
  // Asked of the open file, so that nobody can swap it in between.
  struct stat facts {};
  if (::fstat(file.number, &facts) != 0) unusable(path, reason());
  // What the shell's users name for nothing.
  const bool is_null = S_ISCHR(facts.st_mode) && facts.st_rdev == ::makedev(1, 3);
  if (!S_ISREG(facts.st_mode) && !is_null) unusable(path, "it is not a regular file");

  FileContent content;
  content.is_private = is_null || is_private(facts);
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = ::read(file.number, buffer.data(), buffer.size());
    if (size < 0) unusable(path, reason());
    if (size == 0) return content;
    content.text.append(buffer.data(), static_cast<std::size_t>(size));
    if (content.text.size() > largest_file) unusable(path, "it is larger than 1 MB");
  }
}

void require_private(const FileContent& content, const std::string& path) {
  if (content.is_private) return;
  throw Error(ErrorKind::config,
              "the file " + path +
                  " holds a secret that others can read; make it yours, and run: chmod 600 " +
                  path);
}

std::string read_secret_file(const std::string& path) {
  const FileContent content = read_file(path);
  require_private(content, path);
  std::string line = content.text.substr(0, content.text.find('\n'));
  const std::size_t first = line.find_first_not_of(" \t\r");
  const std::size_t last = line.find_last_not_of(" \t\r");
  if (first == std::string::npos) unusable(path, "its first line is empty");
  return line.substr(first, last - first + 1);
}

}  // namespace tickstock::cli
