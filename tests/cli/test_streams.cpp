// Standard output carries the result and nothing else; standard error carries the log.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Checks that every line of standard error is a document with a level and a message, and returns
/// the levels.
Names json_levels(const ProcessResult& result, const std::string& run_id) {
  Names levels;
  for (const std::string& line : lines_of(result.err)) {
    INFO(line);
    const Json entry = Json::parse(line);
    levels.push_back(entry.at("level").str());
    CHECK_FALSE(entry.at("message").str().empty());
    if (run_id.empty()) {
      CHECK(entry.at("run_id").is_null());
    } else {
      CHECK(entry.at("run_id").str() == run_id);
    }
  }
  return levels;
}

}  // namespace

TEST_CASE("with -q a run that succeeds prints nothing at all") {
  Fixture fixture;
  add_small_market(fixture);
  // The program's own tables are missing: without -q there would be a warning.
  for (const Names& arguments :
       {Names{"dry-run"}, Names{"sync"}, Names{"sync"}, Names{"market-cap"}, Names{"init"},
        Names{"deliver"}, Names{"sync", "--as-of", "2024-06-29"}}) {
    INFO(arguments.front());
    const ProcessResult result = fixture.run(with(arguments, {"-q"}));
    CHECK(result.status == 0);
    CHECK(result.out.empty());
    CHECK(result.err.empty());
  }
  fixture.database().execute("UPDATE symbols SET market_cap = 1 WHERE symbol = 'MEGA'");
  const ProcessResult changes = run_task(fixture, {"dry-run", "-q", "--detailed-exitcode"});
  CHECK(changes.status == 2);
  CHECK(changes.out + changes.err == "");
}

TEST_CASE("with -q the document is printed where it is asked for, and nothing else") {
  Fixture fixture;
  add_small_market(fixture);
  const ProcessResult result = run_task(fixture, {"sync", "-q", "--format", "json"});
  CHECK(result.status == 0);
  CHECK(result.err.empty());
  CHECK(Json::parse(result.out).at("total_changes").integer() == 11);
}

TEST_CASE("with -q a failure is one line, and what must be read is printed") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const ProcessResult undelivered = run_task(fixture, {"sync", "-q"}, redis_down());
  CHECK(undelivered.status == 6);
  CHECK(lines_of(undelivered.err).size() == 1);
  fixture.database().execute("UPDATE symbols SET market_cap = 0");
  const ProcessResult refused = run_task(fixture, {"sync", "-q"});
  CHECK(refused.status == 4);
  CHECK(lines_of(refused.err).size() == 1);
  CHECK_THAT(refused.out, contains("refused by a guard"));
}

TEST_CASE("warnings and steps go to standard error, the result alone to standard output") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.add_symbol({.symbol = "ODD", .market_cap = "NaN"});
  const ProcessResult text = run_task(fixture, {"sync", "--run-id", "night"});
  CHECK(text.status == 0);
  CHECK(
      lines_of(text.err) ==
      Names{
          "tickstock-cache: step 1/5: Reading symbols and universes",
          "tickstock-cache: step 2/5: Market cap recalculation",
          "tickstock-cache: step 3/5: IPO assignment",
          "tickstock-cache: step 4/5: Delisted cleanup",
          "tickstock-cache: step 5/5: Publishing events",
          "tickstock-cache: warning: the tables cache_sync_* do not exist: no history is kept, "
          "and events that Redis doesn't take are lost. Run 'tickstock-cache init'.",
          "tickstock-cache: warning: 1 symbol has a market cap that is not a finite number, so it "
          "is not eligible"});
  CHECK_THAT(text.out, !contains("warning") && !contains("step "));

  const ProcessResult json = run_task(fixture, {"sync", "--format", "json"});
  const Json document = Json::parse(json.out);
  CHECK(document.at("warnings").size() == 2);
  CHECK(document.at("errors").size() == 0);
  CHECK(document.at("error").is_null());
  CHECK(json.out.find('\n') == json.out.size() - 1);
}

TEST_CASE("with --log-format json every line of the log is a document") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.add_symbol({.symbol = "ODD", .market_cap = "NaN"});
  REQUIRE(fixture.run({"init"}).status == 0);
  const ProcessResult good =
      run_task(fixture, {"sync", "-v", "--run-id", "night", "--log-format", "json"});
  CHECK(good.status == 0);
  CHECK(json_levels(good, "night") ==
        Names{"debug", "info", "info", "info", "info", "info", "warning", "debug"});
  const Json step = Json::parse(lines_of(good.err)[1]);
  CHECK(step.at("step").integer() == 1);
  CHECK(step.at("total_steps").integer() == 5);

  const ProcessResult dry = run_task(fixture, {"dry-run", "--log-format", "json"});
  CHECK(json_levels(dry, "") == Names{"info", "warning"});

  fixture.database().execute("UPDATE symbols SET market_cap = 0");
  const ProcessResult refused =
      run_task(fixture, {"sync", "-q", "--run-id", "bad", "--log-format", "json"});
  CHECK(json_levels(refused, "bad") == Names{"error"});
  const ProcessResult elsewhere =
      run_task(fixture, {"sync", "-q", "--log-format", "json", "--run-id", "x"},
               {{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}});
  CHECK(json_levels(elsewhere, "x") == Names{"error"});
  const ProcessResult unusable =
      run_task(fixture, {"sync", "--log-format", "json", "--config", "/nonexistent"});
  CHECK(json_levels(unusable, "") == Names{"error"});
}

TEST_CASE("the content of tables can't forge lines or move a terminal's cursor") {
  Fixture fixture;
  add_small_market(fixture);
  const std::string forged = "A\ntickstock-cache: error: fake\x1b[2J";
  fixture.add_symbol({.symbol = forged, .market_cap = "400e9", .company_name = forged});
  fixture.set_entry("theme\nforged", "theme", R"({"symbols": ["GONE", 7]})");
  fixture.set_entry("other\x1b", "theme", R"({"symbols": ["GONE"]})");
  const ProcessResult text = run_task(fixture, {"sync"});
  CHECK(text.status == 0);
  CHECK(log_lines(text, "error").empty());
  CHECK_THAT(text.out + text.err, !contains("\x1b"));
  CHECK_THAT(text.out, contains("A\\ntickstock-cache: error: fake\\x1b[2J"));
  CHECK(fixture.members("mega_cap") == Names{forged, "MEGA"});
  fixture.add_symbol({.symbol = forged});
  check_failure(run_task(fixture, {"sync"}), 1, "two rows of symbol 'A\\n");
}

TEST_CASE("help and version go to standard output and end with 0") {
  const Fixture fixture;
  const ProcessResult version = fixture.run({"--version"});
  CHECK(version.status == 0);
  CHECK_THAT(version.out, starts_with("tickstock-cache ") && contains("libpq"));
  for (const Names& arguments :
       {Names{"--help"}, Names{"sync", "--help"}, Names{"history", "-h"}}) {
    const ProcessResult help = fixture.run(arguments);
    CHECK(help.status == 0);
    CHECK_FALSE(help.out.empty());
    CHECK(help.err.empty());
  }
}

TEST_CASE("a closed standard input and a small environment do no harm") {
  Fixture fixture;
  add_small_market(fixture);
  RunOptions options = fixture.options();
  options.closed_fds = {0};
  CHECK(run_process(Fixture::command({"sync", "-q", "--as-of", market_day}), options).status == 0);
  CHECK(run_task(fixture, {"sync"}, {{"HOME", std::nullopt}, {"LC_ALL", "C"}}).status == 0);
}

TEST_CASE("lines for systemd's journal begin with their priority, and no others do") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const std::string log = directory.write("log", "");
  // A stream by its device and inode, which is how systemd names that of its journal.
  const auto logged = [&](const std::string& stream, const Names& arguments) {
    std::string command = "export JOURNAL_STREAM=$(stat -c " + stream + " log); exec";
    for (const std::string& word : Fixture::command(with(arguments, {"--as-of", market_day})))
      command += " '" + word + "'";
    RunOptions options = fixture.options();
    options.directory = directory.path();
    run_process({"sh", "-c", command + " 2>log >/dev/null"}, options);
    return lines_of(file_text(log));
  };
  const Names mine = logged("%d:%i", {"sync", "-v", "--approve-plan", std::string(64, '0')});
  REQUIRE(mine.size() == 4);
  CHECK_THAT(mine[0], starts_with("<7>tickstock-cache: debug: run "));
  CHECK_THAT(mine[1], starts_with("<6>tickstock-cache: step 1/5"));
  CHECK_THAT(mine[2], starts_with("<4>tickstock-cache: warning: "));
  CHECK_THAT(mine[3], starts_with("<3>tickstock-cache: error: "));
  CHECK_THAT(logged("%d:%i", {"sync", "--log-format", "json"}).front(), starts_with("<6>{"));
  // A journal stream that somebody replaced with a file.
  for (const std::string& line : logged("1:1", {"sync"})) CHECK_THAT(line, !starts_with("<"));
}
