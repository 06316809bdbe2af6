#pragma once

#include <netdb.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace tickstock::io {

using Clock = std::chrono::steady_clock;

/// The end of a wait, on the monotonic clock.
class Deadline {
 public:
  static Deadline after(std::chrono::milliseconds time) { return Deadline(Clock::now() + time); }
  /// A deadline that has passed: do what can be done without waiting.
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

/// A request to stop, made from outside (by a signal handler that writes to a pipe): raised as soon
/// as the descriptor is readable, never without one.
struct Interrupt {
  int fd = -1;
};

enum class Readiness { ready, timed_out, interrupted };

/// Waits until a descriptor, or the other one, has one of the poll(2) `events`, the deadline
/// passes, or the interrupt is raised; with -1 for both it only sleeps. It calls a tick at the
/// start, and ten times a second while it waits.
Readiness wait_for(int fd, short events, Deadline deadline, const Interrupt& interrupt,
                   int other_fd = -1, const std::function<void()>& tick = {});

/// How long a command may still wait: one budget for the whole command, which a signal cuts short.
/// Every wait for a server goes through the command's one object.
class Patience {
 public:
  /// The time left for last words (a rollback, the record, the closing events) after a signal or
  /// the end of the budget. No single wait gets more than a third of it, so that a COMMIT without
  /// an answer leaves time to ask for its outcome.
  static constexpr std::chrono::milliseconds last_words{1'100};

  /// Without a limit and never interrupted.
  Patience() : Patience(Interrupt(), Deadline::never()) {}
  Patience(const Interrupt& interrupt, Deadline budget) : interrupt_(interrupt), budget_(budget) {}
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// Sets a function to call at the start of every wait, and ten times a second while it lasts.
  void set_tick(std::function<void()> tick) { tick_ = std::move(tick); }

  /// Waits for descriptors, as wait_for does, until `deadline` or the end of the budget.
  Readiness wait(int fd, short events, Deadline deadline, int other_fd = -1);

  /// Sleeps, at most until the end of the budget. \return false if interrupted.
  bool pause(std::chrono::milliseconds time);

  /// Returns the end of a step that may take `time`.
  [[nodiscard]] Deadline step(std::chrono::milliseconds time) const {
    return Deadline::after(time).earlier(budget_);
  }
  /// Returns whether the budget is used up, so that a wait timed out for the command as a whole.
  [[nodiscard]] bool over() const { return budget_.over(); }
  /// Returns whether the budget was used up before, even if there is time for last words now.
  [[nodiscard]] bool ran_out() const { return extended_ || over(); }
  /// Returns whether a signal has ended a wait or cut it short.
  [[nodiscard]] bool signalled() const { return signalled_; }
  /// Returns whether a signal came or the budget is used up: what can be left for another run
  /// should be.
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

/// While it lives, what has begun is finished: a signal no longer ends waits but limits them to the
/// time for last words, as the end of the budget does.
class Settling {
 public:
  explicit Settling(Patience& patience);
  ~Settling() { --patience_.settling_; }
  Settling(const Settling&) = delete;
  Settling& operator=(const Settling&) = delete;

 private:
  Patience& patience_;
};

/// Runs a step that nothing can end early in a thread that is left to itself. \throws
/// std::system_error where there is no thread to be had.
template <typename Step>
auto in_background(Step step) {
  std::packaged_task<decltype(step())()> task(std::move(step));
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  return result;
}

/// The result of a look-up.
struct Addresses {
  std::string failure;                   ///< why there are none, in words; empty when there are
  std::shared_ptr<const addrinfo> list;  ///< linked by ai_next, in the order in which to try them
};

/// The addresses of a host, looked up in a thread, since the C library's look-up observes neither a
/// deadline nor a signal.
class Lookup {
 public:
  /// Begins at once. An address in digits is done from the start.
  Lookup(const std::string& host, const std::string& port);

  /// Returns whether it has ended, well or not. There is nothing to wait on but time.
  [[nodiscard]] bool done();
  /// \pre done.
  [[nodiscard]] const Addresses& addresses() const { return addresses_; }

 private:
  Addresses addresses_;
  std::future<Addresses> pending_;
};

/// Returns an address in digits: `192.0.2.1`, `2001:db8::1`.
std::string digits_of(const addrinfo& address);

}  // namespace tickstock::io
