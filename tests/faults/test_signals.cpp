// Faults 27 to 32: the run is killed at the worst moments, or gets signals.

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "faults/night.hpp"
#include "temporary_directory.hpp"

using namespace tickstock::test;

namespace {

const std::string committed_sql = "SELECT count(*) FROM cache_sync_runs WHERE status = 'completed'";

/// Blocks the run when it marks events as published.
class HeldMark {
 public:
  explicit HeldMark(Night& night) : holder_(night.database().connect()) {
    night.database().execute(
        "CREATE FUNCTION hold_mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END $$");
    night.database().execute(
        "CREATE TRIGGER hold_mark BEFORE UPDATE ON cache_sync_outbox "
        "FOR EACH ROW EXECUTE FUNCTION hold_mark()");
    holder_.execute("BEGIN");
    holder_.execute("SELECT pg_advisory_xact_lock(4711)");
  }
  void release() { holder_.execute("ROLLBACK"); }

 private:
  Session holder_;
};

}  // namespace

TEST_CASE("fault 27: the run is killed after COMMIT, before it has published anything") {
  Redis redis({.settings = redis_settings(), .password = redis_password});
  Night night(guarded_postgres(), redis);
  redis.send_signal(SIGSTOP);
  const auto process = night.start();
  wait_until("the run to commit", [&] { return night.database().value(committed_sql) == "1"; });
  process->send_signal(SIGKILL);
  const ProcessResult result = night.finish(*process);
  redis.send_signal(SIGCONT);
  night.check(result, 137, Entries::fresh, Sent::none, "");
  night.heal();
  CHECK(night.repeated() == 0);
}

TEST_CASE("fault 28: the run is killed after it has published, while it marks so") {
  for (const bool loses_marks : {false, true}) {
    Night night;
    HeldMark mark(night);
    const auto process = night.start();
    night.wait_until_held();
    process->send_signal(SIGKILL);
    const ProcessResult result = night.finish(*process);
    if (loses_marks) {
      night.database().execute("SELECT pg_terminate_backend($1::int)", {night.backend()});
    }
    mark.release();
    wait_until("the server to end what it was sent", [&] {
      return night.database().value(
                 "SELECT count(*) FROM pg_stat_activity WHERE usename = 'job'") == "0";
    });
    night.check(result, 137, Entries::fresh, Sent::all, "");
    const std::size_t sent = night.arrived().size();
    night.heal();
    // Marks that the server received remain. Without them each event is sent once more, with its
    // id.
    CHECK(night.repeated() == (loses_marks ? static_cast<int>(sent) : 0));
  }
}

TEST_CASE("fault 29: a signal before COMMIT") {
  for (const int signal : {SIGTERM, SIGINT}) {
    Night night;
    auto holder = night.hold();
    const auto process = night.start();
    night.wait_until_held();
    process->send_signal(signal);
    const ProcessResult result = night.finish(*process);
    holder.reset();
    night.check(result, 128 + signal, Entries::same, Sent::none, "interrupted by a signal");
    CHECK(night.database().value("SELECT status FROM cache_sync_runs") == "interrupted");
    night.heal();
  }
}

TEST_CASE("fault 30: a signal while COMMIT is under way") {
  // It finds out the outcome in the time that is left, and may have none left for publishing. Where
  // the server is too slow even for the question, the outcome stays unknown; once it must answer.
  bool found = false;
  for (int attempt = 0; attempt < 3 && !found; ++attempt) {
    Night night;
    CommitProxy proxy(guarded_postgres().port(), CommitProxy::Mode::hang_after, 2);
    // Without the signal it would wait for its ten minutes.
    const auto process = night.start({"--timeout", "600"}, night.job(proxy.port()));
    wait_until("the COMMIT to be spoilt", [&] { return proxy.spoilt(); });
    process->send_signal(SIGTERM);
    const ProcessResult result = night.finish(*process);
    INFO(result.err);
    found = result.status != 8;
    CHECK((result.status == 0 || result.status == 6 || !found));
    night.check(result, result.status, Entries::fresh, result.status == 0 ? Sent::all : Sent::none,
                "asking for the outcome");
    night.heal();
  }
  CHECK(found);
}

TEST_CASE("fault 31: a signal while events are published") {
  Redis redis({.settings = redis_settings(), .password = redis_password});
  Night night(guarded_postgres(), redis);
  redis.send_signal(SIGSTOP);
  const auto process = night.start();
  wait_until("the run to commit", [&] { return night.database().value(committed_sql) == "1"; });
  process->send_signal(SIGTERM);
  const ProcessResult result = night.finish(*process);
  redis.send_signal(SIGCONT);
  night.check(result, 6, Entries::fresh, Sent::prefix, "events of this run are pending");
  night.heal();
}

TEST_CASE("fault 31: a signal while what was published is marked keeps the mark") {
  Night night;
  HeldMark mark(night);
  const auto process = night.start();
  night.wait_until_held();
  process->send_signal(SIGTERM);
  mark.release();
  const ProcessResult result = night.finish(*process);
  INFO(result.err);
  CHECK((result.status == 0 || result.status == 6));
  night.heal();
  CHECK(night.repeated() == 0);
}

TEST_CASE("fault 32: a second signal, a hang-up, and a reader that has gone") {
  {
    Night night;
    auto holder = night.hold();
    const auto process = night.start();
    night.wait_until_held();
    process->send_signal(SIGTERM);
    // Of two pending signals the kernel chooses which comes first.
    wait_until("the first signal to be taken", [&] {
      const std::string status = file_text(fmt::format("/proc/{}/status", process->pid()));
      return status.find("ShdPnd:\t0000000000000000") != std::string::npos;
    });
    process->send_signal(SIGINT);
    process->send_signal(SIGTERM);
    const ProcessResult result = night.finish(*process);
    holder.reset();
    night.check(result, 143, Entries::same, Sent::none, "interrupted by a signal");
    night.heal();
  }
  {
    Night night;
    auto holder = night.hold();
    const auto process = night.start();
    night.wait_until_held();
    process->send_signal(SIGHUP);
    const ProcessResult result = night.finish(*process);
    holder.reset();
    night.check(result, 129, Entries::same, Sent::none, "interrupted by a signal");
    night.heal();
  }
  Night night;
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  ::close(pipe[0]);
  RunOptions options = night.fixture.options(night.job());
  options.stdout_fd = pipe[1];
  const ProcessResult result =
      run_process(Fixture::command({"sync", "--as-of", market_day}), options);
  ::close(pipe[1]);
  night.check(result, 74, Entries::fresh, Sent::all, "could not be written to standard output");
  night.heal();
}
