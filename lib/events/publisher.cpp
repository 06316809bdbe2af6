#include "events/publisher.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "events/messages.hpp"

namespace tickstock::events {

using io::Deadline;

Publisher::Publisher(const redis::RedisSettings& settings) : link_(settings, "publishing events") {}

void Publisher::announce(const Message& message) {
  if (link_.failed()) return;
  link_.conversation().announce(message);
  nudge();
}

void Publisher::nudge() noexcept {
  io::Patience unshared;
  flush(Deadline::now(), unshared);
}

Publisher::Published Publisher::publish(std::span<const Message> messages, Deadline deadline,
                                        io::Patience& patience) {
  Published published;
  if (messages.empty()) return published;
  const redis::Conversation& conversation = link_.conversation();
  // An answer that comes late, to an event that was given up before, says nothing of these.
  const std::size_t before = conversation.taken() + conversation.unanswered();
  try {
    say(messages, deadline, patience);
  } catch (const Error& error) {
    published.failure = error;
  }
  published.taken = std::max(conversation.taken(), before) - before;
  // A server that closes the connection over an event says why before.
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

std::optional<std::string> Publisher::rehearse(Deadline deadline, io::Patience& patience) {
  std::vector<std::string> channels;
  for (const EventKind& kind : event_kinds) channels.emplace_back(kind.channel);
  link_.conversation().rehearse(std::move(channels));
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

}  // namespace tickstock::events
