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

using TlsContext = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

/// Returns what TLS needs from the settings: what to trust, and the certificate to present. \throws
/// Error (redis) naming the file that can't be used.
TlsContext make_tls_context(const RedisSettings& settings);

/// A connection to Redis over TCP, TLS or a Unix socket, with its conversation. If the settings
/// name Sentinels, it first asks them in turn for the primary. It makes progress only when called,
/// and with an expired deadline only as far as it can without waiting. A failure is final until
/// restart(). With TLS, the certificate must be trusted and issued for the host, and the protocol
/// must be 1.2 or newer.
class Link {
 public:
  /// \param doing for the error when a signal interrupts: `publishing events`
  Link(RedisSettings settings, std::string doing);
  ~Link() { close_socket(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] Conversation& conversation() { return *conversation_; }
  [[nodiscard]] const Conversation& conversation() const { return *conversation_; }
  /// Returns the settings, with the primary once a Sentinel has named it.
  [[nodiscard]] const RedisSettings& settings() const { return settings_; }

  /// Connects, logs in and asks for the role. \throws Error (redis), (interrupted).
  void connect(io::Deadline deadline, io::Patience& patience);

  /// Waits until every command is answered. \throws Error (redis), also if the deadline passes,
  /// which leaves the connection usable; (interrupted).
  void settle(io::Deadline deadline, io::Patience& patience) {
    advance(&Conversation::asked, deadline, patience);
  }

  /// \throws Error the failure, if there was one.
  void require_working() const {
    if (failure_) throw Error(*failure_);
  }
  [[nodiscard]] bool failed() const { return failure_.has_value(); }
  /// Returns whether another server may resolve the last error: this one could not be reached, did
  /// not answer, or is not a primary.
  [[nodiscard]] bool may_pass() const { return may_pass_; }
  /// Returns whether a failover may resolve it: a Sentinel had named that server.
  [[nodiscard]] bool may_recover() const { return may_pass_ && is_named_; }
  /// Returns whether the server has closed a connection that was open, or a new connection may
  /// resolve the last error.
  [[nodiscard]] bool is_stale();
  /// Starts over, with another Sentinel if there is one. Forgets what was queued but not answered.
  void restart();

 private:
  /// What a step needs before the next one; time, while a name is being looked up.
  enum class Progress { done, wants_read, wants_write, wants_time };

  /// Waits until as many commands are answered as `wanted` returns. An answer may raise that
  /// number.
  void advance(std::size_t (Conversation::*wanted)() const, io::Deadline deadline,
               io::Patience& patience);
  // Each does what it can without waiting, and returns what to wait for. \throws Error (redis).
  Progress ask_sentinels();
  Progress look_up();
  /// Moves on to the next address.
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
  void begin();

  RedisSettings settings_;
  std::string doing_;
  std::optional<Conversation> conversation_;
  std::optional<Error> failure_;
  bool may_pass_ = false;           ///< whether a failover may resolve the last error
  bool is_named_ = false;           ///< whether a Sentinel named the primary
  std::unique_ptr<Link> sentinel_;  ///< the Sentinel being asked
  std::size_t first_sentinel_ = 0;
  std::size_t asked_sentinels_ = 0;
  std::string why_no_sentinel_;
  std::string sentinel_hint_;  ///< of the first that has one
  io::Deadline end_of_sentinel_ = io::Deadline::never();
  std::optional<io::Deadline> end_of_silence_;
  Progress (Link::*step_)() = nullptr;
  std::optional<io::Lookup> lookup_;
  sockaddr_un unix_path_{};
  addrinfo unix_address_{};
  const addrinfo* next_address_ = nullptr;
  std::chrono::milliseconds time_of_address_{0};
  io::Deadline end_of_address_ = io::Deadline::never();
  int fd_ = -1;
  bool wants_certificate_ = false;  ///< from us
  TlsContext tls_context_{nullptr, &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> tls_{nullptr, &SSL_free};
};

}  // namespace tickstock::redis
