#include <algorithm>
#include <random>

#include "rules/plan.hpp"
#include "support/catch.hpp"
#include "sync/planning.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

std::vector<Row> rows_of(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Row> rows;
  for (int i = 0; i < 60; ++i) {
    rows.push_back({"S" + std::to_string(i), static_cast<double>(random() % 1000) * 1e9});
    if (random() % 10 == 0) rows.back().delisted = "2026-08-20";
    if (random() % 10 == 0) rows.back().listed = "2026-08-11";
  }
  return rows;
}

std::string digest_of(const std::vector<Row>& rows,
                      const std::function<void(Market&, Entries&)>& prepare = {}) {
  Market market = market_of(rows);
  Entries entries{{"ai", entry_of(market, "theme", {"S3", "S1", "S4", "S15", "S9"})},
                  {"mega_cap", entry_of(market, "market_cap", {"S1", "S2"})}};
  if (prepare) prepare(market, entries);
  return sync::plan_digest(make_plan(Mode::full, market, entries, {}), market);
}

}  // namespace

TEST_CASE("a digest is 64 hexadecimal digits, and the same for the same plan") {
  const std::string digest = digest_of(rows_of(1));
  CHECK(digest.size() == 64);
  CHECK(digest.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(digest == digest_of(rows_of(1)));
}

TEST_CASE("another writer's entry, the order of rows and unknown symbols don't change a digest") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    const std::vector<Row> rows = rows_of(seed);
    const std::string digest = digest_of(rows);
    std::vector<Row> shuffled = rows;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(seed));
    CHECK(digest_of(shuffled) == digest);
    CHECK(digest_of(rows, [](Market& market, Entries& entries) {
            entries.emplace("watchlist", entry_of(market, "user", {"S1", "OTHER"}));
            entries.emplace("untouched", entry_of(market, "theme", {"OTHER"}));
          }) == digest);
  }
}

TEST_CASE("whatever would be written, or is overwritten, changes a digest") {
  const std::vector<Row> rows = rows_of(2);
  const std::string digest = digest_of(rows);
  const auto with = [&rows](const std::function<void(Entry&)>& spoil) {
    return digest_of(rows, [&spoil](Market& market, Entries& entries) {
      Entry entry = *entry_of(market, "market_cap", {"S1", "S2"});
      spoil(entry);
      entries.insert_or_assign("mega_cap", std::make_shared<const Entry>(entry));
    });
  };
  CHECK(with([](Entry&) {}) == digest);
  CHECK(with([](Entry& entry) { entry.cache_type = "theme"; }) != digest);
  CHECK(with([](Entry& entry) { entry.count = "7"; }) != digest);
  CHECK(with([](Entry& entry) { entry.metadata = R"({"a": 1})"; }) != digest);
  CHECK(with([](Entry& entry) {
          std::vector<SymbolId> members = entry.members.list();
          std::swap(members[0], members[1]);
          entry.members = std::move(members);
        }) != digest);
  CHECK(with([](Entry& entry) {
          std::vector<SymbolId> members = entry.members.list();
          members.push_back(members[0]);
          entry.members = std::move(members);
        }) != digest);
  CHECK(with([](Entry& entry) { entry.readable = false; }) != digest);
  std::vector<Row> moved = rows;
  moved[7].market_cap += 5e12;
  CHECK(digest_of(moved) != digest);
}
