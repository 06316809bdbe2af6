#include "signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "domain/error.hpp"

namespace tickstock::cli {

namespace {

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

io::Interrupt catch_signals() {
  if (::pipe2(self_pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ErrorKind::failed, "cannot make a pipe for signals; raise the limit of open files");
  }
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
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
