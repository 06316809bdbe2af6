#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "postgres/connection.hpp"
#include "postgres/copy.hpp"
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/postgres.hpp"

using namespace tickstock;
using namespace tickstock::postgres;
using tickstock::test::Database;
using tickstock::test::unlimited;

namespace {

/// Returns texts of numerics: whole numbers and cents as caps have them, values halfway between two
/// doubles, and some that are too large, too small or too long for a double.
std::vector<std::string> numerics() {
  std::vector<std::string> texts{
      "0", "0.00", "1", "-1", "0.01", "0.1", "10000", "100000000", "200e9", "199999999999.99",
      // 2^53 and its neighbors; the odd one is between two doubles.
      "9007199254740991", "9007199254740992", "9007199254740993", "90071992547409.93",
      "9007199254740993.00000000000000000001", "0.30000000000000004", "0.3", "1e22", "1e23",
      "123456789012345678901234567890.12", "1.7976931348623157e308", "1.7976931348623159e308",
      "1e400", "-1e400", "1e-400", "4.9e-324", "2e-324", "1e-300", "NaN", "Infinity", "-Infinity",
      "1" + std::string(309, '0'), "0." + std::string(300, '0') + "123456789123456789"};
  std::mt19937_64 random(20260821);
  for (int i = 0; i < 20'000; ++i) {
    const auto digits = random() % 22 + 1;
    std::string text = random() % 10 == 0 ? "-" : "";
    for (std::uint64_t digit = 0; digit < digits; ++digit) {
      text += static_cast<char>('0' + random() % 10);
    }
    if (random() % 2 == 0)
      text.insert(text.size() - random() % std::min<std::size_t>(digits, 9), ".");
    if (random() % 8 == 0) text += "e" + std::to_string(static_cast<int>(random() % 120) - 60);
    texts.push_back(text);
  }
  return texts;
}

}  // namespace

TEST_CASE("a numeric in binary is the double nearest to its text") {
  Database database;
  database.execute("CREATE TABLE given (id int, value numeric)");
  const std::vector<std::string> texts = numerics();
  std::string rows;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    rows += (i == 0 ? "(" : ",(") + std::to_string(i) + ",'" + texts[i] + "')";
  }
  database.execute("INSERT INTO given VALUES " + rows + ", (" + std::to_string(texts.size()) +
                   ", NULL)");

  ConnectionSettings settings;
  settings.conninfo = database.url();
  Connection connection = Connection::open(settings, unlimited());
  std::size_t seen = 0;
  BinaryCopyReader reader(2, [&seen](std::span<const CopyField> row) {
    ++seen;
    const double value = copy_numeric(row[0]);
    if (!row[1]) {
      CHECK(std::isnan(value));
      return;
    }
    const std::string text(*row[1]);
    const double nearest = std::strtod(text.c_str(), nullptr);
    INFO(text);
    REQUIRE((value == nearest || (std::isnan(value) && std::isnan(nearest))));
  });
  CopyOut(connection,
          {"copying", "COPY (SELECT value, value::text FROM given) TO STDOUT (FORMAT binary)"},
          [&reader](std::string_view bytes) { reader.feed(bytes); })
      .finish();
  CHECK(seen == texts.size() + 1);
}
