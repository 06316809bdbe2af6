#include "io/wait.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace tickstock::io {

std::chrono::milliseconds Deadline::left() const {
  using std::chrono::milliseconds;
  if (end_ == Clock::time_point::max()) return milliseconds::max();
  return std::max(std::chrono::ceil<milliseconds>(end_ - Clock::now()), milliseconds{0});
}

Readiness wait_for(std::span<const int> fds, short events, Deadline deadline,
                   const Interrupt& interrupt) {
  std::array<pollfd, 3> polled{{{interrupt.fd(), POLLIN, 0}, {-1, events, 0}, {-1, events, 0}}};
  for (std::size_t i = 0; i < fds.size(); ++i) polled.at(i + 1).fd = fds[i];
  for (;;) {
    const auto limit = std::min<std::chrono::milliseconds::rep>(deadline.left().count(),
                                                                std::numeric_limits<int>::max());
    const int count = ::poll(polled.data(), polled.size(), static_cast<int>(limit));
    if (count > 0) return polled[0].revents != 0 ? Readiness::interrupted : Readiness::ready;
    if (count == 0 && deadline.over()) return Readiness::timed_out;
    if (count < 0 && errno != EINTR) return Readiness::timed_out;
  }
}

Readiness Patience::wait_ticking(std::span<const int> fds, short events, Deadline deadline,
                                 const Interrupt& interrupt) {
  if (!tick_) return wait_for(fds, events, deadline, interrupt);
  constexpr std::chrono::milliseconds time_between{100};
  for (;;) {
    tick_();
    const Readiness readiness =
        wait_for(fds, events, deadline.earlier(Deadline::after(time_between)), interrupt);
    if (readiness != Readiness::timed_out || deadline.over()) return readiness;
  }
}

Readiness Patience::wait(std::span<const int> fds, short events, Deadline deadline) {
  for (;;) {
    // Whoever settles hears of a signal once.
    const bool listens = settling_ == 0 || !signalled_;
    if (!listens) deadline = deadline.earlier(Deadline::after(last_words / 3));
    const Readiness readiness =
        wait_ticking(fds, events, deadline.earlier(budget_), listens ? interrupt_ : Interrupt());
    if (readiness != Readiness::interrupted) return readiness;
    if (!signalled_) {
      signalled_ = true;
      budget_ = budget_.earlier(Deadline::after(last_words));
    }
    if (settling_ == 0) return readiness;
  }
}

bool Patience::pause(std::chrono::milliseconds time) {
  return wait(-1, 0, Deadline::after(time)) != Readiness::interrupted;
}

bool Patience::ending() const {
  return signalled_ || over() ||
         wait_for(-1, 0, Deadline::now(), interrupt_) == Readiness::interrupted;
}

Settling::Settling(Patience& patience) : patience_(patience) {
  ++patience_.settling_;
  if (patience_.over() && !patience_.signalled_ && !patience_.extended_) {
    patience_.extended_ = true;
    patience_.budget_ = Deadline::after(Patience::last_words);
  }
}

}  // namespace tickstock::io
