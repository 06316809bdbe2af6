#include "events/publisher.hpp"
#include "support/catch.hpp"

TEST_CASE("the latest day in a text is found wherever it stands") {
  using tickstock::parse_day;
  using tickstock::events::latest_day_in;
  CHECK_FALSE(latest_day_in("").has_value());
  CHECK_FALSE(latest_day_in("done 2024-6-28").has_value());
  CHECK_FALSE(latest_day_in("2024-02-30").has_value());
  CHECK(latest_day_in("2024-06-28") == parse_day("2024-06-28"));
  CHECK(latest_day_in(R"({"day":"2024-06-28","at":"2024-06-27T20:00"})") ==
        parse_day("2024-06-28"));
}
