#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"
#include "redis/link.hpp"

namespace tickstock::events {

/// The latest day that a text names in the form YYYY-MM-DD; nothing where it names none.
std::optional<Day> latest_day_in(std::string_view text);

/// The lists of Redis onto which an import puts an element when the prices of a day are complete.
class DaySignals {
 public:
  DaySignals(const redis::RedisSettings& settings, std::vector<std::string> lists);

  /// Takes all that is on the lists. \return whether the signal of this day was among it: an
  /// element that names no earlier day alone. \throws Error (redis), after which it may be called
  /// again unless failed(); (interrupted).
  bool take(Day day, io::Deadline deadline, io::Patience& patience);

  /// Whether the connection is of no more use.
  [[nodiscard]] bool failed() const { return link_.failed(); }

 private:
  /// Asks each list for an element, and waits for the answers.
  void ask(io::Deadline deadline, io::Patience& patience);

  redis::Link link_;
  std::vector<std::string> lists_;
  bool asked_ = false;
};

}  // namespace tickstock::events
