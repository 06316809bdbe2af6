#pragma once

#include <chrono>
#include <memory>

#include "events/messages.hpp"
#include "events/publisher.hpp"
#include "sync/clock.hpp"
#include "sync/options.hpp"

namespace tickstock::sync {

/// What every event of this run says.
events::RunFacts facts_of(const RunOptions& options);

/// The events of a run that may be lost. They are sent as far as goes without waiting, so that
/// Redis never holds up the database work; with events switched off it does nothing.
class Announcer {
 public:
  Announcer(const redis::RedisSettings& redis, events::RunFacts facts, const RunClock& clock,
            bool enabled);

  /// Connects anew, after a time in which a server may have come or gone.
  void connect();

  /// Once a run, however often it is called.
  void triggered();
  void step(int step, int completed_steps);
  void error(ErrorKind kind, const std::string& message);
  void completed(const events::Completion& completion);
  /// Of full runs only.
  void phase(const events::Completion& completion);

  /// Waits a moment for what is under way.
  void flush(std::chrono::milliseconds time, io::Patience& patience);

  /// How long the events of a failed run may take.
  static constexpr std::chrono::milliseconds last_words_time{500};

  /// Null where events are switched off.
  [[nodiscard]] events::Publisher* publisher() { return publisher_.get(); }
  [[nodiscard]] const events::RunFacts& facts() const { return facts_; }

 private:
  template <typename Make>
  void announce(Make make) noexcept;

  const redis::RedisSettings& redis_;
  events::RunFacts facts_;
  const RunClock& clock_;
  bool enabled_;
  std::unique_ptr<events::Publisher> publisher_;
  bool triggered_ = false;
};

/// Publishes that the phase failed, for a run that could not begin. Best effort, within a moment.
void announce_unstarted(const RunOptions& options, const Environment& environment,
                        const Error& error) noexcept;

}  // namespace tickstock::sync
