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

/// Waits until a descriptor, or the other one, has one of the poll(2) `events`, the deadline is
/// over, or the interrupt is raised; with -1 for both it only waits.
Readiness wait_for(int fd, short events, Deadline deadline, const Interrupt& interrupt,
                   int other_fd = -1);

/// How long a command may still wait: one budget for all of it, which a signal cuts short. Every
/// wait for a server goes through the one object of the command.
class Patience {
 public:
  /// What is left for the last words (a rollback, the record, the closing events) once a signal
  /// came or the budget is over; no single wait gets more than a third of it, so that a COMMIT
  /// without an answer leaves time to ask for its outcome.
  static constexpr std::chrono::milliseconds last_words{1'100};

  /// Without a limit and never interrupted.
  Patience() : Patience(Interrupt(), Deadline::never()) {}
  Patience(const Interrupt& interrupt, Deadline budget) : interrupt_(interrupt), budget_(budget) {}
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// Calls this at the beginning of every wait, and ten times a second while it lasts.
  void set_tick(std::function<void()> tick) { tick_ = std::move(tick); }

  /// Waits for descriptors, as wait_for does, until `deadline` or the end of the budget.
  Readiness wait(int fd, short events, Deadline deadline, int other_fd = -1);

  /// Sleeps, for as long as the budget lasts. \return false when interrupted.
  bool pause(std::chrono::milliseconds time);

  /// The end of a step that may take `time`.
  [[nodiscard]] Deadline step(std::chrono::milliseconds time) const {
    return Deadline::after(time).earlier(budget_);
  }
  /// Nothing is left, so a wait that timed out did so for the command as a whole.
  [[nodiscard]] bool over() const { return budget_.over(); }
  /// A wait has ended by a signal, or was cut short by it.
  [[nodiscard]] bool signalled() const { return signalled_; }
  /// A signal came or nothing is left: what can wait for another time should.
  [[nodiscard]] bool ending() const;

 private:
  friend class Settling;
  /// One wait, in pieces where somebody wants to hear of it.
  Readiness wait_ticking(int fd, short events, Deadline deadline, const Interrupt& interrupt,
                         int other_fd);

  Interrupt interrupt_;
  Deadline budget_;
  std::function<void()> tick_;
  bool signalled_ = false;
  bool extended_ = false;
  int settling_ = 0;
};

/// As long as it lives, what has begun is brought to an end: a signal does not end waits any more,
/// it only leaves them the time for last words; so does a budget that is over.
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

/// What a host name came to.
struct Addresses {
  std::string failure;                   ///< why there are none, in words; empty when there are
  std::shared_ptr<const addrinfo> list;  ///< linked by ai_next, in the order in which to try them
};

/// The addresses of a host, looked up in a thread: the C library's own look-up heeds neither a
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
