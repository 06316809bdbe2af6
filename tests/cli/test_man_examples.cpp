// Everything under EXAMPLES works: a shell runs each block, in order, with real servers. If a block
// has lines that begin with "$ ", the other lines are the output of these commands and are
// compared; a line that ends with "..." is compared only up to there.

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Adds a small market on the day of its first night.
void add_market(Fixture& fixture) {
  const auto add = [&fixture](const std::string& symbol, const std::string& cap) {
    fixture.add_symbol({.symbol = symbol,
                        .market_cap = cap,
                        .listing_date = "2001-02-03",
                        .company_name = symbol + " Corp",
                        .sector = "Technology"});
  };
  add("AAPL", "3410000000000");
  add("NVDA", "3390000000000");
  add("ORCL", "190000000000");
  add("IVO", "2010000000");
  add("ETW", "1200000000");
  add("RWH", "450000000");
  add("CBK", "52000000");
}

/// Runs its first night, that of 2026-08-20, and then changes some things.
void pass_first_night(Fixture& fixture) {
  fixture.set_entry("theme_space", "theme", R"({"symbols": ["RWH", "IVO"], "count": 2})");
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(
      fixture.run({"sync", "-q", "--as-of", "2026-08-20", "--run-id", "night-2026-08-20"}).status ==
      0);
  fixture.database().execute(R"(
    UPDATE symbols SET market_cap = 3430000000000 WHERE symbol = 'NVDA';
    UPDATE symbols SET market_cap = 1990000000 WHERE symbol = 'IVO';
    UPDATE symbols SET is_active = false, delisted_date = '2026-08-21' WHERE symbol = 'RWH';
    INSERT INTO ohlcv_daily (symbol, date) SELECT symbol, current_date FROM symbols)");
  fixture.add_symbol({.symbol = "LNCH",
                      .market_cap = "350000000",
                      .listing_date = "2026-08-21",
                      .company_name = "Launch Corp",
                      .sector = "Industrials"});
}

/// Prepares what the examples of a page presume.
void prepare(Fixture& fixture, const std::string& page) {
  add_market(fixture);
  if (page == "tickstock-cache-init.1") {
    fixture.database().execute(R"(
      DO $$ BEGIN
        IF to_regrole('job') IS NULL THEN CREATE ROLE job; END IF;
      END $$)");
    return;
  }
  if (page == "tickstock-cache-replay.1") {
    // ORCL crosses a bound for a night, and comes back.
    fixture.database().execute(R"(
      UPDATE symbols SET shares_outstanding = 1000000;
      INSERT INTO ohlcv_daily (symbol, date, close)
      SELECT symbol, day::date,
             CASE WHEN symbol = 'ORCL' AND day = '2026-08-19' THEN 201000 ELSE market_cap / 1e6 END
        FROM symbols, generate_series(timestamp '2026-08-17', '2026-08-21', '1 day') day)");
    return;
  }
  pass_first_night(fixture);
  const Names night{"sync", "-q", "--as-of", "2026-08-21", "--run-id", "night-2026-08-21"};
  if (page == "tickstock-cache-deliver.1") {
    REQUIRE(fixture.run(night, redis_down()).status == 6);
  } else if (page == "tickstock-cache-status.1" || page == "tickstock-cache-history.1" ||
             page == "tickstock-cache-explain.1" || page == "tickstock-cache-members.1" ||
             page == "tickstock-cache-undo.1" || page == "tickstock-cache-events.1") {
    REQUIRE(fixture.run(night).status == 0);
  }
}

/// A block of an example: what a shell runs, and what that prints, if it is shown.
struct Example {
  std::string script;
  std::optional<Names> shown;
};

Example read_example(const std::string& block) {
  std::string script;
  Names shown;
  bool command = false;
  for (const std::string& line : lines_of(block)) {
    command = line.starts_with("$ ") || (command && line.starts_with("> "));
    if (command) {
      script += line.substr(2) + "\n";
    } else {
      shown.push_back(line);
    }
  }
  if (script.empty()) return {block, std::nullopt};
  return {script, shown};
}

/// Replaces times, which differ from run to run.
std::string steady(const std::string& line) {
  static const std::vector<std::pair<std::regex, std::string>> replacements{
      {std::regex(R"(\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d\d\d)?Z)"), "TIME"},
      {std::regex(R"( +\d+\.\d\d\d s)"), " SECONDS s"}};
  std::string text = line;
  for (const auto& [pattern, word] : replacements) text = std::regex_replace(text, pattern, word);
  return text;
}

void check_output(const Names& shown, const std::string& printed) {
  const Names lines = lines_of(printed);
  INFO(printed);
  CHECK(shown.size() == lines.size());
  for (std::size_t i = 0; i < std::min(shown.size(), lines.size()); ++i) {
    std::string expected = steady(shown[i]);
    std::string line = steady(lines[i]);
    if (expected.ends_with("...")) {
      expected.erase(expected.size() - 3);
      line.resize(std::min(line.size(), expected.size()));
    }
    CHECK(line == expected);
  }
}

/// Returns the environment of someone who follows the examples: the program by its name, and
/// servers.
RunOptions shell_options(const Fixture& fixture, const TemporaryDirectory& directory) {
  RunOptions options = fixture.options();
  options.environment["PATH"] =
      std::filesystem::path(program_path()).parent_path().string() + ":" + std::getenv("PATH");
  options.environment["PGOPTIONS"] = "-c client_min_messages=warning";
  options.directory = directory.path();
  return options;
}

}  // namespace

TEST_CASE("the examples of the man pages can be run, and print what they show") {
  for (const std::string& page : all_pages()) {
    // Those of section 7 are run with the command they are about, those of section 8 with the
    // package.
    if (page.ends_with(".7") || page.ends_with(".8")) continue;
    Fixture fixture({.entries = page != "tickstock-cache-init.1"});
    prepare(fixture, page);
    const TemporaryDirectory directory;
    const RunOptions options = shell_options(fixture, directory);
    const auto blocks = ManPage(page).blocks("EXAMPLES");
    CHECK_FALSE(blocks.empty());
    for (const std::string& block : blocks) {
      const Example example = read_example(block);
      // The servers named in an example are those of the scene.
      const std::string script =
          std::regex_replace(example.script, std::regex("export (DATABASE|REDIS)_URL=.*"), ":");
      const ProcessResult result = run_process({"sh", "-e", "-c", script}, options);
      INFO(page << ": " << script << result.out << result.err);
      CHECK(result.status == 0);
      if (example.shown) check_output(*example.shown, result.out);
    }
  }
}

TEST_CASE("the line for cron in the man page can be run") {
  std::string text;
  for (const std::string& block : ManPage().blocks("EVERY NIGHT")) text += block;
  const auto lines = matches(text, "\n[0-9*-]+ [^a-z]*(tickstock-cache .*)\n");
  REQUIRE(lines.size() == 1);
  Names arguments = words_of(lines.front());
  arguments.erase(arguments.begin());
  CHECK(run_alone(arguments).status == 5);
}
