#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/lookup.hpp"
#include "io/wait.hpp"
#include "redis/address.hpp"

namespace tickstock::redis {

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

  /// How long to wait for the address that is tried, before connect() goes on with the next one:
  /// each has its share of the time to connect.
  [[nodiscard]] io::Deadline end_of_address() const {
    return state_ != State::open && has_other_address() ? end_of_address_ : io::Deadline::never();
  }

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
  [[nodiscard]] bool has_other_address() const {
    return next_address_ > 0 && lookup_ && next_address_ < lookup_->addresses().size();
  }
  /// Whether there is another address, and this one has had its time.
  [[nodiscard]] bool is_late() const { return has_other_address() && end_of_address_.over(); }
  Progress tls_progress(int result, const std::string& doing);
  void open_socket(int family);
  void close_socket();
  [[noreturn]] void fail(const std::string& why) const;

  RedisSettings settings_;
  State state_ = State::looking_up;
  std::optional<io::Lookup> lookup_;
  std::size_t next_address_ = 0;
  std::string last_failure_;
  io::Deadline end_of_address_ = io::Deadline::never();
  int fd_ = -1;
  std::unique_ptr<SSL_CTX, FreeTls> tls_context_;
  std::unique_ptr<SSL, FreeTls> tls_;
};

}  // namespace tickstock::redis
