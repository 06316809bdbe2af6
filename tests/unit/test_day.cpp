#include "domain/day.hpp"
#include "support/catch.hpp"

using namespace tickstock;

TEST_CASE("a day is read and written as YYYY-MM-DD") {
  for (const char* text : {"2026-08-21", "2024-02-29", "1999-12-31", "0001-01-01"}) {
    const auto day = parse_day(text);
    REQUIRE(day.has_value());
    CHECK(to_string(*day) == text);
  }
}

TEST_CASE("odd days are written as PostgreSQL writes them") {
  CHECK(to_string(Day::max()) == "infinity");
  CHECK(to_string(Day::min()) == "-infinity");
  CHECK(to_string(std::chrono::sys_days{std::chrono::year{-43} / 3 / 15}) == "0044-03-15 BC");
  CHECK(to_string(std::chrono::sys_days{std::chrono::year{12026} / 8 / 21}) == "12026-08-21");
}

TEST_CASE("what is no day of the calendar is not read") {
  for (const char* text :
       {"", "2026-8-21", "2026-02-29", "2026-13-01", "2026-00-10", "2026-08-32", "2026/08/21",
        "2026-08-21 ", "+026-08-21", "today", "20260821", "0000-06-01"}) {
    INFO(text);
    CHECK_FALSE(parse_day(text).has_value());
  }
}
