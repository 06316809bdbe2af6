// `undo`: it restores what a run changed, byte for byte, and nothing else.

#include "cli/declared.hpp"

using namespace tickstock::test;

namespace {

/// The small market after a night `first`, and a second night with changes of every kind.
struct Undo {
  Fixture fixture;
  Names before;  ///< the entries between the two

  Undo() {
    add_small_market(fixture);
    // What the first night takes over, and what it leaves alone.
    fixture.set_entry("top_100", "handmade",
                      R"({"symbols": ["X", "MID", "X"], "note": [1.50, null]})");
    fixture.set_entry("top_500", "market_leader", R"([1, "no list"])");
    REQUIRE(fixture.run({"init"}).status == 0);
    start = contents();
    night("first");
    before = contents();
    fixture.database().execute(
        "UPDATE symbols SET market_cap = 250e9 WHERE symbol = 'LARGE';"
        "UPDATE symbols SET is_active = false, delisted_date = '2024-06-28' WHERE symbol = 'MID'");
    fixture.add_symbol({.symbol = "FRESH", .market_cap = "70000000", .listing_date = "2024-06-27"});
    night("second");
    after = contents();
    REQUIRE(before != after);
  }
  Names start;
  Names after;

  void night(const std::string& id) {
    REQUIRE(run_task(fixture, {"sync", "--run-id", id}).status == 0);
  }

  /// Returns everything in the entries except when they were written.
  Names contents() {
    return fixture.database().column(
        "SELECT concat_ws(' ', universe, cache_type, CASE WHEN jsonb_typeof(content) = 'object' "
        "THEN content - 'last_updated' ELSE content END) FROM cache_entries ORDER BY universe");
  }

  Json undo(const std::string& id, const Names& more = {}, int status = 0) {
    const ProcessResult result = fixture.run(with({"undo", id, "--format", "json"}, more));
    INFO(result.err);
    REQUIRE(result.status == status);
    return Json::parse(result.out);
  }

  /// Checks that an undo is refused with this sentence, and that approving exactly its plan works.
  void check_refused(const std::string& id, const std::string& sentence) {
    const Names now = fixture.entries_dump();
    check_failure(fixture.run({"undo", id}), 4, sentence);
    CHECK(fixture.entries_dump() == now);
    const Json dry = undo(id, {"--dry-run"}, 4);
    bool is_told = false;
    for (const Json& guard : dry.at("guards").items()) {
      is_told =
          is_told || (guard.at("name").str() == "changed_since" && guard.at("refused").boolean());
    }
    CHECK(is_told);
    undo(id, {"--approve-plan", std::string(64, '0')}, 7);
    CHECK(fixture.entries_dump() == now);
    undo(id, {"--approve-plan", dry.at("plan_digest").str()});
  }
};

}  // namespace

TEST_CASE("an undo is foretold, done, announced and recorded as a run") {
  Undo scene;
  Subscriber subscriber(scene.fixture.redis());
  const Json dry = scene.undo("second", {"--dry-run"});
  CHECK(scene.contents() == scene.after);
  CHECK(subscriber.drain().empty());
  const Json done = scene.undo("second", {"--run-id", "back"});
  CHECK(scene.contents() == scene.before);
  CHECK(done.at("mode").str() == "undo");
  CHECK(done.at("plan_digest").str() == dry.at("plan_digest").str());
  CHECK(done.at("total_changes").integer() == dry.at("total_changes").integer());
  CHECK(done.at("warnings").strings() ==
        Names{"the next run on the same data makes the changes of run second again"});
  const Json first = done.at("task_results.undo.changes.0");
  CHECK(first.at("change_type").str() == "undo");
  CHECK(first.at("action").str() == "restored");
  CHECK(first.at("reason").str() == "As before run second");

  Names lines;
  for (const std::string& universe : scene.fixture.database().column(
           "SELECT universe FROM cache_sync_changes WHERE run_id = 'back' ORDER BY id")) {
    lines.push_back("universe_updated " + universe);
  }
  lines.insert(lines.begin(), "cache_sync_triggered");
  lines.push_back("cache_sync_completed");
  CHECK(event_lines(subscriber.drain()) == lines);
  CHECK(scene.fixture.database().value(
            "SELECT mode || ' ' || status || ' ' || "
            "(as_of = (started_at AT TIME ZONE 'America/New_York')::date) "
            "FROM cache_sync_runs WHERE run_id = 'back'") == "undo completed true");
}

TEST_CASE("an undo is undone, and the next run repeats what was undone") {
  Undo scene;
  scene.undo("second", {"--run-id", "back"});
  CHECK(scene.undo("back", {"--run-id", "forth"}).at("warnings").strings() ==
        Names{"the next run brings the universes in line with the data again, which may override "
              "this undo"});
  CHECK(scene.contents() == scene.after);
  scene.undo("forth");
  CHECK(scene.contents() == scene.before);
  scene.night("again");
  CHECK(scene.contents() == scene.after);
}

TEST_CASE("the run that took entries over, replaced and created them is undone byte for byte") {
  Undo scene;
  scene.undo("second");
  const std::string restored = scene.fixture.database().value(
      "SELECT string_agg(run_id, ',') FROM cache_sync_changes WHERE action = 'restored'");
  INFO(restored);
  // The second night and its undo came later, and left everything as the first night did.
  scene.undo("first", {"--run-id", "to-the-start"});
  Names expected = scene.start;
  // What the run created is now an empty list.
  Names left;
  for (const std::string& line : scene.contents()) {
    if (std::count(expected.begin(), expected.end(), line) > 0) continue;
    CHECK_THAT(line, contains(R"("count": 0)") && contains(R"("symbols": [])"));
    left.push_back(line.substr(0, line.find(' ')));
  }
  CHECK(left == Names{"large_cap", "mega_cap", "micro_cap", "mid_cap", "recent_ipos", "small_cap",
                      "top_1000", "top_2000"});
  CHECK(scene.contents().size() == expected.size() + left.size());
  const std::string today = scene.fixture.database().value(
      "SELECT as_of FROM cache_sync_runs WHERE run_id = 'to-the-start'");
  CHECK(symbols_of(scene.fixture.run({"members", "top_100", "--as-of", today, "--format",
                                      "json"})) == Names{"X", "MID", "X"});
  scene.undo("to-the-start");
  CHECK(scene.contents() == scene.before);
}

TEST_CASE("last_updated moves with an undo, too, even if it was missing before the run") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("tech", "theme", R"({"symbols": ["MID", "GONE"], "count": 2})");
  REQUIRE(run_task(fixture, {"delisted", "--run-id", "cleaned"}).status == 0);
  REQUIRE(fixture.members("tech") == Names{"MID"});
  REQUIRE(fixture.run({"undo", "cleaned"}).status == 0);
  CHECK(fixture.members("tech") == Names{"MID", "GONE"});
  CHECK_FALSE(fixture.content("tech").at("last_updated").str().empty());
}

TEST_CASE("keys that the run did not touch stay as they are now") {
  Undo scene;
  scene.fixture.database().execute(
      "UPDATE cache_entries SET content = content || '{\"owner\": \"desk 8\", \"new\": [1]}' "
      "WHERE universe IN ('tech', 'mega_cap')");
  scene.undo("second");
  const Json tech = scene.fixture.content("tech");
  CHECK(tech.at("owner").str() == "desk 8");
  CHECK(tech.at("new").text() == "[1]");
  CHECK(tech.at("symbols").strings() == Names{"MID", "MEGA"});
  CHECK(scene.fixture.content("mega_cap").at("owner").str() == "desk 8");
  CHECK(scene.fixture.members("mega_cap") == Names{"MEGA"});
}

TEST_CASE("an undo is refused where the universe is not as the run left it") {
  SECTION("a later run changed it") {
    Undo scene;
    scene.undo("second", {"--run-id", "back"});
    scene.check_refused("second", "universe 'mega_cap' was changed since, by run back");
  }
  SECTION("another writer changed it") {
    Undo scene;
    scene.fixture.database().execute(
        "UPDATE cache_entries SET content = jsonb_set(content, '{symbols,0}', '\"OTHER\"') "
        "WHERE universe = 'small_cap' OR universe = 'micro_cap'");
    scene.check_refused("second", "universe 'micro_cap' was changed since, by another writer");
    CHECK(scene.fixture.members("micro_cap") == Names{"MICRO"});
    // This run did not change it, so it stays as it is.
    CHECK(scene.fixture.members("small_cap") == Names{"OTHER"});
  }
  SECTION("another writer changed it, and a run has found that") {
    Undo scene;
    scene.fixture.set_entry("tech", "theme", R"({"symbols": ["MEGA", "LARGE"]})");
    scene.night("third");
    CHECK(scene.fixture.database().value("SELECT added FROM cache_sync_changes WHERE task = "
                                         "'another_writer' AND run_id = 'third'") == "{LARGE}");
    scene.check_refused("second", "universe 'tech' was changed since, by run third");
  }
  SECTION("another writer deleted it") {
    Undo scene;
    scene.fixture.database().execute("DELETE FROM cache_entries WHERE universe = 'tech'");
    scene.check_refused("second", "universe 'tech' was deleted since, by another writer");
    CHECK(scene.fixture.members("tech") == Names{"MID", "MEGA"});
  }
}

TEST_CASE("an undo writes nothing that stands already, and a type that alone is another one") {
  Undo scene;
  const auto again = [&scene] {
    const Json dry = scene.undo("second", {"--dry-run"}, 4);
    return scene.undo("second", {"--approve-plan", dry.at("plan_digest").str()});
  };
  scene.undo("second");
  const Names restored = scene.fixture.entries_dump();
  CHECK(again().at("total_changes").integer() == 0);
  CHECK(scene.fixture.entries_dump() == restored);
  scene.fixture.database().execute(
      "UPDATE cache_entries SET cache_type = 'other' WHERE universe = 'mega_cap'");
  CHECK(again().at("total_changes").integer() == 1);
  CHECK(scene.contents() == scene.before);
}

TEST_CASE("an approved undo leaves what its plan says, whatever stood there") {
  struct Meddling {
    const char* run;
    const char* universe;
    const char* sql;      ///< of another writer, before the undo
    const char* content;  ///< of the entry afterwards, without last_updated
  };
  const std::vector<Meddling> cases{
      {"second", "tech", R"(content = content || '{"metadata": {"other": 1}}')",
       R"({"count": 2, "owner": "desk 7", "symbols": ["MID", "MEGA"], "metadata": {"own": 1}})"},
      {"second", "tech", "content = content - 'metadata'",
       R"({"count": 2, "owner": "desk 7", "symbols": ["MID", "MEGA"], "metadata": {"own": 1}})"},
      {"second", "tech", nullptr,
       R"({"count": 2, "owner": "desk 7", "symbols": ["MID", "MEGA"], "metadata": {"own": 1}})"},
      {"first", "top_1000", "content = '[1, 2]'", R"({"count": 0, "symbols": []})"},
      {"first", "top_1000", "content = 'null'", R"({"count": 0, "symbols": []})"},
      {"first", "top_1000", R"(content = '"text"')", R"({"count": 0, "symbols": []})"},
  };
  for (const auto& [run, universe, sql, content] : cases) {
    INFO(universe << " " << (sql == nullptr ? "deleted" : sql));
    Fixture fixture;
    add_small_market(fixture);
    fixture.set_entry("tech", "theme",
                      R"({"count": 2, "owner": "desk 7", "symbols": ["MID", "MEGA"],)"
                      R"( "metadata": {"own": 1}})");
    REQUIRE(fixture.run({"init"}).status == 0);
    REQUIRE(run_task(fixture, {"sync", "--run-id", "first"}).status == 0);
    fixture.database().execute("UPDATE symbols SET is_active = false WHERE symbol = 'MID'");
    REQUIRE(run_task(fixture, {"sync", "--run-id", "second"}).status == 0);
    const std::string where = fmt::format(" WHERE universe = '{}'", universe);
    fixture.database().execute(sql == nullptr
                                   ? "DELETE FROM cache_entries" + where
                                   : fmt::format("UPDATE cache_entries SET {}", sql) + where);
    const Json dry = Json::parse(fixture.run({"undo", run, "--dry-run", "--format", "json"}).out);
    REQUIRE(
        fixture
            .run({"undo", run, "--run-id", "back", "--approve-plan", dry.at("plan_digest").str()})
            .status == 0);
    CHECK(fixture.database().value("SELECT content - 'last_updated' FROM cache_entries" + where) ==
          content);
    CHECK_THAT(fixture.run({"check"}).out, !contains("another writer"));
    CHECK(fixture.run({"undo", "back", "--dry-run"}).status == 0);
  }
}

TEST_CASE("an undo restores that an entry had no type") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("mega_cap", "theme", R"({"symbols": ["LARGE"], "count": 1})");
  fixture.database().execute(
      "ALTER TABLE cache_entries ALTER cache_type DROP NOT NULL;"
      "UPDATE cache_entries SET cache_type = NULL WHERE universe = 'mega_cap'");
  REQUIRE(run_task(fixture, {"market-cap", "--run-id", "taken"}).status == 0);
  REQUIRE(fixture.run({"undo", "taken", "--run-id", "back"}).status == 0);
  CHECK(fixture.database().value(
            "SELECT cache_type IS NULL FROM cache_entries WHERE universe = 'mega_cap'") == "t");
  CHECK(fixture.run({"undo", "back"}).status == 0);
}

TEST_CASE("an undo restores metadata of any length") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  fixture.set_entry("mega_cap", "market_cap", R"({"symbols": ["LARGE"], "count": 1})");
  fixture.database().execute(
      "UPDATE cache_entries SET content = content || jsonb_build_object('metadata', "
      "jsonb_build_object('note', repeat('ü', 5000))) WHERE universe = 'mega_cap'");
  const std::string content =
      "SELECT md5((content - 'last_updated')::text) FROM cache_entries WHERE universe = 'mega_cap'";
  const std::string before = fixture.database().value(content);
  REQUIRE(run_task(fixture, {"market-cap", "--run-id", "taken"}).status == 0);
  const std::string after = fixture.database().value(content);
  REQUIRE(fixture.run({"undo", "taken", "--run-id", "back"}).status == 0);
  CHECK(fixture.database().value(content) == before);
  CHECK_THAT(fixture.run({"check"}).out, !contains("another writer"));
  fixture.database().execute("DELETE FROM cache_entries WHERE universe = 'mega_cap'");
  REQUIRE(run_task(fixture, {"market-cap", "--run-id", "again"}).status == 0);
  CHECK(fixture.database().value("SELECT length(content_before -> 'metadata' ->> 'note') FROM "
                                 "cache_sync_changes WHERE task = 'another_writer'") == "5000");
  REQUIRE(fixture.run({"undo", "again"}).status == 0);
  REQUIRE(fixture.run({"undo", "back", "--dry-run"}).status == 4);
  CHECK(fixture.database().value(content) != after);
}

TEST_CASE("an undo that takes out too many members is refused as a run would be") {
  Fixture fixture;
  REQUIRE(fixture.run({"init"}).status == 0);
  for (int i = 0; i < 20; ++i) {
    fixture.add_symbol({.symbol = fmt::format("B{:02}", i), .market_cap = "1e9"});
  }
  REQUIRE(run_task(fixture, {"sync", "--run-id", "first"}).status == 0);
  fixture.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active) SELECT 'C' || i, 2e9, true "
      "FROM generate_series(10, 24) i");
  REQUIRE(run_task(fixture, {"sync", "--run-id", "second"}).status == 0);
  check_failure(fixture.run({"undo", "second"}), 4, "would lose 15 of 35 members");
}

TEST_CASE("only a run that changed something can be undone") {
  Undo scene;
  check_failure(scene.fixture.run({"undo", "nope"}), 1, "there is no record of run 'nope'");
  check_failure(scene.fixture.run({"undo"}), 64, "undo requires the id of a run");
  scene.night("second-idle");
  check_failure(scene.fixture.run({"undo", "sec-"}), 1, "there is no record of run 'sec-'");
  check_failure(scene.fixture.run({"undo", "s"}), 1, "more than one run id begins with 's'");
  const Json idle = scene.undo("second-", {"--dry-run"});
  CHECK(idle.at("total_changes").integer() == 0);
  scene.fixture.database().execute("UPDATE symbols SET market_cap = 0");
  REQUIRE(run_task(scene.fixture, {"sync", "--run-id", "refused"}).status == 4);
  check_failure(scene.fixture.run({"undo", "refused"}), 1,
                "run refused is refused and changed nothing, so there is nothing to undo");
  Fixture bare;
  check_failure(bare.run({"undo", "x"}), 1, "Run 'tickstock-cache init'");
  // Its lock is held, so it may still change something.
  Session holder = scene.fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  scene.fixture.database().execute(
      "UPDATE cache_sync_runs SET status = 'running' WHERE run_id = 'second'");
  check_failure(scene.fixture.run({"undo", "second"}), 1,
                "run second is still running. Undo it once it has ended.");
}

TEST_CASE("an undo whose run is deleted while it waits for the lock fails") {
  Undo scene;
  Session holder = scene.fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  Process undo = scene.fixture.start({"undo", "second", "--lock-wait", "60", "--run-id", "late"});
  wait_until("the undo to wait", [&] {
    return scene.fixture.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND application_name = 'tickstock-cache late' AND state = 'idle'") == "1";
  });
  holder.execute("DELETE FROM cache_sync_changes WHERE run_id = 'second'");
  holder.execute("DELETE FROM cache_sync_runs WHERE run_id = 'second'");
  holder.execute("COMMIT");
  const ProcessResult result = undo.wait();
  check_failure(result, 1, "there is no record of run 'second'");
}

TEST_CASE("what another writer changed before an undo is in the journal as of the undo") {
  Undo scene;
  scene.fixture.set_entry("calm", "theme", R"({"symbols": ["LARGE"], "count": 1})");
  scene.fixture.database().execute("UPDATE symbols SET market_cap = 15e9 WHERE symbol = 'LARGE'");
  scene.night("third");
  scene.fixture.set_entry("calm", "theme", R"({"symbols": ["HAND"], "count": 1})");
  scene.fixture.set_entry("late", "theme", R"({"symbols": ["MID"], "count": 1})");
  scene.undo("third", {"--run-id", "back"}, 0);
  const auto members = [&scene](const std::string& universe) {
    return scene.fixture.run({"members", universe, "--as-of", "2999-01-01", "--format", "csv"}).out;
  };
  CHECK(members("calm") == "symbol,rank,cap\nHAND,,\n");
  CHECK(members("late") == "symbol,rank,cap\nMID,,\n");
  CHECK_THAT(scene.fixture.run({"history", "--universe", "calm", "--of-run", "back"}).out,
             contains("another writer"));
}

TEST_CASE("an undo restores waiting members, and can itself be undone") {
  Declared scene("[stability]\nband = 10\nnights = 3\n");
  Fixture& fixture = scene.fixture;
  const auto sync = [&](const std::string& day, const std::string& id) {
    REQUIRE(
        fixture.run({"sync", "--as-of", day, "--run-id", id, "--config", scene.path()}).status ==
        0);
  };
  const auto waiting = [&fixture] {
    return fixture.database().column(
        "SELECT concat_ws(' ', symbol, universe, nights, as_of) FROM cache_sync_waiting ORDER BY "
        "1");
  };
  scene.add({.symbol = "AIMA", .market_cap = "12e9"});
  scene.add({.symbol = "BIDE", .market_cap = "12e9"});
  scene.add({.symbol = "REST", .market_cap = "50e9"});
  REQUIRE(fixture.run({"init"}).status == 0);
  sync("2024-06-24", "a");
  scene.set("AIMA", "market_cap", "8e9");
  sync("2024-06-25", "b");
  scene.set("BIDE", "market_cap", "8e9");
  sync("2024-06-26", "c");
  const Names two{"AIMA large_cap 2 2024-06-26", "BIDE large_cap 1 2024-06-26"};
  REQUIRE(waiting() == two);
  sync("2024-06-27", "d");
  const Names one{"BIDE large_cap 2 2024-06-27"};
  REQUIRE(waiting() == one);
  REQUIRE(fixture.members("mid_cap") == Names{"AIMA"});

  // What can't be restored leaves the waiting members unchanged, too.
  break_universe(fixture, "mid_cap", "23514");
  REQUIRE(fixture.run({"undo", "d", "--config", scene.path()}).status == 3);
  CHECK(waiting() == one);
  fixture.database().execute("DROP TRIGGER refuse ON cache_entries");

  const ProcessResult text =
      fixture.run({"undo", "d", "--run-id", "back", "--config", scene.path()});
  INFO(text.err);
  REQUIRE(text.status == 0);
  CHECK_THAT(text.out, contains("waiting  2 members outside their universes\n"));
  CHECK(waiting() == two);
  CHECK(fixture.members("large_cap") == Names{"REST", "AIMA", "BIDE"});
  const Json forth = Json::parse(
      fixture
          .run({"undo", "back", "--run-id", "forth", "--config", scene.path(), "--format", "json"})
          .out);
  CHECK(forth.at("waiting").text() ==
        R"([{"group":"categories","symbol":"BIDE","universe":"large_cap","nights":2}])");
  CHECK(waiting() == one);
  REQUIRE(fixture.run({"undo", "forth", "--config", scene.path()}).status == 0);
  sync("2024-06-27", "d-again");
  CHECK(waiting() == one);
}
