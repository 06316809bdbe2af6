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

DaySignals::DaySignals(const RedisSettings& settings, std::vector<std::string> lists)
    : link_(settings, "waiting for the end of the day"), lists_(std::move(lists)) {}

bool DaySignals::take(Day day, io::Deadline deadline, io::Patience& patience) {
  bool signalled = false;
  for (;;) {
    for (const std::string& list : lists_) link_.conversation().pop(list);
    link_.settle(deadline, patience);
    const std::vector<std::string> elements = link_.conversation().take_elements();
    if (elements.empty()) return signalled;
    for (const std::string& element : elements) {
      signalled = signalled || latest_day_in(element).value_or(day) >= day;
    }
  }
}

}  // namespace tickstock::events
