#include "domain/day.hpp"

namespace tickstock {

namespace {

std::optional<int> digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

void append_padded(std::string& out, int value, std::size_t width) {
  const std::string number = std::to_string(value);
  if (number.size() < width) out.append(width - number.size(), '0');
  out += number;
}

}  // namespace

std::optional<Day> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = digits(text.substr(0, 4));
  const auto month = digits(text.substr(5, 2));
  const auto day = digits(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

std::string to_string(Day day) {
  if (day == Day::max()) return "infinity";
  if (day == Day::min()) return "-infinity";
  const std::chrono::year_month_day date{day};
  const int year = static_cast<int>(date.year());
  std::string out;
  // There is no year 0: the one before 1 is 1 BC.
  append_padded(out, year > 0 ? year : 1 - year, 4);
  out += '-';
  append_padded(out, static_cast<int>(static_cast<unsigned>(date.month())), 2);
  out += '-';
  append_padded(out, static_cast<int>(static_cast<unsigned>(date.day())), 2);
  return year > 0 ? out : out + " BC";
}

}  // namespace tickstock
