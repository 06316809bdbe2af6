#include <string>
#include <vector>

#include "domain/error.hpp"
#include "postgres/copy.hpp"
#include "support/catch.hpp"

using namespace tickstock;
using namespace tickstock::postgres;

namespace {

std::string number(std::uint32_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text += static_cast<char>(value >> shift);
  return text;
}

std::string field(const std::string& bytes) {
  return number(static_cast<std::uint32_t>(bytes.size()), 4) + bytes;
}

const std::string header = std::string("PGCOPY\n\377\r\n\0", 11) + number(0, 4) + number(0, 4);
const std::string null_field = number(0xffffffff, 4);
const std::string trailer = number(0xffff, 2);

std::string stream() {
  return header + number(2, 2) + field("NVDA") + null_field + number(2, 2) + field("") +
         field("x\ty") + trailer;
}

std::vector<std::vector<std::string>> read(const std::vector<std::string>& pieces) {
  std::vector<std::vector<std::string>> rows;
  BinaryCopyReader reader(2, [&rows](std::span<const CopyField> row) {
    rows.emplace_back();
    for (const CopyField& each : row) rows.back().push_back(each ? std::string(*each) : "NULL");
  });
  for (const std::string& piece : pieces) reader.feed(piece);
  return rows;
}

}  // namespace

TEST_CASE("rows are cut the same, in whatever pieces they arrive") {
  const std::string bytes = stream();
  const std::vector<std::vector<std::string>> expected{{"NVDA", "NULL"}, {"", "x\ty"}};
  CHECK(read({bytes}) == expected);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CHECK(read({bytes.substr(0, cut), bytes.substr(cut)}) == expected);
  }
  std::vector<std::string> single;
  for (const char byte : bytes) single.emplace_back(1, byte);
  CHECK(read(single) == expected);
}

TEST_CASE("a table without rows is a header and a trailer") {
  CHECK(read({header + trailer}).empty());
}

TEST_CASE("bytes in another format are refused") {
  CHECK_THROWS_AS(read({std::string(40, 'x')}), Error);
  CHECK_THROWS_AS(read({header + number(1, 2) + field("NVDA")}), Error);
  CHECK_THROWS_AS(read({header + number(2, 2) + field("NVDA") + number(0xfffffffe, 4)}), Error);
  CHECK_THROWS_AS(read({header + trailer + trailer}), Error);
  CHECK_THROWS_AS(read({header + trailer, "x"}), Error);
}

TEST_CASE("dates and booleans are read, infinity among them") {
  const std::string day = number(9729, 4);
  CHECK(copy_day(CopyField(day)) == parse_day("2026-08-21"));
  const std::string before_2000 = number(static_cast<std::uint32_t>(-1), 4);
  CHECK(copy_day(CopyField(before_2000)) == parse_day("1999-12-31"));
  const std::string infinity = number(0x7fffffff, 4);
  CHECK(copy_day(CopyField(infinity)) == Day::max());
  const std::string minus_infinity = number(0x80000000, 4);
  CHECK(copy_day(CopyField(minus_infinity)) == Day::min());
  CHECK_FALSE(copy_day(CopyField()).has_value());
  CHECK(copy_boolean(CopyField(std::string_view("\1", 1))) == std::optional<bool>(true));
  CHECK(copy_boolean(CopyField(std::string_view("\0", 1))) == std::optional<bool>(false));
  CHECK_FALSE(copy_boolean(CopyField()).has_value());
}

TEST_CASE("a numeric of the wrong form is refused") {
  // The number of groups of four digits, the weight of the first, sign, displayed digits, the
  // groups.
  const auto numeric = [](std::uint32_t groups, std::uint32_t sign, const std::string& digits) {
    return number(groups, 2) + number(0, 2) + number(sign, 2) + number(0, 2) + digits;
  };
  const auto read_as_numeric = [](const std::string& bytes) {
    return copy_numeric(CopyField(bytes));
  };
  CHECK(read_as_numeric(numeric(1, 0, number(7, 2))) == 7);
  CHECK(read_as_numeric(numeric(1, 0x4000, number(7, 2))) == -7);
  CHECK_THROWS_AS(read_as_numeric(""), Error);
  CHECK_THROWS_AS(read_as_numeric(numeric(2, 0, number(7, 2))), Error);
  CHECK_THROWS_AS(read_as_numeric(numeric(1, 0x1234, number(7, 2))), Error);
  CHECK_THROWS_AS(read_as_numeric(numeric(1, 0, number(10'000, 2))), Error);
}
