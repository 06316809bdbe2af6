#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "domain/text.hpp"

namespace tickstock {

/// A calendar day, without a time or a time zone. Half as large as std::chrono::sys_days, since a
/// market stores two for each symbol.
using Day = std::chrono::time_point<std::chrono::system_clock,
                                    std::chrono::duration<std::int32_t, std::chrono::days::period>>;

/// Reads `YYYY-MM-DD` with four, two and two digits; returns nothing for anything else, or a day
/// that does not exist.
inline std::optional<Day> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = number_of<unsigned>(text.substr(0, 4));
  const auto month = number_of<unsigned>(text.substr(5, 2));
  const auto day = number_of<unsigned>(text.substr(8, 2));
  // PostgreSQL has no year 0 either.
  if (!year || !month || !day || *year == 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{*month}, std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

/// Returns `YYYY-MM-DD`, and unusual days as PostgreSQL writes them: `0044-03-15 BC`, `infinity`,
/// `-infinity`.
inline std::string to_string(Day day) {
  if (day == Day::max()) return "infinity";
  if (day == Day::min()) return "-infinity";
  const std::chrono::year_month_day date{day};
  const int year = static_cast<int>(date.year());
  std::array<char, 48> text{};
  // There is no year 0: the one before 1 is 1 BC.
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u%s", year > 0 ? year : 1 - year,
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                year > 0 ? "" : " BC");
  return text.data();
}

}  // namespace tickstock
