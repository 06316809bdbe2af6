#include <string>

#include "domain/symbol_table.hpp"
#include "support/catch.hpp"

using namespace tickstock;

TEST_CASE("a symbol gets one number, however often it is seen") {
  SymbolTable table;
  CHECK(table.intern("NVDA") == 0);
  CHECK(table.intern("AAPL") == 1);
  CHECK(table.intern("NVDA") == 0);
  CHECK(table.name(1) == "AAPL");
  CHECK(table.find("AAPL") == std::optional<SymbolId>(1));
  CHECK_FALSE(table.find("MSFT").has_value());
  CHECK(table.size() == 2);
}

TEST_CASE("an empty table finds nothing") { CHECK_FALSE(SymbolTable().find("NVDA").has_value()); }

TEST_CASE("names keep their bytes while the table grows") {
  SymbolTable table;
  constexpr int count = 50'000;
  for (int i = 0; i < count; ++i)
    REQUIRE(table.intern("S" + std::to_string(i)) == static_cast<SymbolId>(i));
  for (int i = 0; i < count; i += 7)
    CHECK(table.name(static_cast<SymbolId>(i)) == "S" + std::to_string(i));
}

TEST_CASE("a name longer than a block of the arena, and an empty one, are names too") {
  SymbolTable table;
  const std::string longest(200'000, 'x');
  const SymbolId id = table.intern(longest);
  const SymbolId empty = table.intern("");
  CHECK(table.name(id) == longest);
  CHECK(table.name(empty).empty());
  CHECK(table.find("") == std::optional<SymbolId>(empty));
}

TEST_CASE("many names at once get the numbers that they would get one by one") {
  SymbolTable one_by_one;
  SymbolTable at_once;
  std::vector<std::string> names;
  for (int i = 0; i < 5'000; ++i) {
    // Some are repeated, some are longer than what is stored in the table itself.
    names.push_back("S" + std::string(static_cast<std::size_t>(i % 23), 'x') +
                    std::to_string(i * i % 3'001));
  }
  std::vector<SymbolId> expected;
  for (const std::string& name : names) expected.push_back(one_by_one.intern(name));
  std::vector<SymbolId> ids;
  at_once.intern(std::vector<std::string_view>(names.begin(), names.end()), ids);
  CHECK(ids == expected);
  CHECK(at_once.size() == one_by_one.size());
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(at_once.name(ids[i]) == names[i]);
}
