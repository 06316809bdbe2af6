#include "process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "temporary_directory.hpp"

namespace tickstock::test {

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail_system(std::string_view what) {
  const int error = errno;
  throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(error)));
}

/// A descriptor that is closed at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Moves a descriptor above the three standard ones, which the child overwrites: the tester's shell
/// may have closed one of them.
int above_standard(int fd) {
  if (fd < 0 || fd > 2) {
    return fd;
  }
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  ::close(fd);
  return moved;
}

/// Creates a file in memory. It captures output better than a pipe: a child never waits for a
/// reader, and a grandchild that holds the descriptor keeps nobody waiting.
int memory_file(const char* name) {
  const int fd = above_standard(::memfd_create(name, MFD_CLOEXEC));
  // Without O_APPEND, processes that share it overwrite each other's output: the kernel guards the
  // position of regular files only.
  if (fd < 0 || ::fcntl(fd, F_SETFL, O_APPEND) != 0) {
    fail_system("memfd_create");
  }
  return fd;
}

std::string contents(int fd) {
  std::string text;
  std::array<char, 65536> buffer;
  while (fd >= 0) {
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      break;
    }
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return text;
}

int open_input(const std::optional<std::string>& input) {
  if (!input) {
    return above_standard(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  const int fd = memory_file("stdin");
  std::string_view rest = *input;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd, rest.data(), rest.size());
    if (n <= 0) {
      fail_system("write to standard input");
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

/// Returns -1 if the caller has its own descriptor for it.
int open_output(const RunOptions& options) {
  if (options.stdout_path) {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    return above_standard(::open(options.stdout_path->c_str(), flags, 0644));
  }
  return options.stdout_fd ? -1 : memory_file("stdout");
}

std::vector<std::string> environment_strings(const Environment& overlay) {
  static const TemporaryDirectory home;
  Environment all = {{"HOME", home.path().string()}, {"LC_ALL", "C.UTF-8"}};
  for (const char* name : {"PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                           "LLVM_PROFILE_FILE"}) {
    if (const char* value = std::getenv(name)) {
      all[name] = value;
    }
  }
  for (const auto& [name, value] : overlay) {
    all[name] = value;
  }
  std::vector<std::string> strings;
  for (const auto& [name, value] : all) {
    if (value) {
      strings.push_back(name + "=" + *value);
    }
  }
  return strings;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& string : strings) {
    result.push_back(string.data());
  }
  result.push_back(nullptr);
  return result;
}

/// Everything that the child needs between fork and exec, prepared before: after fork in a process
/// with threads, only async-signal-safe calls are allowed.
struct Launch {
  char* const* argv;
  char* const* envp;
  const char* directory;
  const RunOptions* options;
  int in, out, err, report;
  pid_t parent;
};

/// Turns the child into the program; reports a failure to the parent as its errno.
[[noreturn]] void become(const Launch& launch) {
  const auto check = [&launch](bool good) {
    if (!good) {
      const int error = errno;
      [[maybe_unused]] const ssize_t ignored = ::write(launch.report, &error, sizeof error);
      ::_exit(127);
    }
  };
  const RunOptions& options = *launch.options;
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal = 1; signal < NSIG; ++signal) {
    static_cast<void>(::signal(signal, SIG_DFL));
  }
  check(::dup2(launch.in, 0) == 0);
  check(::dup2(launch.out, 1) == 1);
  check(::dup2(launch.err, 2) == 2);
  if (options.user) {
    check(::setgroups(1, &options.user->gid) == 0);
    check(::setgid(options.user->gid) == 0);
    check(::setuid(options.user->uid) == 0);
  }
  // After setuid, which would clear it.
  check(::prctl(PR_SET_PDEATHSIG, options.death_signal) == 0);
  if (::getppid() != launch.parent) {
    ::_exit(127);
  }
  check(launch.directory == nullptr || ::chdir(launch.directory) == 0);
  for (const int fd : options.closed_fds) {
    ::close(fd);
  }
  // Close whatever the tester has left open: a test may limit the number of descriptors.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execvpe(launch.argv[0], launch.argv, launch.envp);
  check(false);
  ::_exit(127);
}

int decode(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const RunOptions& options) {
  Descriptor in(open_input(options.input));
  Descriptor out(open_output(options));
  Descriptor err(memory_file("stderr"));
  if (in.get() < 0 || (options.stdout_path && out.get() < 0)) {
    fail_system(options.stdout_path.value_or("/dev/null"));
  }
  std::array<int, 2> report{};
  if (::pipe2(report.data(), O_CLOEXEC) != 0) {
    fail_system("pipe");
  }
  Descriptor report_reader(report[0]);
  Descriptor report_writer(report[1]);

  std::vector<std::string> arguments = argv;
  std::vector<std::string> variables = environment_strings(options.environment);
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> variable_pointers = pointers(variables);
  const Launch launch{argument_pointers.data(),
                      variable_pointers.data(),
                      options.directory ? options.directory->c_str() : nullptr,
                      &options,
                      in.get(),
                      options.stdout_fd.value_or(out.get()),
                      err.get(),
                      report_writer.get(),
                      ::getpid()};
  pid_ = ::fork();
  if (pid_ < 0) {
    fail_system("fork");
  }
  if (pid_ == 0) {
    become(launch);
  }
  ::close(report_writer.release());
  int error = 0;
  if (::read(report_reader.get(), &error, sizeof error) == sizeof error) {
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    throw std::runtime_error(fmt::format("cannot start {}: {}", argv.at(0), std::strerror(error)));
  }
  out_fd_ = options.stdout_path ? -1 : out.release();
  err_fd_ = err.release();
}

Process::~Process() {
  if (pid_ > 0 && !status_) {
    ::kill(-pid_, SIGKILL);  // with what it has started
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int fd : {out_fd_, err_fd_}) {
    if (fd >= 0) {
      ::close(fd);
    }
  }
}

bool Process::running() {
  if (status_) {
    return false;
  }
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended == pid_) {
    status_ = decode(status);
  } else if (ended < 0 && errno != EINTR) {
    fail_system("waitpid");
  }
  return !status_;
}

void Process::send_signal(int signal) {
  if (running() && ::kill(pid_, signal) != 0) {
    fail_system("kill");
  }
}

ProcessResult Process::wait(std::chrono::milliseconds limit) {
  wait_until(
      "the end of a process", [this] { return !running(); }, limit);
  return {*status_, out(), err()};
}

std::string Process::out() const { return contents(out_fd_); }

std::string Process::err() const { return contents(err_fd_); }

ProcessResult run_process(const std::vector<std::string>& argv, const RunOptions& options) {
  Process process(argv, options);
  const auto end = Clock::now() + options.time_limit;
  while (process.running()) {
    if (Clock::now() >= end) {
      throw std::runtime_error(fmt::format(
          "{} did not end within its time limit and was killed; standard error so far: {}",
          fmt::join(argv, " "), process.err()));
    }
    pause_briefly();
  }
  return process.wait();
}

void pause_briefly() { std::this_thread::sleep_for(std::chrono::milliseconds{1}); }

void fail_wait(const std::string& what, std::chrono::milliseconds limit) {
  throw std::runtime_error(
      fmt::format("waited in vain for {}, {} milliseconds", what, limit.count()));
}

}  // namespace tickstock::test
