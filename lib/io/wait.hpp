#pragma once

#include <chrono>

namespace tickstock::io {

using Clock = std::chrono::steady_clock;

/// The end of a wait, on the monotonic clock.
class Deadline {
 public:
  static Deadline after(std::chrono::milliseconds time) { return Deadline(Clock::now() + time); }
  /// A deadline that has passed: do what can be done without waiting.
  static Deadline now() { return Deadline(Clock::now()); }

  [[nodiscard]] std::chrono::milliseconds left() const;
  [[nodiscard]] bool over() const { return left().count() == 0; }
  [[nodiscard]] Deadline earlier(Deadline other) const {
    return Deadline(end_ < other.end_ ? end_ : other.end_);
  }

 private:
  explicit Deadline(Clock::time_point end) : end_(end) {}
  Clock::time_point end_;
};

/// A request to stop, made from outside (by a signal handler that writes to a pipe) and seen by
/// every wait.
class Interrupt {
 public:
  /// Never raised.
  Interrupt() = default;
  /// Raised as soon as `fd` is readable.
  explicit Interrupt(int fd) : fd_(fd) {}

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool raised() const;

 private:
  int fd_ = -1;
};

enum class Readiness { ready, timed_out, interrupted };

/// Waits until `fd` has one of the poll(2) `events`, the deadline is over, or the interrupt is
/// raised; `fd` -1 only waits.
Readiness wait_for(int fd, short events, Deadline deadline, const Interrupt& interrupt);

/// Sleeps. \return false when interrupted.
bool pause(std::chrono::milliseconds time, const Interrupt& interrupt);

}  // namespace tickstock::io
