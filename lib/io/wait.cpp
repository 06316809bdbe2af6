#include "io/wait.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <limits>
#include <system_error>

namespace tickstock::io {

namespace {

/// \param flags in addition to those of every lookup
Addresses look_up(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return {::gai_strerror(error), nullptr};
  return {"", {found, &::freeaddrinfo}};
}

}  // namespace

std::chrono::milliseconds Deadline::left() const {
  using std::chrono::milliseconds;
  if (end_ == Clock::time_point::max()) return milliseconds::max();
  return std::max(std::chrono::ceil<milliseconds>(end_ - Clock::now()), milliseconds{0});
}

Readiness wait_for(int fd, short events, Deadline deadline, const Interrupt& interrupt,
                   int other_fd, const std::function<void()>& tick) {
  const std::chrono::milliseconds longest{tick ? 100 : std::numeric_limits<int>::max()};
  std::array<pollfd, 3> polled{{{interrupt.fd, POLLIN, 0}, {fd, events, 0}, {other_fd, events, 0}}};
  for (;;) {
    if (tick) tick();
    const auto limit = static_cast<int>(std::min(deadline.left(), longest).count());
    const int count = ::poll(polled.data(), polled.size(), limit);
    if (count > 0) return polled[0].revents != 0 ? Readiness::interrupted : Readiness::ready;
    if (count == 0 && deadline.over()) return Readiness::timed_out;
    if (count < 0 && errno != EINTR) return Readiness::timed_out;
  }
}

int write_all(int fd, std::string_view text, const std::function<bool()>& ready) {
  while (!text.empty()) {
    if (!ready()) return ETIMEDOUT;
    // So much fits into a pipe that is ready.
    const ssize_t size = ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (size < 0 && errno != EINTR && errno != EAGAIN) return errno;
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  return 0;
}

Readiness Patience::wait(int fd, short events, Deadline deadline, int other_fd) {
  for (;;) {
    // A signal interrupts settling only once.
    const bool listens = settling_ == 0 || !signalled_;
    if (!listens) deadline = deadline.earlier(Deadline::after(last_words / 3));
    const Readiness readiness = wait_for(fd, events, deadline.earlier(budget_),
                                         listens ? interrupt_ : Interrupt(), other_fd, tick_);
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
  return signalled_ || ran_out() ||
         wait_for(-1, 0, Deadline::now(), interrupt_) == Readiness::interrupted;
}

Settling::Settling(Patience& patience) : patience_(patience) {
  ++patience_.settling_;
  if (patience_.over() && !patience_.signalled_ && !patience_.extended_) {
    patience_.extended_ = true;
    patience_.budget_ = Deadline::after(Patience::last_words);
  }
}

Lookup::Lookup(const std::string& host, const std::string& port)
    : addresses_(look_up(host, port, AI_NUMERICHOST)) {
  if (addresses_.failure.empty()) return;
  try {
    pending_ = in_background([host, port] { return look_up(host, port, AI_ADDRCONFIG); });
  } catch (const std::system_error& error) {
    addresses_.failure = error.what();
  }
}

bool Lookup::done() {
  if (!pending_.valid()) return true;
  if (pending_.wait_for(std::chrono::seconds{0}) != std::future_status::ready) return false;
  addresses_ = pending_.get();
  return true;
}

bool is_numeric_address(const std::string& host) {
  return look_up(host, "0", AI_NUMERICHOST).failure.empty();
}

std::string digits_of(const addrinfo& address) {
  std::array<char, NI_MAXHOST> text{};
  const int error = ::getnameinfo(address.ai_addr, address.ai_addrlen, text.data(), text.size(),
                                  nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? std::string(text.data()) : std::string();
}

}  // namespace tickstock::io
