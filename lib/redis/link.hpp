#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>
#include <sys/un.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/wait.hpp"
#include "redis/conversation.hpp"

namespace tickstock::redis {

/// A connection to Redis over TCP, TLS or a Unix socket, with its conversation. It makes progress
/// only when called; with a deadline that has passed, only as far as possible without waiting. A
/// failure is final. With TLS the certificate must be trusted and issued for the host, and the
/// protocol 1.2 or newer.
class Link {
 public:
  /// \param doing for the error if a signal interrupts: `publishing events`
  Link(const RedisSettings& settings, std::string doing);
  ~Link() { close_socket(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] Conversation& conversation() { return conversation_; }
  [[nodiscard]] const Conversation& conversation() const { return conversation_; }

  /// Connects, logs in and asks for the role. \throws Error (redis), (interrupted).
  void connect(io::Deadline deadline, io::Patience& patience);

  /// Waits until every command is answered. \throws Error (redis), also if the deadline passes,
  /// which leaves the connection usable; (interrupted).
  void settle(io::Deadline deadline, io::Patience& patience) {
    advance(&Conversation::asked, deadline, patience);
  }

  /// \throws Error, the failure, if there was one.
  void require_working() const {
    if (failure_) throw Error(*failure_);
  }
  [[nodiscard]] bool failed() const { return failure_.has_value(); }

 private:
  /// What a step needs before the next one. It wants time while a name is being looked up.
  enum class Progress { done, wants_read, wants_write, wants_time };

  /// Waits until as many commands are answered as `wanted` says, which an answer may raise.
  void advance(std::size_t (Conversation::*wanted)() const, io::Deadline deadline,
               io::Patience& patience);
  // Each does what can be done at once, and says what comes next. \throws Error (redis).
  Progress look_up();
  /// Turns to the next address.
  Progress try_next_address(const std::string& why_not_last);
  Progress check_connected();
  Progress begin_tls();
  Progress shake_hands();
  Progress talk();
  Progress send();
  Progress receive();
  /// Returns what a call that moved no bytes waits for. \throws Error (redis) if it failed.
  Progress waiting(ssize_t result, Progress wants, std::string_view doing) const;
  /// Returns whether there is another address, and this one has used its share of the time.
  [[nodiscard]] bool is_late() const { return next_address_ != nullptr && end_of_address_.over(); }
  void close_socket();

  RedisSettings settings_;
  std::string doing_;
  Conversation conversation_;
  std::optional<Error> failure_;
  Progress (Link::*step_)() = &Link::look_up;
  std::optional<io::Lookup> lookup_;
  sockaddr_un unix_path_{};
  addrinfo unix_address_{};
  const addrinfo* next_address_ = nullptr;
  std::chrono::milliseconds time_of_address_{0};
  io::Deadline end_of_address_ = io::Deadline::never();
  int fd_ = -1;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_context_{nullptr, &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> tls_{nullptr, &SSL_free};
};

}  // namespace tickstock::redis
