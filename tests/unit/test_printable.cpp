#include <limits>

#include "domain/text.hpp"
#include "rules/universe.hpp"
#include "show/screen.hpp"
#include "support/catch.hpp"

using namespace tickstock::cli;
using tickstock::dollars;

TEST_CASE("control characters are shown, letters are kept") {
  CHECK(printable("NVDA ä 漢") == "NVDA ä 漢");
  CHECK(printable("A\nERROR fake") == "A\\nERROR fake");
  CHECK(printable("\x1b[31mred\x7f\t\r") == "\\x1b[31mred\\x7f\\x09\\x0d");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\u009b31m");
  CHECK(printable("\xc2\xa0") == "\xc2\xa0");
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\U0001F4C8 \u05d0\u05d1") == "\U0001F4C8 \u05d0\u05d1");
}

TEST_CASE("a turn of the direction of writing is shown, so that no line reads as another") {
  CHECK(printable("A\u202eB\u2066C\u200f") == "A\\u202eB\\u2066C\\u200f");
  CHECK(printable("AB\u061cCD") == "AB\\u061cCD");
  CHECK(printable("one\u2028two") == "one\\u2028two");
}

TEST_CASE("bytes that are no UTF-8 are shown one by one") {
  CHECK(printable("a\xff\xfe") == "a\\xff\\xfe");
  CHECK(printable("\xe2\x82") == "\\xe2\\x82");
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
}

TEST_CASE("caps are written in the unit that a person says") {
  CHECK(dollars(4.224e12) == "$4.22 T");
  CHECK(dollars(198.3e9) == "$198.30 B");
  CHECK(dollars(52.1e6) == "$52.10 M");
  CHECK(dollars(999'999) == "$999999");
  CHECK(dollars(0) == "$0");
  CHECK(dollars(std::numeric_limits<double>::quiet_NaN()) == "-");
}

TEST_CASE("a number takes the word that fits it") {
  CHECK(tickstock::counted(0, "event", "events") == "0 events");
  CHECK(tickstock::counted(1, "event", "events") == "1 event");
  CHECK(tickstock::counted(2, "event", "events") == "2 events");
}
