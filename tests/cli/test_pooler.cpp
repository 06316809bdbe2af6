// Nights through PgBouncer in transaction pooling mode are the same as without it.

#include <algorithm>
#include <iterator>
#include <memory>

#include "cli/scene.hpp"
#include "cli/traces.hpp"
#include "pgbouncer.hpp"

using namespace tickstock::test;

namespace {

/// A market whose commands go through a pooler, or straight to the server.
class Market {
 public:
  explicit Market(int pool_size, int connections = 1)
      : config_(directory_.write("c.toml",
                                 fmt::format("[database]\nconnections = {}\n", connections))) {
    if (pool_size > 0) pooler_ = std::make_unique<PgBouncer>(Postgres::shared(), pool_size);
    add_small_market(fixture);
    // By PostgreSQL's clock, so that the check has nothing to warn about.
    fixture.database().execute("INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', now())");
    subscriber_ = std::make_unique<Subscriber>(fixture.redis());
  }

  std::string url() const {
    return pooler_ ? pooler_->url(fixture_name()) : Postgres::shared().url(fixture_name());
  }

  /// Runs every command of two nights and a quiet one, and records the output of each.
  void live() {
    run({"init"}, 0);
    run({"init"}, 0);
    nights();
    for (const Names& command : {Names{"status"},
                                 {"status", "night-1"},
                                 {"history"},
                                 {"history", "--symbol", "MID"},
                                 {"universes"}}) {
      run(with(command, {"--format", "json"}), 0);
    }
    CHECK(lines_of(fixture.run({"check", "-q"}, environment({})).out).empty());
  }

  Names rows() { return stored_rows(fixture.database()); }
  Names events() { return published(*subscriber_); }

  Environment environment(Environment extra) const {
    extra["DATABASE_URL"] = url();
    extra["TICKSTOCK_CACHE_CONFIG"] = config_;
    return extra;
  }

  Fixture fixture;
  Names said;

 private:
  std::string fixture_name() const { return const_cast<Market*>(this)->fixture.database().name(); }

  void nights() {
    const Names json{"--format", "json", "--as-of", market_day};
    run(with({"dry-run"}, json), 0);
    run(with({"sync", "--run-id", "night-1"}, json), 0);
    change("MID", "400000000");
    run(with({"dry-run"}, json), 0);
    run(with({"sync", "--run-id", "night-2"}, json), 0);
    run(with({"sync", "--run-id", "night-3"}, json), 0);
    change("MID", "5000000000");
    run(with({"market-cap", "--run-id", "deaf"}, json), 6, redis_down());
    run({"deliver"}, 0);
    // A task that fails is rolled back on its own.
    break_universe(fixture, "top_500", "22000");
    change("MID", "400000000");
    fixture.add_symbol({.symbol = "NEXT", .listing_date = "2024-06-27"});
    run(with({"sync", "--run-id", "broken"}, json), 3);
    fixture.database().execute("DROP TRIGGER refuse ON cache_entries");
    fixture.database().execute("UPDATE symbols SET is_active = false");
    run(with({"sync", "--run-id", "refused"}, json), 4);
  }

  void change(const std::string& symbol, const std::string& cap) {
    fixture.database().execute("UPDATE symbols SET market_cap = $2 WHERE symbol = $1",
                               {symbol, cap});
  }

  void run(const Names& arguments, int status, const Environment& extra = {}) {
    const ProcessResult result = fixture.run(arguments, environment(extra));
    INFO(fmt::format("{}: {}{}", fmt::join(arguments, " "), result.out, result.err));
    CHECK(result.status == status);
    const bool document = result.out.starts_with('{');
    said.push_back(document ? Json::parse(result.out).text_without(times) : result.out);
  }

  TemporaryDirectory directory_;
  std::string config_;
  std::unique_ptr<PgBouncer> pooler_;
  std::unique_ptr<Subscriber> subscriber_;
};

/// Returns everything that a client can leave in a session.
Names session_state(Session& session) {
  Names state = session.column(
      "SELECT name || ' ' || setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%' "
      "UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements "
      "UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() c "
      "UNION ALL SELECT 'held cursor ' || name FROM pg_cursors WHERE is_holdable "
      "UNION ALL SELECT 'temporary schema ' || pg_my_temp_schema() "
      "UNION ALL SELECT 'process ' || pg_backend_pid() "
      "UNION ALL SELECT 'lock ' || locktype FROM pg_locks WHERE locktype = 'advisory'");
  std::sort(state.begin(), state.end());
  return state;
}

}  // namespace

TEST_CASE(
    "through a pooler, and over two connections, all is done, recorded, said and announced as "
    "without") {
  Market straight(0);
  straight.live();
  const Names rows = straight.rows();
  const Names events = straight.events();
  for (const auto& [pool_size, connections] :
       std::vector<std::pair<int, int>>{{0, 2}, {1, 1}, {1, 2}, {2, 2}, {4, 1}}) {
    INFO("a pool of " << pool_size << ", connections = " << connections);
    Market pooled(pool_size, connections);
    pooled.live();
    REQUIRE(pooled.said.size() == straight.said.size());
    for (std::size_t i = 0; i < straight.said.size(); ++i)
      CHECK(pooled.said[i] == straight.said[i]);
    CHECK(pooled.rows() == rows);
    CHECK(pooled.events() == events);
  }
}

TEST_CASE("nothing of a run is left in the session that a pooler gives to the next client") {
  Market market(1);
  // The pooler itself tells the server the name of a client, if it has one.
  const std::string named = market.url() + "?application_name=next";
  Names before;
  {
    Session client(named);
    before = session_state(client);
  }
  market.live();
  // A client without a name gets none or, before PgBouncer 1.22, that of the last client, but never
  // one with a step of a run.
  const std::string left = Session(market.url()).value("SHOW application_name");
  CHECK((left == "" || left == "tickstock-cache"));
  Session client(named);
  const Names after = session_state(client);
  Names differences;
  std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                std::back_inserter(differences));
  CHECK(differences == Names{});
}

TEST_CASE("of several runs behind one pooler one works, and the others end with 11 or wait") {
  for (const int pool_size : {1, 8}) {
    INFO("a pool of " << pool_size);
    Market market(pool_size);
    Fixture& fixture = market.fixture;
    REQUIRE(fixture.run({"init"}).status == 0);
    const TemporaryDirectory directory;
    const std::string config = directory.write("c.toml", "[timeouts]\nlock = 60\n");
    const auto start = [&](const std::string& id, const std::string& wait) {
      return std::make_unique<Process>(
          Fixture::command({"sync", "--as-of", market_day, "--run-id", id, "--lock-wait", wait,
                            "--config", config}),
          fixture.options(market.environment({})));
    };
    Session holder = fixture.database().connect();
    holder.execute("BEGIN");
    // The universe that is written last.
    holder.execute("SELECT FROM cache_entries WHERE universe = 'tech' FOR UPDATE");
    const auto first = start("first", "0");
    wait_until("the first run to be held", [&] {
      return fixture.database().value(
                 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                 "AND wait_event_type = 'Lock'") == "1";
    });
    const auto second = start("second", "0");
    const auto patient = start("patient", "60");
    // In a pool of one, the others don't even get a connection, and so never reach the lock.
    if (pool_size > 1) check_failure(second->wait(), 11, "another run holds the lock");
    holder.execute("ROLLBACK");
    CHECK(first->wait().status == 0);
    CHECK(patient->wait().status == 0);
    if (pool_size == 1) CHECK(second->wait().status == 0);
    CHECK(fixture.database().column("SELECT run_id FROM cache_sync_runs WHERE total_changes > 0") ==
          Names{"first"});
    CHECK(fixture.database().value("SELECT count(*) FROM cache_sync_runs "
                                   "WHERE status <> 'completed'") == "0");
    CHECK(fixture.database().value("SELECT count(*) FROM pg_locks "
                                   "WHERE locktype = 'advisory'") == "0");
  }
}
