#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tickstock {

/// A calendar day, without a time or a time zone. Half as large as std::chrono::sys_days, since a
/// market stores two for each symbol.
using Day = std::chrono::time_point<std::chrono::system_clock,
                                    std::chrono::duration<std::int32_t, std::chrono::days::period>>;

/// Reads `YYYY-MM-DD` with four, two and two digits; returns nothing for anything else, or a day
/// that does not exist.
std::optional<Day> parse_day(std::string_view text);

/// Returns `YYYY-MM-DD`, and unusual days as PostgreSQL writes them: `0044-03-15 BC`, `infinity`,
/// `-infinity`.
std::string to_string(Day day);

}  // namespace tickstock
