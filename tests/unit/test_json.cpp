#include <limits>

#include "domain/error.hpp"
#include "json/json.hpp"
#include "support/catch.hpp"

using namespace tickstock;

namespace {

std::optional<std::vector<std::string>> read(std::string_view json) {
  json::StringArrayReader reader;
  if (!reader.read(json)) return std::nullopt;
  return std::vector<std::string>(reader.strings().begin(), reader.strings().end());
}

using Values = std::vector<std::string>;

}  // namespace

TEST_CASE("a writer makes one line of JSON") {
  json::Writer json;
  json.begin_object().key("a").value(1).key("b").begin_array().string("x\"y");
  json.value(std::nullopt).value(true).value(0.5).end_array();
  json.put("c", json::Raw{"{\"d\": 2}"}, "e", std::numeric_limits<double>::quiet_NaN());
  json.put("f", json::null_if_empty(""), "g", std::vector<std::string>{"h"}, "i", 7U).end_object();
  CHECK(json.text() ==
        R"({"a":1,"b":["x\"y",null,true,0.5],"c":{"d": 2},"e":null,"f":null,"g":["h"],"i":7})");
}

TEST_CASE("a writer refuses what a strict reader would refuse") {
  const auto write = [](std::string_view text) {
    json::Writer json;
    json.string(text);
    return json.text();
  };
  CHECK(write("ÄΩ漢") == "\"ÄΩ漢\"");
  CHECK_THROWS_AS(write("\xff\xfe"), Error);
  CHECK_THROWS_AS(write(std::string_view("a\0b", 3)), Error);
  json::Writer unfinished;
  unfinished.begin_object();
  CHECK_THROWS_AS(unfinished.text(), Error);
  json::Writer disordered;
  disordered.begin_object();
  CHECK_THROWS_AS(disordered.value(1), Error);
}

TEST_CASE("an array of strings is read, and nothing else") {
  CHECK(read("[]") == Values{});
  CHECK(read(R"(["NVDA", "A\u0042", "ä"])") == (Values{"NVDA", "AB", "ä"}));
  for (const char* bad : {"", "null", "{}", "\"NVDA\"", "[1]", "[\"A\", null]", "[[\"A\"]]",
                          "[\"A\"", "[\"A\"] x", "{\"a\":[]}", "[1e999999]"}) {
    INFO(bad);
    CHECK_FALSE(read(bad).has_value());
  }
}

TEST_CASE("an array of strings is read exactly where PostgreSQL's jsonb takes it") {
  CHECK(read(" [\t\"\x7f\"\r,\n\"\\/\\b\\f\\n\\r\\t\\\\\\\"\" ] ") ==
        (Values{"\x7f", "/\b\f\n\r\t\\\""}));
  CHECK(read(R"(["\ud83d\uDE00", "\u20aC", ""])") == (Values{"😀", "€", ""}));
  CHECK(read("[\"\xf4\x8f\xbf\xbf\"]") == Values{"\xf4\x8f\xbf\xbf"});
  for (const std::string_view bad :
       {R"(["\u0000"])",  R"(["\ud83d"])",       R"(["\ude00"])", R"(["\ude00\ud83d"])",
        R"(["\ud83dx"])", R"(["\ud83d\u0041"])", R"(["\x41"])",   R"(["\u12"])",
        R"(["A",])",      R"([,"A"])",           R"(["A" "B"])",  R"(['A'])",
        R"(["A"]])",      R"(["A"]["B"])",       R"(["])",        "[\"\n\"]",
        "[\"\x1f\"]",     "\xef\xbb\xbf[]",      "\v[]",          "[]\f",
        "[] // x"}) {
    INFO(bad);
    CHECK_FALSE(read(bad).has_value());
  }
}

TEST_CASE("an array with bytes that are not UTF-8, or with a NUL, is refused") {
  for (const char* bytes : {"\xff", "\xc3", "\xc3(", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
                            "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82", "\xf0\x8f\xbf\xbf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98"}) {
    const std::string text = std::string("[\"") + bytes + "\"]";
    INFO(text);
    CHECK_FALSE(read(text).has_value());
  }
  CHECK_FALSE(read(std::string_view("[\"A\0B\"]", 7)).has_value());
  CHECK_FALSE(read(std::string_view("[]\0", 3)).has_value());
  CHECK_FALSE(read(std::string_view("[\"A\"]\0x", 7)).has_value());
  CHECK_FALSE(read(std::string_view("\0[]", 3)).has_value());
}

TEST_CASE("deep nesting is refused without exhausting the stack") {
  CHECK_FALSE(read(std::string(1'000'000, '[')).has_value());
}
