#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "domain/error.hpp"
#include "domain/message.hpp"
#include "events/conversation.hpp"
#include "events/redis_settings.hpp"
#include "events/transport.hpp"
#include "io/wait.hpp"

namespace tickstock::events {

/// One connection to Redis that publishes. Before COMMIT it must not be waited for, so everything
/// is queued, and moves on when asked: with a deadline that is over, only as far as goes without
/// waiting.
class Publisher {
 public:
  explicit Publisher(const RedisSettings& settings);

  /// Queues an event that may be lost, without waiting for anything. Never throws for a Redis that
  /// fails.
  void announce(const Message& message);

  /// Moves on without waiting.
  void nudge() noexcept;

  /// Publishes one event behind all that were queued, and waits for Redis' answer to it. \throws
  /// Error (redis), (interrupted).
  void publish(const Message& message, io::Deadline deadline, io::Patience& patience);

  /// Waits until what was queued is answered. \return false where Redis failed or the time was
  /// over.
  bool flush(io::Deadline deadline, io::Patience& patience) noexcept;

  /// Connects, logs in and asks for the role. \throws Error (redis), (interrupted).
  void connect(io::Deadline deadline, io::Patience& patience);

  /// Whether Redis answered the last event with an error, and may take others.
  [[nodiscard]] bool refused() const { return conversation_.refused(); }
  /// What is only worth a warning: a server that doesn't tell its role.
  [[nodiscard]] const std::string& warning() const { return conversation_.warning(); }

 private:
  /// Moves on until `answered` replies have come or the deadline is over.
  void advance(std::size_t answered, io::Deadline deadline, io::Patience& patience);
  Transport::Progress step();
  /// What came before the connection broke.
  void take_last_words() noexcept;

  RedisSettings settings_;
  Transport transport_;
  bool connected_ = false;
  Conversation conversation_;
  std::optional<Error> failure_;
};

}  // namespace tickstock::events
