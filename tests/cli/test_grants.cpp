// The printed scripts for a PostgreSQL role and a Redis user: everything in them is needed, and
// nothing more is allowed.

#include <set>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// The small market in its own tables, and a role with exactly what the program prints.
struct Granted {
  Fixture fixture;
  TemporaryDirectory directory;
  std::string config;
  std::string role;

  Granted() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    fixture.database().execute(
        "REVOKE ALL ON SCHEMA public FROM public;"
        "CREATE TABLE secrets (secret text);"
        "INSERT INTO ohlcv_daily (symbol, date, close) VALUES ('MEGA', '2024-06-28', 1)");
    config =
        directory.write("c.toml", "[guards]\nmax_data_age_days = 3\n[journal]\nkeep_days = 1\n");
    role = make_role(fixture);
    apply(role);
    apply(role);
  }

  /// Has psql run what is printed for a role.
  void apply(const std::string& name, const Names& more = {}) {
    const ProcessResult script = fixture.run(with({"init", "--print-grants", name}, more));
    REQUIRE(script.status == 0);
    const std::string file = directory.write("grants.sql", script.out);
    const ProcessResult psql = run_process(
        {"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, fixture.database().url()});
    INFO(script.out);
    CHECK(psql.err.empty());
    REQUIRE(psql.status == 0);
  }

  /// Runs every command as the role, with entries to create and to change, an event to deliver, one
  /// to give up, and a record to delete. \return the message of the first command that fails.
  std::string complaint() {
    fixture.database().execute(R"(
      TRUNCATE cache_entries, cache_sync_runs, cache_sync_changes, cache_sync_outbox,
        cache_sync_states;
      INSERT INTO cache_entries (universe, cache_type, content)
        VALUES ('tech', 'theme', '{"symbols": ["MID", "GONE"], "count": 2}'),
               ('mega_cap', 'market_cap', '{"symbols": [], "count": 0}');
      INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of,
        events_enabled, approved, started_at, program_version)
        VALUES ('old', 'public.cache_entries', 'full', 'cron', 'completed', '2024-01-01', true,
                false, now() - interval '9 days', '1');
      INSERT INTO cache_sync_outbox (event_id, run_id, channel, event, message, created_at)
        VALUES ('00000000-0000-8000-8000-000000000001', 'old', 'tickstock:errors', 'e', 'm', now()),
               ('00000000-0000-8000-8000-000000000002', 'old', 'tickstock:errors', 'e', 'm', now()))");
    const Names commands{"dry-run",
                         "check",
                         "deliver --discard 00000000-0000-8000-8000-000000000001",
                         "sync --run-id night",
                         "deliver",
                         "status night",
                         "history",
                         "history --symbol MEGA",
                         "universes",
                         "members mega_cap",
                         "members mega_cap --as-of " + market_day,
                         "undo night --run-id back -q"};
    for (const std::string& command : commands) {
      Names words;
      std::istringstream stream(command);
      for (std::string word; stream >> word;) words.push_back(word);
      const bool task = command == "dry-run" || command.starts_with("sync");
      if (task) words = with(words, {"--as-of", market_day});
      const ProcessResult result =
          fixture.run(with(words, {"--config", config}), as_role(fixture, role));
      const Names warnings = log_lines(result, "warning");
      if (result.status != 0) return command + ": " + result.err + result.out;
      if (!warnings.empty()) return command + ": " + warnings.front();
    }
    if (fixture.universes().size() != 11) return "entries are missing";
    const auto left = fixture.database().column("SELECT run_id FROM cache_sync_runs ORDER BY 1");
    return left == Names{"back", "night"} ? "" : "the old record is still there";
  }
};

/// Returns everything that the role was granted, one privilege and column at a time.
Names grants_of(Fixture& fixture, const std::string& role) {
  return fixture.database().column(R"(
    SELECT format('%s ON SCHEMA %I', privilege_type, nspname)
      FROM pg_namespace, aclexplode(nspacl) WHERE grantee = $1::regrole
    UNION ALL
    SELECT format('%s ON %s %s', privilege_type,
                  CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass)
      FROM pg_class, aclexplode(relacl) WHERE grantee = $1::regrole
    UNION ALL
    SELECT format('%s (%I) ON TABLE %s', privilege_type, attname, attrelid::regclass)
      FROM pg_attribute, aclexplode(attacl) WHERE grantee = $1::regrole
     ORDER BY 1)",
                                   {role});
}

}  // namespace

TEST_CASE("a role with the printed grants can run everything, and each of them is needed") {
  Granted scene;
  REQUIRE(scene.complaint() == "");
  const Names grants = grants_of(scene.fixture, scene.role);
  CHECK(grants.size() == 41);
  Database& database = scene.fixture.database();
  for (const std::string& grant : grants) {
    INFO(grant);
    database.execute("REVOKE " + grant + " FROM " + scene.role);
    CHECK(scene.complaint() != "");
    database.execute("GRANT " + grant + " TO " + scene.role);
  }
  CHECK(scene.complaint() == "");
}

TEST_CASE("the missing grants are those of the role that a login acts as") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const std::string login = make_role(fixture);
  const std::string role = "acting_" + login;
  Database& database = fixture.database();
  database.execute("CREATE ROLE " + role);
  database.execute("GRANT " + role + " TO " + login);
  database.execute("ALTER ROLE " + login + " SET role = " + role);
  const ProcessResult refused = run_task(fixture, {"sync"}, as_role(fixture, login));
  check_failure(refused, 1, "TO " + role);
  CHECK_THAT(refused.err, contains("--print-grants " + role + "'"));
  database.execute("ALTER ROLE " + login + " SET default_transaction_read_only = on");
  check_failure(run_task(fixture, {"sync"}, as_role(fixture, login)), 5, "ALTER ROLE " + login);
}

TEST_CASE("what a replay needs besides is in the script, as comments") {
  Granted scene;
  const Names replay{"replay", "--from", market_day, "--to", market_day};
  const ProcessResult refused = scene.fixture.run(replay, as_role(scene.fixture, scene.role));
  check_failure(refused, 1, "no SELECT privilege on public.symbols");
  const std::string script = scene.fixture.run({"init", "--print-grants", scene.role}).out;
  std::istringstream lines(script);
  std::size_t grants = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("-- GRANT")) continue;
    scene.fixture.database().execute(line.substr(3));
    ++grants;
  }
  CHECK(grants == 2);
  CHECK(scene.fixture.run(replay, as_role(scene.fixture, scene.role)).status == 0);
}

TEST_CASE("a role with the printed grants can do nothing more") {
  Granted scene;
  Session session = scene.fixture.database().connect(scene.role);
  for (const std::string sql : {
           "DELETE FROM cache_entries",
           "TRUNCATE cache_entries",
           "UPDATE cache_entries SET universe = universe",
           "UPDATE cache_entries SET id = 1",
           "UPDATE cache_entries SET created_at = now()",
           "INSERT INTO cache_entries (id, universe, content) VALUES (1, 'x', '{}')",
           "SELECT id FROM cache_entries",
           "SELECT setval('cache_entries_id_seq', 1)",
           "INSERT INTO symbols (symbol) VALUES ('X')",
           "UPDATE symbols SET market_cap = 1",
           "DELETE FROM symbols",
           "SELECT industry FROM symbols",
           "INSERT INTO ohlcv_daily (symbol, date) VALUES ('X', now())",
           "UPDATE ohlcv_daily SET close = 1",
           "DELETE FROM ohlcv_daily",
           "SELECT close FROM ohlcv_daily",
           "SELECT secret FROM secrets",
           "UPDATE cache_sync_changes SET reason = ''",
           "DELETE FROM cache_sync_changes",
           "TRUNCATE cache_sync_runs CASCADE",
           "TRUNCATE cache_sync_changes",
           "TRUNCATE cache_sync_outbox",
           "DROP TABLE cache_sync_outbox",
           "ALTER TABLE cache_sync_runs ADD x int",
           "COMMENT ON TABLE cache_sync_runs IS ''",
           "CREATE INDEX ON cache_sync_runs (mode)",
           "CREATE TABLE public.mine (x int)",
           "CREATE SCHEMA mine",
           "CREATE ROLE mine",
           "SET ROLE postgres",
           "COPY cache_sync_runs TO PROGRAM 'true'",
           "SELECT pg_read_file('PG_VERSION')",
       }) {
    INFO(sql);
    // Only 42501 is caught, so that an allowed statement or another error throws.
    CHECK_NOTHROW(session.execute(fmt::format(
        "DO $test$ BEGIN BEGIN EXECUTE $sql${}$sql$; EXCEPTION WHEN insufficient_privilege THEN "
        "RETURN; END; RAISE EXCEPTION 'it is allowed'; END $test$",
        sql)));
  }
}

TEST_CASE("the printed grants fit other tables, an identity column, and no prices") {
  Granted scene;
  Database& database = scene.fixture.database();
  database.execute(
      "CREATE SCHEMA trial; CREATE SCHEMA \"Feed\";"
      "CREATE VIEW \"Feed\".lines AS SELECT * FROM symbols");
  const std::string config = scene.directory.write(
      "t.toml",
      "[tables]\nschema = 'trial'\nsymbols = 'Feed.lines'\nprices = 'nowhere.a$body$b'\n");
  REQUIRE(scene.fixture.run({"init", "--config", config}).status == 0);
  const std::string role = "odd \"role\" o'$body$ " + database.name();
  database.execute(fmt::format(R"(CREATE ROLE "odd ""role"" o'$body$ {}" LOGIN)", database.name()));
  scene.apply(role, {"--config", config});
  scene.apply(role, {"--config", config});
  CHECK(database.value("SELECT count(*) FROM pg_class, aclexplode(relacl) WHERE relkind = 'S' AND "
                       "grantee = (SELECT oid FROM pg_roles WHERE rolname = $1)",
                       {role}) == "0");
  database.execute(
      fmt::format(R"(ALTER ROLE "odd ""role"" o'$body$ {0}" RENAME TO even_{0})", database.name()));
  const Environment even = as_role(scene.fixture, "even_" + database.name());
  CHECK(run_json(scene.fixture, {"sync", "--config", config}, 0, even)
            .at("total_changes")
            .integer() == 10);
  CHECK(scene.fixture.run({"check", "--config", config}, even).status == 0);
}

TEST_CASE("grants are printed without a server, and a name that can't be a role is refused") {
  const Environment nowhere{{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}};
  Fixture fixture;
  const ProcessResult script = fixture.run({"init", "--print-grants", "job", "-q"}, nowhere);
  CHECK(script.status == 0);
  CHECK_THAT(script.out,
             contains("--   CREATE ROLE \"job\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE\n"
                      "--     NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 3;\n"
                      "--   ALTER ROLE \"job\" SET client_connection_check_interval = '5s';\n"));
  for (const std::string& name : Names{"pg_job", "public", "none", "", "a\nDROP TABLE symbols; --",
                                       "a\x7f", "a\xff", "a\xc3", std::string(64, 'a')}) {
    INFO(name);
    check_failure(fixture.run({"init", "--print-grants", name}, nowhere), 64, "--print-grants");
  }
  CHECK(fixture.run({"init", "--print-grants", "J\xc3\xb6rg"}, nowhere).status == 0);
  check_failure(fixture.run({"init", "--print-grants", "job", "--print-sql"}), 64,
                "--print-sql and --print-grants cannot be combined");
  check_failure(fixture.run({"init", "--print-grants", "a", "--print-redis-acl", "b"}), 64,
                "--print-grants and --print-redis-acl cannot be combined");
}

namespace {

/// A Redis with a user that has exactly what the program prints, and a password.
struct RedisUser {
  Redis redis;
  Fixture fixture{{}, Postgres::shared(), redis};
  Names words;  ///< of the command that was printed

  RedisUser() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    const ProcessResult printed = fixture.run({"init", "--print-redis-acl", "job"});
    REQUIRE(printed.status == 0);
    std::istringstream line(lines_of(printed.out).back());
    for (std::string word; line >> word;) words.push_back(word);
    // What an older command may have left.
    redis.command({"ACL", "SETUSER", "job", "on", "nopass", "~*", "&*", "+@all"});
    apply(words);
  }

  void apply(const Names& command) {
    REQUIRE(redis.command(command) == "OK");
    REQUIRE(redis.command({"ACL", "SETUSER", "job", ">word"}) == "OK");
  }

  /// Runs what publishes, in database 1. \return the message of the first command that fails, or
  /// the channels without events.
  std::string complaint() {
    fixture.database().execute(
        "TRUNCATE cache_entries, cache_sync_runs, cache_sync_changes, cache_sync_outbox;"
        "INSERT INTO cache_entries (universe, cache_type, content) VALUES ('tech', 'theme', "
        "'{\"symbols\": [\"MID\", \"GONE\"], \"count\": 2}')");
    const Environment job{
        {"REDIS_URL", "redis://job:word@127.0.0.1:" + std::to_string(redis.port()) + "/1"}};
    Subscriber subscriber(redis);
    for (const Names& command : {Names{"sync"}, Names{"deliver"}, Names{"check"}}) {
      const ProcessResult result =
          command[0] == "sync" ? run_task(fixture, command, job) : fixture.run(command, job);
      if (result.status != 0) return result.err + result.out;
      if (!log_lines(result, "warning").empty()) return result.err;
      if (result.out.find("it is not known whether") != std::string::npos) return result.out;
    }
    // A refused run, for the channel of errors.
    fixture.database().execute("UPDATE symbols SET is_active = NULL");
    const ProcessResult refused = run_task(fixture, {"market-cap"}, job);
    fixture.database().execute("UPDATE symbols SET is_active = symbol <> 'GONE'");
    if (refused.status != 4) return refused.err;
    std::set<std::string> heard;
    for (const Event& event : subscriber.drain()) heard.insert(event.channel);
    return heard.size() == 8 ? "" : fmt::format("only {} channels", heard.size());
  }
};

}  // namespace

TEST_CASE("a user of Redis with the printed permissions can do everything, and each is needed") {
  RedisUser scene;
  REQUIRE(scene.complaint() == "");
  std::size_t permissions = 0;
  for (std::size_t i = 3; i < scene.words.size(); ++i) {
    if (scene.words[i][0] != '&' && scene.words[i][0] != '+') continue;
    ++permissions;
    INFO(scene.words[i]);
    Names without = scene.words;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    scene.apply(without);
    CHECK(scene.complaint() != "");
  }
  CHECK(permissions == 12);
  scene.apply(scene.words);
  CHECK(scene.complaint() == "");
}

TEST_CASE("a user of Redis with the printed permissions can do nothing more") {
  RedisUser scene;
  for (const Names& command : std::vector<Names>{{"SET", "key", "value"},
                                                 {"GET", "key"},
                                                 {"PUBLISH", "other", "text"},
                                                 {"PUBLISH", "tickstock:other", "text"},
                                                 {"PUBLISH", "tickstock:errors:more", "text"},
                                                 {"SUBSCRIBE", "tickstock:errors"},
                                                 {"PSUBSCRIBE", "*"},
                                                 {"CONFIG", "GET", "*"},
                                                 {"KEYS", "*"},
                                                 {"FLUSHALL"},
                                                 {"ACL", "LIST"},
                                                 {"CLIENT", "LIST"},
                                                 {"EVAL", "return 1", "0"},
                                                 {"SHUTDOWN"},
                                                 {"EXEC"}}) {
    INFO(command[0]);
    RedisConnection connection(scene.redis);
    connection.command({"AUTH", "job", "word"});
    CHECK_THROWS_WITH(connection.command(command), contains("NOPERM"));
  }
}

TEST_CASE("the permissions of Redis are printed without a server, for a name that can be typed") {
  Fixture fixture;
  const ProcessResult printed = fixture.run({"init", "--print-redis-acl", "job.1"}, redis_down());
  CHECK(printed.status == 0);
  CHECK_THAT(printed.out, contains("#   ACL SETUSER job.1 >PASSWORD\n") &&
                              contains("\nACL SETUSER job.1 reset on "));
  for (const std::string& name : Names{"default", "", "a b", "a\nb", "\"a\"", "a>b"}) {
    INFO(name);
    check_failure(fixture.run({"init", "--print-redis-acl", name}), 64, "--print-redis-acl");
  }
}
