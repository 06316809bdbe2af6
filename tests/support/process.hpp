#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tickstock::test {

/// Variables added to a minimal environment; one without a value is removed from it.
using Environment = std::map<std::string, std::optional<std::string>>;

/// The user and group that a child runs as.
struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct RunOptions {
  /// Added to PATH, HOME (an empty directory), LC_ALL=C.UTF-8 and, if set, the options of the
  /// sanitizers. Nothing else comes from the tester's shell.
  Environment environment = {};
  /// Text for standard input; otherwise /dev/null.
  std::optional<std::string> input = std::nullopt;
  /// Standard output goes to this file instead of ProcessResult::out, e.g. /dev/full.
  std::optional<std::string> stdout_path = std::nullopt;
  /// Standard output goes to this descriptor of the test, e.g. the end of a pipe.
  std::optional<int> stdout_fd = std::nullopt;
  /// Descriptors to close in the child, e.g. 0 for a missing standard input.
  std::vector<int> closed_fds = {};
  /// The working directory; otherwise the test's own.
  std::optional<std::string> directory = std::nullopt;
  /// How long run_process waits for the child.
  std::chrono::milliseconds time_limit{60'000};
  /// Run as another user (root only).
  std::optional<User> user = std::nullopt;
  /// The signal for the child if the thread that started it ends first.
  int death_signal = SIGKILL;
};

struct ProcessResult {
  /// The exit status, or 128+N if signal N ended the process.
  int status = 0;
  std::string out;
  std::string err;
};

/// A child process in its own process group. It is killed and waited for at the end of the scope;
/// the kernel kills it if the thread that started it dies before.
class Process {
 public:
  /// Starts argv[0], looked up in the PATH of the test. \throws std::runtime_error if that fails.
  explicit Process(const std::vector<std::string>& argv, const RunOptions& options = {});
  ~Process();

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  /// Returns whether the child has not ended yet.
  bool running();

  /// Sends a signal to the child alone; to nobody if it has already been waited for.
  void send_signal(int signal);

  /// Waits for the end. \throws std::runtime_error when the limit is over; the child then lives on.
  ProcessResult wait(std::chrono::milliseconds limit = std::chrono::milliseconds{60'000});

  /// Returns what the child has written so far.
  std::string out() const;
  std::string err() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  int out_fd_ = -1;
  int err_fd_ = -1;
};

/// Runs a command to its end. \throws std::runtime_error, after SIGKILL, if it exceeds its time
/// limit.
ProcessResult run_process(const std::vector<std::string>& argv, const RunOptions& options = {});

/// Throws the error of a wait that took too long.
[[noreturn]] void fail_wait(const std::string& what, std::chrono::milliseconds limit);

/// Sleeps between two checks of wait_until.
void pause_briefly();

/// Checks `done` repeatedly until it is true. \throws std::runtime_error naming `what` when the
/// limit is over.
template <typename Condition>
void wait_until(const std::string& what, Condition done,
                std::chrono::milliseconds limit = std::chrono::milliseconds{60'000}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) {
      fail_wait(what, limit);
    }
    pause_briefly();
  }
}

}  // namespace tickstock::test
