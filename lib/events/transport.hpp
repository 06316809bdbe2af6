#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/redis_settings.hpp"
#include "io/lookup.hpp"

namespace tickstock::events {

/// A byte stream to Redis over TCP, TLS or a Unix socket that never blocks: each call does what can
/// be done at once and says what it waits for. With TLS the certificate must be trusted and made
/// out for the host, and the protocol be 1.2 or newer.
class Transport {
 public:
  enum class Progress {
    done,
    wants_read,
    wants_write,
    wants_time,  ///< a name is being looked up
  };

  explicit Transport(RedisSettings settings);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Goes on with looking up, connecting and shaking hands. \throws Error (redis).
  Progress connect();
  /// Sends from the front of `bytes`, and takes off what was sent; done when nothing is left.
  /// \throws Error (redis).
  Progress send(std::string& bytes);
  /// Appends what has arrived; done when something had. \throws Error (redis), also when the peer
  /// closed.
  Progress receive(std::string& bytes);

  /// To wait on; -1 while a name is looked up.
  [[nodiscard]] int fd() const { return fd_; }

 private:
  struct FreeTls {
    void operator()(SSL* tls) const { SSL_free(tls); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  enum class State { looking_up, connecting, shaking_hands, open };

  Progress look_up();
  Progress try_next_address();
  Progress check_connected();
  Progress begin_tls();
  Progress shake_hands();
  Progress tls_progress(int result, const std::string& doing);
  void open_socket(int family);
  void close_socket();
  [[noreturn]] void fail(const std::string& why) const;

  RedisSettings settings_;
  State state_ = State::looking_up;
  std::optional<io::Lookup> lookup_;
  std::size_t next_address_ = 0;
  std::string last_failure_;
  int fd_ = -1;
  std::unique_ptr<SSL_CTX, FreeTls> tls_context_;
  std::unique_ptr<SSL, FreeTls> tls_;
};

}  // namespace tickstock::events
