#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/redis.hpp"

namespace tickstock::soak {

/// A proxy between the program and Redis that records every PUBLISH that Redis answered with a
/// number.
///
/// A subscriber would be cut off when Redis is killed and miss what others still sent, and MONITOR
/// shows what was asked, not what was answered. Here an event counts as announced if and only if
/// Redis accepted it, whether or not its answer reached the program: that is what a subscriber who
/// never loses the connection would have received.
class Recorder {
 public:
  explicit Recorder(int redis_port);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Returns the URL that the program uses for Redis.
  [[nodiscard]] std::string url() const;

  /// Waits until all connections made so far have ended, and returns what was published through
  /// them since the last call, in the order in which Redis accepted it. \throws std::runtime_error
  /// if that takes too long.
  std::vector<test::Event> drain();

 private:
  struct Link;

  void serve();
  void accept_link();
  [[nodiscard]] int connect_redis() const;
  bool forward_requests(Link& link);
  bool forward_replies(Link& link);

  int redis_port_;
  int port_ = 0;
  int listener_ = -1;
  int stop_reader_ = -1;
  int stop_writer_ = -1;
  std::vector<std::unique_ptr<Link>> links_;  ///< of the thread

  std::mutex mutex_;
  std::size_t open_ = 0;
  std::vector<test::Event> taken_;
  std::thread thread_;
};

}  // namespace tickstock::soak
