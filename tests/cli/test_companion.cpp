// A second connection for reading costs or saves time, and changes nothing else, whatever happens
// to it.

#include <csignal>
#include <exception>
#include <filesystem>
#include <memory>

#include "cli/scene.hpp"
#include "cli/traces.hpp"
#include "peers.hpp"

using namespace tickstock::test;

namespace {

using How = SecondProxy::How;
namespace fs = std::filesystem;

/// The output of nights, and what they left.
struct Outcome {
  Names said;
  Names rows;
  Names events;
};

void check_same(const Outcome& outcome, const Outcome& expected) {
  CHECK(outcome.said == expected.said);
  CHECK(outcome.rows == expected.rows);
  CHECK(outcome.events == expected.events);
}

/// Returns the server processes that were asked for the rows of a table, in order.
Names readers_in(const std::string& log, const std::string& first_column) {
  Names found;
  std::string process;
  for (const std::string& line : lines_of(log)) {
    if (line.starts_with("\tCOPY (SELECT " + first_column) && !process.empty()) {
      found.push_back(process);
    }
    if (line.starts_with('\t')) continue;  // of a statement over several lines
    const std::size_t begin = line.find('[') + 1;
    const bool executes = line.find(" LOG:  execute ") != std::string::npos ||
                          line.find(" LOG:  statement: ") != std::string::npos;
    process = executes ? line.substr(begin, line.find(']') - begin) : "";
  }
  return found;
}

/// The small market, for a role whose statements the server logs.
class Market {
 public:
  explicit Market(Postgres& postgres = Postgres::shared(), int connections = 2,
                  int statement_seconds = 3)
      : fixture({}, postgres),
        config_(directory_.write(
            "c.toml", fmt::format("[database]\nconnections = {}\n"
                                  "[timeouts]\nconnect = 5\nstatement = {}\nlock = 600\n",
                                  connections, statement_seconds))),
        log_begin_(postgres.log().size()) {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
    role = make_role(fixture);
    sql(fixture.run({"init", "--print-grants", role}).out);
    sql("ALTER ROLE " + role + " SET log_statement = 'all'");
    subscriber_ = std::make_unique<Subscriber>(fixture.redis());
  }

  void sql(const std::string& statement) { fixture.database().execute(statement); }

  /// Without TLS, for a proxy.
  std::string url(int port = 0) {
    return fixture.database().tcp_url(role, port) + "?sslmode=disable";
  }

  /// Runs a dry run and a run, each through what `way` leads to.
  template <typename Way>
  Outcome live(Way way) {
    Outcome outcome;
    subscriber_->drain();
    for (const std::string command : {"dry-run", "sync"}) {
      const ProcessResult result = start(command, way())->wait();
      outcome.said.push_back(fmt::format("{} {} {}", command, result.status, result.err));
      outcome.said.push_back(Json::parse(result.out).text_without(times));
      wait_until_gone();
    }
    outcome.rows = stored_rows(fixture.database());
    outcome.events = published(*subscriber_);
    return outcome;
  }

  std::unique_ptr<Process> start(const std::string& command, const std::string& url,
                                 const Names& more = {}) {
    Names arguments = with({command, "--as-of", market_day, "--format", "json", "-q"}, more);
    if (command == "sync") arguments.insert(arguments.end(), {"--run-id", "night"});
    return std::make_unique<Process>(
        Fixture::command(arguments),
        fixture.options({{"DATABASE_URL", url}, {"TICKSTOCK_CACHE_CONFIG", config_}}));
  }

  /// Returns the server processes that work for the role and for which `also` is true.
  Names backends(const std::string& also = "true") {
    return fixture.database().column(
        "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND " + also, {role});
  }
  void wait_until_gone() {
    wait_until("the server to have ended every session", [this] { return backends().empty(); });
  }

  Names readers(const std::string& first_column) { return readers_in(log(), first_column); }
  std::string log() { return fixture.database().postgres().log().substr(log_begin_); }

  Fixture fixture;
  std::string role;

 private:
  TemporaryDirectory directory_;
  std::string config_;
  std::size_t log_begin_;
  std::unique_ptr<Subscriber> subscriber_;
};

/// Returns the outcome that all others must equal.
const Outcome& of_one_connection() {
  static const Outcome outcome = [] {
    Market market(Postgres::shared(), 1);
    Outcome made = market.live([&] { return market.url(); });
    CHECK(market.readers("universe") == market.readers("symbol"));
    return made;
  }();
  return outcome;
}

/// On a busy machine the second connection may be given up before the fault that a test has
/// prepared. Then the test tries again.
template <typename Attempt>
void until_met(Attempt attempt) {
  for (int i = 0; i < 20; ++i) {
    if (attempt()) return;
  }
  FAIL("the second connection was given up, whenever it was tried");
}

/// A run that waits for tables locked by another session.
class Held {
 public:
  Held(Market& market, const std::string& tables, const Names& arguments = {}) : market_(market) {
    stranger_.execute("BEGIN");
    stranger_.execute("LOCK TABLE " + tables + " IN ACCESS EXCLUSIVE MODE");
    run = market.start("sync", market.url(), arguments);
    wait_until("the run to be held", [&] { return !waiting("true").empty(); });
  }

  /// Returns the waiting processes for which `also` is true.
  Names waiting(const std::string& also) {
    return market_.backends("wait_event_type = 'Lock' AND " + also);
  }
  /// Returns whether both connections wait, now or within a moment.
  bool both() {
    for (int i = 0; i < 50 && waiting("true").size() < 2; ++i) pause_briefly();
    return waiting("true").size() == 2;
  }
  void release() { stranger_.execute("ROLLBACK"); }

  std::unique_ptr<Process> run;

 private:
  Market& market_;
  Session stranger_ = market_.fixture.database().connect();
};

const std::string reads_symbols = "query LIKE '%COPY (SELECT symbol%'";
const std::string reads_entries = "query LIKE '%COPY (SELECT universe%'";

}  // namespace

TEST_CASE("two connections read, and what comes of it is the same as with one") {
  const Outcome& expected = of_one_connection();
  until_met([&] {
    Market market;
    check_same(market.live([&] { return market.url(); }), expected);
    const Names symbols = market.readers("symbol");
    const Names entries = market.readers("universe");
    REQUIRE(symbols.size() == 2);
    REQUIRE(entries.size() == 2);
    return symbols[0] != entries[0] && symbols[1] != entries[1];
  });
}

TEST_CASE("whatever happens to the second connection, a run has the same result") {
  const Outcome& expected = of_one_connection();
  // The messages of the server: R about the login, 1 to a statement, H and c around the rows d, C
  // after a statement, Z when it is ready for the next.
  const std::vector<std::pair<std::string, SecondProxy::Spoil>> faults{
      {"is taken and never answered", {How::hang, 0, 0}},
      {"is ended at once", {How::cut, 0, 0}},
      {"hangs in the login", {How::hang, 'R', 1}},
      {"hangs after the login", {How::hang, '1', 1}},
      {"is cut after the login", {How::cut, '1', 1}},
      {"gets an error for the snapshot", {How::fail, 'C', 2}},
      {"hangs before its rows", {How::hang, 'H', 1}},
      {"hangs between its rows", {How::hang, 'd', 2}},
      {"is cut between its rows", {How::cut, 'd', 2}},
      {"gets an error between its rows", {How::fail, 'd', 2}},
      {"hangs after its rows", {How::hang, 'c', 1}},
      {"hangs before the word that they were all", {How::hang, 'C', 6}},
      {"is cut before the word that they were all", {How::cut, 'C', 6}},
      {"gets an error instead of the word that they were all", {How::fail, 'C', 6}},
      {"hangs when it is to end", {How::hang, 'Z', 4}},
      {"is cut when it is to end", {How::cut, 'Z', 4}}};
  for (const auto& fault : faults) {
    INFO("the second connection " << fault.first);
    until_met([&] {
      Market market;
      std::vector<std::unique_ptr<SecondProxy>> proxies;
      check_same(market.live([&] {
        proxies.push_back(std::make_unique<SecondProxy>(market.fixture.database().postgres().port(),
                                                        fault.second));
        return market.url(proxies.back()->port());
      }),
                 expected);
      return proxies[0]->met() && proxies[1]->met();
    });
  }
}

TEST_CASE("without a second connection or an exported snapshot, one connection is enough") {
  const Outcome& expected = of_one_connection();
  std::vector<Session> others;
  struct Refusal {
    std::string words;
    std::function<void(Market&)> arrange;
  };
  const std::vector<Refusal> refusals{
      {"too many connections for role",
       [](Market& market) { market.sql("ALTER ROLE " + market.role + " CONNECTION LIMIT 1"); }},
      {"permission denied for function pg_export_snapshot",
       [](Market& market) {
         market.sql("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC");
       }},
      {"remaining connection slots are reserved", [&others](Market& market) {
         market.sql("CREATE ROLE crowd LOGIN");
         try {
           for (;;) others.push_back(market.fixture.database().connect("crowd"));
         } catch (const std::exception&) {
           others.pop_back();
         }
         wait_until("a session to end", [&] {
           return market.fixture.database().value(
                      "SELECT count(*) FROM pg_stat_activity WHERE usename = 'crowd'") ==
                  std::to_string(others.size());
         });
       }}};
  for (const Refusal& refusal : refusals) {
    INFO(refusal.words);
    Market market;
    refusal.arrange(market);
    check_same(market.live([&] { return market.url(); }), expected);
    CHECK_THAT(market.log(), contains(refusal.words));
    CHECK(market.readers("universe") == market.readers("symbol"));
  }
}

TEST_CASE("another server behind the address is not read, whatever snapshots it has") {
  const Outcome& expected = of_one_connection();
  Postgres primary;
  std::vector<std::unique_ptr<Market>> markets;
  for (int i = 0; i < 3; ++i) markets.push_back(std::make_unique<Market>(primary));
  Postgres other(primary, {});
  const auto live = [&](Market& market, const SecondProxy::Told& told) {
    bool met = false;
    std::unique_ptr<SecondProxy> proxy;
    check_same(market.live([&] {
      met = met || (proxy && proxy->met());
      proxy = std::make_unique<SecondProxy>(primary.port(), other.port(), told);
      return market.url(proxy->port());
    }),
               expected);
    CHECK((met || proxy->met()));
  };

  INFO("a standby, then one that has become a server of its own, with other rows");
  const std::string database = markets[0]->fixture.database().name();
  until_met([&] {
    const std::size_t before = other.log().size();
    const ProcessResult result =
        markets[0]->start("dry-run", other.tcp_url(database, markets[0]->role))->wait();
    CHECK(Json::parse(result.out).text_without(times) == expected.said[1]);
    const std::string said = other.log().substr(before);
    return readers_in(said, "symbol") != readers_in(said, "universe");
  });
  const std::size_t begin = other.log().size();
  const auto log = [&] { return other.log().substr(begin); };
  live(*markets[0], {});
  Session(other.url("postgres")).execute("SELECT pg_promote()");
  for (const auto& market : markets) {
    Session session(other.url(market->fixture.database().name()));
    session.execute("UPDATE symbols SET market_cap = 1; DELETE FROM cache_entries");
  }
  live(*markets[1], {});
  // PostgreSQL's messages before version 17, and since.
  CHECK_THAT(log(), contains("invalid snapshot identifier") || contains("ERROR:  snapshot \""));
  CHECK_THAT(log(), !contains("pg_current_snapshot()::text = $2"));

  INFO("its snapshot has the same name");
  Session twin(other.url(markets[2]->fixture.database().name()));
  twin.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
  const fs::path snapshots = fs::path(other.data_directory()) / "pg_snapshots";
  const fs::path own = snapshots / twin.value("SELECT pg_export_snapshot()");
  live(*markets[2], [&](const std::string& name) {
    fs::copy_file(own, snapshots / name, fs::copy_options::overwrite_existing);
    fs::permissions(snapshots / name, fs::perms(0644));
  });
  CHECK_THAT(log(), contains("pg_current_snapshot()::text = $2"));
  CHECK(readers_in(log(), "universe").empty());
}

TEST_CASE("the second connection is ended, or left waiting alone, in the middle of its COPY") {
  const Names& expected = of_one_connection().rows;
  const auto entries_readers = [](Market& market) {
    return market.backends("wait_event_type = 'Lock' AND " + reads_entries);
  };
  until_met([&] {
    Market market;
    Held held(market, "symbols, cache_entries");
    const bool met = held.both();
    if (met) {
      for (const std::string& process : held.waiting(reads_entries)) {
        market.sql("SELECT pg_terminate_backend(" + process + ")");
      }
      wait_until("the session to end", [&] { return entries_readers(market).empty(); });
    }
    held.release();
    CHECK(held.run->wait().status == 0);
    CHECK(stored_rows(market.fixture.database()) == expected);
    return met;
  });
  until_met([&] {
    Market market;
    Held held(market, "cache_entries");
    // Once the first connection waits too, the second one is not waited for any more.
    Names readers;
    wait_until("the symbols to be read", [&] {
      readers = market.readers("symbol");
      return !readers.empty();
    });
    REQUIRE(readers.size() == 1);
    wait_until("the first connection to wait",
               [&] { return entries_readers(market) == readers && market.backends().size() == 1; });
    held.release();
    CHECK(held.run->wait().status == 0);
    CHECK(stored_rows(market.fixture.database()) == expected);
    return market.readers("universe").size() == 2;
  });
}

TEST_CASE("ending a run in the middle of both COPYs ends both of them on the server") {
  struct End {
    std::string name;
    int status;
    Names arguments;
    std::function<void(Market&, Held&)> come;
  };
  const std::vector<End> ends{
      {"a signal", 143, {}, [](Market&, Held& held) { held.run->send_signal(SIGTERM); }},
      {"the time for all is over", 5, {"--timeout", "4"}, [](Market&, Held&) {}},
      {"the session of the first one ends", 5, {}, [](Market& market, Held& held) {
         const Names first = held.waiting(reads_symbols);
         REQUIRE(first.size() == 1);
         market.sql("SELECT pg_terminate_backend(" + first.front() + ")");
       }}};
  for (const End& end : ends) {
    INFO(end.name);
    const auto live = [&end](int connections, Names& rows) {
      Market market(Postgres::shared(), connections, 600);
      Held held(market, "symbols, cache_entries", end.arguments);
      const bool met = connections == 1 || held.both();
      end.come(market, held);
      CHECK(held.run->wait().status == end.status);
      // While the tables are still locked.
      market.wait_until_gone();
      held.release();
      rows = stored_rows(market.fixture.database());
      return met;
    };
    Names with_one;
    live(1, with_one);
    REQUIRE(with_one.size() == 2);
    until_met([&] {
      Names rows;
      const bool met = live(2, rows);
      CHECK(rows == with_one);
      return met;
    });
  }
}

TEST_CASE("nothing of the second connection is left while a run writes, or when it begins anew") {
  const auto disturbed = [](int connections, Names& rows) {
    Market market(Postgres::shared(), connections);
    Session other = market.fixture.database().connect();
    other.execute("BEGIN");
    other.execute("UPDATE cache_entries SET updated_at = now() WHERE universe = 'tech'");
    const auto run = market.start("sync", market.url());
    const auto held = [&] { return market.backends("wait_event_type = 'Lock'"); };
    wait_until("the run to be held", [&] { return !held().empty(); });
    CHECK(market.backends() == held());
    other.execute("COMMIT");
    CHECK(run->wait().status == 0);
    CHECK_THAT(market.log(), contains("could not serialize access"));
    rows = stored_rows(market.fixture.database());
    const Names symbols = market.readers("symbol");
    const Names entries = market.readers("universe");
    REQUIRE(symbols.size() == 2);
    REQUIRE(entries.size() == 2);
    CHECK(symbols[1] == entries[1]);
    return symbols[0] != entries[0];
  };
  Names with_one;
  CHECK_FALSE(disturbed(1, with_one));
  until_met([&] {
    Names rows;
    const bool met = disturbed(2, rows);
    CHECK(rows == with_one);
    return met;
  });
}
