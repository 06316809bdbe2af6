#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "domain/error.hpp"

namespace tickstock::redis {

/// An error (redis) that a failover may resolve: the primary can't be reached, or is not a primary
/// right now.
class Outage : public Error {
 public:
  using Error::Error;
};

/// The address of Redis, the login and the limits.
struct RedisSettings {
  enum class Transport { tcp, tls, unix_socket };
  struct Endpoint {
    std::string host;
    std::string port;

    /// Returns `host:port`, with an IPv6 address in brackets.
    [[nodiscard]] std::string shown() const;
  };

  Transport transport = Transport::tcp;
  /// Empty until a Sentinel names the primary.
  std::string host = "127.0.0.1";
  std::string port = "6379";
  std::string path;  ///< of a Unix socket
  std::string user;
  std::string password;
  int database = 0;
  /// The Sentinels to ask for the primary, in order; none if the address is that of Redis.
  std::vector<Endpoint> sentinels;
  /// The name under which Sentinels know the primary. If it is set and there are no Sentinels,
  /// `host` is a Sentinel to ask.
  std::string master;
  /// Certificates to trust with rediss://; empty for the system's.
  std::string ca_file;
  /// The certificate to present with rediss://, and its key; empty for none.
  std::string cert_file;
  std::string key_file;
  /// Refuses an insecure connection, also to a server that another one has named.
  bool require_tls = false;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds publish_timeout{30'000};

  [[nodiscard]] Endpoint endpoint() const { return {host, port}; }
  /// Returns `redis://127.0.0.1:6379/0`, or `redis+sentinel://host:26379,…/master/0`, without user
  /// and password.
  [[nodiscard]] std::string shown() const;
  /// Returns the same, with the address of the primary in parentheses once a Sentinel has named it.
  [[nodiscard]] std::string name() const;
  /// Returns why someone on the network could eavesdrop, or impersonate the server; empty for a
  /// server on this machine, or with TLS.
  [[nodiscard]] std::string transport_weakness() const;
  /// Returns what to do about it.
  [[nodiscard]] std::string transport_hint() const;
  /// Returns whether it is the address of a Sentinel.
  [[nodiscard]] bool is_sentinel() const { return sentinels.empty() && !master.empty(); }
  /// Returns the server as an error names it: `Redis at redis://127.0.0.1:6379/0`.
  [[nodiscard]] std::string object() const;
  /// Returns an error (redis) for a server that no connection can be made to.
  [[nodiscard]] Outage unreachable(const std::string& why) const;
  /// Returns an error (redis) that names the server.
  [[nodiscard]] Outage outage(const std::string& why, const std::string& hint = {}) const;
  [[nodiscard]] Error failure(const std::string& why, const std::string& hint = {}) const {
    return outage(why, hint);
  }
};

/// What to do if Redis refuses a user a command.
constexpr const char* permissions_hint =
    "Run 'tickstock-cache init --print-redis-acl USER' for what a user needs.";

/// Reads `redis://[[user]:password@]host[:port][/database]`, the same with `rediss://`,
/// `redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/master[/database]`, the same with
/// `rediss+sentinel://`, or `unix://[[user]:password@]/path[?db=N]`. User, password and path may be
/// percent-encoded. Nothing else may follow: parameters of other libraries can hold a password, and
/// would be mistaken for part of the address. \throws Error (config) with a message that follows
/// the name of the setting, names the bad part, and never repeats its value.
RedisSettings parse_redis_url(const std::string& url);

}  // namespace tickstock::redis
