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

/// A connection to Redis for publishing. Nothing may wait for Redis before COMMIT, so events are
/// queued, and sent as far as possible without waiting.
class Publisher {
 public:
  /// \param doing for the error when a signal interrupts
  explicit Publisher(const redis::RedisSettings& settings, const redis::StreamSettings& stream = {},
                     const std::string& doing = "publishing events")
      : link_(settings, doing) {
    if (!stream.key.empty()) stream_.emplace(stream, link_);
  }

  /// Queues an event that may be lost, without waiting. Never throws if Redis fails.
  void announce(const Message& message);

  /// Makes progress without waiting.
  void nudge() noexcept;

  /// Replaces a connection that the server has closed since it was opened, which may be as long ago
  /// as the run began, or that could not be made then. Does not wait. Call it before events that
  /// should arrive.
  void renew();

  /// The outcome of publish().
  struct Published {
    /// How many clients received each accepted event. Accepted events are always the first ones.
    std::vector<std::int64_t> receivers;
    std::optional<Error> failure;
  };

  /// Publishes events in order, after those queued before, and waits for Redis' answers. Stored
  /// events are first added to the stream, after any that it has lost. Sending does not wait for
  /// answers, except for the first event on a channel: if the user may not publish there, no later
  /// event may overtake it. Never throws.
  Published publish(std::span<const Message> messages, io::Deadline deadline,
                    io::Patience& patience, const PublishedBetween& published_between = {});

  /// Waits until everything queued is answered. \return false if Redis failed or time ran out.
  bool flush(io::Deadline deadline, io::Patience& patience) noexcept;

  /// Connects, logs in and asks for the role. \throws Error (redis), (interrupted).
  void connect(io::Deadline deadline, io::Patience& patience) { link_.connect(deadline, patience); }

  /// Checks whether every kind of event would be accepted, also by the stream, and taking from
  /// these lists, without doing it. \return Redis' error for the first that would not; empty if all
  /// would; nothing if the user may not ask. \throws Error (redis), (interrupted).
  std::optional<std::string> rehearse(const std::vector<std::string>& lists, io::Deadline deadline,
                                      io::Patience& patience);

  /// Returns whether a failover may resolve the last error.
  [[nodiscard]] bool may_recover() const {
    return link_.may_recover() || (stream_ && stream_->may_recover());
  }
  /// Asks the Sentinels or the Cluster again, and reconnects to the primary that they name.
  void restart() {
    if (link_.may_recover()) restart_link();
    if (stream_) stream_->restart();
  }

  /// Returns the server, with the primary if a Sentinel named it.
  [[nodiscard]] const redis::RedisSettings& server() const { return link_.settings(); }
  /// Returns whether Redis refused an event of the last publish(), but may accept others.
  [[nodiscard]] bool refused() const { return link_.conversation().refusal().has_value(); }
  /// Returns whether it is a replica of a Cluster, which publishes as well as its primary.
  [[nodiscard]] bool in_cluster() const { return link_.conversation().in_cluster(); }
  /// Returns a warning about a server that doesn't report its role, or whose replicas lag behind;
  /// empty if there is none.
  [[nodiscard]] const std::string& warning() const {
    return stream_ && !stream_->warning().empty() ? stream_->warning()
                                                  : link_.conversation().warning();
  }

  /// Returns the stream that stored events are added to; null for none.
  [[nodiscard]] redis::Stream* stream() { return stream_ ? &*stream_ : nullptr; }

 private:
  void say(std::span<const Message> messages, io::Deadline deadline, io::Patience& patience);
  void restart_link() {
    link_.restart();
    open_channels_.clear();
  }

  redis::Link link_;
  std::optional<redis::Stream> stream_;
  std::set<std::string> open_channels_;  ///< channels on which Redis has accepted an event
};

/// Returns the latest day in a text, in the form YYYY-MM-DD; nothing if there is none.
std::optional<Day> latest_day_in(std::string_view text);

/// The Redis lists to which an import adds an element when the prices of a day are complete.
class DaySignals {
 public:
  DaySignals(const redis::RedisSettings& settings, std::vector<std::string> lists)
      : link_(settings, "waiting for the end of the day"), lists_(std::move(lists)) {}

  /// Removes all elements from the lists. \return whether one was the signal for this day: it names
  /// this day, a later one, or none. \throws Error (redis), after which it may be called again
  /// unless failed(); (interrupted).
  bool take(Day day, io::Deadline deadline, io::Patience& patience);

  /// Returns whether the connection has failed for good.
  [[nodiscard]] bool failed() const { return link_.failed(); }

 private:
  redis::Link link_;
  std::vector<std::string> lists_;
  bool asked_ = false;  ///< whether answers are still outstanding
};

}  // namespace tickstock::events
