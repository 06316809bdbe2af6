#include <set>

#include "domain/error.hpp"
#include "options.hpp"
#include "support/catch.hpp"

using namespace tickstock;
using namespace tickstock::cli;
using tickstock::test::contains;

namespace {

std::variant<Options, Answer> parse_raw(std::vector<std::string> words) {
  words.insert(words.begin(), "tickstock-cache");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

Options parse(const std::vector<std::string>& words) { return std::get<Options>(parse_raw(words)); }

/// Returns the settings given by flags, as they would be in a file.
std::set<std::string> given(const Options& options) {
  std::set<std::string> lines;
  for (const Given& each : options.given) {
    CHECK(each.origin.kind == Origin::Kind::flag);
    lines.insert(each.setting->title() + " = " + toml_text(each.value));
  }
  return lines;
}

std::string refusal(const std::vector<std::string>& words) {
  try {
    parse_raw(words);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a value may look like an option behind an equals sign or two hyphens") {
  CHECK(parse({"sync", "--run-id=--x"}).run_id == "--x");
  CHECK(parse({"history", "--universe=--format", "--format", "json"}).changes.universe ==
        "--format");
  CHECK(parse({"members", "--", "--odd"}).universe == "--odd");
  CHECK_THAT(refusal({"members", "--odd"}), contains("--odd"));
}

TEST_CASE("each command is known") {
  CHECK(parse({"sync"}).mode == Mode::full);
  CHECK(parse({"market-cap"}).mode == Mode::market_cap);
  CHECK(parse({"ipo"}).mode == Mode::ipos);
  CHECK(parse({"delisted"}).mode == Mode::delisted);
  CHECK(parse({"dry-run"}).dry_run);
  CHECK(parse({"sync", "--dry-run"}).dry_run);
  CHECK_FALSE(parse({"sync"}).dry_run);
  CHECK(parse({"init"}).command == Command::init);
  CHECK(parse({"status", "run-1"}).run_id == "run-1");
  CHECK(parse({"history", "--limit", "5", "--offset", "10"}).page.offset == 10);
  CHECK(parse({"history", "--universe", "top_100"}).changes.universe == "top_100");
  CHECK(parse({"history", "--symbol", "BRK.B"}).changes.symbol == "BRK.B");
  CHECK(parse({"history", "--days", "7"}).page.days == 7);
  CHECK(parse({"universes"}).command == Command::universes);
  CHECK(parse({"check"}).command == Command::check);
  CHECK(parse({"deliver"}).command == Command::deliver);
  CHECK_FALSE(parse({"deliver"}).discard.has_value());
  CHECK(parse({"deliver", "--discard", "00000000-0000-8000-8000-00000000000A"}).discard ==
        "00000000-0000-8000-8000-00000000000A");
}

TEST_CASE("flags of a task are taken") {
  const Options options = parse({"-q",
                                 "sync",
                                 "--as-of",
                                 "2026-08-21",
                                 "--run-id",
                                 "a.B:1-_",
                                 "--triggered-by=cron",
                                 "--format",
                                 "json",
                                 "--full",
                                 "--no-events",
                                 "--detailed-exitcode",
                                 "--lock-wait",
                                 "30",
                                 "--max-universe-events",
                                 "0",
                                 "--log-format",
                                 "json",
                                 "--timezone",
                                 "UTC",
                                 "--approve-plan",
                                 std::string(64, 'a'),
                                 "--database-url",
                                 "postgresql://h/d"});
  CHECK(options.as_of == parse_day("2026-08-21"));
  CHECK(options.run_id == "a.B:1-_");
  CHECK(given(options) ==
        std::set<std::string>{"[log] level = \"quiet\"", "[run] triggered_by = \"cron\"",
                              "[output] format = \"json\"", "[output] full = true",
                              "[events] enabled = false", "[run] detailed_exitcode = true",
                              "[run] lock_wait = 30", "[events] max_universe_events = 0",
                              "[log] format = \"json\"", "[run] timezone = \"UTC\"",
                              "[database] url = \"postgresql://h/d\""});
}

TEST_CASE("help and version answer by themselves") {
  CHECK_THAT(std::get<Answer>(parse_raw({"--help"})).text, contains("market-cap"));
  CHECK_THAT(std::get<Answer>(parse_raw({"sync", "--help"})).text, contains("--approve-plan"));
  CHECK_THAT(std::get<Answer>(parse_raw({"--version"})).text, contains("tickstock-cache "));
}

TEST_CASE("a bad command line is refused in one line that names what is wrong") {
  struct Case {
    std::vector<std::string> words;
    std::string says;
  };
  const std::vector<Case> cases{
      {{}, "a command is required"},
      {{"resync"}, "unknown command"},
      {{"--force", "sync"}, "unknown option --force"},
      {{"sync", "--force"}, "unknown option --force"},
      {{"sync", "extra"}, "unexpected argument: sync takes only options"},
      {{"members", "a", "b"}, "unexpected argument: members takes 1 argument"},
      {{"explain", "a", "b", "c"}, "unexpected argument: explain takes 2 arguments"},
      {{"sync", "ipo"}, "unexpected argument"},
      {{"sync", "--as-of", "2026-02-30"}, "--as-of must be a day"},
      {{"sync", "--as-of", "tomorrow"}, "--as-of must be a day"},
      {{"sync", "--run-id", ""}, "--run-id needs a value"},
      {{"sync", "--run-id", "a b"}, "--run-id must be"},
      {{"sync", "--run-id", std::string(65, 'x')}, "--run-id must be"},
      {{"sync", "--triggered-by", "a\nb"}, "--triggered-by must be"},
      {{"sync", "--database-url", "--dry-run"}, "--database-url needs a value"},
      {{"sync", "--config"}, "--config needs a value"},
      {{"sync", "--lock-wait", "010x"}, "--lock-wait must be"},
      {{"sync", "--lock-wait", "-1"}, "--lock-wait must be"},
      {{"sync", "--dry-run=false"}, "--dry-run takes no value"},
      {{"sync", "--no-events=-1"}, "--no-events takes no value"},
      {{"init", "--print-sql=garbage"}, "--print-sql takes no value"},
      {{"sync", "--run-id", "-q"}, "--run-id needs a value"},
      {{"sync", "--run-id", "--dry-rum"}, "--run-id needs a value"},
      {{"sync", "--lock-wait", "1.5"}, "--lock-wait must be"},
      {{"sync", "--format", "yaml"}, "--format must be text, json or markdown"},
      {{"sync", "--approve-plan", "abc"}, "--approve-plan must be"},
      {{"sync", "-q", "-v"}, "-v and -q"},
      {{"sync", "--as-of", "2026-08-21", "--as-of", "2026-08-22"},
       "--as-of may be given only once"},
      {{"sync", "--database-url", "postgresql://h/d", "--database-url-file", "f"},
       "--database-url"},
      {{"init", "--as-of", "2026-08-21"}, "unknown option --as-of"},
      {{"history", "--limit", "0"}, "--limit must be"},
      {{"history", "--days", "36501"}, "--days must be"},
      {{"sync", "--redis-url", "http://h"}, "--redis-url"},
      {{"sync", "--database-url", "mysql://h"}, "--database-url can't be used"},
  };
  for (const Case& each : cases) {
    const std::string text = refusal(each.words);
    INFO(text);
    CHECK_THAT(text, contains(each.says));
    CHECK_THAT(text, !contains("\n"));
    CHECK_THAT(text, contains("--help"));
  }
}

TEST_CASE("a leading zero is a decimal number, not an octal one") {
  CHECK(given(parse({"sync", "--lock-wait", "010"})) ==
        std::set<std::string>{"[run] lock_wait = 10"});
}

TEST_CASE("a password on the command line is refused, and not repeated") {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"sync", "--database-url", "postgresql://u:CANARY@h/d"},
           {"sync", "--database-url", "host=h password=CANARY"},
           {"sync", "--database-url=postgre://u:CANARY@h/d"},
           {"sync", "--redis-url", "redis://:CANARY@h/0"},
           {"sync", "--redis-url", "rediss://u:CANARY@h:6379"},
           {"sync", "postgresql://u:CANARY@h/d"},
           {"sync", "--pasword=CANARY"},
           {"CANARY"}}) {
    const std::string text = refusal(words);
    INFO(text);
    CHECK(text != "accepted");
    CHECK_THAT(text, !contains("CANARY"));
  }
}
