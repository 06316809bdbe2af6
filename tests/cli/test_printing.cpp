// Printing never changes the outcome: odd bytes, closed descriptors, readers that leave.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// The end of a pipe whose reader is gone.
class BrokenPipe {
 public:
  BrokenPipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    ::close(ends[0]);
    end_ = ends[1];
  }
  ~BrokenPipe() { ::close(end_); }
  BrokenPipe(const BrokenPipe&) = delete;
  BrokenPipe& operator=(const BrokenPipe&) = delete;

  int end() const { return end_; }

 private:
  int end_ = -1;
};

/// A pipe whose reader doesn't read, with room for as much as is said.
class UnreadPipe {
 public:
  explicit UnreadPipe(std::size_t room = 0) {
    REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0);
    capacity_ = static_cast<std::size_t>(::fcntl(ends_[1], F_GETPIPE_SZ));
    const std::string filling(capacity_ - room, '.');
    REQUIRE(::write(ends_[1], filling.data(), filling.size()) ==
            static_cast<ssize_t>(filling.size()));
  }
  ~UnreadPipe() {
    for (const int end : ends_) ::close(end);
  }
  UnreadPipe(const UnreadPipe&) = delete;
  UnreadPipe& operator=(const UnreadPipe&) = delete;

  int end() const { return ends_[1]; }
  bool full() const {
    int held = 0;
    REQUIRE(::ioctl(ends_[0], FIONREAD, &held) == 0);
    return static_cast<std::size_t>(held) == capacity_;
  }

 private:
  std::array<int, 2> ends_{};
  std::size_t capacity_ = 0;
};

struct Printing {
  Fixture fixture;
  Printing() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
  }

  std::string status_of(const std::string& run_id) {
    return fixture.database().value("SELECT status FROM cache_sync_runs WHERE run_id = $1",
                                    {run_id});
  }
};

}  // namespace

TEST_CASE("bytes that are not UTF-8 are shown escaped and change no status, in text and JSON") {
  Printing scene;
  const Environment no_redis{{"REDIS_URL", "unix:///nowhere/r\xff\xc3.sock"}};
  const Json sync = run_json(scene.fixture, {"sync", "--run-id", "odd"}, 6, no_redis);
  CHECK(sync.at("success").boolean());
  CHECK_THAT(sync.at("error").str(), contains("r\\xff\\xc3.sock"));
  CHECK(scene.status_of("odd") == "completed");
  const ProcessResult text = run_task(scene.fixture, {"market-cap"}, no_redis);
  CHECK(text.status == 6);
  CHECK_THAT(text.err, contains("r\\xff\\xc3.sock"));
  const ProcessResult log =
      run_task(scene.fixture, {"market-cap", "--log-format", "json", "-v"}, no_redis);
  CHECK(log.status == 6);
  for (const std::string& line : lines_of(log.err)) CHECK_FALSE(Json::parse(line).keys().empty());

  // A user, a database, a host, a file.
  const std::string at = "@127.0.0.1:" + std::to_string(Postgres::shared().port()) + "/";
  for (const std::string& url :
       {"postgresql://n\xff" + at + "x", "postgresql://postgres" + at + "n\xff",
        std::string("postgresql://postgres@/x?host=/n\xff")}) {
    INFO(url);
    const ProcessResult failed =
        run_task(scene.fixture, {"sync", "--format", "json"}, {{"DATABASE_URL", url}});
    CHECK(failed.status == 5);
    CHECK_THAT(Json::parse(failed.out).at("error").str(), contains("n\\xff"));
  }
  for (const std::string flag : {"--config", "--database-url-file", "--redis-url-file"}) {
    check_failure_document(run_task(scene.fixture, {"sync", flag, "/n\xff", "--format", "json"}),
                           78, "/n\\xff");
  }
  const ProcessResult check =
      scene.fixture.run({"check", "--format", "json"}, {{"REDIS_URL", "unix:///n\xff"}});
  CHECK(check.status == 6);
  CHECK(Json::parse(check.out).at("exit_code").integer() == 6);
  const ProcessResult config =
      scene.fixture.run({"config", "--format", "json"}, {{"REDIS_URL", "unix:///n\xff"}});
  CHECK(config.status == 0);
  CHECK_THAT(config.out, contains("n\\\\xff"));
}

TEST_CASE("closed standard descriptors, in any combination, do no harm") {
  Printing scene;
  for (unsigned closed = 1; closed < 8; ++closed) {
    INFO(closed);
    RunOptions options = scene.fixture.options();
    for (int fd = 0; fd < 3; ++fd) {
      if ((closed >> static_cast<unsigned>(fd) & 1U) != 0) options.closed_fds.push_back(fd);
    }
    const std::string id = "closed-" + std::to_string(closed);
    const bool no_output = (closed & 2U) != 0;
    scene.fixture.database().execute("DELETE FROM cache_entries WHERE universe = 'mega_cap'");
    const Names sync{"sync", "-v", "--as-of", market_day, "--run-id", id};
    CHECK(run_process(Fixture::command(sync), options).status == (no_output ? 74 : 0));
    CHECK(scene.status_of(id) == "completed");
    CHECK(scene.fixture.members("mega_cap") == Names{"MEGA"});
    CHECK(run_process(Fixture::command({"sync", "-q", "--as-of", market_day}), options).status ==
          0);
    CHECK(run_process(Fixture::command({"status", "--format", "json"}), options).status ==
          (no_output ? 74 : 0));
    CHECK(run_process(Fixture::command({"sync", "--no-such-option"}), options).status == 64);
  }
}

TEST_CASE("the status of a run can be shown whoever holds the lock, under any name") {
  Printing scene;
  scene.fixture.database().execute(R"(
    INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of,
      events_enabled, approved, started_at, program_version)
    VALUES ('night', 'public.cache_entries', 'full', 'cron', 'running', '2024-01-01', true, false,
            now(), '1'))");
  Session holder = scene.fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  const auto progress = [&](const std::string& name) {
    holder.execute("SELECT set_config('application_name', $1, true)", {name});
    const ProcessResult result = scene.fixture.run({"status", "night", "--format", "json"});
    INFO(name << result.err);
    REQUIRE(result.status == 0);
    CHECK(scene.fixture.run({"history"}).status == 0);
    const Json document = Json::parse(result.out);
    CHECK(document.at("sync_status").str() == "running");
    return document.at("progress").is_null()
               ? 0
               : document.at("progress.completed_steps").integer() + 1;
  };
  for (const std::string name : {"x 9/5", "tickstock-cache night 9/5", "tickstock-cache night 0/5",
                                 "tickstock-cache night 6/5", "/5", "5/5", "tickstock-cache 3/4",
                                 "tickstock-cache night -1/5", "tickstock-cache night 13/5", ""}) {
    CHECK(progress(name) == 0);
  }
  for (int step = 1; step <= 5; ++step) {
    CHECK(progress(fmt::format("tickstock-cache night {}/5", step)) == step);
  }
}

TEST_CASE("what PostgreSQL warns of at the login breaks no log, and check shows it") {
  Printing scene;
  scene.fixture.database().execute(
      "UPDATE pg_database SET datcollversion = 'of an older system' "
      "WHERE datname = current_database()");
  const ProcessResult quiet = run_task(scene.fixture, {"sync", "-q"});
  CHECK(quiet.status == 0);
  CHECK(quiet.err + quiet.out == "");
  const ProcessResult json = run_task(scene.fixture, {"sync", "--log-format", "json"});
  CHECK(json.status == 0);
  for (const std::string& line : lines_of(json.err)) CHECK_FALSE(Json::parse(line).keys().empty());
  CHECK_THAT(scene.fixture.run({"check"}).out,
             contains("warning  PostgreSQL warned at the login: database"));
}

TEST_CASE("a password file that others can read is named in the error, not past the log") {
  Printing scene;
  const TemporaryDirectory directory;
  const std::string file = directory.write("pass", "*:*:*:*:CANARY\n", 0644);
  const Postgres secured(PostgresOptions{.access_rules = {"host all all all scram-sha-256"}});
  const Environment there{{"PGPASSFILE", file}, {"DATABASE_URL", secured.tcp_url("postgres")}};
  const ProcessResult result = run_task(scene.fixture, {"sync", "--log-format", "json"}, there);
  CHECK(result.status == 5);
  REQUIRE(lines_of(result.err).size() == 1);
  CHECK_THAT(Json::parse(result.err).at("message").str(), contains("chmod 600 " + file));
  // If no password is needed, none is missed.
  CHECK(run_task(scene.fixture, {"sync", "-q"}, {{"PGPASSFILE", file}}).err.empty());
  check_failure(run_task(scene.fixture, {"sync"}, {{"PGPASSFILE", "/no/such/file"}}), 78,
                "passfile is /no/such/file");
}

TEST_CASE("a reader that leaves ends a command that only reads quietly") {
  Printing scene;
  REQUIRE(run_task(scene.fixture, {"sync"}).status == 0);
  const BrokenPipe pipe;
  RunOptions options = scene.fixture.options();
  options.stdout_fd = pipe.end();
  for (const Names& arguments :
       {Names{"dry-run", "-q", "--format", "json", "--as-of", market_day}, Names{"universes"},
        Names{"history"}, Names{"status"}, Names{"check"}, Names{"config"}, Names{"--help"},
        Names{"--version"}, Names{"init", "--print-sql"}}) {
    INFO(arguments.front());
    const ProcessResult result = run_process(Fixture::command(arguments), options);
    CHECK(result.status == 0);
    CHECK(result.err.empty());
  }
  scene.fixture.database().execute("DELETE FROM cache_entries WHERE universe = 'mega_cap'");
  const ProcessResult dry =
      run_process(Fixture::command({"dry-run", "-q", "--format", "json", "--detailed-exitcode",
                                    "--as-of", market_day}),
                  options);
  CHECK(dry.status == 2);
  CHECK(dry.err.empty());
  const ProcessResult sync =
      run_process(Fixture::command({"sync", "--as-of", market_day, "--run-id", "unread"}), options);
  CHECK(sync.status == 74);
  CHECK_THAT(sync.err, contains("See 'tickstock-cache status' for what was done."));
  CHECK(scene.status_of("unread") == "completed");
}

TEST_CASE("a log that nobody reads holds up no run") {
  Printing scene;
  const UnreadPipe pipe;
  RunOptions options = scene.fixture.options();
  options.stdout_fd = pipe.end();
  const Names sync = Fixture::command(
      {"sync", "-v", "--as-of", market_day, "--run-id", "unread", "--timeout", "9"});
  const Names shell{"sh", "-c", "exec \"$@\" 2>&1 >/dev/null", "sh"};
  CHECK(run_process(with(shell, sync), options).status == 0);
  CHECK(scene.status_of("unread") == "completed");
  CHECK(scene.fixture.members("mega_cap") == Names{"MEGA"});
}

TEST_CASE("a result that nobody reads is waited for until the command's time is over") {
  Printing scene;
  const UnreadPipe full;
  RunOptions options = scene.fixture.options();
  options.stdout_fd = full.end();
  const ProcessResult sync = run_process(
      Fixture::command({"sync", "--as-of", market_day, "--run-id", "unread", "--timeout", "2"}),
      options);
  CHECK(sync.status == 74);
  CHECK_THAT(sync.err, contains("the result could not be written to standard output: nobody reads "
                                "it. See 'tickstock-cache status' for what was done."));
  CHECK(scene.status_of("unread") == "completed");
  CHECK(run_process(Fixture::command({"universes", "--timeout", "1"}), options).status == 74);
}

TEST_CASE("a signal ends the wait for a reader") {
  Printing scene;
  const UnreadPipe pipe(PIPE_BUF);
  RunOptions options = scene.fixture.options();
  options.stdout_fd = pipe.end();
  Process process(Fixture::command({"init", "--print-sql"}), options);
  wait_until("the pipe to be full", [&pipe] { return pipe.full(); });
  process.send_signal(SIGTERM);
  const ProcessResult result = process.wait();
  CHECK(result.status == 128 + SIGTERM);
  CHECK_THAT(result.err, contains("could not be written to standard output: nobody reads it"));
}

TEST_CASE("a result of a command that only reads is not said to be on record") {
  Printing scene;
  RunOptions options = scene.fixture.options();
  options.stdout_path = "/dev/full";
  const ProcessResult result = run_process(Fixture::command({"universes"}), options);
  CHECK(result.status == 74);
  CHECK_THAT(result.err, contains("No space left on device") && !contains("record"));
}

TEST_CASE("a report that is lost says where to look only if there is something to see") {
  Fixture fixture({.entries = false});
  RunOptions options = fixture.options();
  options.stdout_path = "/dev/full";
  const ProcessResult result = run_process(Fixture::command({"init"}), options);
  CHECK(result.status == 74);
  CHECK_THAT(result.err, contains("what it reports was done") && !contains("status"));
  CHECK(fixture.run({"history"}).status == 0);
}

TEST_CASE("a label that controls the terminal or forges a line is shown escaped") {
  Printing scene;
  const TemporaryDirectory directory;
  const std::string config =
      directory.write("config.toml",
                      "[[universe]]\nname = \"theme_all\"\nnights = 3\nmatch = { sector = "
                      "[\"Energy\\u001B[2J\", \"A\\nB\"] }\n");
  const Names run{"themes", "--config", config};
  scene.fixture.add_symbol({.symbol = "ONE", .market_cap = "1e9", .sector = "A\nB"});
  REQUIRE(run_task(scene.fixture, run).status == 0);
  scene.fixture.add_symbol({.symbol = "TWO", .market_cap = "1e9", .sector = "Energy\x1b[2J"});
  scene.fixture.database().execute("UPDATE symbols SET sector = E'C\\nD' WHERE symbol = 'ONE'");
  const ProcessResult result = run_task(scene.fixture, run);
  CHECK(result.status == 0);
  CHECK_THAT(result.out,
             contains("sector is Energy\\x1b[2J") && contains("sector is C\\nD, night 1"));
  CHECK(result.out.find('\x1b') == std::string::npos);
  scene.fixture.database().execute("UPDATE symbols SET is_active = false WHERE symbol = 'TWO'");
  for (int night = 2; night <= 3; ++night) {
    scene.fixture.database().execute("UPDATE cache_sync_waiting SET as_of = as_of - 1");
    const ProcessResult next = run_task(scene.fixture, run);
    INFO(next.out);
    CHECK_THAT(next.out, night < 3 ? contains("C\\nD, night 2") : contains("sector is C\\nD for"));
  }
}

TEST_CASE("what check found counts more than whether it could be printed") {
  Printing scene;
  for (const Environment& extra :
       {redis_down(), Environment{{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}}, Environment{}}) {
    const int status = scene.fixture.run({"check"}, extra).status;
    RunOptions options = scene.fixture.options(extra);
    options.stdout_path = "/dev/full";
    CHECK(run_process(Fixture::command({"check"}), options).status == (status == 0 ? 74 : status));
  }
}

TEST_CASE("the format of the configuration file counts for every failure after it") {
  Printing scene;
  const TemporaryDirectory directory;
  const std::string json = directory.write("c.toml", "[output]\nformat = 'json'\n");
  const auto document = [&](const Names& arguments, int status, const std::string& part,
                            const Environment& extra = {}) {
    INFO(arguments.front());
    check_failure_document(scene.fixture.run(with(arguments, {"--config", json}), extra), status,
                           part);
  };
  const Environment unusable{{"DATABASE_URL", "mysql://h/d"}};
  const Environment nowhere{{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}};
  for (const std::string command : {"sync", "dry-run", "status", "history", "universes", "check",
                                    "deliver", "init", "config"}) {
    document({command}, 78, "DATABASE_URL can't be used", unusable);
  }
  for (const std::string command : {"status", "history", "universes", "deliver", "init"}) {
    document({command}, 5, "cannot connect", nowhere);
  }
  document({"status", "no-such-run"}, 1, "no-such-run");
  document({"sync"}, 78, "REDIS_URL can't be used", {{"REDIS_URL", "http://h"}});
  // A flag takes precedence, but an invalid file still determines the output format.
  CHECK(scene.fixture.run({"sync", "--config", json, "--format", "text"}, unusable).out.empty());
  const std::string wrong =
      directory.write("w.toml", "[output]\nformat = 'json'\n[run]\nno_such_key = 1\n");
  check_failure_document(scene.fixture.run({"sync", "--config", wrong}), 78, "no_such_key");
}

TEST_CASE("a summary has a line for each universe, and markdown a table with the names below") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.set_entry("a|b<c>", "theme", R"({"symbols": ["GONE"], "count": 1})");
  const Names summary = lines_of(run_task(fixture, {"dry-run", "--summary"}).out);
  REQUIRE(summary.size() == 16);
  CHECK(summary.front() == "+ added  − removed  ~ moved");
  for (const std::string& line : summary) CHECK_FALSE(line.starts_with(" "));
  const std::string text = run_task(fixture, {"sync", "--dry-run", "--format", "markdown"}).out;
  CHECK_THAT(text, starts_with("| universe | before | after | added | removed | moved |\n"
                               "| --- | ---: | ---: | ---: | ---: | ---: |\n"
                               "| mega\\_cap | 0 | 1 | 1 | 0 | 0 |\n"));
  CHECK_THAT(text, contains("\n| a\\|b&lt;c> | 1 | 0 | 0 | 1 | 0 |\n"));
  CHECK_THAT(text, contains("<details><summary>Members added and removed</summary>\n\n"));
  CHECK_THAT(text, contains("\n- tech: - GONE, delisted 2024-06-27\n"));
  CHECK_THAT(text, contains("\n</details>\n\n    as of 2024-06-28; plan "));
  CHECK_THAT(run_task(fixture, {"dry-run", "--format", "markdown", "--summary"}).out,
             !contains("<details>"));
  check_failure(run_task(fixture, {"sync", "--format", "markdown"}), 64,
                "--format markdown requires a dry run");
  check_failure(run_task(fixture, {"dry-run", "--summary", "--full"}), 64,
                "--summary and --full cannot be combined");
}

TEST_CASE("markdown says which guards refuse or are overridden, and cuts long lists of names") {
  Fixture fixture;
  add_small_market(fixture);
  fixture.database().execute(
      "INSERT INTO symbols (symbol, is_active, market_cap) "
      "SELECT 'N' || n, true, 900000000 FROM generate_series(10, 21) n");
  const auto markdown = [&](const Names& more, int status) {
    const ProcessResult result =
        fixture.run(with({"dry-run", "--as-of", "2999-01-01", "--format", "markdown"}, more));
    CHECK(result.status == status);
    return result.out;
  };
  const std::string refused = markdown({}, 4);
  CHECK_THAT(
      refused,
      contains("\n</details>\n\n**Refused by a guard:** the as-of day 2999-01-01 is after "));
  CHECK_THAT(refused, contains("\n- small\\_cap: + … and "));
  CHECK_THAT(refused, !contains("- small\\_cap: + N21"));
  CHECK_THAT(markdown({"--full"}, 4), contains("\n- small\\_cap: + N21\n") && !contains("+ … and"));
  const std::string digest =
      Json::parse(fixture.run({"dry-run", "--as-of", "2999-01-01", "--format", "json"}).out)
          .at("plan_digest")
          .str();
  const std::string approved = markdown({"--approve-plan", digest}, 0);
  CHECK_THAT(approved, contains("\n**Overrides a guard:** the as-of day 2999-01-01 is after "));
  CHECK_THAT(approved, !contains("Refused"));
}

TEST_CASE("a format on the command line replaces the configured one, in failures too") {
  Fixture fixture;
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const TemporaryDirectory directory;
  const std::string json = directory.write("c.toml", "[output]\nformat = 'json'\n");
  const auto run = [&](const Names& arguments) {
    return fixture.run(with(arguments, {"--config", json}));
  };
  CHECK_THAT(run({"dry-run", "--as-of", market_day, "--format", "markdown"}).out,
             starts_with("| universe | before |"));
  CHECK_THAT(run({"history", "--format", "csv"}).out, starts_with("run_id,"));
  const ProcessResult failed = run({"members", "tehc", "--format", "csv"});
  CHECK(failed.status == 1);
  CHECK(failed.out.empty());
}

TEST_CASE("the command that a dry run or a refusal ends with runs exactly its plan") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const std::string config =
      directory.write("it's mine.toml", "[[universe]]\nname = 'all'\ncap_from = 1\n");
  std::string line;
  std::string words;
  SECTION("a dry run") {
    // It also names the server.
    const std::string url = fixture.database().url();
    const Names dry_run{"dry-run", "--config",       config, "--timezone",
                        "UTC",     "--database-url", url,    "--no-events"};
    line = lines_of(run_task(fixture, dry_run).out).back();
    words = "to run exactly this: ";
    CHECK(line.starts_with(words + "tickstock-cache sync --as-of 2024-06-28 --approve-plan "));
    CHECK_THAT(line, contains(" --database-url "));
    CHECK_THAT(line, contains(" --no-events"));
  }
  SECTION("a refusal") {
    const ProcessResult refused =
        fixture.run({"sync", "--as-of", "2999-01-01", "--config", config});
    CHECK(refused.status == 4);
    line = log_lines(refused, "error").front();
    words = "approve exactly this plan: ";
  }
  INFO(line);
  const std::size_t command = line.find(words);
  REQUIRE(command != std::string::npos);
  RunOptions options = fixture.options();
  options.environment["PATH"] =
      std::filesystem::path(program_path()).parent_path().string() + ":" + std::getenv("PATH");
  const ProcessResult result =
      run_process({"sh", "-c", line.substr(command + words.size())}, options);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(fixture.members("all").size() == 7);
  CHECK_THAT(run_task(fixture, {"dry-run", "--config", config}).out, !contains(words));
}
