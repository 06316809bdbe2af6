#pragma once

#include <chrono>
#include <string>

#include "domain/error.hpp"

namespace tickstock::redis {

/// The address of Redis, the login and the limits.
struct RedisSettings {
  enum class Transport { tcp, tls, unix_socket };

  Transport transport = Transport::tcp;
  std::string host = "127.0.0.1";
  std::string port = "6379";
  std::string path;  ///< of a Unix socket
  std::string user;
  std::string password;
  int database = 0;
  /// Certificates to trust with rediss://; the system's where empty.
  std::string ca_file;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds publish_timeout{30'000};

  /// Returns `redis://127.0.0.1:6379/0`, without user and password.
  [[nodiscard]] std::string shown() const;
  /// Returns why somebody on the network could read along, or pose as the server; empty for a
  /// server on this machine, or with TLS.
  [[nodiscard]] std::string transport_weakness() const;
  /// Returns an error (redis) that names the server.
  [[nodiscard]] Error failure(const std::string& why) const;
};

/// Reads `redis://[[user]:password@]host[:port][/database]`, the same with `rediss://`, or
/// `unix://[[user]:password@]/path[?db=N]`. User, password and path may be percent-encoded. Nothing
/// else may follow: parameters of other libraries can hold a password, and would be taken for a
/// part of the address. \throws Error (config) with words that name the part, never repeat its
/// value, and continue the name of where the URL stands.
RedisSettings parse_redis_url(const std::string& url);

}  // namespace tickstock::redis
