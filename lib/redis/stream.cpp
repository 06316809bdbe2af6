#include "redis/stream.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "domain/text.hpp"

namespace tickstock::redis {

namespace {

constexpr int most_redirections = 5;
/// How long a replica has to confirm new entries.
constexpr const char* milliseconds_for_replica = "1000";

/// Returns the element after the one named `name` in a list of names and values; null if there is
/// none.
const Reply* value_of(const Reply& reply, std::string_view name) {
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    if (reply.elements[i].text == name) return &reply.elements[i + 1];
  }
  return nullptr;
}

std::string id_of(const Message& message) { return std::to_string(message.id) + "-0"; }

}  // namespace

void Stream::append(std::span<const Message> messages, const PublishedBetween& published_between,
                    io::Deadline deadline, io::Patience& patience) {
  // Redis has the same error for an id that exists and for one that never did, and accepts the
  // commands that follow. So look first.
  std::int64_t last = last_id(deadline, patience);
  while (last > 0 && last + 1 < messages.front().id) {
    const std::vector<Message> missed = published_between(last, messages.front().id);
    if (missed.empty()) break;
    add(missed, deadline, patience);
    last = missed.back().id;
  }
  const auto fresh = std::ranges::find_if(
      messages, [last](std::int64_t id) { return id > last; }, &Message::id);
  require_held(std::span(messages.begin(), fresh), last, deadline, patience);
  add(std::span(fresh, messages.end()), deadline, patience);
}

void Stream::require_held(std::span<const Message> messages, std::int64_t last,
                          io::Deadline deadline, io::Patience& patience) {
  const std::vector<bool> stands = holds(messages, deadline, patience);
  const auto lacks = std::ranges::find(stands, false);
  if (lacks == stands.end()) return;
  const Message& other = messages[static_cast<std::size_t>(lacks - stands.begin())];
  throw link_.settings().failure(
      fmt::format("the stream {} is at {}, and does not hold event {} under its id {}: the "
                  "database was restored, or another outbox writes there",
                  stream_.key, last, other.event_id, other.id),
      "Run 'tickstock-cache deliver --renumber', or name another stream.");
}

void Stream::add(std::span<const Message> messages, io::Deadline deadline, io::Patience& patience) {
  if (messages.empty()) return;
  Commands additions{{"MULTI"}};
  for (const Message& each : messages) {
    additions.push_back({"XADD", stream_.key, "MAXLEN", "~", std::to_string(stream_.max_length),
                         id_of(each), "event_id", each.event_id, "channel", each.channel, "message",
                         each.body});
  }
  additions.push_back({"EXEC"});
  // The first refusal says why; the last only says that there was one.
  const std::vector<Reply> replies = ask(additions, deadline, patience);
  require(replies);
  require(replies.back().elements);
  // A primary watched by Sentinels has replicas, even if they are not back yet after a restart.
  if (node().conversation().replicas() == 0 && link_.settings().master.empty()) return;
  const std::vector<Reply> confirmed =
      ask({{"WAIT", "1", milliseconds_for_replica}}, deadline, patience);
  if (!confirmed.front().is_error() && confirmed.front().text != "0") return;
  warning_ = fmt::format(
      "no replica of Redis at {} has confirmed the stream {} within a second, so a failover now "
      "could lose its newest events",
      link_.settings().name(), stream_.key);
}

std::vector<bool> Stream::holds(std::span<const Message> messages, io::Deadline deadline,
                                io::Patience& patience) {
  Commands looks;
  for (const Message& each : messages) {
    looks.push_back({"XRANGE", stream_.key, id_of(each), id_of(each)});
  }
  const std::vector<Reply> found = ask(looks, deadline, patience);
  require(found);
  std::vector<bool> stands;
  for (const Message& each : messages) {
    const std::vector<Reply>& entries = found[stands.size()].elements;
    const bool has_fields = entries.size() == 1 && entries[0].elements.size() == 2;
    const Reply* event_id = has_fields ? value_of(entries[0].elements[1], "event_id") : nullptr;
    stands.push_back(event_id != nullptr && event_id->text == each.event_id);
  }
  return stands;
}

std::int64_t Stream::last_id(io::Deadline deadline, io::Patience& patience) {
  const std::vector<Reply> info = ask({{"XINFO", "STREAM", stream_.key}}, deadline, patience);
  if (info.front().refuses_with("ERR no such key")) return 0;
  require(info);
  const Reply* id = value_of(info.front(), "last-generated-id");
  const std::string text = id == nullptr ? "" : id->text;
  const auto last = number_of<std::int64_t>(text.substr(0, text.find('-')));
  if (!last) throw link_.settings().failure("its answer to XINFO is not understood");
  return *last;
}

std::vector<Reply> Stream::ask(const Commands& commands, io::Deadline deadline,
                               io::Patience& patience) {
  if (commands.empty()) return {};
  std::unique_ptr<Link> other;  // to ask just this once
  for (int redirections = 0;; ++redirections) {
    Link& link = other ? *other : node();
    bool in_transaction = false;
    for (const auto& command : commands) {
      // It applies to one command, or to a whole transaction.
      if (other && !in_transaction) link.conversation().ask({"ASKING"}, false);
      link.conversation().ask(command);
      in_transaction = (in_transaction || command.front() == "MULTI") && command.front() != "EXEC";
    }
    link.settle(deadline, patience);
    std::vector<Reply> replies = link.conversation().take_replies();
    const auto error = std::ranges::find(replies, true, &Reply::is_error);
    if (error == replies.end()) return replies;
    const bool moved = error->refuses_with("MOVED ");
    if ((!moved && !error->refuses_with("ASK ")) || redirections == most_redirections) {
      return replies;
    }
    RedisSettings settings = link.settings();
    settings.sentinels.clear();
    settings.master.clear();
    const std::string address = error->text.substr(error->text.rfind(' ') + 1);
    const std::size_t colon = address.rfind(':');
    settings.port = address.substr(std::min(colon, address.size() - 1) + 1);
    // A node that doesn't know the other's name leaves it out, or puts a question mark for it.
    const std::string host = colon == std::string::npos ? "" : address.substr(0, colon);
    if (!host.empty() && host != "?") settings.host = host;
    if (settings.transport == RedisSettings::Transport::unix_socket) {
      settings.transport = RedisSettings::Transport::tcp;
    }
    std::unique_ptr<Link>& next = moved ? node_ : other;
    next = std::make_unique<Link>(settings, "publishing events");
    next->connect(deadline, patience);
    if (moved) other.reset();
  }
}

void Stream::require(const std::vector<Reply>& replies) {
  for (const Reply& each : replies) {
    if (!each.is_error()) continue;
    is_down_ = each.refuses_with("CLUSTERDOWN");
    std::string hint;
    if (each.refuses_with("WRONGTYPE")) hint = "Name another key in [events] stream.";
    if (each.refuses_with("NOPERM")) hint = permissions_hint;
    if (each.refuses_with("OOM")) hint = "Give Redis more memory, or keep a shorter stream.";
    throw link_.settings().failure(
        fmt::format("the stream {} is refused: {}", stream_.key, each.text), hint);
  }
}

}  // namespace tickstock::redis
