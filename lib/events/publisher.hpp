#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"
#include "redis/stream.hpp"

namespace tickstock::events {

/// A connection to Redis that publishes. Before COMMIT nothing may wait for Redis, so events are
/// queued, and sent as far as possible without waiting.
class Publisher {
 public:
  explicit Publisher(const redis::RedisSettings& settings, const redis::StreamSettings& stream = {})
      : link_(settings, "publishing events") {
    if (!stream.key.empty()) stream_.emplace(stream, link_);
  }

  /// Queues an event that may be lost, without waiting. Never throws if Redis fails.
  void announce(const Message& message);

  /// Makes progress without waiting.
  void nudge() noexcept;

  /// The outcome of publish().
  struct Published {
    /// How many received each event that Redis has accepted, which are the first ones.
    std::vector<std::int64_t> receivers;
    std::optional<Error> failure;
  };

  /// Publishes events in order, behind those queued before, and waits for Redis' answers. Stored
  /// ones are added to the stream first, behind those that it has lost. They are sent without
  /// waiting for each other, except for the first on a channel: if the user may not publish there,
  /// no later event may overtake it. Never throws.
  Published publish(std::span<const Message> messages, io::Deadline deadline,
                    io::Patience& patience, const PublishedBetween& published_between = {});

  /// Waits until everything queued is answered. \return false if Redis failed or time ran out.
  bool flush(io::Deadline deadline, io::Patience& patience) noexcept;

  /// Connects, logs in and asks for the role. \throws Error (redis), (interrupted).
  void connect(io::Deadline deadline, io::Patience& patience) { link_.connect(deadline, patience); }

  /// Asks whether every kind of event would be accepted, by the stream too, without sending one.
  /// \return Redis' error for the first that would not, empty if all would; nothing if the user may
  /// not ask. \throws Error (redis), (interrupted).
  std::optional<std::string> rehearse(io::Deadline deadline, io::Patience& patience);

  /// Returns whether the last error may pass with a failover.
  [[nodiscard]] bool may_recover() const { return link_.may_recover(); }
  /// Asks the Sentinels again, and connects anew to the primary that one of them names.
  void restart() {
    link_.restart();
    if (stream_) stream_->restart();
    open_channels_.clear();
  }

  /// Returns the server, with the primary where a Sentinel named it.
  [[nodiscard]] const redis::RedisSettings& server() const { return link_.settings(); }
  /// Returns whether Redis refused an event of the last publish(), and may accept others.
  [[nodiscard]] bool refused() const { return link_.conversation().refusal().has_value(); }
  /// Returns whether it is a replica of a Cluster, which publishes as well as its primary.
  [[nodiscard]] bool in_cluster() const { return link_.conversation().in_cluster(); }
  /// Returns a warning about a server that doesn't tell its role, or whose replicas are behind;
  /// empty if there is none.
  [[nodiscard]] const std::string& warning() const {
    return stream_ && !stream_->warning().empty() ? stream_->warning()
                                                  : link_.conversation().warning();
  }

  /// The stream that stored events are put into; null for none.
  [[nodiscard]] redis::Stream* stream() { return stream_ ? &*stream_ : nullptr; }

 private:
  void say(std::span<const Message> messages, io::Deadline deadline, io::Patience& patience);

  redis::Link link_;
  std::optional<redis::Stream> stream_;
  std::set<std::string> open_channels_;  ///< on which Redis has accepted an event
};

/// Returns the latest day that a text names in the form YYYY-MM-DD; nothing if it names none.
std::optional<Day> latest_day_in(std::string_view text);

/// The Redis lists to which an import adds an element when the prices of a day are complete.
class DaySignals {
 public:
  DaySignals(const redis::RedisSettings& settings, std::vector<std::string> lists)
      : link_(settings, "waiting for the end of the day"), lists_(std::move(lists)) {}

  /// Removes every element from the lists. \return whether one was the signal of this day: it names
  /// this day, a later one, or none. \throws Error (redis), after which it may be called again
  /// unless failed(); (interrupted).
  bool take(Day day, io::Deadline deadline, io::Patience& patience);

  /// Returns whether the connection has failed for good.
  [[nodiscard]] bool failed() const { return link_.failed(); }

 private:
  redis::Link link_;
  std::vector<std::string> lists_;
  bool asked_ = false;  ///< and answers are still to come
};

}  // namespace tickstock::events
