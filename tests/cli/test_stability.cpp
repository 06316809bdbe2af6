// `[stability]` night after night through the built program: who waits, where that is shown, and
// what leaves a count unchanged.

#include <csignal>

#include "cli/declared.hpp"

using namespace tickstock::test;

namespace {

const std::string stable = "[stability]\nband = 10\nnights = 2\nbuffer = 10\n";

/// A market with one symbol that drops out of large_cap.
struct Scene : Declared {
  explicit Scene(const std::string& toml = stable, bool init = true) : Declared(toml) {
    add({.symbol = "AIMA", .market_cap = "12e9"});
    add({.symbol = "REST", .market_cap = "50e9"});
    if (init) REQUIRE(fixture.run({"init"}).status == 0);
  }

  ProcessResult night(const std::string& day, const Names& arguments = {"sync"}) {
    return fixture.run(with(arguments, {"--as-of", day, "--config", path()}));
  }
  void sync(const std::string& day, const Names& arguments = {"sync"}) {
    const ProcessResult result = night(day, arguments);
    INFO(result.err);
    REQUIRE(result.status == 0);
  }
  void cap(const std::string& value) { set("AIMA", "market_cap", value); }
  Rows waiting() {
    return fixture.database().rows(
        "SELECT \"group\", symbol, universe, nights, as_of::text FROM cache_sync_waiting "
        "ORDER BY 1, 2, 3");
  }
  bool has(const std::string& universe, const std::string& symbol) {
    const Names members = fixture.members(universe);
    return std::count(members.begin(), members.end(), symbol) > 0;
  }
};

Rows waits(const std::string& nights, const std::string& day) {
  return {{"categories", "AIMA", "large_cap", nights, day}};
}

}  // namespace

TEST_CASE("a member waits, is shown, and leaves on its last night") {
  Scene scene;
  scene.sync("2024-06-25");
  CHECK(scene.waiting().empty());
  scene.cap("8.9e9");

  const ProcessResult dry = scene.night("2024-06-26", {"dry-run"});
  CHECK(dry.status == 0);
  CHECK_THAT(dry.out, contains("waiting  1 member outside its universe\n"));
  CHECK_THAT(dry.out, contains("    AIMA        $8.90 B      #2  below $10 B, night 1 of 2, in "
                               "large_cap\n"));
  CHECK_THAT(scene.night("2024-06-26", {"dry-run", "--format", "markdown"}).out,
             contains("\n    waiting  1 member outside its universe\n"));
  CHECK(scene.waiting().empty());

  TemporaryDirectory directory;
  const std::string metrics = directory.file("cache.prom");
  const ProcessResult first = scene.night(
      "2024-06-26", {"sync", "--detailed-exitcode", "--metrics-file", metrics, "--format", "json"});
  // A waiting member is not a change.
  CHECK(first.status == 0);
  const Json done = Json::parse(first.out);
  CHECK(done.at("total_changes").integer() == 0);
  CHECK(done.at("waiting").size() == 1);
  CHECK(done.at("waiting.0.symbol").str() == "AIMA");
  CHECK(done.at("waiting.0.group").str() == "categories");
  CHECK(done.at("waiting.0.universe").str() == "large_cap");
  CHECK(done.at("waiting.0.nights").integer() == 1);
  CHECK(done.at("waiting.0.of").integer() == 2);
  CHECK(done.at("waiting.0.reason").str() == "below $10 B, night 1 of 2");
  CHECK_THAT(file_text(metrics), contains("\ntickstock_cache_waiting 1\n"));
  CHECK(scene.waiting() == waits("1", "2024-06-26"));
  CHECK(scene.has("large_cap", "AIMA"));

  Subscriber subscriber(scene.fixture.redis());
  const Json last = Json::parse(
      scene.night("2024-06-27", {"sync", "--metrics-file", metrics, "--format", "json"}).out);
  CHECK(last.at("waiting").size() == 0);
  CHECK_THAT(file_text(metrics), contains("\ntickstock_cache_waiting 0\n"));
  CHECK(scene.waiting().empty());
  CHECK(scene.fixture.members("mid_cap") == Names{"AIMA"});
  std::size_t updated = 0;
  for (const Event& event : subscriber.drain()) {
    if (event.channel != "tickstock:universe:updated") continue;
    ++updated;
    CHECK(Json::parse(event.message).at("payload.metadata.waiting").integer() == 0);
  }
  CHECK(updated == 2);
  CHECK(scene.fixture.database().value(
            "SELECT removed_why[1] FROM cache_sync_changes WHERE universe = 'large_cap' "
            "ORDER BY id DESC LIMIT 1") == "below $10 B for 2 nights, beyond the band of 10 %");
}

TEST_CASE("without [stability] nobody waits, and nothing of it is shown") {
  Scene scene("");
  scene.sync("2024-06-25");
  scene.cap("8.9e9");
  const Json done = Json::parse(scene.night("2024-06-26", {"sync", "--format", "json"}).out);
  CHECK_FALSE(done.has("waiting"));
  CHECK(scene.waiting().empty());
  CHECK(scene.fixture.members("mid_cap") == Names{"AIMA"});
}

TEST_CASE("nights above 1 need the own tables, band and buffer do not") {
  Scene scene(stable, false);
  for (const char* const command : {"sync", "dry-run", "market-cap"}) {
    check_failure(scene.night("2024-06-25", {command}), 1, "Run 'tickstock-cache init'");
  }
  CHECK(scene.fixture.universes().empty());
  const ProcessResult check = scene.fixture.run({"check", "--config", scene.path()});
  CHECK(check.status == 1);
  CHECK_THAT(check.out, contains("cache_sync_waiting does not exist. Run 'tickstock-cache init'."));
  scene.declare("[stability]\nband = 10\nbuffer = 10\n");
  scene.sync("2024-06-25");
  scene.cap("9e9");
  scene.sync("2024-06-26");
  CHECK(scene.has("large_cap", "AIMA"));
  scene.cap("8.999e9");
  scene.sync("2024-06-27");
  CHECK(scene.fixture.members("mid_cap") == Names{"AIMA"});
}

TEST_CASE("a repeated day, one that goes back, other tasks and a refused run count nothing") {
  Scene scene("[stability]\nnights = 3\n");
  scene.sync("2024-06-24");
  scene.cap("8e9");
  scene.sync("2024-06-26");
  const Rows one = waits("1", "2024-06-26");
  CHECK(scene.waiting() == one);
  scene.sync("2024-06-26");
  scene.sync("2024-06-25");
  scene.sync("2024-06-27", {"ipo"});
  scene.sync("2024-06-27", {"delisted"});
  scene.sync("2024-06-27", {"dry-run"});
  CHECK(scene.waiting() == one);
  scene.fixture.database().execute("UPDATE symbols SET is_active = false");
  CHECK(scene.night("2024-06-27").status == 4);
  CHECK(scene.waiting() == one);
  scene.fixture.database().execute("UPDATE symbols SET is_active = true");
  // A skipped day is not one of the nights.
  scene.sync("2024-06-28");
  CHECK(scene.waiting() == waits("2", "2024-06-28"));
  scene.sync("2024-06-29", {"market-cap"});
  CHECK(scene.waiting().empty());
  CHECK(scene.fixture.members("mid_cap") == Names{"AIMA"});
}

TEST_CASE("an approved plan is the one whose nights were shown") {
  Scene scene;
  scene.sync("2024-06-24");
  scene.cap("8e9");
  scene.sync("2024-06-25");
  const auto digest = [&scene](const std::string& day) {
    return Json::parse(scene.night(day, {"dry-run", "--format", "json"}).out)
        .at("plan_digest")
        .str();
  };
  const std::string shown = digest("2024-06-26");
  CHECK(shown != digest("2024-06-25"));
  CHECK(scene.night("2024-06-25", {"sync", "--approve-plan", shown}).status == 7);
  CHECK(scene.waiting() == waits("1", "2024-06-25"));
  CHECK(scene.night("2024-06-26", {"sync", "--approve-plan", shown}).status == 0);
  CHECK(scene.waiting().empty());

  // The day of a row is not part of the digest, so that a plan can be approved after midnight.
  scene.cap("12e9");
  scene.sync("2024-06-26");
  scene.sync("2024-06-27");
  CHECK(scene.has("large_cap", "AIMA"));
  scene.cap("8e9");
  CHECK(digest("2024-06-28") == digest("2024-06-29"));
}

TEST_CASE("a run that is killed changes no count, and its successor counts the night") {
  Scene scene;
  scene.sync("2024-06-24");
  scene.cap("8e9");
  scene.sync("2024-06-25");
  {
    // It reads, and then waits to write.
    Session other(Postgres::shared().url(scene.fixture.database().name()));
    other.execute("BEGIN; LOCK TABLE cache_entries IN SHARE MODE");
    Process run = scene.fixture.start(
        {"sync", "--as-of", "2024-06-26", "--config", scene.path(), "--lock-wait", "0"});
    wait_until("the run waits for the lock of the table", [&] {
      return scene.fixture.database().value(
                 "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") == "t";
    });
    run.send_signal(SIGKILL);
    run.wait();
    other.execute("ROLLBACK");
  }
  wait_until("the killed run's session ends", [&] {
    return scene.fixture.database().value(
               "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'") == "t";
  });
  CHECK(scene.waiting() == waits("1", "2024-06-25"));
  CHECK(scene.has("large_cap", "AIMA"));
  scene.sync("2024-06-26");
  CHECK(scene.waiting().empty());
  CHECK(scene.fixture.members("mid_cap") == Names{"AIMA"});
}

TEST_CASE("a task that fails alone keeps who waits for its universes") {
  Scene scene;
  scene.sync("2024-06-24");
  scene.cap("8e9");
  scene.sync("2024-06-25");
  scene.fixture.database().execute(
      "ALTER TABLE cache_entries ADD CONSTRAINT no CHECK (universe <> 'mid_cap' OR "
      "content->'count' = '0')");
  CHECK(scene.night("2024-06-26").status == 3);
  CHECK(scene.waiting() == waits("1", "2024-06-25"));
  scene.fixture.database().execute("ALTER TABLE cache_entries DROP CONSTRAINT no");
  scene.sync("2024-06-26");
  CHECK(scene.fixture.members("mid_cap") == Names{"AIMA"});
}

TEST_CASE("declared universes have bands, nights and buffers of their own") {
  Scene scene(stable + R"(
[[universe]]
name = "sector_{sector}"
each = "sector"
type = "sector"
nights = 3
[[universe]]
name = "theme_quick"
cap_from = 10e9
band = 0
nights = 1
[[universe]]
name = "theme_slow"
cap_from = 10e9
band = 50
)");
  scene.set("AIMA", "sector", "'Energy'");
  scene.set("REST", "sector", "'Tech'");
  scene.sync("2024-06-24");
  scene.cap("8e9");
  scene.set("AIMA", "sector", "'Tech'");
  scene.sync("2024-06-25");
  CHECK_FALSE(scene.has("theme_quick", "AIMA"));
  CHECK(scene.has("theme_slow", "AIMA"));
  CHECK(scene.waiting() == Rows{{"categories", "AIMA", "large_cap", "1", "2024-06-25"},
                                {"sector_{sector}", "AIMA", "sector_energy", "1", "2024-06-25"}});
  // A label that turns blank keeps the seat, and ends the count.
  scene.set("AIMA", "sector", "' '");
  scene.sync("2024-06-26");
  CHECK(scene.waiting().empty());
  CHECK(scene.has("sector_energy", "AIMA"));
  scene.set("AIMA", "sector", "'Tech'");
  for (const char* const day : {"2024-06-27", "2024-06-28"}) scene.sync(day);
  CHECK(scene.has("sector_energy", "AIMA"));
  CHECK_FALSE(scene.has("sector_tech", "AIMA"));
  scene.sync("2024-06-29");
  CHECK_FALSE(scene.has("sector_energy", "AIMA"));
  CHECK(scene.has("sector_tech", "AIMA"));
}

TEST_CASE("an invalid band, number of nights or buffer is refused") {
  Scene scene;
  const auto refuses = [&scene](const std::string& toml, const std::string& words) {
    INFO(toml);
    scene.declare(toml);
    check_failure(scene.night("2024-06-24"), 78, words);
  };
  refuses("[stability]\nband = 100\n", "must be a whole number from 0 to 99");
  refuses("[stability]\nband = 2.5\n", "must be a whole number from 0 to 99");
  refuses("[stability]\nnights = 0\n", "must be a whole number from 1 to 60");
  refuses("[stability]\nnights = 61\n", "must be a whole number from 1 to 60");
  refuses("[stability]\nbuffer = -1\n", "must be a whole number from 0 to 99");
  refuses("[stability]\nnight = 2\n", "nights");
  const std::string universe = "[[universe]]\nname = \"x\"\nfirst = 5\n";
  refuses(universe + "band = 100\n", "band must be a whole number from 0 to 99");
  refuses(universe + "nights = 0\n", "nights must be a whole number from 1 to 60");
  refuses(universe + "buffer = \"10\"\n", "buffer must be a whole number from 0 to 99");
}
