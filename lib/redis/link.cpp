#include "redis/link.hpp"

#include <poll.h>

#include <chrono>
#include <utility>

namespace tickstock::redis {

using io::Deadline;
using io::Readiness;

Link::Link(const RedisSettings& settings, std::string doing)
    : settings_(settings),
      doing_(std::move(doing)),
      transport_(settings),
      conversation_(settings) {}

void Link::connect(Deadline deadline, io::Patience& patience) {
  advance(&Conversation::greetings, deadline.earlier(Deadline::after(settings_.connect_timeout)),
          patience);
}

void Link::advance(std::size_t (Conversation::*wanted)() const, Deadline deadline,
                   io::Patience& patience) {
  require_working();
  bool late = false;
  try {
    while (conversation_.answered() < (conversation_.*wanted)()) {
      const Transport::Progress progress = step();
      if (progress == Transport::Progress::done) continue;
      const bool looking_up = progress == Transport::Progress::wants_time;
      const auto events =
          static_cast<short>(progress == Transport::Progress::wants_write ? POLLOUT : POLLIN);
      // A lookup has no descriptor to wait on.
      const Deadline until = deadline.earlier(
          looking_up ? Deadline::after(std::chrono::milliseconds{5}) : transport_.end_of_address());
      const Readiness readiness = patience.wait(transport_.fd(), events, until);
      if (readiness == Readiness::interrupted) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while " + doing_);
      }
      if (readiness == Readiness::timed_out && (deadline.over() || patience.over())) {
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

Transport::Progress Link::step() {
  if (!connected_) {
    const Transport::Progress progress = transport_.connect();
    connected_ = progress == Transport::Progress::done;
    return progress;
  }
  if (!conversation_.unsent().empty()) {
    try {
      const Transport::Progress progress = transport_.send(conversation_.unsent());
      if (progress != Transport::Progress::done) return progress;
    } catch (const Error&) {
      take_last_words();
      throw;
    }
  }
  std::string bytes;
  const Transport::Progress progress = transport_.receive(bytes);
  if (progress == Transport::Progress::done) conversation_.receive(bytes);
  return progress;
}

void Link::take_last_words() {
  std::string bytes;
  try {
    if (transport_.receive(bytes) != Transport::Progress::done) return;
  } catch (const Error&) {
    // The failure to send is what counts then.
    return;
  }
  conversation_.receive(bytes);
}

}  // namespace tickstock::redis
