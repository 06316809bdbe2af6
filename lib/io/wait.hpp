#pragma once

#include <netdb.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace tickstock::io {

using Clock = std::chrono::steady_clock;

/// The end of a wait, on the monotonic clock.
class Deadline {
 public:
  static Deadline after(std::chrono::milliseconds time) { return Deadline(Clock::now() + time); }
  /// Returns a deadline that has passed, to do only what needs no waiting.
  static Deadline now() { return Deadline(Clock::now()); }
  static Deadline never() { return Deadline(Clock::time_point::max()); }

  [[nodiscard]] std::chrono::milliseconds left() const;
  [[nodiscard]] bool over() const { return end_ <= Clock::now(); }
  [[nodiscard]] Deadline earlier(Deadline other) const {
    return Deadline(end_ < other.end_ ? end_ : other.end_);
  }

 private:
  explicit Deadline(Clock::time_point end) : end_(end) {}
  Clock::time_point end_;
};

/// An external request to stop, made by a signal handler that writes to a pipe: raised once the
/// descriptor is readable, never without one.
struct Interrupt {
  int fd = -1;
};

enum class Readiness { ready, timed_out, interrupted };

/// Waits until one of two descriptors has one of the poll(2) `events`, the deadline passes, or the
/// interrupt is raised; with -1 for both it only sleeps. Calls `tick` at the start, and ten times a
/// second while waiting.
Readiness wait_for(int fd, short events, Deadline deadline, const Interrupt& interrupt,
                   int other_fd = -1, const std::function<void()>& tick = {});

/// Writes a text in parts, each once `ready` returns that its reader takes some. \return 0,
/// ETIMEDOUT if it returns that nobody reads, or the error number of a failure
int write_all(int fd, std::string_view text, const std::function<bool()>& ready);

/// How long a command may still wait: one budget for the whole command, which a signal cuts short.
/// Every wait for a server goes through the command's only Patience.
class Patience {
 public:
  /// The time left for final steps (a rollback, the record, the closing events) after a signal or
  /// the end of the budget. No single wait gets more than a third of it, so that an unanswered
  /// COMMIT leaves time to find out its outcome.
  static constexpr std::chrono::milliseconds last_words{1'100};

  /// Creates one without a limit, and never interrupted.
  Patience() : Patience(Interrupt(), Deadline::never()) {}
  Patience(const Interrupt& interrupt, Deadline budget) : interrupt_(interrupt), budget_(budget) {}
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// Sets a function to call at the start of every wait, and ten times a second during it.
  void set_tick(std::function<void()> tick) { tick_ = std::move(tick); }

  /// Waits for descriptors as wait_for() does, until `deadline` or the end of the budget.
  Readiness wait(int fd, short events, Deadline deadline, int other_fd = -1);

  /// Sleeps, at most until the end of the budget. \return false if interrupted.
  bool pause(std::chrono::milliseconds time);

  /// Returns the deadline of a step that may take `time`.
  [[nodiscard]] Deadline step(std::chrono::milliseconds time) const {
    return Deadline::after(time).earlier(budget_);
  }
  /// Returns whether the budget is used up. Then a timeout is that of the whole command.
  [[nodiscard]] bool over() const { return budget_.over(); }
  /// Returns whether the budget was used up at some point, even if final steps have time now.
  [[nodiscard]] bool ran_out() const { return extended_ || over(); }
  /// Returns whether a signal has ended a wait or cut it short.
  [[nodiscard]] bool signalled() const { return signalled_; }
  /// Returns whether a signal came or the budget is used up. Then leave to another run what can
  /// wait.
  [[nodiscard]] bool ending() const;

 private:
  friend class Settling;

  Interrupt interrupt_;
  Deadline budget_;
  std::function<void()> tick_;
  bool signalled_ = false;
  bool extended_ = false;
  int settling_ = 0;
};

/// While one lives, work that has begun is finished: a signal no longer ends waits, but limits them
/// to the time for final steps, as the end of the budget does.
class Settling {
 public:
  explicit Settling(Patience& patience);
  ~Settling() { --patience_.settling_; }
  Settling(const Settling&) = delete;
  Settling& operator=(const Settling&) = delete;

 private:
  Patience& patience_;
};

/// Runs a step that nothing can end early in a detached thread. \throws std::system_error if no
/// thread can be started.
template <typename Step>
auto in_background(Step step) {
  std::packaged_task<decltype(step())()> task(std::move(step));
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  return result;
}

/// The result of a lookup.
struct Addresses {
  std::string failure;                   ///< why there are none, in words; empty on success
  std::shared_ptr<const addrinfo> list;  ///< linked by ai_next, in the order to try them
};

/// The addresses of a host. The lookup runs in a thread, since the C library's observes neither a
/// deadline nor a signal.
class Lookup {
 public:
  /// Begins at once. A numeric address is done from the start.
  Lookup(const std::string& host, const std::string& port);

  /// Returns whether it has ended, successfully or not. There is no descriptor to wait for, so
  /// poll.
  [[nodiscard]] bool done();
  /// \pre done.
  [[nodiscard]] const Addresses& addresses() const { return addresses_; }

 private:
  Addresses addresses_;
  std::future<Addresses> pending_;
};

/// Returns whether a host is a numeric address, which needs no lookup.
bool is_numeric_address(const std::string& host);

/// Returns an address in numeric form: `192.0.2.1`, `2001:db8::1`.
std::string digits_of(const addrinfo& address);

}  // namespace tickstock::io
