#include "environment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "domain/error.hpp"
#include "domain/text.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t largest_file = 1024UL * 1024;
constexpr const char* check_path = "Check the path and its permissions.";

[[noreturn]] void unusable(const std::string& path, const std::string& why, const char* hint) {
  throw Error(ErrorKind::config, "cannot read the file " + path + ": " + why,
              {.object = path, .hint = hint});
}

/// Closes a descriptor, which does no harm if it could not be opened.
struct Descriptor {
  int number;
  ~Descriptor() { ::close(number); }
};

/// Returns whether only the owner can read it. Also accepts a file of root that can't be written
/// and that only a group or an access control list opens to this process: that is how Kubernetes
/// mounts a secret, and how systemd passes a credential.
bool is_private(const struct stat& facts) {
  const mode_t mode = facts.st_mode & 07777;
  if ((mode & 077) == 0) return facts.st_uid == ::geteuid() || facts.st_uid == 0;
  const bool in_group = facts.st_gid == ::getegid() || ::group_member(facts.st_gid) != 0;
  const bool by_list = !in_group && ::geteuid() != 0;  // since it could be opened
  return mode == 0440 && facts.st_uid == 0 && (in_group || by_list);
}

std::array<int, 2> self_pipe{-1, -1};
volatile std::sig_atomic_t first_signal = 0;

void on_signal(int number) {
  const int saved = errno;
  if (first_signal == 0) first_signal = number;
  // Every wait polls the other end.
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = ::write(self_pipe[1], &byte, 1);
  errno = saved;
}

}  // namespace

std::string without_line_end(std::string text) {
  if (!text.ends_with('\n')) return text;
  text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

void trim_libpq_variables() {
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry = *each;
    if (entry.starts_with("PG")) (*each)[without_line_end(std::string(entry)).size()] = '\0';
  }
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = without_line_end(value == nullptr ? "" : value);
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

FileContent read_file(const std::string& path) {
  // Don't repeat it: it could hold a password.
  if (is_url(path)) {
    throw Error(ErrorKind::config, "the name of a file is a URL",
                {.hint = "Write the URL into a file, and name that file."});
  }
  const auto reason = [] { return std::generic_category().message(errno); };
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) unusable(path, reason(), check_path);
  // Ask about the open file, so that nobody can swap it in between.
  struct stat facts {};
  if (::fstat(file.number, &facts) != 0) unusable(path, reason(), check_path);
  // Shell users pass /dev/null for an empty file.
  const bool is_null = S_ISCHR(facts.st_mode) && facts.st_rdev == ::makedev(1, 3);
  if (!S_ISREG(facts.st_mode) && !is_null) {
    unusable(path, "it is not a regular file", "Name one that is.");
  }

  FileContent content;
  content.is_private = is_null || is_private(facts);
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = ::read(file.number, buffer.data(), buffer.size());
    if (size < 0) unusable(path, reason(), check_path);
    if (size == 0) return content;
    content.text.append(buffer.data(), static_cast<std::size_t>(size));
    if (content.text.size() > largest_file) unusable(path, "it is larger than 1 MB", "Shorten it.");
  }
}

void require_private(const FileContent& content, const std::string& path) {
  if (content.is_private) return;
  throw Error(ErrorKind::config, "the file " + path + " holds a secret that others can read",
              {.object = path, .hint = "Make it yours, and run 'chmod 600 " + path + "'."});
}

std::string read_secret_file(const std::string& path) {
  const FileContent content = read_file(path);
  require_private(content, path);
  const std::string_view text = content.text;
  const std::string_view line = trimmed(text.substr(0, text.find('\n')));
  if (line.empty()) unusable(path, "its first line is empty", "Write the address there.");
  return std::string(line);
}

io::Interrupt catch_signals() {
  if (::pipe2(self_pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ErrorKind::failed, "cannot make a pipe for signals",
                {.hint = "Raise the limit of open files."});
  }
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigfillset(&action.sa_mask);  // the first one counts, so none comes in between
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    // What the caller has switched off (nohup) stays off.
    struct sigaction before {};
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
      sigaction(number, &action, nullptr);
    }
  }
  return {self_pipe[0]};
}

int caught_signal() { return first_signal; }

}  // namespace tickstock::cli
