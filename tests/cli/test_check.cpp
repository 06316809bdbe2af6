// check: it checks everything that a run needs, writes nothing, and reports every finding.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

struct Checked {
  Fixture fixture;

  Checked() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    fixture.database().execute(
        "INSERT INTO ohlcv_daily (symbol, date, close) "
        "VALUES ('LARGE', '2020-01-02', 1), ('MEGA', now()::date, 1), ('MID', '2020-01-03', 1)");
  }

  /// Returns the findings of one level, with this exit status.
  Names findings(const std::string& level, int status, const Environment& extra = {}) {
    const Names before = fixture.entries_dump();
    const ProcessResult result = fixture.run({"check", "--format", "json"}, extra);
    INFO(result.out << result.err);
    CHECK(result.status == status);
    CHECK(fixture.entries_dump() == before);
    const Json document = Json::parse(result.out);
    CHECK(document.at("exit_code").integer() == status);
    CHECK(document.at("success").boolean() == (status == 0));
    Names found;
    for (const Json& finding : document.at("findings").items()) {
      if (finding.at("level").str() == level) found.push_back(finding.at("message").str());
    }
    return found;
  }
};

}  // namespace

TEST_CASE("a sound installation passes the check without a warning") {
  Checked scene;
  CHECK(scene.findings("warning", 0).empty());
  CHECK(scene.findings("failed", 0).empty());
  const std::string good = fmt::format("{}", fmt::join(scene.findings("ok", 0), "\n"));
  CHECK_THAT(good, contains("connected to PostgreSQL") && contains("8 symbols, of which 7") &&
                       contains("connected to Redis at redis://127.0.0.1") &&
                       contains("no run is on record yet") && contains("no event is pending"));
  const ProcessResult text = scene.fixture.run({"check"});
  CHECK(text.status == 0);
  for (const std::string& line : lines_of(text.out)) CHECK_THAT(line, starts_with("ok  "));
  CHECK(scene.fixture.database().value("SELECT count(*) FROM cache_sync_runs") == "0");
  CHECK(scene.fixture.run({"check", "-q"}).out.empty());
}

TEST_CASE("the check tells all that is wrong at once") {
  Checked scene;
  const std::string role = make_role(scene.fixture);
  const std::string all =
      fmt::format("{}", fmt::join(scene.findings("failed", 1, as_role(scene.fixture, role)), "\n"));
  for (const std::string grant :
       {"SELECT ON public.symbols", "SELECT, INSERT, UPDATE ON public.cache_entries",
        "SELECT, INSERT, UPDATE, DELETE ON public.cache_sync_runs",
        "SELECT, INSERT ON public.cache_sync_changes",
        "SELECT, INSERT, UPDATE, DELETE ON public.cache_sync_outbox"}) {
    CHECK_THAT(all, contains("GRANT " + grant + " TO " + role));
  }
  scene.fixture.database().execute("ALTER TABLE symbols DROP sector");
  const Names failed = scene.findings("failed", 1, redis_down());
  REQUIRE(failed.size() == 2);
  CHECK_THAT(failed[0], contains("no column sector"));
  CHECK_THAT(failed[1], contains("redis://127.0.0.1:1/0"));
}

TEST_CASE("prices that can't be read fail the check only where a setting reads them") {
  Checked scene;
  scene.fixture.database().execute("DROP TABLE ohlcv_daily");
  const Names warnings = scene.findings("warning", 0);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], contains("public.ohlcv_daily"));
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[guards]\nmax_data_age_days = 3\n");
  const Names failed = scene.findings("failed", 1, {{"TICKSTOCK_CACHE_CONFIG", config}});
  REQUIRE(failed.size() == 1);
  CHECK_THAT(failed[0], contains("public.ohlcv_daily does not exist"));
}

TEST_CASE("the check ends with the first that applies of 78, 5, 1 and 6") {
  Checked scene;
  CHECK(scene.findings("failed", 6, redis_down()).size() == 1);
  Environment nowhere = redis_down();
  nowhere["DATABASE_URL"] = "postgresql://127.0.0.1:1/x";
  CHECK(scene.findings("failed", 5, nowhere).size() == 2);
  scene.fixture.database().execute("DROP TABLE symbols");
  CHECK(scene.findings("failed", 1, redis_down()).size() == 2);
  check_failure(scene.fixture.run({"check", "--config", "/nonexistent"}), 78, "/nonexistent");
  const ProcessResult zone =
      scene.fixture.run({"check", "--timezone", "Mars/Olympus"}, redis_down());
  CHECK(zone.status == 64);
  CHECK_THAT(zone.out, contains("Mars/Olympus"));
}

TEST_CASE("the failure that a check ends with is a line on standard error, too") {
  Checked scene;
  CHECK(scene.fixture.run({"check"}).err.empty());
  check_failure(scene.fixture.run({"check"}, redis_down()), 6, "Check the server and the URL.");
  scene.fixture.database().execute("DROP TABLE symbols");
  for (const Names& command : {Names{"check", "-q"}, Names{"check", "--format", "json"}}) {
    check_failure(scene.fixture.run(command, redis_down()), 1,
                  "the table public.symbols does not exist. Name the right table");
  }
}

TEST_CASE("the check warns of old prices, pending events and unreadable contents") {
  Checked scene;
  Fixture& fixture = scene.fixture;
  fixture.database().execute("UPDATE ohlcv_daily SET date = '2024-06-28' WHERE symbol = 'MEGA'");
  fixture.set_entry("odd", "theme", "[]");
  REQUIRE(run_task(fixture, {"ipo", "--run-id", "night"}, redis_down()).status == 6);
  const std::string all = fmt::format("{}", fmt::join(scene.findings("warning", 0), "\n"));
  CHECK_THAT(all, contains("newest prices: 2024-06-28") && contains("entry 'odd'") &&
                      contains("3 events are pending, the oldest for less than an hour. Run "
                               "'tickstock-cache deliver'."));
  CHECK_THAT(fixture.run({"check"}).out, contains("the last run, night, is completed"));
  CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_outbox "
                                 "WHERE published_at IS NULL") == "3");
  fixture.database().execute("UPDATE cache_sync_outbox SET created_at = now() - interval '8 days'");
  const std::string old = fmt::format("{}", fmt::join(scene.findings("warning", 0), "\n"));
  CHECK_THAT(old, contains("3 events are pending, the oldest for 8 days. Raise [outbox] max_age, "
                           "or the next run drops those older than 7 days."));
  fixture.database().execute(
      "UPDATE symbols SET market_cap = NULL; DROP TABLE ohlcv_daily, "
      "cache_sync_runs, cache_sync_changes, cache_sync_outbox, cache_sync_waiting, "
      "cache_sync_states");
  const std::string more = fmt::format("{}", fmt::join(scene.findings("warning", 0), "\n"));
  CHECK_THAT(more, contains("0 are eligible, so a run would be refused") &&
                       contains("public.ohlcv_daily") && contains("Run 'tickstock-cache init'"));
}

TEST_CASE("whatever changes how types are printed, the check compares types") {
  Checked scene;
  Database& database = scene.fixture.database();
  database.execute("ALTER DATABASE " + database.name() + " SET quote_all_identifiers = on");
  CHECK(scene.findings("failed", 0).empty());
  CHECK(run_task(scene.fixture, {"sync"}).status == 0);
  database.execute("ALTER TABLE symbols ALTER sector TYPE integer USING 1");
  CHECK_THAT(scene.findings("failed", 1).front(), contains("column sector of public.symbols"));
}

TEST_CASE("check predicts a column of the entries that nobody fills") {
  Checked scene;
  Database& database = scene.fixture.database();
  database.execute("ALTER TABLE cache_entries ADD owner text NOT NULL DEFAULT 'x'");
  CHECK(scene.findings("failed", 0).empty());
  database.execute("ALTER TABLE cache_entries ALTER owner DROP DEFAULT");
  const std::string part = "column owner of public.cache_entries is NOT NULL";
  CHECK_THAT(scene.findings("failed", 1).front(), contains(part));
  check_failure(run_task(scene.fixture, {"ipo"}), 3, "\"owner\"");
  // A trigger could fill it.
  database.execute(
      "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN NEW.owner = 'desk'; RETURN NEW; END $$;"
      "CREATE TRIGGER fill BEFORE INSERT ON cache_entries FOR EACH ROW EXECUTE FUNCTION fill()");
  CHECK_THAT(scene.findings("warning", 0).front(), contains(part));
  CHECK(run_task(scene.fixture, {"sync"}).status == 0);
  database.execute(
      "DROP TRIGGER fill ON cache_entries; CREATE DOMAIN known AS text NOT NULL;"
      "CREATE DOMAIN named AS known");
  database.execute("ALTER TABLE cache_entries ALTER owner DROP NOT NULL, ALTER owner TYPE named");
  CHECK_THAT(scene.findings("failed", 1).front(), contains(part));
}

TEST_CASE("check predicts a column of the entries that is generated, and says it once") {
  Checked scene;
  scene.fixture.database().execute(
      "ALTER TABLE cache_entries DROP created_at, "
      "ADD created_at timestamptz GENERATED ALWAYS AS ('2024-06-28 00:00:00+00') STORED");
  const Names failed = scene.findings("failed", 1);
  REQUIRE(failed.size() == 1);
  CHECK_THAT(failed[0], contains("column created_at of public.cache_entries is generated"));
}

TEST_CASE("check and a run name what a table of init lacks, before anything is changed") {
  for (const std::string column : {"outbox.receivers", "runs.listeners", "changes.places"}) {
    Checked scene;
    const std::size_t dot = column.find('.');
    const std::string table = "cache_sync_" + column.substr(0, dot);
    scene.fixture.database().execute("ALTER TABLE " + table + " DROP " + column.substr(dot + 1));
    const std::string words = "the table public." + table + " lacks the columns " +
                              column.substr(dot + 1) + ". Restore it from a backup";
    const Names failed = scene.findings("failed", 1);
    REQUIRE(failed.size() == 1);
    CHECK_THAT(failed[0], contains(words));
    check_fails(scene.fixture, {"sync"}, 1, words);
  }
}

TEST_CASE("check predicts that a run would be refused for the age of the data") {
  Checked scene;
  const TemporaryDirectory directory;
  const Environment strict{
      {"TICKSTOCK_CACHE_CONFIG", directory.write("c.toml", "[guards]\nmax_data_age_days = 1\n")}};
  scene.fixture.database().execute("DELETE FROM ohlcv_daily");
  scene.fixture.database().execute(
      "INSERT INTO ohlcv_daily (symbol, date) VALUES "
      "('MEGA', (now() AT TIME ZONE 'America/New_York')::date - 1)");
  const Names warnings = scene.findings("warning", 0, strict);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], contains("no symbol has a row of the last 1 day in public.ohlcv_daily, "
                                   "so a run would be refused"));
  check_failure(scene.fixture.run({"dry-run"}, strict), 4, "max_data_age_days");
  scene.fixture.database().execute("UPDATE ohlcv_daily SET date = date + 1");
  CHECK(scene.findings("warning", 0, strict).empty());
}

TEST_CASE("check predicts a column that is too short for a built-in universe") {
  Checked scene;
  scene.fixture.database().execute(
      "TRUNCATE cache_entries; ALTER TABLE cache_entries ALTER universe TYPE varchar(9)");
  CHECK_THAT(scene.findings("failed", 1).front(),
             contains("'large_cap'") || contains("'recent_ipos'"));
}

TEST_CASE("a view of prices that can't be read is a warning if no setting reads it") {
  Checked scene;
  const std::string role = make_role(scene.fixture);
  scene.fixture.database().execute(scene.fixture.run({"init", "--print-grants", role}).out);
  scene.fixture.database().execute(
      "ALTER TABLE ohlcv_daily RENAME TO raw_prices;"
      "CREATE VIEW ohlcv_daily WITH (security_invoker) AS SELECT * FROM raw_prices;"
      "REVOKE ALL ON raw_prices FROM " +
      role + "; GRANT SELECT ON ohlcv_daily TO " + role);
  const Environment as = as_role(scene.fixture, role);
  CHECK_THAT(scene.findings("warning", 0, as).front(),
             contains("the age of the data is not known"));
  CHECK(run_task(scene.fixture, {"sync"}, as).status == 0);
}

TEST_CASE("prices that runs don't read can't make the check fail") {
  Checked scene;
  const TemporaryDirectory directory;
  const Environment hurried{
      {"TICKSTOCK_CACHE_CONFIG", directory.write("c.toml", "[timeouts]\nlock = 1\n")}};
  Session other = scene.fixture.database().connect();
  other.execute("BEGIN");
  other.execute("LOCK TABLE ohlcv_daily");
  CHECK_THAT(scene.findings("warning", 0, hurried).front(),
             contains("the age of the data is not known") && contains("55P03"));
  const Environment needing{
      {"TICKSTOCK_CACHE_CONFIG",
       directory.write("d.toml", "[timeouts]\nlock = 1\n[guards]\nmax_data_age_days = 3\n")}};
  CHECK_FALSE(scene.findings("failed", 5, needing).empty());
}

TEST_CASE("check predicts a missing privilege on the sequence of the id, with its GRANT") {
  Checked scene;
  Database& database = scene.fixture.database();
  const std::string role = make_role(scene.fixture);
  database.execute(
      "GRANT ALL ON ALL TABLES IN SCHEMA public TO " + role +
      "; DROP TABLE cache_entries;"
      "CREATE TABLE cache_entries (id serial PRIMARY KEY, universe text NOT NULL UNIQUE, content "
      "jsonb NOT NULL, cache_type text, created_at timestamptz, updated_at timestamptz);"
      "GRANT ALL ON cache_entries TO " +
      role);
  const Environment as = as_role(scene.fixture, role);
  const std::string grant = "GRANT USAGE ON SEQUENCE public.cache_entries_id_seq TO " + role;
  const Names failed = scene.findings("failed", 1, as);
  REQUIRE(failed.size() == 1);
  CHECK_THAT(failed.front(), contains(grant));
  database.execute(grant);
  CHECK(scene.findings("failed", 0, as).empty());
  CHECK(run_task(scene.fixture, {"sync"}, as).status == 0);
}

TEST_CASE("check predicts a published table without a replica identity") {
  Checked scene;
  Database& database = scene.fixture.database();
  database.execute("CREATE PUBLICATION feed FOR ALL TABLES");
  CHECK(scene.findings("failed", 0).empty());
  database.execute("ALTER TABLE cache_entries DROP CONSTRAINT cache_entries_pkey");
  const Names failed = scene.findings("failed", 1);
  REQUIRE(failed.size() == 1);
  CHECK_THAT(failed.front(),
             contains("public.cache_entries") &&
                 contains("ALTER TABLE public.cache_entries REPLICA IDENTITY FULL"));
  database.execute("ALTER TABLE cache_entries REPLICA IDENTITY FULL");
  CHECK(scene.findings("failed", 0).empty());
  database.execute(
      "ALTER TABLE cache_entries REPLICA IDENTITY DEFAULT;"
      "ALTER TABLE cache_entries ADD PRIMARY KEY (id) DEFERRABLE");
  CHECK_THAT(scene.findings("failed", 1).front(), contains("public.cache_entries"));
  database.execute(
      "ALTER TABLE cache_entries REPLICA IDENTITY FULL;"
      "ALTER TABLE cache_sync_outbox REPLICA IDENTITY NOTHING");
  CHECK_THAT(scene.findings("failed", 1).front(), contains("public.cache_sync_outbox"));
  database.execute("ALTER PUBLICATION feed SET (publish = 'insert')");
  CHECK(scene.findings("failed", 0).empty());
}

TEST_CASE("a rule on the entries, and a sequence behind its rows, are named with what to do") {
  Checked scene;
  Database& database = scene.fixture.database();
  database.execute("CREATE RULE noted AS ON UPDATE TO cache_entries DO ALSO NOTIFY noted");
  CHECK_THAT(scene.findings("warning", 0).front(),
             contains("the rule 'noted' on public.cache_entries"));
  const ProcessResult ruled = run_task(scene.fixture, {"sync"});
  CHECK(ruled.status == 1);
  CHECK_THAT(log_lines(ruled, "error").front(), contains("Look for a rule on the table"));
  database.execute(
      "DROP RULE noted ON cache_entries;"
      "SELECT setval(pg_get_serial_sequence('cache_entries', 'id'), 1, false)");
  const ProcessResult behind = run_task(scene.fixture, {"sync"});
  CHECK(behind.status == 3);
  CHECK_THAT(log_lines(behind, "error").front(), contains("move its sequence past it (setval)"));
}

TEST_CASE("a run says which publication its identity does not cover") {
  Checked scene;
  REQUIRE(run_task(scene.fixture, {"sync"}).status == 0);
  scene.fixture.database().execute(
      "CREATE PUBLICATION part FOR TABLE cache_entries WHERE (cache_type <> 'x');"
      "UPDATE symbols SET market_cap = 250e9 WHERE symbol = 'LARGE'");
  const ProcessResult result = run_task(scene.fixture, {"sync"});
  CHECK(result.status == 3);
  CHECK_THAT(
      log_lines(result, "error").front(),
      contains("Column used in the publication WHERE expression is not part of the replica"));
}

TEST_CASE("a trigger that leaves out a schema is predicted, and the run says how that comes") {
  Checked scene;
  Database& database = scene.fixture.database();
  const auto make_trigger = [&database](const std::string& body, const std::string& more = "") {
    database.execute(
        "DROP TABLE IF EXISTS audit_log; CREATE TABLE audit_log (t text);"
        "CREATE OR REPLACE FUNCTION note(text) RETURNS text LANGUAGE sql AS 'SELECT $1';"
        "CREATE OR REPLACE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql " +
        more + " AS $$ BEGIN " + body +
        " RETURN NEW; END $$; CREATE OR REPLACE TRIGGER audit AFTER INSERT OR UPDATE ON "
        "cache_entries FOR EACH ROW EXECUTE FUNCTION audit()");
  };
  for (const std::string body :
       {"INSERT INTO audit_log VALUES (TG_OP);", "insert into \"audit_log\" values (TG_OP);",
        "PERFORM 1 FROM public.symbols, Audit_Log;", "PERFORM note('x');",
        "RAISE DEBUG 'a -- b'; INSERT INTO audit_log VALUES (TG_OP);",
        "DECLARE r audit_log%ROWTYPE; BEGIN NULL; END;"}) {
    INFO(body);
    make_trigger(body);
    CHECK_THAT(scene.findings("warning", 0).front(), contains("trigger 'audit'") &&
                                                         contains("public.audit()") &&
                                                         contains("search_path"));
    const ProcessResult result = run_task(scene.fixture, {"sync"});
    CHECK(result.status == 3);
    CHECK_THAT(log_lines(result, "error").front(),
               contains("context: ") && contains("audit") &&
                   contains("run with search_path = pg_catalog"));
  }
  for (const std::string body :
       {"INSERT INTO public.audit_log VALUES (TG_OP);",
        "INSERT INTO \"public\".\"audit_log\" VALUES (TG_OP);",
        "INSERT INTO public . audit_log VALUES (TG_OP);",
        "PERFORM set_config('search_path', 'public', true); INSERT INTO audit_log VALUES (TG_OP);",
        "-- audit_log is for the desk\n/* audit_log,\n too */ NULL;",
        "INSERT INTO public.audit_log VALUES ('audit_log, ''audit_log''');",
        "PERFORM lower('x'), now();"}) {
    INFO(body);
    make_trigger(body);
    CHECK(run_task(scene.fixture, {"sync"}).status == 0);
    CHECK(scene.findings("warning", 0).empty());
    database.execute("DELETE FROM cache_entries WHERE universe = 'mega_cap'");
  }
  make_trigger("INSERT INTO audit_log VALUES (TG_OP);", "SET search_path = public");
  CHECK(run_task(scene.fixture, {"sync"}).status == 0);
  CHECK(scene.findings("warning", 0).empty());
}

TEST_CASE("days that are stored as midnights of UTC are warned of, with a view as the remedy") {
  Fixture fixture({.date_type = "timestamptz"});
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  Database& database = fixture.database();
  database.execute(
      "UPDATE symbols SET listing_date = '2024-06-28 00:00+00' WHERE symbol = 'NEW';"
      "UPDATE symbols SET delisted_date = '2024-06-27 09:30+00' WHERE symbol = 'GONE';"
      "INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', '2024-06-28 00:00+00')");
  const auto warnings = [&](const std::string& zone) {
    return run_json(fixture, {"dry-run", "--timezone", zone}).at("warnings").strings();
  };
  REQUIRE(warnings("America/New_York").size() == 1);
  CHECK_THAT(warnings("America/New_York").front(),
             contains("listing_date of public.symbols") &&
                 contains("(listing_date AT TIME ZONE 'UTC')::date AS listing_date"));
  CHECK(warnings("UTC").empty());
  CHECK(warnings("Asia/Tokyo").empty());
  const std::string check = fixture.run({"check"}).out;
  CHECK_THAT(check, contains("warning  every value in listing_date of public.symbols"));
  // Prices matter only if market caps come from them.
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[guards]\nmax_data_age_days = 3\n");
  CHECK_THAT(fixture.run({"check", "--config", config}).out,
             contains("every value in date of public.ohlcv_daily"));
  // A single time other than midnight shows that times are meant.
  database.execute("UPDATE symbols SET listing_date = '2024-06-20 13:30+00' WHERE symbol = 'MID'");
  CHECK(warnings("America/New_York").empty());
}

TEST_CASE("a market whose caps are in millions is warned of") {
  Checked scene;
  scene.fixture.database().execute("UPDATE symbols SET market_cap = market_cap / 1000000");
  for (const Names& arguments : {Names{"dry-run"}, Names{"market-cap", "--dry-run"}}) {
    CHECK_THAT(run_json(scene.fixture, arguments).at("warnings").strings().front(),
               contains("no symbol reaches the lowest category") &&
                   contains("Check that market caps are in dollars."));
  }
  CHECK(run_json(scene.fixture, {"ipo", "--dry-run"}).at("warnings").size() == 0);
  CHECK_THAT(scene.findings("warning", 0).front(),
             contains("Check that market caps are in dollars."));
}

TEST_CASE("doubled symbols are counted, five are named, and no row is called wrong") {
  Checked scene;
  scene.fixture.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active) SELECT 'T' || lpad(i::text, 3, '0'), "
      "1e9, true FROM generate_series(300, 1, -1) i, generate_series(1, 3)");
  const std::string part = "300 symbols: 'T001', 'T002', 'T003', 'T004', 'T005' and 295 more";
  CHECK_THAT(scene.findings("failed", 1).front(),
             contains(part) && contains("[tables] symbols") && !contains("remove"));
  check_fails(scene.fixture, {"sync"}, 1, part);
}

TEST_CASE("members that the symbols table lacks are named: ten, all with -v, all in JSON") {
  Checked scene;
  std::string members;
  for (int i = 1; i <= 12; ++i) members += fmt::format("{}\"U{:02}\"", i > 1 ? "," : "", i);
  scene.fixture.set_entry("odd", "theme", "{\"symbols\": [" + members + "], \"count\": 12}");
  const auto warned = [&scene](const Names& more) {
    return log_lines(run_task(scene.fixture, with({"dry-run"}, more)), "warning").front();
  };
  const std::string sentence = "12 members of 1 entry are not in the symbols table";
  CHECK_THAT(warned({}), contains(sentence) && contains("'U10' and 2 more") && !contains("U11"));
  CHECK_THAT(warned({"-v"}), contains(sentence) && contains("'U11' and 'U12'"));
  CHECK_THAT(run_json(scene.fixture, {"dry-run"}).at("warnings").strings().front(),
             contains(sentence) && contains("'U11' and 'U12'"));
}

TEST_CASE("the check judges the last run, and how long ago one succeeded") {
  Checked scene;
  Database& database = scene.fixture.database();
  const auto record = [&database](const std::string& id, const std::string& status, int hours) {
    database.execute(
        "INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of, "
        "events_enabled, approved, started_at, finished_at, error, program_version) VALUES ($1, "
        "'public.cache_entries', 'full', 'cron', $2, '2024-01-01', true, false, now() - "
        "make_interval(hours => $3::int), now() - make_interval(hours => $3::int), $4, '1')",
        {id, status, std::to_string(hours),
         status == "completed" ? std::optional<std::string>() : "the feed was empty"});
  };
  record("good", "completed", 25);
  CHECK(scene.findings("warning", 0).empty());
  for (const std::string status : {"refused", "failed", "interrupted", "completed_with_errors"}) {
    INFO(status);
    record("bad", status, 1);
    const Names warnings = scene.findings("warning", 0);
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(
        warnings.front(),
        contains("the last run, bad, is " + status) && contains("the feed was empty") &&
            contains(status == "completed_with_errors" ? "" : "the last success is good at"));
    database.execute("DELETE FROM cache_sync_runs WHERE run_id = 'bad'");
  }
  database.execute("DELETE FROM cache_sync_runs");
  record("old", "completed", 27);
  CHECK_THAT(scene.findings("warning", 0).front(),
             contains("the last success is old at") && contains("27 hours ago"));
  database.execute("DELETE FROM cache_sync_runs");
  record("only", "failed", 1);
  CHECK_THAT(scene.findings("warning", 0).front(), contains("no run has succeeded yet"));
}

TEST_CASE("with events switched off the check does not ask for Redis") {
  Checked scene;
  const TemporaryDirectory directory;
  Environment environment = redis_down();
  environment["TICKSTOCK_CACHE_CONFIG"] =
      directory.write("c.toml", "[events]\nenabled = false\n[security]\nrequire_tls = true\n");
  CHECK(scene.findings("failed", 0, environment).empty());
  environment["REDIS_URL"] = "redis://192.0.2.1/0";
  CHECK(scene.findings("failed", 0, environment).empty());
}

TEST_CASE("a Redis that would not take events fails the check in its own words") {
  Checked scene;
  const Redis redis(
      {.settings = {"user all on >word +@all ~* &*", "user mute on >word +@all ~* resetchannels",
                    "user one on >word +@all ~* resetchannels &tickstock:errors",
                    "user dumb on >word &* +ping +role +multi +discard",
                    "user plain on >word &* +ping +role +publish"}});
  Subscriber subscriber(redis);
  const auto as = [&redis](const std::string& user) {
    return Environment{
        {"REDIS_URL", fmt::format("redis://{}:word@127.0.0.1:{}/0", user, redis.port())}};
  };
  CHECK(scene.findings("failed", 0, as("all")).empty());
  for (const std::string user : {"mute", "one", "dumb"}) {
    INFO(user);
    CHECK_THAT(scene.findings("failed", 6, as(user)).front(),
               contains("refuses what a run sends: NOPERM") && contains("--print-redis-acl"));
  }
  CHECK_THAT(scene.findings("warning", 0, as("plain")).front(), contains("the permission +multi"));
  CHECK(subscriber.drain().empty());
  const Redis full({.settings = {"maxclients 1"}});
  const RedisConnection only(full);
  CHECK_THAT(scene.findings("failed", 6, {{"REDIS_URL", full.url()}}).front(),
             contains("max number of clients reached"));
  check_failure(run_task(scene.fixture, {"sync"}, {{"REDIS_URL", full.url()}}), 6,
                "max number of clients reached");
}
