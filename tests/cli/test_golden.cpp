// The exact output for a small fixed market. After an intended change, run this test with
// TICKSTOCK_UPDATE_GOLDEN=1 and review the diff of golden/.

#include <cstdlib>
#include <fstream>
#include <regex>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Replaces digits that differ from run to run by words, and splits a document into a line per
/// change.
std::string normalised(std::string text) {
  const std::vector<std::pair<std::regex, std::string>> replacements{
      {std::regex(R"(\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d\d\d)?Z)"), "TIME"},
      {std::regex(R"([0-9a-f]{64})"), "DIGEST"},
      // The market's own dates are in 2024.
      {std::regex(R"(20(2[5-9]|[3-9]\d)-\d\d-\d\d)"), "TODAY"},
      {std::regex(R"(\d+\.\d\d\d s)"), "SECONDS s"},
      {std::regex(R"("duration_seconds":[0-9.e-]+)"), R"("duration_seconds":SECONDS)"},
      {std::regex(R"re(\{"(change_type|name|level|symbol)")re"), "\n{\"$1\""},
      {std::regex(R"re(,"(task_results|total_changes|errors|events)")re"), ",\n\"$1\""},
  };
  for (const auto& [pattern, word] : replacements) text = std::regex_replace(text, pattern, word);
  return text;
}

void check_golden(const std::string& name, const ProcessResult& result, int status = 0) {
  INFO("standard error: " << result.err);
  CHECK(result.status == status);
  const std::string path = TICKSTOCK_SOURCE_DIR "/tests/cli/golden/" + name;
  const std::string text = normalised(result.out);
  if (std::getenv("TICKSTOCK_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream stream(path);
  const std::string golden{std::istreambuf_iterator<char>(stream), {}};
  REQUIRE_FALSE(golden.empty());
  INFO(path);
  CHECK(lines_of(text) == lines_of(golden));
}

/// Adds a market with a symbol for everything that a second night can do.
void add_first_night(Fixture& fixture) {
  const auto add = [&fixture](const std::string& symbol, const std::string& cap) {
    fixture.add_symbol({.symbol = symbol, .market_cap = cap, .listing_date = "2001-02-03"});
  };
  add("ALPHA", "3100000000000");
  add("BETA", "205000000000");
  add("CHI", "50000000000");
  add("DELTA", "10500000000");
  add("EPSILON", "10100000000");
  add("FALLER", "210000000");
  add("GAMMA", "9900000000");
  add("ETA", "500000000");
  for (int i = 1; i <= 12; ++i) {
    add(fmt::format("M{:02}", i), std::to_string(100'000'000 - i * 1'000'000));
  }
  add("TINY", "999999");
  fixture.add_symbol({.symbol = "AGED",
                      .market_cap = "60000000",
                      .listing_date = "2024-05-30",
                      .company_name = "Aged Inc",
                      .sector = "Energy"});
  fixture.add_symbol({.symbol = "FRESH", .market_cap = "70000000", .listing_date = "2024-06-20"});
  fixture.set_entry("sector_energy", "sector", R"({"symbols": ["CHI", "DELTA"], "count": 2})");
  fixture.set_entry("theme_calm", "theme", R"({"symbols": ["ALPHA"], "count": 1})");
  fixture.set_entry("theme_chips", "theme",
                    R"({"symbols": ["CHI", "ALPHA", "STRANGER"], "count": 3})");
}

/// Makes GAMMA and EPSILON cross 10 B, removes CHI, lists NEW, takes FALLER's cap away, reorders
/// twelve symbols, and breaks an entry.
void move_market(Fixture& fixture) {
  fixture.database().execute(R"(
    UPDATE symbols SET market_cap = 10200000000 WHERE symbol = 'GAMMA';
    UPDATE symbols SET market_cap = 9500000000 WHERE symbol = 'EPSILON';
    UPDATE symbols SET is_active = false, delisted_date = '2024-06-29' WHERE symbol = 'CHI';
    UPDATE symbols SET market_cap = NULL WHERE symbol = 'FALLER';
    UPDATE symbols SET market_cap = 87000000 + 1000000 * substr(symbol, 2)::int
     WHERE symbol ~ '^M[0-9]';
    UPDATE cache_entries SET content = content || '{"count": 7}' WHERE universe = 'mega_cap')");
  fixture.add_symbol({.symbol = "NEW",
                      .market_cap = "400000000",
                      .listing_date = "2024-06-29",
                      .company_name = "New & Sons",
                      .sector = "Technology"});
}

}  // namespace

TEST_CASE("the reports of two nights are as they were") {
  Fixture fixture;
  add_first_night(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  check_golden("first_night.txt",
               fixture.run({"sync", "--as-of", "2024-06-28", "--run-id", "night-1"}));
  move_market(fixture);
  const Names next{"--as-of", "2024-06-29"};
  check_golden("second_night_full.txt", fixture.run(with({"dry-run", "--full"}, next)));
  check_golden("second_night.txt", fixture.run(with({"sync", "--run-id", "night-2"}, next)));
  check_golden("nothing_to_do.txt", fixture.run(with({"sync", "--run-id", "night-3"}, next)));
  check_golden("status.txt", fixture.run({"status", "night-2"}));
  check_golden("status.json", fixture.run({"status", "night-2", "--format", "json"}));
  check_golden("history.txt", fixture.run({"history"}));
}

TEST_CASE("the members of a universe and the reports of an undo are as they were") {
  Fixture fixture;
  add_first_night(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-28", "--run-id", "night-1"}).status == 0);
  move_market(fixture);
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-29", "--run-id", "night-2"}).status == 0);
  const Names now{"members", "theme_chips"};
  const Names past = with(now, {"--as-of", "2024-06-28"});
  check_golden("members.txt", fixture.run(now));
  check_golden("members.json", fixture.run(with(now, {"--format", "json"})));
  check_golden("members.csv", fixture.run(with(now, {"--format", "csv"})));
  check_golden("members_past.txt", fixture.run(past));
  check_golden("members_past.json", fixture.run(with(past, {"--format", "json"})));
  const Names undo{"undo", "night-2"};
  check_golden("undo_dry_run.txt", fixture.run(with(undo, {"--dry-run"})));
  check_golden("undo.txt", fixture.run(with(undo, {"--run-id", "back"})));
  check_golden("undo.json", fixture.run({"undo", "back", "--run-id", "forth", "--format", "json"}));
  fixture.database().execute("DELETE FROM cache_entries WHERE universe = 'theme_chips'");
  check_golden("undo_refused.txt", fixture.run({"undo", "forth", "--dry-run", "--summary"}), 4);
}

TEST_CASE("the reports of a refused run are as they were") {
  Fixture fixture;
  add_first_night(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(fixture.run({"sync", "--as-of", "2024-06-28", "-q"}).status == 0);
  fixture.database().execute("UPDATE symbols SET market_cap = 0");
  const Names day{"--as-of", "2024-06-29"};
  check_golden("refused.txt", fixture.run(with({"sync", "--run-id", "bad"}, day)), 4);
  check_golden("refused.json",
               fixture.run(with({"delisted", "--run-id", "worse", "--format", "json"}, day)), 4);
  check_golden("refused_dry_run.txt", fixture.run(with({"delisted", "--dry-run"}, day)), 4);
}

TEST_CASE("the documents of a first run are as they were") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  check_golden("dry_run.json", run_task(fixture, {"dry-run", "--format", "json"}));
  check_golden("sync.json", run_task(fixture, {"sync", "--run-id", "night", "--format", "json"}));
  check_golden("failure.json", run_task(fixture, {"sync", "--run-id", "night", "--format", "json"}),
               64);
}
