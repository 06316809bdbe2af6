#include "sync/announcer.hpp"

#include <utility>

namespace tickstock::sync {

Announcer::Announcer(const events::RedisSettings& redis, events::RunFacts facts,
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

}  // namespace tickstock::sync
