#pragma once

#include <optional>
#include <string>

#include "domain/error.hpp"
#include "io/wait.hpp"
#include "redis/address.hpp"
#include "redis/conversation.hpp"
#include "redis/transport.hpp"

namespace tickstock::redis {

/// One connection to Redis and what is said over it. It moves on when asked: with a deadline that
/// is over, only as far as goes without waiting. Once it has failed, it stays so.
class Link {
 public:
  /// \param doing what a signal would interrupt
  Link(const RedisSettings& settings, std::string doing);

  [[nodiscard]] Conversation& conversation() { return conversation_; }
  [[nodiscard]] const Conversation& conversation() const { return conversation_; }

  /// Connects, logs in and asks for the role. \throws Error (redis), (interrupted).
  void connect(io::Deadline deadline, io::Patience& patience);

  /// Moves on until all that was said is answered. \throws Error (redis), also when the deadline is
  /// over, which leaves the connection as it is; (interrupted).
  void settle(io::Deadline deadline, io::Patience& patience) {
    advance(&Conversation::asked, deadline, patience);
  }

  /// \throws the failure where there was one.
  void require_working() const {
    if (failure_) throw Error(*failure_);
  }
  [[nodiscard]] bool failed() const { return failure_.has_value(); }

 private:
  /// Moves on until so many replies have come or the deadline is over; an answer may lead to
  /// another question.
  void advance(std::size_t (Conversation::*wanted)() const, io::Deadline deadline,
               io::Patience& patience);
  Transport::Progress step();
  /// Takes what came before the connection broke, such as why. \throws Error, that reason.
  void take_last_words();

  RedisSettings settings_;
  std::string doing_;
  Transport transport_;
  bool connected_ = false;
  Conversation conversation_;
  std::optional<Error> failure_;
};

}  // namespace tickstock::redis
