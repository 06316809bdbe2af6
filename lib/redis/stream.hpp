#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "domain/run.hpp"
#include "redis/link.hpp"

namespace tickstock::redis {

/// Where events are kept for who was away.
struct StreamSettings {
  std::string key;                    ///< empty for none
  std::int64_t max_length = 100'000;  ///< about so many entries are kept
};

/// A Redis Stream into which stored events are put, each once and in the order of their ids: an
/// entry `ID-0` with the fields event_id, channel and message. In a Cluster it is found by what the
/// nodes answer (MOVED, ASK).
class Stream {
 public:
  /// \param link to a server; another connection is made where that doesn't have the stream
  Stream(StreamSettings stream, Link& link) : stream_(std::move(stream)), link_(link) {}

  /// Adds the messages that the stream lacks: all of them or none. Where the stream has lost its
  /// end, as a stale replica that took over has, adds what was published since first. The ids must
  /// ascend, and no other publisher may be at work. \throws Error (redis) in Redis' words where it
  /// refuses them; also where an id is at or below the stream's last and another event has it;
  /// (interrupted).
  void append(std::span<const Message> messages, const PublishedBetween& published_between,
              io::Deadline deadline, io::Patience& patience);

  /// Returns for each event whether it stands in the stream under its id. \throws Error, as
  /// append().
  std::vector<bool> holds(std::span<const Message> messages, io::Deadline deadline,
                          io::Patience& patience);

  /// Returns the id of the outbox up to which the stream's ids are used; 0 where there is no
  /// stream. \throws Error, as append().
  std::int64_t last_id(io::Deadline deadline, io::Patience& patience);

  /// Forgets another node, once the link begins anew.
  void restart() { node_.reset(); }

  [[nodiscard]] const std::string& key() const { return stream_.key; }

  /// Returns a warning where no replica has confirmed events in time; empty if there is none.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  using Commands = std::vector<std::vector<std::string>>;

  /// Adds messages behind the stream's last.
  void add(std::span<const Message> messages, io::Deadline deadline, io::Patience& patience);
  /// Asks the node that has the stream.
  std::vector<Reply> ask(const Commands& commands, io::Deadline deadline, io::Patience& patience);
  /// \throws Error (redis) for the first error among answers.
  void require(const std::vector<Reply>& replies) const;
  [[nodiscard]] Link& node() { return node_ ? *node_ : link_; }

  StreamSettings stream_;
  Link& link_;
  std::unique_ptr<Link> node_;  ///< of a Cluster, where it is another
  std::string warning_;
};

}  // namespace tickstock::redis
