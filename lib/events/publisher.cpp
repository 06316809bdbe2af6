#include "events/publisher.hpp"

#include <poll.h>

#include <chrono>

namespace tickstock::events {

using io::Deadline;
using io::Readiness;

Publisher::Publisher(const RedisSettings& settings)
    : settings_(settings), transport_(settings), conversation_(settings) {}

void Publisher::announce(const Message& message) {
  if (failure_) return;
  conversation_.announce(message);
  nudge();
}

void Publisher::nudge() noexcept { flush(Deadline::now(), io::Interrupt()); }

void Publisher::connect(Deadline deadline, const io::Interrupt& interrupt) {
  advance(conversation_.greetings(), deadline.earlier(Deadline::after(settings_.connect_timeout)),
          interrupt);
}

void Publisher::publish(const Message& message, Deadline deadline, const io::Interrupt& interrupt) {
  if (failure_) throw Error(*failure_);
  conversation_.publish(message);
  advance(conversation_.asked(), deadline, interrupt);
  conversation_.require_published(message);
}

bool Publisher::flush(Deadline deadline, const io::Interrupt& interrupt) noexcept {
  try {
    advance(conversation_.asked(), deadline, interrupt);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void Publisher::advance(std::size_t answered, Deadline deadline, const io::Interrupt& interrupt) {
  if (failure_) throw Error(*failure_);
  bool late = false;
  try {
    while (conversation_.answered() < answered) {
      const Transport::Progress progress = step();
      if (progress == Transport::Progress::done) continue;
      const bool looking_up = progress == Transport::Progress::wants_time;
      const auto events =
          static_cast<short>(progress == Transport::Progress::wants_write ? POLLOUT : POLLIN);
      // A lookup has no descriptor to wait on.
      const Deadline until =
          looking_up ? deadline.earlier(Deadline::after(std::chrono::milliseconds{5})) : deadline;
      const Readiness readiness = io::wait_for(transport_.fd(), events, until, interrupt);
      if (readiness == Readiness::interrupted) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while publishing events");
      }
      if (readiness == Readiness::timed_out && deadline.over()) {
        late = true;
        throw Error(ErrorKind::redis, "Redis at " + settings_.shown() + ": no answer in time");
      }
    }
  } catch (const Error& error) {
    // A time that is over leaves the connection as it is: the rest may still come.
    if (error.kind() == ErrorKind::redis && !late) failure_ = error;
    throw;
  }
}

Transport::Progress Publisher::step() {
  if (!connected_) {
    const Transport::Progress progress = transport_.connect();
    connected_ = progress == Transport::Progress::done;
    return progress;
  }
  if (!conversation_.unsent().empty()) {
    const Transport::Progress progress = transport_.send(conversation_.unsent());
    if (progress != Transport::Progress::done) return progress;
  }
  std::string bytes;
  const Transport::Progress progress = transport_.receive(bytes);
  if (progress == Transport::Progress::done) conversation_.receive(bytes);
  return progress;
}

}  // namespace tickstock::events
