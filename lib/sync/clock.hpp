#pragma once

#include <chrono>
#include <string>

namespace tickstock::sync {

/// The time by PostgreSQL's clock: read once, then carried on by the monotonic clock. Until it was
/// read, by the machine's.
class RunClock {
 public:
  RunClock();

  /// `seconds` since 1970 that PostgreSQL's clock shows now.
  void set(double seconds);

  /// `2026-08-21T20:10:03.412Z`.
  [[nodiscard]] std::string now() const;

  /// The same in seconds since 1970.
  [[nodiscard]] double seconds() const { return begin_seconds_ + elapsed(); }

  /// Seconds since the run began.
  [[nodiscard]] double elapsed() const;

  /// The time at which the run began.
  [[nodiscard]] std::string started() const;

 private:
  [[nodiscard]] static std::string iso(double seconds);

  std::chrono::steady_clock::time_point begin_;
  double begin_seconds_;
};

}  // namespace tickstock::sync
