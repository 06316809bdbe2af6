#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"
#include "redis/link.hpp"

namespace tickstock::events {

/// One connection to Redis that publishes. Before COMMIT it must not be waited for, so everything
/// is queued, and moves on when asked: with a deadline that is over, only as far as goes without
/// waiting.
class Publisher {
 public:
  explicit Publisher(const redis::RedisSettings& settings) : link_(settings, "publishing events") {}

  /// Queues an event that may be lost, without waiting for anything. Never throws for a Redis that
  /// fails.
  void announce(const Message& message);

  /// Moves on without waiting.
  void nudge() noexcept;

  /// What came of some events.
  struct Published {
    std::size_t taken = 0;  ///< how many of them, from the front, Redis has taken
    std::optional<Error> failure;
  };

  /// Publishes events behind all that were queued, in their order, and waits for Redis' answers.
  /// They go out without waiting for each other, except that the first on a channel is waited for:
  /// what the user may not publish there must not be overtaken. Never throws.
  Published publish(std::span<const Message> messages, io::Deadline deadline,
                    io::Patience& patience);

  /// Waits until what was queued is answered. \return false where Redis failed or the time was
  /// over.
  bool flush(io::Deadline deadline, io::Patience& patience) noexcept;

  /// Connects, logs in and asks for the role. \throws Error (redis), (interrupted).
  void connect(io::Deadline deadline, io::Patience& patience) { link_.connect(deadline, patience); }

  /// Asks whether every kind of event would be taken, without anybody hearing of one. \return
  /// Redis' words against the first that would not be, empty where all would; nothing where the
  /// user may not ask. \throws Error (redis), (interrupted).
  std::optional<std::string> rehearse(io::Deadline deadline, io::Patience& patience);

  /// Whether Redis answered an event of the last publish() with an error, and may take others.
  [[nodiscard]] bool refused() const { return link_.conversation().refusal().has_value(); }
  /// Whether it is a replica of a Cluster, which publishes as well as its primary.
  [[nodiscard]] bool in_cluster() const { return link_.conversation().in_cluster(); }
  /// What is only worth a warning: a server that doesn't tell its role.
  [[nodiscard]] const std::string& warning() const { return link_.conversation().warning(); }

 private:
  void say(std::span<const Message> messages, io::Deadline deadline, io::Patience& patience);

  redis::Link link_;
  std::set<std::string> open_channels_;  ///< on which Redis has taken an event
};

/// Returns the latest day that a text names in the form YYYY-MM-DD; nothing where it names none.
std::optional<Day> latest_day_in(std::string_view text);

/// The lists of Redis onto which an import puts an element when the prices of a day are complete.
class DaySignals {
 public:
  DaySignals(const redis::RedisSettings& settings, std::vector<std::string> lists)
      : link_(settings, "waiting for the end of the day"), lists_(std::move(lists)) {}

  /// Takes all that is on the lists. \return whether the signal of this day was among it: an
  /// element that names no earlier day alone. \throws Error (redis), after which it may be called
  /// again unless failed(); (interrupted).
  bool take(Day day, io::Deadline deadline, io::Patience& patience);

  /// Whether the connection is of no more use.
  [[nodiscard]] bool failed() const { return link_.failed(); }

 private:
  redis::Link link_;
  std::vector<std::string> lists_;
  bool asked_ = false;  ///< with answers still to come
};

}  // namespace tickstock::events
