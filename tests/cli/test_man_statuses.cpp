// The pages list exactly the statuses that a command exits with.

#include <atomic>
#include <csignal>

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"
#include "peers.hpp"

using namespace tickstock::test;

namespace {

/// Returns the last run that changed an entry; some word if there is none.
std::string last_run(Fixture& fixture) {
  Database& database = fixture.database();
  if (database.value("SELECT to_regclass('cache_sync_runs')").empty()) return "none";
  return database.value(
      "SELECT coalesce((SELECT run_id FROM cache_sync_runs WHERE universes_changed > 0 "
      "ORDER BY position DESC LIMIT 1), 'none')");
}

/// Gives the task themes something to do, and lets nothing wait for long.
const std::string declared = "[timeouts]\ncommit = 2\n[[universe]]\nname = 'all'\ncap_from = 1\n";

/// A command with its options, and the statuses it exited with.
class Trial {
 public:
  explicit Trial(std::string command) : command_(std::move(command)), help_(help_of(command_)) {}

  const Strings& seen() const { return seen_; }

  bool undoes() const { return command_ == "undo"; }

  /// Returns the command line, leaving out options that the command does not have, with their
  /// values.
  Names arguments(const Names& options = {}, const std::string& run_id = "first") const {
    Names all{command_};
    if (undoes()) all.push_back(run_id);
    if (command_ == "members") all.emplace_back("mega_cap");
    if (command_ == "replay") all = with(all, {"--from", "2024-01-02", "--to", market_day});
    if (command_ == "explain") all.emplace_back("MEGA");
    for (const Names& each : {Names{"--as-of", market_day}, options}) {
      if (!each.empty() && help_.find("  " + each.front() + " ") != std::string::npos)
        all.insert(all.end(), each.begin(), each.end());
    }
    return all;
  }

  void run(Fixture& fixture, const Names& options = {}, const Environment& extra = {}) {
    Environment environment = extra;
    environment.emplace("TICKSTOCK_CACHE_CONFIG", config_);
    note(fixture.run(arguments(options, last_run(fixture)), environment));
  }

  void note(const ProcessResult& result) {
    INFO(result.err);
    CHECK(result.status != 127);
    seen_.insert(std::to_string(result.status));
  }

 private:
  TemporaryDirectory directory_;
  std::string config_ = directory_.write("declared.toml", declared);
  std::string command_, help_;
  Strings seen_;
};

/// Gives each task something to do.
void move_market(Fixture& fixture) {
  fixture.database().execute(R"(
    UPDATE symbols SET market_cap = 500000000000 WHERE symbol = 'MID';
    UPDATE symbols SET is_active = false, delisted_date = '2024-06-27' WHERE symbol = 'MEGA')");
  fixture.add_symbol({.symbol = "NEWER", .market_cap = "70000000", .listing_date = "2024-06-21"});
}

void sync(Fixture& fixture, const Environment& extra = {}, int status = 0) {
  REQUIRE(run_task(fixture, {"sync"}, extra).status == status);
}

/// Runs through what needs no special servers, up to changes that make the database unusable.
void run_through(Trial& trial) {
  Fixture fixture;
  add_small_market(fixture);
  // Too old for a guard, but fine for a replay.
  fixture.database().execute(
      "INSERT INTO ohlcv_daily (symbol, date, close) VALUES ('MID', '2024-01-02', 1)");
  REQUIRE(fixture.run({"init"}).status == 0);
  REQUIRE(run_task(fixture, {"sync", "--run-id", "first"}).status == 0);
  trial.run(fixture);
  // The universes were changed since.
  if (trial.undoes()) trial.note(fixture.run(trial.arguments({}, "first")));
  trial.note(fixture.run(with(trial.arguments(), {"--nonsense"})));
  trial.note(fixture.run(trial.arguments(), {{"TICKSTOCK_CACHE_CONFIG", "/nonexistent"}}));
  trial.run(fixture, {}, {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"}});
  RunOptions full = fixture.options();
  full.stdout_path = "/dev/full";
  trial.note(run_process(Fixture::command(trial.arguments({}, last_run(fixture))), full));

  Session holder = fixture.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  trial.run(fixture);
  holder.execute("ROLLBACK");

  move_market(fixture);
  trial.run(fixture, {"--approve-plan", std::string(64, '0')});
  trial.run(fixture, {"--detailed-exitcode"});
  sync(fixture, redis_down(), 6);
  trial.run(fixture, {}, redis_down());

  const TemporaryDirectory directory;
  const std::string no_prices =
      directory.write("c.toml", "[guards]\nmax_data_age_days = 1\n" + declared);
  trial.run(fixture, {}, {{"TICKSTOCK_CACHE_CONFIG", no_prices}});
  fixture.database().execute(
      "DROP TABLE symbols, cache_sync_changes; ALTER TABLE cache_entries DROP COLUMN content");
  trial.run(fixture);
}

/// Makes PostgreSQL reject an entry, and then lose a COMMIT.
void run_into_triggers(Trial& trial) {
  Fixture fixture;
  add_small_market(fixture);
  for (const std::string universe : {"mega_cap", "recent_ipos", "all"})
    fixture.set_entry(universe, "x", "{}");
  if (trial.undoes()) {
    REQUIRE(fixture.run({"init"}).status == 0);
    sync(fixture);
  }
  fixture.database().execute(R"(
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'closed' USING ERRCODE = '23514';
    END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON cache_entries FOR EACH ROW EXECUTE FUNCTION refuse())");
  trial.run(fixture);
  fixture.database().execute("DROP TRIGGER refuse ON cache_entries");
  if (trial.undoes()) {
    // It has a record, which tells the outcome if the server can still be asked.
    const CommitProxy proxy(fixture.database().postgres().port(), CommitProxy::Mode::vanish_after,
                            2);
    trial.run(fixture, {},
              {{"DATABASE_URL", fixture.database().tcp_url("postgres", proxy.port())}});
    return;
  }
  at_commit(fixture, "cache_entries",
            "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);");
  trial.run(fixture);
}

/// Uses a server that accepts the connection and says nothing, and SIGTERM.
void run_into_signal(Trial& trial) {
  std::atomic<bool> reached = false;
  TcpServer silent([&reached](int, const TcpServer& server) {
    reached = true;
    wait_until("the end of the server", [&server] { return server.stopping(); });
  });
  Fixture fixture;
  Process process = fixture.start(
      trial.arguments(),
      {{"DATABASE_URL", fmt::format("postgresql://127.0.0.1:{}/none", silent.port())}});
  wait_until("the command to connect or to end", [&] { return reached || !process.running(); });
  process.send_signal(SIGTERM);
  trial.note(process.wait());
}

}  // namespace

TEST_CASE("the page of a command lists exactly the exit statuses that it ends with") {
  for (const std::string& command : commands()) {
    Trial trial(command);
    run_through(trial);
    run_into_triggers(trial);
    run_into_signal(trial);
    const std::string text = page_of(command).section_text("EXIT STATUS");
    const auto list = matches(text, "^Of those in \\.Xr tickstock-cache 1 : ([^.]*)\\.");
    INFO(command << ": " << text);
    REQUIRE(list.size() == 1);
    Strings listed = set_of(matches(list.front(), "(\\d+)"));
    // 128+N, for a command that may have to wait.
    if (listed.erase("128") == 1) listed.insert("143");
    CHECK(trial.seen() == listed);
  }
}
