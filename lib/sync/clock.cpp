#include "sync/clock.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <ctime>

namespace tickstock::sync {

using std::chrono::duration;
using std::chrono::steady_clock;
using std::chrono::system_clock;

RunClock::RunClock()
    : begin_(steady_clock::now()),
      begin_seconds_(duration<double>(system_clock::now().time_since_epoch()).count()) {}

void RunClock::set(double seconds) { begin_seconds_ = seconds - elapsed(); }

std::string RunClock::now() const { return iso(begin_seconds_ + elapsed()); }

double RunClock::elapsed() const { return duration<double>(steady_clock::now() - begin_).count(); }

std::string RunClock::started() const { return iso(begin_seconds_); }

std::string RunClock::iso(double seconds) {
  const auto milliseconds = static_cast<std::int64_t>(std::floor(seconds * 1000));
  const std::time_t whole = milliseconds / 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(whole), milliseconds % 1000);
}

}  // namespace tickstock::sync
