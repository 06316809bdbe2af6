#include "logging.hpp"
#include "show/screen.hpp"
#include "support/catch.hpp"

using namespace tickstock::cli;

TEST_CASE("columns are counted as a terminal shows them") {
  CHECK(columns_of("") == 0);
  CHECK(columns_of("abc") == 3);
  CHECK(columns_of("café") == 4);
  CHECK(columns_of("cafe\xcc\x81") == 4);  // a combining accent
  CHECK(columns_of("市場") == 4);
  CHECK(columns_of("−→…") == 3);
  CHECK(columns_of("\xff") == 1);
}

TEST_CASE("a text is filled up, or cut between two letters") {
  CHECK(fitted("ab", 4) == "ab  ");
  CHECK(fitted("ab", 4, true) == "  ab");
  CHECK(fitted("abcd", 4) == "abcd");
  CHECK(fitted("abcde", 4) == "abc…");
  CHECK(fitted("市場市場", 8) == "市場市場");
  CHECK(fitted("市場市場", 7) == "市場市…");
  CHECK(fitted("市場市場", 6) == "市場… ");
  CHECK(fitted("市", 3) == "市 ");
}

TEST_CASE("a table is as wide as it must be, and fits where it may be cut") {
  Table table({{"run", false, true}, {"status", false, false}, {"changes", true, false}});
  table.add({"manual-cache-sync-0123456789", "completed", "7"}, 1, Color::green);
  table.add({"市場-night", "failed", "1234"}, 1, Color::red);
  CHECK(table.text({}) ==
        "run                           status     changes\n"
        "manual-cache-sync-0123456789  completed        7\n"
        "市場-night                    failed        1234\n");
  CHECK(table.text({false, 200}) == table.text({}));
  CHECK(table.text({true, 36}) ==
        "run               status     changes\n"
        "manual-cache-sy…  \x1b[32mcompleted\x1b[0m        7\n"
        "市場-night        \x1b[31mfailed   \x1b[0m     1234\n");
  for (const std::size_t width : {30U, 36U, 47U, 80U, 200U}) {
    const std::string text = table.text({false, width});
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      CHECK(columns_of(text.substr(at, end - at)) <= std::max<std::size_t>(width, 34));
      at = end + 1;
    }
  }
}

TEST_CASE("the line of progress says step, part, rate and time, and never wraps") {
  CHECK(progress_text("step 2/5 IPO assignment", {}, 61.9, 80) == "step 2/5 IPO assignment  1:01");
  CHECK(progress_text("step 1/5 Reading", {250'000, 1'000'000}, 2, 80) ==
        "step 1/5 Reading  25 %  250,000 rows, 125,000/s  0:02, 0:06 left");
  CHECK(progress_text("step 1/5 Reading", {250'000, 1'000'000}, 2, 200) ==
        "step 1/5 Reading  [#####...............]  25 %  250,000 rows, 125,000/s  0:02, 0:06 left");
  CHECK(progress_text("replaying", {50, 0, tickstock::parse_day("2024-06-28"), 0.5}, 60, 200) ==
        "replaying  2024-06-28  [##########..........]  50 %  50 rows, 0/s  1:00, 1:00 left");
  CHECK(progress_text("step 1/5 Reading", {1'234'567, 0}, 0, 80) ==
        "step 1/5 Reading  1,234,567 rows, 0/s  0:00");
  // The statistics may be old.
  CHECK_THAT(progress_text("x", {20, 10}, 1, 80),
             tickstock::test::contains("[####################] 100 %"));
  CHECK(progress_text("step 1/5: Reading symbols and universes", {6'250'000, 12'500'000}, 10, 79) ==
        "step 1/5: Reading symbols and universes  50 % 625,000/s  0:10, 0:10 left");
  CHECK(progress_text("step 1/5: Reading symbols and universes", {6'250'000, 12'500'000}, 10, 60) ==
        "step 1/5: Reading symbols …  50 % 625,000/s  0:10, 0:10 left");
  CHECK(columns_of(progress_text("step 1/5 Reading", {250'000, 1'000'000}, 2, 30)) == 30);
}
