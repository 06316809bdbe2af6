#include <limits>

#include "printable.hpp"
#include "support/catch.hpp"

using namespace tickstock::cli;

TEST_CASE("control characters are shown, letters are kept") {
  CHECK(printable("NVDA ä 漢") == "NVDA ä 漢");
  CHECK(printable("A\nERROR fake") == "A\\nERROR fake");
  CHECK(printable("\x1b[31mred\x7f\t\r") == "\\x1b[31mred\\x7f\\x09\\x0d");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\u009b31m");
  CHECK(printable("\xc2\xa0") == "\xc2\xa0");
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
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
  CHECK(counted(0, "event", "events") == "0 events");
  CHECK(counted(1, "event", "events") == "1 event");
  CHECK(counted(2, "event", "events") == "2 events");
}
