#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/redis.hpp"

namespace tickstock::soak {

/// Stands between the program and Redis, and keeps every PUBLISH that Redis answered with a number.
///
/// A subscriber would be cut off when Redis is killed and miss what others still sent, and MONITOR
/// shows what was asked, not what was answered. Here an event counts as announced exactly when
/// Redis took it, whether or not its answer then reached the program: that is what a subscriber who
/// never loses his connection would have received.
class Recorder {
 public:
  explicit Recorder(int redis_port);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// What the program is to take for Redis.
  [[nodiscard]] std::string url() const;

  /// Waits until all connections made so far are over, and hands out what was published through
  /// them and not handed out yet, in the order in which Redis took it. \throws std::runtime_error
  /// where that takes too long.
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
