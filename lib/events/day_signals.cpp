#include "events/day_signals.hpp"

#include <algorithm>
#include <utility>

namespace tickstock::events {

std::optional<Day> latest_day_in(std::string_view text) {
  constexpr std::size_t size = 10;
  std::optional<Day> latest;
  for (std::size_t at = 0; at + size <= text.size(); ++at) {
    if (const auto day = parse_day(text.substr(at, size))) latest = std::max(latest, day);
  }
  return latest;
}

DaySignals::DaySignals(const redis::RedisSettings& settings, std::vector<std::string> lists)
    : link_(settings, "waiting for the end of the day"), lists_(std::move(lists)) {}

bool DaySignals::take(Day day, io::Deadline deadline, io::Patience& patience) {
  bool signalled = false;
  for (;;) {
    try {
      ask(deadline, patience);
    } catch (const Error& error) {
      // A signal that is taken off its list must not be lost over the next question.
      if (signalled && error.kind() == ErrorKind::redis) return true;
      throw;
    }
    const std::vector<std::string> elements = link_.conversation().take_elements();
    if (elements.empty()) return signalled;
    for (const std::string& element : elements) {
      signalled = signalled || latest_day_in(element).value_or(day) >= day;
    }
  }
}

void DaySignals::ask(io::Deadline deadline, io::Patience& patience) {
  // The answers to an earlier question may be late, and bring the signal.
  if (!std::exchange(asked_, true)) {
    for (const std::string& list : lists_) link_.conversation().pop(list);
  }
  link_.settle(deadline, patience);
  asked_ = false;
}

}  // namespace tickstock::events
