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

/// Where events are kept for subscribers that were away.
struct StreamSettings {
  std::string key;                    ///< empty for none
  std::int64_t max_length = 100'000;  ///< keeps about this many entries
};

/// A Redis Stream to which stored events are added, each once and in the order of their ids: as an
/// entry `ID-0` with the fields event_id, channel and message. In a Cluster it is located by the
/// redirections (MOVED, ASK) in the nodes' answers.
class Stream {
 public:
  /// \param link a connection to a server; if that doesn't have the stream, another one is opened
  Stream(StreamSettings stream, Link& link) : stream_(std::move(stream)), link_(link) {}

  /// Adds the messages that the stream lacks: all of them or none. If the stream has lost its end,
  /// as when a stale replica took over, adds the events published since then first. The ids must
  /// ascend, and no other publisher may be at work. \throws Error (redis) in Redis' words if it
  /// refuses them, or if an id is not above the stream's last one and another event has it;
  /// (interrupted).
  void append(std::span<const Message> messages, const PublishedBetween& published_between,
              io::Deadline deadline, io::Patience& patience);

  /// Returns for each event whether the stream contains it under its id. \throws Error, as
  /// append().
  std::vector<bool> holds(std::span<const Message> messages, io::Deadline deadline,
                          io::Patience& patience);

  /// \throws Error (redis) if the stream, which has used ids up to `last`, holds another event
  /// under the id of one of these, or none; else as append().
  void require_held(std::span<const Message> messages, std::int64_t last, io::Deadline deadline,
                    io::Patience& patience);

  /// Returns the outbox id up to which the stream has used ids; 0 if there is no stream. \throws
  /// Error, as append().
  std::int64_t last_id(io::Deadline deadline, io::Patience& patience);

  /// Returns whether a failover of a Cluster may resolve the last error: it was down, or the node
  /// that it named could not be reached.
  [[nodiscard]] bool may_recover() const { return is_down_ || (node_ && node_->may_pass()); }
  /// Drops the connection to another node. Call it when the link restarts, or after a failover.
  void restart() {
    node_.reset();
    is_down_ = false;
  }

  [[nodiscard]] const std::string& key() const { return stream_.key; }

  /// Returns a warning if no replica confirmed events in time; empty if there is none.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  using Commands = std::vector<std::vector<std::string>>;

  /// Adds messages at the end of the stream.
  void add(std::span<const Message> messages, io::Deadline deadline, io::Patience& patience);
  /// Asks the node that has the stream.
  std::vector<Reply> ask(const Commands& commands, io::Deadline deadline, io::Patience& patience);
  /// \throws Error (redis) for the first error among answers.
  void require(const std::vector<Reply>& replies);
  [[nodiscard]] Link& node() { return node_ ? *node_ : link_; }

  StreamSettings stream_;
  Link& link_;
  std::unique_ptr<Link> node_;  ///< another node of the Cluster, if that has the stream
  bool is_down_ = false;        ///< whether the Cluster was down at the last request
  std::string warning_;
};

}  // namespace tickstock::redis
