#include "io/wait.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace tickstock::io {

std::chrono::milliseconds Deadline::left() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
  return std::max(left, std::chrono::milliseconds{0});
}

bool Interrupt::raised() const {
  return fd_ >= 0 && wait_for(-1, 0, Deadline::now(), *this) == Readiness::interrupted;
}

Readiness wait_for(int fd, short events, Deadline deadline, const Interrupt& interrupt) {
  std::array<pollfd, 2> fds{{{fd, events, 0}, {interrupt.fd(), POLLIN, 0}}};
  for (;;) {
    const auto limit = std::min<std::chrono::milliseconds::rep>(deadline.left().count(),
                                                                std::numeric_limits<int>::max());
    const int count = ::poll(fds.data(), fds.size(), static_cast<int>(limit));
    if (count > 0) return fds[1].revents != 0 ? Readiness::interrupted : Readiness::ready;
    if (count == 0 && deadline.over()) return Readiness::timed_out;
    if (count < 0 && errno != EINTR) return Readiness::timed_out;
  }
}

bool pause(std::chrono::milliseconds time, const Interrupt& interrupt) {
  return wait_for(-1, 0, Deadline::after(time), interrupt) != Readiness::interrupted;
}

}  // namespace tickstock::io
