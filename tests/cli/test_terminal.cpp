// What a person at a terminal sees: the progress line, colors, tables of the right width.

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <regex>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Runs a command line as a shell on a terminal of this width does.
Names on_terminal(const Names& arguments, int columns) {
  std::string line = fmt::format("stty cols {} rows 24; exec", columns);
  for (const std::string& word : Fixture::command(arguments)) line += " '" + word + "'";
  return {"script", "-qefc", line, "/dev/null"};
}

RunOptions options(const Fixture& fixture, Environment extra = {}) {
  extra.emplace("TERM", "xterm");
  return fixture.options(extra);
}

std::string shown_on(const Fixture& fixture, const Names& arguments, int columns,
                     const Environment& extra = {}) {
  const ProcessResult result =
      run_process(on_terminal(arguments, columns), options(fixture, extra));
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  return result.out;
}

std::string without_color(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
}

/// Returns the final screen, taking carriage returns and overwriting into account.
Names screen_after(const std::string& text) {
  Names lines;
  std::string line;
  std::size_t column = 0;
  const std::string plain = without_color(text);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] == '\r') {
      column = 0;
    } else if (plain[i] == '\n') {
      lines.push_back(line);
      line.clear();
      column = 0;
    } else if (plain.compare(i, 3, "\x1b[K") == 0) {
      line.resize(std::min(line.size(), column));
      i += 2;
    } else {
      line.resize(std::max(line.size(), column));
      line.replace(column, 1, 1, plain[i]);
      ++column;
    }
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

/// A run that keeps reading until it is released.
struct HeldRun {
  Fixture fixture;
  Session holder;

  HeldRun() : holder(fixture.database().connect()) {
    add_small_market(fixture);
    fixture.database().execute("ANALYZE symbols");
    holder.execute("BEGIN");
    holder.execute("LOCK TABLE symbols");
  }
  void let_go() { holder.execute("ROLLBACK"); }
};

/// Replaces digits that differ from run to run by zeros, so that every column stays in place.
std::string with_zeros(std::string text) {
  static const std::vector<std::regex> changing{std::regex("20(?:2[5-9]|[3-9][0-9])-[0-9:T.-]*"),
                                                std::regex("[0-9a-f]{64}"),
                                                std::regex("[0-9]+[.][0-9]{3} s"),
                                                std::regex("127[.]0[.]0[.]1:[0-9]+"),
                                                std::regex("tickstock-test-[A-Za-z0-9]{6}"),
                                                std::regex("test_[0-9a-z_]+")};
  for (const std::regex& each : changing) {
    std::string zeros;
    auto rest = text.cbegin();
    for (std::sregex_iterator it(text.begin(), text.end(), each), end; it != end; ++it) {
      zeros.append(rest, (*it)[0].first);
      for (const char c : it->str())
        zeros += std::isalnum(static_cast<unsigned char>(c)) != 0 ? '0' : c;
      rest = (*it)[0].second;
    }
    text = zeros.append(rest, text.cend());
  }
  return text;
}

}  // namespace

TEST_CASE("a line says what a run is at, and is gone when it is done") {
  HeldRun held;
  Process run(on_terminal({"sync", "--as-of", market_day}, 80), options(held.fixture));
  wait_until("the line of progress", [&] {
    return run.out().find("\rstep 1/5 Reading symbols and universes  0:0") != std::string::npos;
  });
  held.let_go();
  const ProcessResult result = run.wait();
  CHECK(result.status == 0);
  const Names screen = screen_after(result.out);
  for (const std::string& line : screen) CHECK_THAT(line, !contains("step"));
  // The warning is on a line of its own.
  CHECK_THAT(screen.front(), contains("tickstock-cache: warning: the tables cache_sync_*"));
  REQUIRE(screen.size() > 2);
  CHECK_THAT(screen[screen.size() - 2], contains("11 universes changed"));
  CHECK_THAT(screen.back(), contains("  published; "));
}

TEST_CASE("there is no progress line if nobody can see it, or wants to") {
  const auto says_steps = [](const Names& flags, const Environment& extra) {
    HeldRun held;
    Process run(on_terminal(with({"sync", "--as-of", market_day}, flags), 80),
                options(held.fixture, extra));
    wait_until("the step to be told", [&] {
      return run.out().find("Reading symbols and universes") != std::string::npos;
    });
    held.let_go();
    const ProcessResult result = run.wait();
    CHECK(result.status == 0);
    CHECK_THAT(result.out, !contains("\x1b[K"));
    return result.out;
  };
  CHECK_THAT(says_steps({"--progress", "never"}, {}), contains("tickstock-cache: step 1/5:"));
  CHECK_THAT(says_steps({"-v"}, {}), contains("tickstock-cache: step 1/5:"));
  CHECK_THAT(says_steps({"--log-format", "json"}, {}), contains(R"("step":1)"));
  CHECK_THAT(says_steps({}, {{"TERM", "dumb"}}), contains("tickstock-cache: step 1/5:"));
}

TEST_CASE("Ctrl-C leaves a clean line and says that nothing was changed") {
  HeldRun held;
  const Names before = held.fixture.entries_dump();
  Process run(on_terminal({"sync", "--as-of", market_day}, 80), options(held.fixture));
  wait_until("the line of progress",
             [&] { return run.out().find("\rstep 1/5") != std::string::npos; });
  const std::string pid = held.fixture.database().value(
      "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tickstock-cache%'");
  REQUIRE_FALSE(pid.empty());
  // As the terminal does, to all processes in its foreground.
  const std::string child = run_process({"pgrep", "-P", std::to_string(run.pid())}).out;
  REQUIRE_FALSE(child.empty());
  ::kill(std::stoi(child), SIGINT);
  const ProcessResult result = run.wait();
  CHECK(result.status == 128 + SIGINT);
  const Names screen = screen_after(result.out);
  CHECK_THAT(screen.back(), contains("tickstock-cache: error: interrupted by a signal"));
  CHECK_THAT(screen.back(), contains("nothing was changed"));
  held.let_go();
  CHECK(held.fixture.entries_dump() == before);
}

TEST_CASE("colour carries meaning on a terminal, and is left out where it is not wanted") {
  Fixture fixture;
  add_small_market(fixture);
  const Names dry_run{"dry-run", "--as-of", market_day};
  const std::string coloured = shown_on(fixture, dry_run, 80);
  CHECK_THAT(coloured, contains("  \x1b[32m+\x1b[0m MEGA"));
  CHECK_THAT(coloured, contains("  \x1b[31m-\x1b[0m GONE"));
  CHECK_THAT(coloured, contains("\x1b[33mwarning\x1b[0m"));
  for (const auto& [flags, extra] : std::vector<std::pair<Names, Environment>>{
           {{"--color", "never"}, {}}, {{}, {{"NO_COLOR", "1"}}}, {{}, {{"TERM", "dumb"}}}}) {
    const std::string plain = shown_on(fixture, with(dry_run, flags), 80, extra);
    CHECK_THAT(plain, !contains("\x1b["));
    CHECK(lines_of(plain).size() >= lines_of(without_color(coloured)).size());
  }
  CHECK_THAT(fixture.run(dry_run).out, !contains("\x1b["));
  CHECK_THAT(fixture.run(with(dry_run, {"--color", "always"})).out, contains("\x1b[32m+"));
  // The document is for programs.
  const std::string document =
      fixture.run(with(dry_run, {"--color", "always", "--format", "json"})).out;
  CHECK_THAT(document, !contains("\x1b["));
}

TEST_CASE("tables fit 80 columns, use 200, and are whole in a pipe") {
  Fixture fixture;
  add_small_market(fixture);
  const std::string theme =
      "theme_a_name_that_is_much_longer_than_any_that_the_application_made_up";
  fixture.set_entry(theme, "theme", R"({"symbols": ["GONE", "MID"], "count": 2})");
  fixture.set_entry("市場の主題", "theme", R"({"symbols": ["GONE", "MID"], "count": 2})");
  REQUIRE(fixture.run({"init"}).status == 0);
  const std::string id = "coordinator-2024-06-28T20:30:00-the-night-after-the-reconstitution";
  const std::string short_id = id.substr(0, 64);
  REQUIRE(run_task(fixture, {"sync", "--run-id", short_id}).status == 0);
  for (const Names& command :
       {Names{"history"}, Names{"history", "--universe", theme},
        Names{"history", "--symbol", "GONE"}, Names{"universes"}, Names{"members", theme},
        Names{"explain", "MID"}, Names{"members", "mega_cap"},
        Names{"members", "mega_cap", "--as-of", market_day}, Names{"undo", short_id, "--dry-run"},
        Names{"dry-run", "--as-of", market_day}}) {
    INFO(fmt::format("{}", fmt::join(command, " ")));
    std::size_t longest = 0;
    for (const auto& [columns, bytes] : {std::pair(80, 80U), std::pair(200, 200U)}) {
      std::size_t wide = 0;
      for (const std::string& line : screen_after(shown_on(fixture, command, columns))) {
        // The log, the digest and the command to copy wrap at the width of the terminal.
        if (line.starts_with("tickstock-cache:") || line.starts_with("as of ") ||
            line.starts_with("to run exactly this: ") ||
            line.find(" member of ") != std::string::npos ||
            line.find(" members of ") != std::string::npos) {
          continue;
        }
        std::size_t width = 0;
        for (const char c : line) width += (c & 0xc0) != 0x80 ? 1 : 0;
        // Each of these letters takes two columns.
        if (line.find("市場の主題") != std::string::npos) width += 5;
        wide = std::max(wide, width);
        // An id is never cut, and may be longer than the remaining space.
        CHECK((width <= bytes || command[0] == "history"));
      }
      CHECK((wide >= longest || command[0] == "history"));
      longest = wide;
    }
  }
  for (const Names& command : {Names{"history"}, Names{"history", "--universe", "top_100"}}) {
    CHECK_THAT(shown_on(fixture, command, 80), contains(short_id));
  }
  CHECK_THAT(fixture.run({"history"}).out, contains(short_id));
  fixture.database().execute("DELETE FROM cache_sync_runs");
  REQUIRE(run_task(fixture, {"market-cap"}).status == 0);
  for (const Names& command : {Names{"history"}, Names{"history", "--universe", "tech"}}) {
    for (const std::string& line : screen_after(shown_on(fixture, command, 80))) {
      INFO(line);
      const auto letters =
          std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
      CHECK(letters <= 80);
    }
  }
  CHECK_THAT(fixture.run({"universes"}).out, contains(theme));
}

TEST_CASE("two policies side by side fit 80 columns, and tell more on 100") {
  Fixture fixture;
  fixture.add_symbol({.symbol = "A"});
  fixture.database().execute(
      "UPDATE symbols SET shares_outstanding = 1;"
      "INSERT INTO ohlcv_daily (symbol, date, close) VALUES ('A', '2024-03-01', 3e9), "
      "('A', '2024-03-04', 1e9)");
  const TemporaryDirectory directory;
  const std::string still = directory.write("still.toml", "[stability]\nband = 10\nnights = 2\n");
  const Names command{"replay", "--from", "2024-03-01", "--to", "2024-03-31", "--against", still};
  for (const std::string& line : screen_after(shown_on(fixture, command, 80))) {
    if (line.find(" days from ") != std::string::npos || line.starts_with("tickstock-")) continue;
    std::size_t width = 0;
    for (const char c : line) width += (c & 0xc0) != 0x80 ? 1 : 0;
    CHECK(width <= 80);
    CHECK(line.find("95 %") == std::string::npos);
  }
  CHECK_THAT(shown_on(fixture, command, 100), contains("95 %"));
}

// After an intended change of a screen, run this test with TICKSTOCK_UPDATE_GOLDEN=1 and review the
// diff of golden/.
TEST_CASE("the screens of all commands at 80 and 200 columns are as they were") {
  for (const int columns : {80, 200}) {
    Fixture fixture;
    add_small_market(fixture);
    fixture.set_entry("theme_a_name_that_is_much_longer_than_any_other", "theme",
                      R"({"symbols": ["GONE", "MID"], "count": 2})");
    std::string screens;
    const auto show = [&](const Names& arguments) {
      const ProcessResult result = run_process(on_terminal(arguments, columns), options(fixture));
      screens += fmt::format("$ tickstock-cache {}\n", fmt::join(arguments, " "));
      for (const std::string& line : screen_after(result.out)) screens += with_zeros(line) + "\n";
      screens += fmt::format("[{}]\n\n", result.status);
    };
    const Names day{"--as-of", market_day};
    show({"init"});
    show(with({"dry-run"}, day));
    show(with({"sync", "--run-id", "manual-cache-sync-night-1", "--progress", "never"}, day));
    fixture.database().execute("UPDATE symbols SET market_cap = 400000000 WHERE symbol = 'MID'");
    show(with({"market-cap", "--run-id", "second", "--summary", "--progress", "never"}, day));
    show({"status"});
    show({"history"});
    show({"history", "--universe", "mid_cap"});
    show({"history", "--symbol", "MID"});
    show({"universes"});
    show({"members", "small_cap"});
    show({"explain", "MID", "mid_cap"});
    show({"events", "--limit", "3"});
    show({"undo", "second", "--dry-run"});
    show({"deliver"});
    fixture.database().execute("UPDATE symbols SET market_cap = 0 WHERE market_cap < 1e12");
    show(with({"sync", "--run-id", "refused", "--progress", "never"}, day));
    show({"status", "refused"});
    const std::string path =
        fmt::format("{}/tests/cli/golden/screens_{}.txt", TICKSTOCK_SOURCE_DIR, columns);
    if (std::getenv("TICKSTOCK_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << screens;
    INFO(path);
    CHECK(lines_of(screens) == lines_of(file_text(path)));
  }
}
