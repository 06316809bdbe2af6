// Faults 8, 9 and 17 to 25: PostgreSQL stops serving a run, or somebody blocks it.

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <filesystem>
#include <fstream>

#include "faults/night.hpp"
#include "mounts.hpp"
#include "temporary_directory.hpp"

using namespace tickstock::test;

namespace {

std::unique_ptr<Postgres> own_postgres(std::vector<std::string> settings = {}) {
  auto made = std::make_unique<Postgres>(guarded(std::move(settings)));
  admit_job(*made);
  return made;
}

/// Ends the run's server process in the middle of its writes, by `end`.
template <typename End>
void cut_midway(Night& night, End end) {
  auto holder = night.hold();
  const auto process = night.start();
  night.wait_until_held();
  end();
  const ProcessResult result = night.finish(*process);
  holder.reset();
  night.database().disconnect();
  if (!night.database().postgres().running()) night.database().postgres().start();
  wait_until("the server to be back", [&] {
    try {
      return night.database().value("SELECT 1") == "1";
    } catch (const std::exception&) {
      night.database().disconnect();
      return false;
    }
  });
  night.check(result, 5, Entries::same, Sent::none, "failed: ");
  night.heal();
}

void before_each_write(Database& database, const std::string& body) {
  database.execute("CREATE FUNCTION before_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " +
                   body + " RETURN NEW; END $$");
  database.execute(
      "CREATE TRIGGER before_write BEFORE INSERT OR UPDATE ON cache_entries "
      "FOR EACH ROW EXECUTE FUNCTION before_write()");
}

/// A directory in memory that the server owns.
struct SmallDisk {
  explicit SmallDisk(const std::string& size)
      : mount(PrivateMount::memory(directory.path().string(), size)) {}
  TemporaryDirectory directory;
  PrivateMount mount;
};

}  // namespace

TEST_CASE("fault 8: the server's process is ended in the middle of a run") {
  Night night;
  cut_midway(night, [&] {
    night.database().execute("SELECT pg_terminate_backend($1::int)", {night.backend()});
  });
}

TEST_CASE("fault 8: the server's process is killed, or the server is stopped, fast or at once") {
  const auto postgres = own_postgres();
  {
    Night night(*postgres);
    cut_midway(night, [&] { ::kill(std::stoi(night.backend()), SIGKILL); });
  }
  for (const StopMode mode : {StopMode::fast, StopMode::immediate}) {
    Night night(*postgres);
    cut_midway(night, [&] { postgres->stop(mode); });
  }
}

TEST_CASE("fault 9: the server's process hangs") {
  Night night;
  auto holder = night.hold();
  const auto process = night.start({"--timeout", "5"});
  night.wait_until_held();
  const pid_t backend = std::stoi(night.backend());
  ::kill(backend, SIGSTOP);
  const ProcessResult result = night.finish(*process);
  ::kill(backend, SIGCONT);
  holder.reset();
  night.check(result, 5, Entries::same, Sent::none,
              "the time for the whole command is over. Give it more with --timeout");
  night.heal();
}

TEST_CASE("fault 9: nor does a hanging process keep a signal waiting") {
  Night night;
  auto holder = night.hold();
  const auto process = night.start();
  night.wait_until_held();
  const pid_t backend = std::stoi(night.backend());
  ::kill(backend, SIGSTOP);
  process->send_signal(SIGTERM);
  const ProcessResult result = night.finish(*process);
  ::kill(backend, SIGCONT);
  holder.reset();
  night.check(result, 143, Entries::same, Sent::none, "interrupted by a signal");
  night.heal();
}

TEST_CASE("fault 17: the disk of the entries is full (by root; anyone else: PostgreSQL's word)") {
  Night night;
  if (!PrivateMount::possible()) {
    before_each_write(night.database(), "RAISE EXCEPTION 'no space' USING ERRCODE = '53100';");
    night.check(night.sync(), 5, Entries::same, Sent::none, "SQLSTATE 53100");
    return;
  }
  const SmallDisk disk("4m");
  // Only a server that is started now sees the disk.
  const auto postgres = own_postgres();
  Night full(*postgres);
  const std::string space = disk.directory.file("space");
  std::filesystem::create_directory(space);
  std::filesystem::permissions(space, std::filesystem::perms::all);
  REQUIRE(run_process({"chown", "-R", "postgres", space}).status == 0);
  full.database().execute("CREATE TABLESPACE small LOCATION '" + space + "'");
  full.database().execute("ALTER TABLE cache_entries SET TABLESPACE small");
  before_each_write(full.database(),
                    "NEW.content := NEW.content || jsonb_build_object('ballast', (SELECT "
                    "string_agg(md5(i::text), '') FROM generate_series(1, 40000) i));");
  const ProcessResult result = full.sync();
  CHECK(result.status == 5);
  CHECK_THAT(result.err, contains("SQLSTATE 53100"));
  CHECK(full.stored().empty());
  full.database().execute("DROP TRIGGER before_write ON cache_entries");
  full.database().execute("ALTER TABLE cache_entries SET TABLESPACE pg_default");
  full.heal();
}

TEST_CASE("fault 18: the disk of the write-ahead log is full (by root; anyone else: at once)") {
  if (!PrivateMount::possible()) {
    const auto postgres = own_postgres();
    Night night(*postgres);
    cut_midway(night, [&] { postgres->stop(StopMode::immediate); });
    return;
  }
  const SmallDisk disk("24m");
  const std::string wal = disk.directory.file("wal");
  std::filesystem::create_directory(wal);
  REQUIRE(run_process({"chown", "-R", "postgres", wal}).status == 0);
  PostgresOptions options = guarded({"max_wal_size = 2MB", "min_wal_size = 2MB"});
  options.initdb_arguments = {"--waldir=" + wal, "--wal-segsize=1"};
  Postgres postgres(options);
  admit_job(postgres);
  Night night(postgres);
  // No part of the log may be reused, so 40 MB of it don't fit.
  night.database().execute("SELECT pg_create_physical_replication_slot('keep', true)");
  night.database().execute("CREATE TABLE ballast (text text)");
  night.database().execute("GRANT INSERT ON ballast TO job");
  before_each_write(night.database(),
                    "INSERT INTO public.ballast SELECT repeat(md5(i::text), 30) "
                    "FROM generate_series(1, 40000) i;");
  const ProcessResult result = night.sync();
  CHECK(result.status == 5);
  CHECK_THAT(result.err, contains("failed: "));

  // It can't even recover until it has space.
  night.database().disconnect();
  postgres.kill();
  const SmallDisk larger("256m");
  const std::string moved = larger.directory.file("wal");
  REQUIRE(run_process({"cp", "-a", wal, moved}).status == 0);
  std::filesystem::remove(postgres.data_directory() + "/pg_wal");
  std::filesystem::create_directory_symlink(moved, postgres.data_directory() + "/pg_wal");
  postgres.start();
  night.check(result, 5, Entries::same, Sent::none, "");
  night.database().execute("DROP TRIGGER before_write ON cache_entries");
  night.heal();
}

TEST_CASE("fault 19: another run holds the lock") {
  Night night;
  Session holder = night.database().connect();
  holder.execute("SET application_name = 'tickstock-cache other 2/5'");
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  const std::string words = fmt::format(
      "another run holds the lock: process {} ('tickstock-cache other 2/5')", holder.backend_pid());
  night.check(night.sync(), 11, Entries::same, Sent::none, words);
  night.check(night.sync({"--lock-wait", "1"}), 11, Entries::same, Sent::none, words);
  // The limit for the whole command applies to this wait too.
  night.check(night.sync({"--lock-wait", "600", "--timeout", "4"}), 11, Entries::same, Sent::none,
              words);
  CHECK(night.database().value("SELECT count(*) FROM cache_sync_runs") == "0");
  holder.execute("ROLLBACK");
  night.heal();
}

TEST_CASE("fault 21: a stranger holds a row, a table, or changes its shape") {
  for (const std::string statement :
       {"SELECT FROM cache_entries WHERE universe = 'tech' FOR UPDATE",
        "LOCK TABLE symbols IN ACCESS EXCLUSIVE MODE",
        "ALTER TABLE cache_entries ADD COLUMN note text"}) {
    Night night;
    Session stranger = night.database().connect();
    stranger.execute("BEGIN");
    stranger.execute(statement);
    const ProcessResult result = night.sync({"--config", night.config()});
    stranger.execute("ROLLBACK");
    INFO(statement);
    night.check(result, 5, Entries::same, Sent::none, "SQLSTATE 55P03");
    night.heal();
  }
}

TEST_CASE("fault 22: another program changes a row in the middle of a run") {
  Night night;
  auto other = night.hold();
  other->execute("UPDATE cache_entries SET updated_at = now() WHERE universe = 'tech'");
  const auto process = night.start();
  night.wait_until_held();
  other->execute("COMMIT");
  const ProcessResult result = night.finish(*process);
  night.check(result, 0, Entries::fresh, Sent::all, "(SQLSTATE 40001), starting over");
  CHECK(night.database().value("SELECT count(*) FROM cache_sync_changes") == "11");
  night.heal();
}

TEST_CASE("fault 23: a symbol occurs twice") {
  Night night;
  night.database().execute("INSERT INTO symbols (symbol, is_active) VALUES ('MEGA', true)");
  night.check(night.sync(), 1, Entries::same, Sent::none, "'MEGA'");
  night.database().execute("DELETE FROM symbols WHERE symbol = 'MEGA' AND market_cap IS NULL");
  night.heal();
}

TEST_CASE("fault 24: a statement takes too long, which is not taken for a signal") {
  Night night;
  before_each_write(night.database(), "PERFORM pg_sleep(30);");
  const ProcessResult result = night.sync({"--config", night.config(1)});
  night.check(result, 5, Entries::same, Sent::none, "SQLSTATE 57014");
  CHECK(night.database().value("SELECT status FROM cache_sync_runs") == "failed");
  night.database().execute("DROP TRIGGER before_write ON cache_entries");
  night.heal();
}

TEST_CASE("fault 25: a role's time limit for idle transactions is not ours, and ours ends a run") {
  Night night;
  night.database().execute("ALTER ROLE job SET idle_in_transaction_session_timeout = '1ms'");
  night.check(night.sync(), 0, Entries::fresh, Sent::all, "");
  night.database().execute("ALTER ROLE job RESET idle_in_transaction_session_timeout");

  Night other;
  // The program stops inside its transaction, for longer than a statement may take.
  auto holder = other.hold();
  const TemporaryDirectory directory;
  const std::string config = directory.write("idle.toml", "[timeouts]\nstatement = 5\nlock = 60\n");
  const auto process = other.start({"--config", config});
  other.wait_until_held();
  // Stopped while it still sends a pipeline, it would leave the server waiting for the rest, which
  // is not idle.
  wait_until("the run to wait for the server", [&] {
    return file_text(fmt::format("/proc/{}/stat", process->pid())).find(") S ") !=
           std::string::npos;
  });
  process->send_signal(SIGSTOP);
  holder.reset();
  wait_until("the server to end the idle transaction", [&] {
    return other.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND application_name LIKE 'tickstock-cache%'") == "0";
  });
  process->send_signal(SIGCONT);
  const ProcessResult result = other.finish(*process);
  other.check(result, 5, Entries::same, Sent::none, "");
  other.heal();
}
