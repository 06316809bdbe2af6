#include "sync/announcer.hpp"

#include <utility>

namespace tickstock::sync {

events::RunFacts facts_of(const RunOptions& options) {
  return {options.run_id, options.mode, options.triggered_by, options.approve_plan.has_value()};
}

Announcer::Announcer(const redis::RedisSettings& redis, events::RunFacts facts,
                     const RunClock& clock, bool enabled)
    : redis_(redis), facts_(std::move(facts)), clock_(clock), enabled_(enabled) {
  connect();
}

void Announcer::connect() {
  if (!enabled_) return;
  publisher_ = std::make_unique<events::Publisher>(redis_);
  // The connection comes up while the database is being read.
  publisher_->nudge();
}

template <typename Make>
void Announcer::announce(Make make) noexcept {
  if (!publisher_) return;
  try {
    publisher_->announce(make());
  } catch (const std::exception&) {
    // Best effort: an event that can't be put into words or into memory is lost.
  }
}

void Announcer::triggered() {
  if (std::exchange(triggered_, true)) return;
  announce([this] { return events::sync_triggered(facts_, clock_.now()); });
}

void Announcer::step(int step, int completed_steps) {
  announce([&] { return events::progress(facts_, clock_.now(), step, completed_steps); });
}

void Announcer::error(ErrorKind kind, const std::string& message) {
  announce([&] { return events::sync_error(facts_, clock_.now(), kind, message); });
}

void Announcer::completed(const events::Completion& completion) {
  announce([&] { return events::sync_completed(facts_, clock_.now(), completion); });
}

void Announcer::phase(const events::Completion& completion) {
  if (facts_.mode != Mode::full) return;
  announce([&] { return events::phase_completed(facts_, clock_.now(), completion); });
}

void Announcer::flush(std::chrono::milliseconds time, io::Patience& patience) {
  const io::Settling settling(patience);
  if (publisher_) publisher_->flush(io::Deadline::after(time), patience);
}

void announce_unstarted(const RunOptions& options, const Environment& environment,
                        const Error& error) noexcept {
  try {
    const RunClock clock;
    Announcer announcer(environment.redis, facts_of(options), clock, options.events);
    events::Completion completion;
    completion.status = RunStatus::failed;
    completion.error = error.what();
    announcer.phase(completion);
    io::Patience unshared;
    announcer.flush(Announcer::last_words_time, unshared);
  } catch (const std::exception&) {
    // The status and the line on standard error say it all the same.
  }
}

}  // namespace tickstock::sync
