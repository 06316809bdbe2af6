// Guards, the plan's digest, and its approval, end to end.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// A market of `size` symbols of one category, S0001 the largest, with entries that match it.
struct Scene {
  Fixture fixture;
  TemporaryDirectory directory;

  explicit Scene(int size) {
    fixture.database().execute(
        "INSERT INTO symbols (symbol, market_cap, is_active) SELECT to_char(i, 'FM\"S\"0000'), "
        "1000000000 - i, true FROM generate_series(1, $1::int) i",
        {std::to_string(size)});
    REQUIRE(fixture.run({"init"}).status == 0);
    REQUIRE(run_task(fixture, {"sync"}).status == 0);
  }

  void execute(const std::string& sql) { fixture.database().execute(sql); }

  /// Checks that the run is refused by this guard and writes nothing but its record, that the dry
  /// run shows the whole diff and exits the same way, and that approving exactly this plan lets it
  /// pass.
  void check_refused(const std::string& guard, const std::string& sentence,
                     const Names& arguments = {"sync"}) {
    INFO("guard " << guard);
    const std::string before = dump();
    const std::string records = count("cache_sync_runs");
    const ProcessResult text = run_task(fixture, arguments);
    check_failure(text, 4, sentence);
    CHECK_THAT(text.err, contains("--approve-plan"));
    const Json refused = run_json(fixture, arguments, 4);
    CHECK_FALSE(refused.at("success").boolean());
    CHECK(refused.at("status").str() == "failed");
    CHECK(refused.at("sync_status").str() == "refused");
    CHECK(refused.at("total_changes").integer() == 0);
    CHECK(refusing(refused) == Names{guard});
    CHECK(dump() == before);
    CHECK(count("cache_sync_runs") == std::to_string(std::stoi(records) + 2));
    CHECK(fixture.database().value("SELECT DISTINCT status FROM cache_sync_runs "
                                   "ORDER BY 1 DESC LIMIT 1") == "refused");

    const Json foretold = run_json(fixture, with(arguments, {"--dry-run"}), 4);
    CHECK(refusing(foretold) == Names{guard});
    CHECK(foretold.at("total_changes").integer() > 0);
    CHECK(foretold.at("plan_digest").str() == refused.at("plan_digest").str());
    const ProcessResult diff = run_task(fixture, with(arguments, {"--dry-run"}));
    check_failure(diff, 4, sentence);
    CHECK_THAT(diff.out, contains("would be changed") && contains("refused by a guard"));
    CHECK(dump() == before);

    const std::string digest = foretold.at("plan_digest").str();
    const std::string other = (digest[0] == '0' ? "1" : "0") + digest.substr(1);
    check_fails(fixture, with(arguments, {"--approve-plan", other}), 7, digest);
    CHECK(dump() == before);
    const ProcessResult approved =
        run_task(fixture, with(arguments, {"--dry-run", "--approve-plan", digest}));
    CHECK(approved.status == 0);
    CHECK_THAT(approved.out, contains("overrides a guard: ") && !contains("refused"));
    const Json done = run_json(fixture, with(arguments, {"--approve-plan", digest}));
    CHECK(done.at("total_changes").integer() == foretold.at("total_changes").integer());
    CHECK(done.at("plan_digest").str() == digest);
    CHECK(run_json(fixture, with(arguments, {"--dry-run"}), after_approval)
              .at("total_changes")
              .integer() == 0);
  }

  /// The status of another run of the same data: some guards still fire when everything is done.
  int after_approval = 0;

  std::string count(const std::string& table) {
    return fixture.database().value("SELECT count(*) FROM " + table);
  }

  /// Returns everything that a refused run must not touch.
  std::string dump() {
    return fmt::format("{} {} {}", fmt::join(fixture.entries_dump(), "\n"),
                       count("cache_sync_changes"), count("cache_sync_outbox"));
  }

  static Names refusing(const Json& document) {
    Names names;
    for (const Json& guard : document.at("guards").items()) {
      if (guard.at("refused").boolean()) names.push_back(guard.at("name").str());
    }
    return names;
  }
};

}  // namespace

TEST_CASE("a market without an eligible symbol is refused, and can be approved") {
  Scene scene(5);
  scene.execute("UPDATE symbols SET market_cap = 0");
  scene.after_approval = 4;
  scene.check_refused("no_eligible_symbols", "no symbol is eligible: none of 5");
}

TEST_CASE("too many symbols that vanish at once are refused") {
  Scene scene(1000);
  scene.execute("UPDATE symbols SET market_cap = NULL WHERE symbol <= 'S0020'");
  CHECK(run_task(scene.fixture, {"dry-run"}).status == 0);
  scene.execute("UPDATE symbols SET market_cap = NULL WHERE symbol <= 'S0021'");
  scene.check_refused("vanished", "21 of 1000 symbols in the category universes");
}

TEST_CASE("without a record that has them, a refused run shows all refusals") {
  Scene scene(1000);
  scene.execute(
      "DROP TABLE cache_sync_changes, cache_sync_outbox, cache_sync_runs, cache_sync_waiting, "
      "cache_sync_states");
  scene.execute("UPDATE symbols SET market_cap = NULL WHERE symbol <= 'S0400'");
  const ProcessResult result = run_task(scene.fixture, {"sync"});
  CHECK(result.status == 4);
  CHECK_THAT(result.out, contains("refused by a guard: 400 of 1000 symbols in the category") &&
                             contains(" would lose ") && !contains("tickstock-cache status"));
}

TEST_CASE("symbols that vanish are counted where only delisted ones are taken out") {
  Scene scene(1000);
  scene.execute("UPDATE symbols SET is_active = false WHERE symbol <= 'S0021'");
  scene.check_refused("vanished", "2.1 % is more than max_vanished_percent = 2", {"delisted"});
}

TEST_CASE("too many symbols that appear at once are refused") {
  Scene scene(1000);
  scene.execute(
      "INSERT INTO symbols (symbol, market_cap, is_active) "
      "SELECT 'X' || i, 900000000, true FROM generate_series(1, 50) i");
  CHECK(run_task(scene.fixture, {"dry-run"}).status == 0);
  scene.execute("INSERT INTO symbols (symbol, market_cap, is_active) VALUES ('Y', 50000000, true)");
  scene.check_refused("appeared", "51 symbols would be new in the category universes");
}

TEST_CASE("an entry that would shrink too much is refused and named") {
  Scene scene(1000);
  scene.fixture.database().execute(
      "INSERT INTO cache_entries (universe, cache_type, content) VALUES ('solar', 'theme', "
      "jsonb_build_object('symbols', (SELECT jsonb_agg(to_char(i, 'FM\"S\"0000')) "
      "FROM generate_series(1, 20) i)))");
  scene.execute("UPDATE symbols SET is_active = false WHERE symbol <= 'S0006'");
  CHECK(run_task(scene.fixture, {"dry-run"}).status == 0);
  scene.execute("UPDATE symbols SET is_active = false WHERE symbol <= 'S0007'");
  scene.check_refused("removed",
                      "solar would lose 7 of 20 members: 35 % is more than "
                      "max_removed_percent = 30");
}

TEST_CASE("of recent listings only those count that leave for another reason than age") {
  Scene scene(100);
  scene.execute("UPDATE symbols SET listing_date = '2024-06-10' WHERE symbol <= 'S0040'");
  REQUIRE(run_task(scene.fixture, {"ipo"}).status == 0);
  CHECK(scene.fixture.run({"ipo", "--dry-run", "--as-of", "2024-08-28"}).status == 0);
  scene.execute("UPDATE symbols SET is_active = false WHERE symbol <= 'S0013'");
  scene.check_refused("removed", "recent_ipos would lose 13 of 40 members", {"ipo"});
}

TEST_CASE("old prices refuse every task where the setting is there") {
  Scene scene(10);
  const std::string config = scene.directory.write("c.toml", "[guards]\nmax_data_age_days = 3\n");
  const Names arguments{"ipo", "--config", config};
  scene.execute("UPDATE symbols SET listing_date = '2024-06-28' WHERE symbol = 'S0001'");
  scene.execute("INSERT INTO ohlcv_daily (symbol, date, close) VALUES ('S0002', '2024-06-26', 1)");
  CHECK(run_task(scene.fixture, with(arguments, {"--dry-run"})).status == 0);
  scene.execute("UPDATE ohlcv_daily SET date = '2024-06-29'");
  CHECK(run_task(scene.fixture, with(arguments, {"--dry-run"})).status == 4);
  scene.execute("UPDATE ohlcv_daily SET date = '2024-06-25'");
  scene.after_approval = 4;
  scene.check_refused("data_age", "no row in the last 3 days up to 2024-06-28", arguments);
}

TEST_CASE("a guard's limit is a setting") {
  Scene scene(1000);
  scene.execute("UPDATE symbols SET market_cap = NULL WHERE symbol <= 'S0030'");
  const std::string config =
      scene.directory.write("c.toml", "[guards]\nmax_vanished_percent = 3\n");
  CHECK(run_task(scene.fixture, {"sync", "--config", config}).status == 0);
  scene.execute("UPDATE symbols SET market_cap = NULL WHERE symbol <= 'S0061'");
  const Json refused = run_json(scene.fixture, {"sync", "--config", config}, 4);
  CHECK(refused.at("guards.1.limit").num() == 3);
  CHECK(refused.at("guards.1.setting").str() == "max_vanished_percent");
  CHECK_THAT(refused.at("error").str(), contains("max_vanished_percent = 3"));
}

TEST_CASE("dry run, run and record show one digest, which other writers don't change") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const Json foretold = run_json(fixture, {"dry-run"});
  const std::string digest = foretold.at("plan_digest").str();
  CHECK(foretold.at("run_id").is_null());
  CHECK(foretold.at("dry_run").boolean());
  CHECK_THAT(run_task(fixture, {"dry-run"}).out, contains("plan " + digest));
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "0");

  fixture.set_entry("weather", "etf", R"({"symbols": ["RAIN"]})");
  fixture.set_entry("calm", "theme", R"({"symbols": ["MEGA"], "count": 1})");
  fixture.database().execute(
      "UPDATE cache_entries SET updated_at = 'epoch', "
      "content = content || '{\"last_updated\": \"x\", \"note\": 1}'");
  fixture.database().execute("UPDATE symbols SET sector = 'Other', company_name = 'Other'");
  CHECK(run_json(fixture, {"sync", "--dry-run"}).at("plan_digest").str() == digest);

  const ProcessResult done =
      run_task(fixture, {"sync", "--approve-plan", digest, "--run-id", "night"});
  CHECK(done.status == 0);
  CHECK_THAT(done.out, contains(digest));
  CHECK(fixture.database().value("SELECT plan_digest || approved FROM cache_sync_runs") ==
        digest + "true");
  CHECK(run_json(fixture, {"dry-run"}).at("plan_digest").str() != digest);
}

TEST_CASE("a plan that is no longer the approved one ends with 7, also where no guard fires") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const std::string digest = run_json(fixture, {"dry-run"}).at("plan_digest").str();
  fixture.database().execute("UPDATE symbols SET market_cap = 2e11 WHERE symbol = 'MID'");
  check_fails(fixture, {"sync", "--approve-plan", digest}, 7, "is not the approved one");
  CHECK(fixture.database().value("SELECT DISTINCT status FROM cache_sync_runs") == "refused");
  check_fails(fixture, {"dry-run", "--approve-plan", digest}, 7, "is not the approved one");
}

TEST_CASE("a dry run predicts the run change for change") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("top_500", "market_leader", R"({"symbols": ["TINY", "MEGA", "GONE"]})");
  for (const std::string task : {"delisted", "ipo", "market-cap", "sync"}) {
    INFO(task);
    const Names before = fixture.entries_dump();
    const Json foretold = run_json(fixture, {task, "--dry-run", "--detailed-exitcode"}, 2);
    CHECK(fixture.entries_dump() == before);
    const Json done = run_json(fixture, {task, "--detailed-exitcode"}, 2);
    for (const char* key :
         {"mode", "as_of", "task_results", "total_changes", "plan_digest", "guards"}) {
      CHECK(foretold.at(key).text_without({"timestamp"}) ==
            done.at(key).text_without({"timestamp"}));
    }
    run_json(fixture, {task, "--detailed-exitcode"}, 0);
    run_json(fixture, {task, "--dry-run", "--detailed-exitcode"}, 0);
    if (task == "delisted") fixture.set_entry("tech", "theme", R"({"symbols": ["GONE"]})");
  }
}
