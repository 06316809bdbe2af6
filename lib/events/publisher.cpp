#include "events/publisher.hpp"

#include <algorithm>
#include <utility>

#include "events/messages.hpp"

namespace tickstock::events {

using io::Deadline;

void Publisher::announce(const Message& message) {
  if (link_.failed()) return;
  link_.conversation().ask({"PUBLISH", message.channel, message.body}, false);
  nudge();
}

void Publisher::nudge() noexcept {
  io::Patience unshared;
  flush(Deadline::now(), unshared);
}

void Publisher::renew() {
  nudge();
  if (link_.is_stale()) restart_link();
}

Publisher::Published Publisher::publish(std::span<const Message> messages, Deadline deadline,
                                        io::Patience& patience,
                                        const PublishedBetween& published_between) {
  Published published;
  if (messages.empty()) return published;
  const redis::Conversation& conversation = link_.conversation();
  // A late answer to an event of an earlier call must not count for these.
  const std::size_t before = conversation.receivers().size() + conversation.unanswered();
  try {
    if (stream_ && messages.front().id > 0) {
      stream_->append(messages, published_between, deadline, patience);
    }
    say(messages, deadline, patience);
  } catch (const Error& error) {
    published.failure = error;
  }
  const std::vector<std::int64_t>& receivers = conversation.receivers();
  const std::size_t old = std::min(before, receivers.size());
  published.receivers.assign(receivers.begin() + static_cast<std::ptrdiff_t>(old), receivers.end());
  // A server that closes the connection because of an event says why first.
  if (conversation.refusal()) published.failure = conversation.refusal();
  return published;
}

void Publisher::say(std::span<const Message> messages, Deadline deadline, io::Patience& patience) {
  link_.require_working();
  for (const Message& message : messages) {
    const bool is_first = !open_channels_.contains(message.channel);
    if (is_first) link_.settle(deadline, patience);
    link_.conversation().publish(message);
    if (!is_first) continue;
    link_.settle(deadline, patience);
    if (refused()) return;
    open_channels_.insert(message.channel);
  }
  link_.settle(deadline, patience);
}

std::optional<std::string> Publisher::rehearse(const std::vector<std::string>& lists,
                                               Deadline deadline, io::Patience& patience) {
  std::vector<std::string> channels;
  for (const EventKind& kind : event_kinds) channels.emplace_back(kind.channel);
  link_.conversation().rehearse(std::move(channels), stream_ ? stream_->key() : "", lists);
  link_.settle(deadline, patience);
  return link_.conversation().rehearsal();
}

bool Publisher::flush(Deadline deadline, io::Patience& patience) noexcept {
  try {
    link_.settle(deadline, patience);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

std::optional<Day> latest_day_in(std::string_view text) {
  constexpr std::size_t size = 10;
  std::optional<Day> latest;
  for (std::size_t at = 0; at + size <= text.size(); ++at) {
    if (const auto day = parse_day(text.substr(at, size))) latest = std::max(latest, day);
  }
  return latest;
}

bool DaySignals::take(Day day, Deadline deadline, io::Patience& patience) {
  redis::Conversation& conversation = link_.conversation();
  bool signalled = false;
  std::optional<Error> refusal;
  for (bool is_empty = false; !is_empty;) {
    // Late answers to an earlier request may bring the signal.
    if (!std::exchange(asked_, true)) {
      for (const std::string& list : lists_) conversation.ask({"LPOP", list});
    }
    try {
      link_.settle(deadline, patience);
    } catch (const Error& error) {
      // A signal already removed from its list must not be lost because the next request failed.
      if (signalled && error.kind() == ErrorKind::redis) return true;
      throw;
    }
    asked_ = false;
    is_empty = true;
    for (const redis::Reply& reply : conversation.take_replies()) {
      if (reply.type == REDIS_REPLY_STRING) {
        is_empty = false;
        signalled = signalled || latest_day_in(reply.text).value_or(day) >= day;
      } else if (reply.type != REDIS_REPLY_NIL) {
        refusal =
            link_.settings().failure(reply.is_error() ? "a list can't be read: " + reply.text
                                                      : "its answer to LPOP is not an element");
      }
    }
  }
  if (refusal && !signalled) throw Error(*refusal);
  return signalled;
}

}  // namespace tickstock::events
