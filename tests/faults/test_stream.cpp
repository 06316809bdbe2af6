// Faults 57 to 60 and 62: the stream is on another node, has another type, or is full, ahead, or
// stale.

#include "certificates.hpp"
#include "faults/night.hpp"

using namespace tickstock::test;

namespace {

const std::string key = "tickstock:cache:events";

/// A night whose events go into a stream.
struct Streamed {
  Night night;

  explicit Streamed(Redis& redis = guarded_redis()) : night(guarded_postgres(), redis) {
    night.keep_stream();
  }

  ProcessResult sync() { return night.sync({"--config", night.config()}); }
  ProcessResult check() { return night.run({"check"}); }
  /// Checks that the last run committed, and neither added nor published anything.
  void check_refused(const ProcessResult& result, const std::string& says) {
    night.check(result, 6, Entries::fresh, Sent::none, says);
    CHECK_THAT(result.err, contains("14 events of this run are pending"));
  }
};

}  // namespace

TEST_CASE("fault 57: another node of a Cluster has the stream, or gets it just now") {
  RedisCluster cluster(redis_settings(), redis_password);
  const std::size_t owner = cluster.owner_of(key);
  const std::size_t other = (owner + 1) % RedisCluster::count;
  const std::size_t third = (owner + 2) % RedisCluster::count;
  for (const bool moves : {false, true}) {
    for (const std::size_t asked : {owner, third}) {
      INFO("moves " << moves << ", asked " << asked << ", owner " << owner);
      Streamed scene(cluster.node(asked));
      cluster.node(owner).command({"DEL", key});
      if (moves) cluster.begin_to_move(key, other);
      scene.night.check(scene.sync(), 0, Entries::fresh, Sent::all, "");
      CHECK(scene.check().status == 0);
      Redis& holder = cluster.node(moves ? other : owner);
      if (moves) cluster.end_move(key, other);
      CHECK(holder.command({"XLEN", key}) == "14");
      scene.night.database().execute("UPDATE cache_sync_outbox SET published_at = NULL");
      CHECK(scene.night.run({"deliver"}).status == 0);
      CHECK(holder.command({"XLEN", key}) == "14");
      if (!moves) continue;
      holder.command({"DEL", key});
      cluster.begin_to_move(key, owner);
      cluster.end_move(key, owner);
    }
  }
}

TEST_CASE("fault 57: a node of a Cluster does not know the name of the one that has the stream") {
  for (const std::string named : {"hostname", "unknown-endpoint"}) {
    INFO(named);
    RedisCluster cluster(redis_settings({"cluster-preferred-endpoint-type " + named}),
                         redis_password);
    const std::size_t owner = cluster.owner_of(key);
    Streamed scene(cluster.node((owner + 1) % RedisCluster::count));
    scene.night.check(scene.sync(), 0, Entries::fresh, Sent::all, "");
    CHECK(cluster.node(owner).command({"XLEN", key}) == "14");
  }
}

TEST_CASE("fault 57: the node of a Cluster that has the stream is asked over TLS, too") {
  const Certificates certificates;
  const std::string file = certificates.file("good");
  const std::string ca = certificates.file("ca.crt");
  RedisCluster cluster(
      redis_settings({"tls-cert-file " + file + ".crt", "tls-key-file " + file + ".key",
                      "tls-ca-cert-file " + ca, "tls-auth-clients no"}),
      redis_password, true);
  const std::size_t owner = cluster.owner_of(key);
  const std::size_t asked = (owner + 1) % RedisCluster::count;
  Night night(guarded_postgres(), cluster.node(asked));
  const TemporaryDirectory directory;
  const std::string config =
      directory.write("c.toml", fmt::format("{}[redis]\nca_file = '{}'\n", stream_setting, ca));
  const std::string url =
      fmt::format("rediss://:{}@127.0.0.1:{}/0", redis_password, cluster.tls_port(asked));
  night.check(night.sync({"--config", config}, {{"REDIS_URL", url}}), 0, Entries::fresh, Sent::all,
              "");
  CHECK(cluster.node(owner).command({"XLEN", key}) == "14");
}

TEST_CASE("fault 57: the node of a Cluster that has the stream is away while it is needed") {
  RedisCluster cluster(redis_settings(), redis_password);
  const std::size_t owner = cluster.owner_of(key);
  Streamed scene(cluster.node((owner + 1) % RedisCluster::count));
  cluster.node(owner).stop();
  const auto run = scene.night.start({"--config", scene.night.config(20, 20)});
  wait_until("the run to be committed", [&scene] {
    return scene.night.database().value(
               "SELECT count(*) FROM cache_sync_runs "
               "WHERE status = 'completed'") == "1";
  });
  cluster.node(owner).start();
  scene.night.check(scene.night.finish(*run), 0, Entries::fresh, Sent::all, "");
  CHECK(cluster.node(owner).command({"XLEN", key}) == "14");

  cluster.node(owner).stop();
  scene.night.database().execute("UPDATE cache_sync_outbox SET published_at = NULL");
  CHECK(scene.night.run({"deliver"}).status == 6);
}

TEST_CASE("fault 58: a key of another type has the name of the stream") {
  Streamed scene;
  guarded_redis().command({"SET", key, "5"});
  scene.check_refused(scene.sync(), "the stream " + key + " is refused: WRONGTYPE");
  const ProcessResult check = scene.check();
  CHECK(check.status == 6);
  CHECK_THAT(check.out, contains("WRONGTYPE") && contains("Name another key in [events] stream"));
  CHECK(guarded_redis().command({"GET", key}) == "5");
  guarded_redis().command({"DEL", key});
  scene.night.heal();
}

TEST_CASE("fault 59: Redis has no memory left for the stream") {
  Streamed scene;
  guarded_redis().command({"CONFIG", "SET", "maxmemory", "1"});
  const ProcessResult result = scene.sync();
  const ProcessResult check = scene.check();
  guarded_redis().command({"CONFIG", "SET", "maxmemory", "0"});
  scene.check_refused(result, "the stream " + key + " is refused: OOM");
  CHECK(check.status == 6);
  CHECK_THAT(check.out, contains("OOM"));
  CHECK(scene.night.streamed().empty());
  scene.night.heal();
}

TEST_CASE("fault 60: the database was restored, so the stream is ahead of it") {
  Streamed scene;
  scene.night.check(scene.sync(), 0, Entries::fresh, Sent::all, "");
  const Names before = scene.night.streamed();
  // As it was before the night.
  scene.night.database().execute(
      "TRUNCATE cache_sync_outbox RESTART IDENTITY; TRUNCATE cache_sync_runs CASCADE;"
      "DELETE FROM cache_entries WHERE universe <> 'tech';"
      "UPDATE cache_entries SET content = '{\"symbols\": [\"MID\", \"GONE\", \"MEGA\"], "
      "\"count\": 3, \"owner\": \"desk 7\"}'");
  scene.night.listen();
  const ProcessResult result = scene.sync();
  CHECK(result.status == 6);
  CHECK_THAT(result.err, contains("the database was restored") &&
                             contains("Run 'tickstock-cache deliver --renumber'"));
  CHECK(scene.night.streamed() == before);
  // The owner of the tables does it.
  const std::string database = scene.night.database().url();
  const ProcessResult renumbered =
      scene.night.run({"deliver", "--renumber"}, {{"DATABASE_URL", database}});
  CHECK(renumbered.status == 0);
  CHECK(renumbered.out == "14 events renumbered, 14 events published, 0 pending\n");
  CHECK(scene.night.streamed() == with(before, scene.night.stored()));
  CHECK(scene.night.database().value("SELECT min(id) > 14 FROM cache_sync_outbox") == "t");
}

TEST_CASE("fault 62: the stream has lost its end, as where a stale replica became the primary") {
  Streamed scene;
  scene.night.check(scene.sync(), 0, Entries::fresh, Sent::all, "");
  const std::string stale = guarded_redis().command({"DUMP", key});
  // Each has one event, about its end.
  for (int run = 0; run < 3; ++run) CHECK(scene.sync().status == 0);
  CHECK(scene.night.streamed().size() == 17);
  guarded_redis().command({"RESTORE", key, "0", stale, "REPLACE"});
  scene.night.database().execute(
      "UPDATE cache_sync_outbox SET published_at = NULL, given_up_at = now() "
      "WHERE id = (SELECT max(id) - 1 FROM cache_sync_outbox)");
  CHECK(scene.sync().status == 0);
  // An event that was never published is in no stream.
  const std::string published =
      "SELECT string_agg(event_id::text, E'\\n' ORDER BY id) FROM cache_sync_outbox "
      "WHERE published_at IS NOT NULL";
  CHECK(scene.night.streamed() == lines_of(scene.night.database().value(published)));
  CHECK(scene.night.repeated() == 0);
}
