// Faults 54 to 56: Sentinels that are down, and primaries that are lost on the way.

#include <csignal>

#include "faults/night.hpp"
#include "network.hpp"
#include "peers.hpp"
#include "session.hpp"

using namespace tickstock::test;

namespace {

/// A night with Sentinels that receives what any primary publishes.
struct Watched {
  Sentinels sentinels{Sentinels::Options{.password = redis_password}};
  Night night{guarded_postgres(), sentinels.node(0), sentinels.ear()};
  Environment environment{{"REDIS_URL", sentinels.url(":" + redis_password)}};

  std::string pending() {
    return night.database().value(
        "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL");
  }
  /// Checks that a run or a delivery that ended like this has sent everything.
  void check_sent(const ProcessResult& result) {
    sentinels.settle();
    night.check(result, 0, Entries::fresh, Sent::all, "");
    CHECK(pending() == "0");
  }
  /// Starts a run, and waits until it has committed.
  std::unique_ptr<Process> start() {
    auto process = night.start({"--config", night.config(20, 60)}, environment);
    wait_until("the run to commit", [&] { return !night.stored().empty(); });
    return process;
  }
};

}  // namespace

TEST_CASE("fault 54: Sentinels can't be reached, or know nothing of the primary") {
  const Redis sentinel(
      {.settings = {fmt::format("sentinel monitor desk 127.0.0.1 {} 1", guarded_redis().port()),
                    "sentinel auth-pass desk " + redis_password},
       .sentinel = true});
  const BlackHole hole;
  const int closed = free_port();
  const auto url = [&](const std::string& more, const std::string& master) {
    return Environment{{"REDIS_URL", fmt::format("redis+sentinel://:{}@127.0.0.1:{},127.0.0.1:{}{}",
                                                 redis_password, closed, hole.port(), more) +
                                         "/" + master}};
  };
  const std::string and_the_good_one = fmt::format(",127.0.0.1:{}", sentinel.port());
  Night night;
  const ProcessResult none = night.sync({"--config", night.config()}, url("", "desk"));
  night.check(none, 6, Entries::fresh, Sent::none, "no Sentinel names the primary: ");
  CHECK_THAT(none.err, contains(fmt::format("127.0.0.1:{}: Connection refused; 127.0.0.1:{}: no "
                                            "answer in time",
                                            closed, hole.port())));
  CHECK_THAT(none.err, contains("14 events of this run are pending"));
  const ProcessResult unknown =
      night.run({"deliver", "--config", night.config()}, url(and_the_good_one, "other"));
  CHECK(unknown.status == 6);
  CHECK_THAT(unknown.err, contains("it does not know the master other"));
  const ProcessResult good =
      night.run({"deliver", "--config", night.config()}, url(and_the_good_one, "desk"));
  night.check(good, 0, Entries::fresh, Sent::all, "");
  night.heal();
  CHECK(night.repeated() == 0);
}

TEST_CASE(
    "fault 55: the primary that the Sentinels name is dead or hangs until they elect another") {
  for (const bool hangs : {false, true}) {
    Watched watched;
    Redis& old = watched.sentinels.node(0);
    hangs ? old.send_signal(SIGSTOP) : old.stop();
    const auto process = watched.start();
    CHECK(process->running());
    watched.sentinels.allow_failover(true);
    const ProcessResult result = watched.night.finish(*process);
    watched.sentinels.wait_for_promotion(old);
    watched.check_sent(result);
    CHECK(watched.night.repeated() == 0);
    // It restarts in its previous role.
    old.stop();
    old.start();
    watched.check_sent(watched.night.sync({}, watched.environment));
  }
}

TEST_CASE("fault 55: where no other primary is elected in time, events stay pending") {
  Watched watched;
  Night& night = watched.night;
  const Redis& old = watched.sentinels.kill_primary();
  const ProcessResult result = night.sync({"--config", night.config()}, watched.environment);
  night.check(result, 6, Entries::fresh, Sent::none,
              fmt::format(" (127.0.0.1:{}): Connection refused", old.port()));
  CHECK(watched.pending() == "14");
  watched.sentinels.wait_for_promotion(old);
  watched.check_sent(night.run({"deliver"}, watched.environment));
  CHECK(night.repeated() == 0);
}

TEST_CASE("fault 56: the primary is lost before it answers, and the new one gets every event") {
  Watched watched;
  Redis& old = watched.sentinels.node(0);
  // It reports its role and accepts no event.
  old.command({"CLIENT", "PAUSE", "600000", "WRITE"});
  const auto process = watched.start();
  wait_until("an event to be sent", [&] {
    const Names clients = lines_of(old.command({"CLIENT", "LIST", "TYPE", "normal"}));
    // The Sentinels publish, too, but have client names.
    return std::any_of(clients.begin(), clients.end(), [](const std::string& client) {
      return client.find(" name= ") != std::string::npos &&
             client.find(" cmd=publish ") != std::string::npos;
    });
  });
  old.stop();
  watched.sentinels.allow_failover(true);
  const ProcessResult result = watched.night.finish(*process);
  watched.sentinels.wait_for_promotion(old);
  watched.check_sent(result);
}

TEST_CASE("fault 56: a failover between PUBLISH and the mark sends the same events again") {
  Watched watched;
  Night& night = watched.night;
  night.database().execute(
      "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "PERFORM pg_advisory_xact_lock(56); RETURN NEW; END $$");
  night.database().execute(
      "CREATE TRIGGER wait BEFORE UPDATE ON cache_sync_outbox FOR EACH ROW EXECUTE FUNCTION "
      "wait()");
  Session holder(night.database().url());
  holder.execute("SELECT pg_advisory_lock(56)");
  Redis& old = watched.sentinels.node(0);
  const auto process = watched.start();
  night.wait_until_held();
  watched.sentinels.settle();
  CHECK(night.arrived() == night.stored());
  old.stop();
  night.database().execute("SELECT pg_terminate_backend($1::int)", {night.backend()});
  holder.execute("SELECT pg_advisory_unlock(56)");
  // The run continues by itself: over another connection, and with the new primary.
  watched.sentinels.allow_failover(true);
  const ProcessResult result = night.finish(*process);
  watched.sentinels.wait_for_promotion(old);
  watched.check_sent(result);
  CHECK(night.repeated() == 14);
}
