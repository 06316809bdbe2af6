#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "postgres/connection.hpp"
#include "postgres/copy.hpp"
#include "postgres/transaction.hpp"
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/postgres.hpp"

using namespace tickstock;
using namespace tickstock::postgres;
using tickstock::test::contains;
using tickstock::test::Database;
using tickstock::test::unlimited;

namespace {

ConnectionSettings settings_of(const Database& database) {
  ConnectionSettings settings;
  settings.conninfo = database.url();
  return settings;
}

Connection connect(const Database& database) {
  return Connection::open(settings_of(database), unlimited());
}

/// Returns the kind and SQLSTATE that a step fails with.
template <typename Step>
Error failure_of(Step step) {
  try {
    step();
  } catch (const Error& error) {
    return error;
  }
  FAIL("did not fail");
  return {ErrorKind::failed, ""};
}

}  // namespace

TEST_CASE("a statement gets its parameters, and NULL stays NULL") {
  const Database database;
  Connection connection = connect(database);
  const Result result = connection.run(
      {"asking", "SELECT $1::text, $2::int + 1, $3::text", {{"a'b"}, {"41"}, std::nullopt}});
  CHECK(result.text(0, 0) == "a'b");
  CHECK(result.integer(0, 1) == 42);
  CHECK(result.is_null(0, 2));
  std::optional<std::string> text = "a text";
  result.get(0, 2, text);
  CHECK_FALSE(text.has_value());
}

TEST_CASE(
    "an error carries what was being done, the server's words and its SQLSTATE, but no data of "
    "rows") {
  const Database database;
  Connection connection = connect(database);
  connection.run({"making a table", "CREATE TABLE t (a text PRIMARY KEY)"});
  connection.run({"filling it", "INSERT INTO t VALUES ('SECRET')"});
  const Error error = failure_of([&] {
    connection.run({"filling it again", "INSERT INTO t VALUES ('SECRET')"});
  });
  CHECK(error.kind() == ErrorKind::failed);
  CHECK(error.sqlstate() == "23505");
  CHECK_THAT(error.what(), contains("filling it again failed: "));
  CHECK_THAT(error.what(), !contains("SECRET"));
  CHECK_THAT(error.what(), !contains("\n"));
  const Error without_detail = failure_of([&] {
    connection.run({"adding", "INSERT INTO t VALUES ('x') ON CONFLICT ((a || '')) DO NOTHING"});
  });
  CHECK(without_detail.sqlstate() == "42P10");
  CHECK(without_detail.problem().ends_with("(SQLSTATE 42P10)"));
  CHECK(connection.usable());
}

TEST_CASE("a server that is not there, or refuses the login, is unavailable") {
  ConnectionSettings settings;
  settings.conninfo = "postgresql://nobody@127.0.0.1:1/none";
  const Error error = failure_of([&] { Connection::open(settings, unlimited()); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK_THAT(error.what(), contains("127.0.0.1:1"));

  const Database database;
  settings.conninfo = database.url("no_such_role");
  CHECK(failure_of([&] { Connection::open(settings, unlimited()); }).kind() ==
        ErrorKind::unavailable);
}

TEST_CASE("a pipeline stops at the first failure, and says which it was") {
  const Database database;
  Connection connection = connect(database);
  const PipelineOutcome outcome = connection.run_pipeline(
      {{"one", "SELECT 1"}, {"two", "SELECT 1 / 0"}, {"three", "SELECT 3"}});
  REQUIRE(outcome.failure.has_value());
  CHECK(outcome.failure->index == 1);
  CHECK(outcome.failure->error.sqlstate() == "22012");
  CHECK(outcome.results.size() == 1);
  CHECK(connection.run({"going on", "SELECT 7"}).integer(0, 0) == 7);
}

TEST_CASE("a pipeline larger than the buffers on both sides doesn't block") {
  const Database database;
  Connection connection = connect(database);
  const std::vector<Statement> statements(
      2000, Statement{"echoing", "SELECT $1::text", {std::string(4096, 'x')}});
  PipelineOutcome outcome = connection.run_pipeline(statements);
  REQUIRE(outcome.value().size() == 2000);
  CHECK(outcome.results.back().view(0, 0).size() == 4096);
}

TEST_CASE("a statement that can't be made ends a pipeline, and nothing of it lasts") {
  Database database;
  database.execute("CREATE TABLE t (a int)");
  Connection connection = connect(database);
  int made = 0;
  const Error error = failure_of([&] {
    Transaction transaction(connection, {});
    transaction.connection().run_pipeline([&made]() -> std::optional<Statement> {
      if (++made > 2) throw Error(ErrorKind::failed, "the third can't be made");
      return Statement{"writing", "INSERT INTO public.t VALUES ($1)", {std::to_string(made)}};
    });
  });
  CHECK_THAT(error.what(), contains("the third can't be made"));
  CHECK(connection.run({"going on", "SELECT count(*) FROM public.t"}).integer(0, 0) == 0);
}

TEST_CASE("an interrupt ends a pipeline that the server has no room for") {
  Database database;
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  io::Patience patience(io::Interrupt{pipe[0]}, io::Deadline::never());
  Connection connection = Connection::open(settings_of(database), patience);
  std::atomic<int> made = 0;
  std::thread signal([&made, &pipe] {
    // Once no more are created, those created so far are stuck.
    for (int before = -1; made < 2 || made != before; before = made) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    CHECK(::write(pipe[1], "x", 1) == 1);
  });
  const Error error = failure_of([&] {
    connection.run_pipeline([&made]() -> std::optional<Statement> {
      if (made++ == 0) return Statement{"sleeping", "SELECT pg_sleep(600)"};
      return Statement{"echoing", "SELECT $1::text", {std::string(100'000, 'x')}};
    });
  });
  signal.join();
  CHECK(error.kind() == ErrorKind::interrupted);
  // The end of the pipeline was not sent, so nothing else could be.
  CHECK_FALSE(connection.usable());
  CHECK(database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") ==
        "0");
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("COPY hands over all bytes, and an error in its middle is an error") {
  const Database database;
  Connection connection = connect(database);
  std::size_t bytes = 0;
  const auto count = [&bytes](std::string_view piece) { bytes += piece.size(); };
  const auto copy = [&connection, &count](const std::string& sql) {
    CopyOut(connection, {"copying", sql}, count).finish();
  };
  copy("COPY (SELECT 'abc' FROM generate_series(1, 100000)) TO STDOUT");
  CHECK(bytes == 400'000);
  const Error error = failure_of(
      [&] { copy("COPY (SELECT 1 / (50000 - i) FROM generate_series(1, 100000) i) TO STDOUT"); });
  CHECK(error.sqlstate() == "22012");
  CHECK(connection.run({"going on", "SELECT 7"}).integer(0, 0) == 7);
  CHECK(failure_of([&] { copy("COPY no_such_table TO STDOUT"); }).sqlstate() == "42P01");
  CHECK(connection.run({"going on", "SELECT 8"}).integer(0, 0) == 8);
}

TEST_CASE("a COPY that is left in its middle is cancelled, and its connection goes on") {
  const Database database;
  Connection connection = connect(database);
  const Error error = failure_of([&] {
    CopyOut(connection, {"copying", "COPY (SELECT generate_series(1, 100000000)) TO STDOUT"},
            [](std::string_view) { throw Error(ErrorKind::failed, "enough"); })
        .finish();
  });
  CHECK(std::string(error.what()) == "enough");
  CHECK(connection.run({"going on", "SELECT 7"}).integer(0, 0) == 7);
}

TEST_CASE("the time for last words is not spent on a companion") {
  const Database database;
  io::Patience patience(io::Interrupt(), io::Deadline::after(std::chrono::seconds(3)));
  Connection connection = Connection::open(settings_of(database), patience);
  Transaction transaction(connection, {.export_snapshot = true});
  REQUIRE(transaction.snapshot());
  std::unique_ptr<Companion> companion;
  const auto joined = [&] {
    companion = Companion::open(connection);
    return companion && companion->join(transaction) != nullptr;
  };
  while (!joined()) REQUIRE_FALSE(patience.over());
  while (!patience.over()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  companion.reset();
  CHECK(patience.over());
}

TEST_CASE("an interrupt ends a wait, and what waited in the server with it") {
  const Database database;
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  io::Patience patience(io::Interrupt{pipe[0]}, io::Deadline::never());
  Connection connection = Connection::open(settings_of(database), patience);
  std::thread signal([&pipe] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    CHECK(::write(pipe[1], "x", 1) == 1);
  });
  const Error error = failure_of([&] { connection.run({"sleeping", "SELECT pg_sleep(600)"}); });
  signal.join();
  CHECK(error.kind() == ErrorKind::interrupted);
  const io::Settling settling(patience);
  CHECK(connection.run({"going on", "SELECT 7"}).integer(0, 0) == 7);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("a backend that is ended leaves an unavailable connection") {
  Database database;
  Connection connection = connect(database);
  const std::string pid = connection.run({"asking", "SELECT pg_backend_pid()"}).text(0, 0);
  database.execute("SELECT pg_terminate_backend($1::int)", {pid});
  CHECK(failure_of([&] {
          connection.run({"asking", "SELECT 1"});
        }).kind() == ErrorKind::unavailable);
  CHECK_FALSE(connection.usable());
}

TEST_CASE("COMMIT of a failed transaction is not taken for one") {
  const Database database;
  Connection connection = connect(database);
  Transaction transaction(connection, {});
  CHECK(failure_of([&] { transaction.run({"dividing", "SELECT 1 / 0"}); }).sqlstate() == "22012");
  CHECK(failure_of([&] { transaction.commit(); }).kind() == ErrorKind::failed);
}

TEST_CASE("a connection that is lost during COMMIT leaves the outcome unknown") {
  Database database;
  Connection connection = connect(database);
  Transaction transaction(connection, {});
  const std::string pid = transaction.run({"asking", "SELECT pg_backend_pid()"}).text(0, 0);
  database.execute("SELECT pg_terminate_backend($1::int)", {pid});
  CHECK(failure_of([&] { transaction.commit(); }).kind() == ErrorKind::outcome_unknown);
}

TEST_CASE("what travels with a COMMIT runs afterwards, in a transaction of its own") {
  Database database;
  database.execute("CREATE TABLE t (a int)");
  Connection connection = connect(database);
  const auto commit = [&connection](const std::string& last, const std::vector<std::string>& then) {
    std::vector<Statement> statements;
    for (const std::string& sql : then) statements.push_back({"tidying", sql});
    Transaction transaction(connection, {});
    transaction.commit({{"writing", last}}, statements);
  };
  const std::string write = "INSERT INTO public.t VALUES (1)";
  const auto rows = [&database] { return database.value("SELECT count(*) FROM t"); };

  SECTION("its results can be read") {
    commit(write, {"DELETE FROM public.t", "SHOW search_path"});
    const auto results = results_after_commit(connection);
    REQUIRE(results);
    REQUIRE(results->size() == 2);
    CHECK(results->front().affected() == 1);
    CHECK(results->back().text(0, 0) == "pg_catalog, pg_temp");
    CHECK(rows() == "0");
    CHECK_FALSE(results_after_commit(connection));
  }
  SECTION("its failure undoes nothing but itself") {
    commit(write, {"DELETE FROM public.t", "SELECT 1 / 0"});
    CHECK(failure_of([&] { results_after_commit(connection); }).sqlstate() == "22012");
    CHECK(rows() == "1");
    CHECK_FALSE(results_after_commit(connection));
  }
  SECTION("it does not run if the COMMIT failed") {
    CHECK(failure_of([&] { commit("SELECT 1 / 0", {write}); }).sqlstate() == "22012");
    CHECK(rows() == "0");
    CHECK_FALSE(results_after_commit(connection));
  }
  SECTION("it does not delay the answer to COMMIT") {
    tickstock::test::Session other = database.connect();
    other.execute("BEGIN");
    other.execute("LOCK TABLE t IN SHARE MODE");
    commit("SELECT 7", {write});
    other.execute("ROLLBACK");
    CHECK(results_after_commit(connection));
    CHECK(rows() == "1");
  }
  SECTION("nobody needs to ask for it") {
    commit("SELECT 7", {"SELECT 1 / 0"});
    commit("SELECT 7", {write});
    Transaction next(connection, {}, {{"counting", "SELECT count(*) FROM public.t"}});
    CHECK(next.first_results().front().text(0, 0) == "1");
    CHECK_FALSE(results_after_commit(connection));
  }
  SECTION("a connection lost meanwhile is a failure of it alone") {
    commit(write, {"SELECT pg_terminate_backend(pg_backend_pid())"});
    CHECK(failure_of([&] { results_after_commit(connection); }).kind() == ErrorKind::unavailable);
    CHECK(rows() == "1");
    CHECK_FALSE(connection.usable());
  }
  CHECK((!connection.usable() || connection.run({"going on", "SELECT 7"}).integer(0, 0) == 7));
}

TEST_CASE("an error at COMMIT keeps its SQLSTATE") {
  Database database;
  database.execute("CREATE TABLE parent (id int PRIMARY KEY)");
  database.execute("CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
  Connection connection = connect(database);
  Transaction transaction(connection, {});
  transaction.run({"writing", "INSERT INTO public.child VALUES (1)"});
  CHECK(failure_of([&] { transaction.commit(); }).sqlstate() == "23503");
  CHECK(database.value("SELECT count(*) FROM child") == "0");
}

TEST_CASE("after an error at COMMIT a statement is cancelled like any other") {
  Database database;
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  io::Patience patience(io::Interrupt{pipe[0]}, io::Deadline::never());
  Connection connection = Connection::open(settings_of(database), patience);
  connection.run({"making a table", "CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)"});
  {
    Transaction transaction(connection, {});
    transaction.run({"filling it", "INSERT INTO public.t VALUES (1), (1)"});
    CHECK(failure_of([&] { transaction.commit(); }).sqlstate() == "23505");
  }
  // A cancel request that arrives before the statement has begun would have no effect.
  std::thread signal([&database, &pipe] {
    while (database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") ==
           "0") {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(::write(pipe[1], "x", 1) == 1);
  });
  const Error error = failure_of([&] { connection.run({"sleeping", "SELECT pg_sleep(600)"}); });
  signal.join();
  CHECK(error.kind() == ErrorKind::interrupted);
  // A statement that is merely abandoned, not cancelled, costs the connection.
  CHECK(connection.usable());
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("a transaction that is left without a commit is rolled back") {
  Database database;
  database.execute("CREATE TABLE t (a int)");
  Connection connection = connect(database);
  {
    Transaction transaction(connection, {});
    transaction.run({"writing", "INSERT INTO public.t VALUES (1)"});
  }
  CHECK(database.value("SELECT count(*) FROM t") == "0");
  {
    Transaction transaction(connection, {});
    transaction.run({"writing", "INSERT INTO public.t VALUES (1)"});
    transaction.commit();
  }
  CHECK(database.value("SELECT count(*) FROM t") == "1");
}

TEST_CASE("settings of a transaction end with it") {
  const Database database;
  Connection connection = connect(database);
  const std::string before = connection.run({"asking", "SHOW search_path"}).text(0, 0);
  {
    Transaction transaction(
        connection, {.timezone = "Asia/Tokyo", .application_name = "tickstock-cache x 1/5"});
    CHECK(transaction.run({"asking", "SHOW search_path"}).text(0, 0) == "pg_catalog, pg_temp");
    CHECK(transaction.run({"asking", "SHOW TimeZone"}).text(0, 0) == "Asia/Tokyo");
    CHECK(transaction.run({"asking", "SHOW row_security"}).text(0, 0) == "off");
    CHECK(transaction.run({"asking", "SHOW application_name"}).text(0, 0) ==
          "tickstock-cache x 1/5");
    transaction.commit();
  }
  CHECK(connection.run({"asking", "SHOW search_path"}).text(0, 0) == before);
  CHECK(connection.run({"asking", "SHOW application_name"}).text(0, 0) == "tickstock-cache");
}

TEST_CASE("the lock of a transaction is tried, not awaited") {
  const Database database;
  Connection first = connect(database);
  Connection second = connect(database);
  {
    Transaction holder(first, {.lock = 42});
    CHECK(holder.has_lock());
    CHECK_FALSE(Transaction(second, {.lock = 42}).has_lock());
    CHECK(Transaction(second, {.lock = 43}).has_lock());
  }
  CHECK(Transaction(second, {.lock = 42}).has_lock());
}

TEST_CASE("statements sent with the beginning are answered, whether or not the lock was free") {
  const Database database;
  Connection first = connect(database);
  Connection second = connect(database);
  const std::vector<Statement> statements{{"asking", "SHOW search_path"}, {"asking", "SELECT 7"}};
  Transaction holder(first, {.lock = 42}, statements);
  const Transaction other(second, {.lock = 42}, statements);
  CHECK_FALSE(other.has_lock());
  for (const Transaction* each : {&std::as_const(holder), &other}) {
    REQUIRE(each->first_results().size() == 2);
    CHECK(each->first_results()[0].text(0, 0) == "pg_catalog, pg_temp");
    CHECK(each->first_results()[1].text(0, 0) == "7");
  }
}

TEST_CASE("a transaction whose first statement fails leaves none behind") {
  const Database database;
  Connection connection = connect(database);
  CHECK(failure_of([&] {
          Transaction(connection, {}, {{"dividing", "SELECT 1 / 0"}});
        }).sqlstate() == "22012");
  CHECK(connection.run({"asking", "SELECT 7"}).text(0, 0) == "7");
}

TEST_CASE("reading at once is read-only, and leaves no transaction behind") {
  Database database;
  database.execute("CREATE TABLE t (a int)");
  Connection connection = connect(database);
  const std::vector<Result> read =
      read_at_once(connection, {}, {{"asking", "SELECT 7"}, {"asking", "SHOW search_path"}});
  REQUIRE(read.size() == 2);
  CHECK(read[0].text(0, 0) == "7");
  CHECK(read[1].text(0, 0) == "pg_catalog, pg_temp");
  CHECK(failure_of([&] {
          read_at_once(connection, {}, {{"writing", "INSERT INTO public.t VALUES (1)"}});
        }).sqlstate() == "25006");
  // Outside a transaction a SAVEPOINT is rejected.
  CHECK(failure_of([&] { connection.run({"asking", "SAVEPOINT s"}); }).sqlstate() == "25P01");
}

TEST_CASE("a policy that would hide rows is an error instead of a smaller table") {
  Database database;
  database.execute("CREATE ROLE reader LOGIN");
  database.execute("CREATE TABLE t (a int)");
  database.execute("INSERT INTO t VALUES (1), (2)");
  database.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY");
  database.execute("CREATE POLICY ones ON t USING (a = 1)");
  database.execute("GRANT SELECT ON t TO reader");
  ConnectionSettings settings;
  settings.conninfo = database.url("reader");
  Connection connection = Connection::open(settings, unlimited());
  Transaction transaction(connection, {});
  CHECK(failure_of([&] {
          transaction.run({"reading", "SELECT a FROM public.t"});
        }).sqlstate() == "42501");
  database.execute("DROP OWNED BY reader");
  database.execute("DROP ROLE reader");
}
