#include "events/publisher.hpp"

#include <poll.h>

#include <algorithm>
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

void Publisher::nudge() noexcept {
  io::Patience unshared;
  flush(Deadline::now(), unshared);
}

void Publisher::connect(Deadline deadline, io::Patience& patience) {
  advance(conversation_.greetings(), deadline.earlier(Deadline::after(settings_.connect_timeout)),
          patience);
}

Publisher::Published Publisher::publish(std::span<const Message> messages, Deadline deadline,
                                        io::Patience& patience) {
  Published published;
  if (messages.empty()) return published;
  // An answer that comes late, to an event that was given up before, says nothing of these.
  const std::size_t before = conversation_.taken() + conversation_.unanswered();
  try {
    say(messages, deadline, patience);
  } catch (const Error& error) {
    published.failure = error;
  }
  published.taken = std::max(conversation_.taken(), before) - before;
  if (!conversation_.refused()) return published;
  try {
    // A server that closes the connection over an event says why before.
    conversation_.require_published(messages[published.taken]);
  } catch (const Error& error) {
    published.failure = error;
  }
  return published;
}

void Publisher::say(std::span<const Message> messages, Deadline deadline, io::Patience& patience) {
  if (failure_) throw Error(*failure_);
  for (const Message& message : messages) {
    const bool is_first = !open_channels_.contains(message.channel);
    if (is_first) advance(conversation_.asked(), deadline, patience);
    conversation_.publish(message);
    if (!is_first) continue;
    advance(conversation_.asked(), deadline, patience);
    if (conversation_.refused()) return;
    open_channels_.insert(message.channel);
  }
  advance(conversation_.asked(), deadline, patience);
}

bool Publisher::flush(Deadline deadline, io::Patience& patience) noexcept {
  try {
    advance(conversation_.asked(), deadline, patience);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void Publisher::advance(std::size_t answered, Deadline deadline, io::Patience& patience) {
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
      const Readiness readiness = patience.wait(transport_.fd(), events, until);
      if (readiness == Readiness::interrupted) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while publishing events");
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

Transport::Progress Publisher::step() {
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

void Publisher::take_last_words() noexcept {
  try {
    std::string bytes;
    if (transport_.receive(bytes) == Transport::Progress::done) conversation_.receive(bytes);
  } catch (const std::exception&) {
    // The failure to send is what counts then.
  }
}

}  // namespace tickstock::events
