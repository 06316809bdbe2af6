// Faults 33 to 42: Redis can't be reached, refuses, hangs, or is not what it seems.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "faults/night.hpp"
#include "network.hpp"

using namespace tickstock::test;

namespace {

Environment redis_at(const std::string& url) { return {{"REDIS_URL", url}}; }

struct OwnRedis {
  explicit OwnRedis(const std::vector<std::string>& settings = {})
      : redis({.settings = redis_settings(settings), .password = redis_password}) {}

  std::string user_url(const std::string& login) const {
    return fmt::format("redis://{}@127.0.0.1:{}/0", login, redis.port());
  }

  Redis redis;
  Night night{guarded_postgres(), redis};
};

/// From the second night on, publishes so many events that sending takes a while.
void list_many(Night& night, int count) {
  night.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active, listing_date) "
      "SELECT 'N' || i, 1000000, true, '2024-06-21' FROM generate_series(1, $1::int) i",
      {std::to_string(count)});
}

const std::string pending = "events of this run are pending: ";

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

/// Discards what the client has sent so far.
void swallow(int fd) {
  std::array<char, 65536> bytes{};
  while (TcpServer::readable(fd) && ::recv(fd, bytes.data(), bytes.size(), 0) > 0) continue;
}

/// Sends this repeatedly, in pieces of `size` bytes.
TcpServer::Serve say(const std::string& words, std::size_t size) {
  return [words, size](int fd, const TcpServer& server) {
    while (!server.stopping()) {
      swallow(fd);
      for (std::size_t at = 0; at < words.size() && !server.stopping(); at += size) {
        if (!TcpServer::send_all(fd, words.substr(at, size))) return;
        swallow(fd);
      }
    }
  };
}

}  // namespace

TEST_CASE("fault 33: Redis is not there, has no address, or swallows packets") {
  const BlackHole hole;
  for (const auto& [url, words] : std::vector<std::pair<std::string, std::string>>{
           {fmt::format("redis://:{}@127.0.0.1:{}/0", redis_password, free_port()), "refused"},
           {"redis://:" + redis_password + "@no-such-host.invalid:6379/0", "no-such-host.invalid"},
           {fmt::format("redis://:{}@127.0.0.1:{}/0", redis_password, hole.port()),
            "no answer in time"}}) {
    Night night;
    const ProcessResult result = night.sync({"--config", night.config()}, redis_at(url));
    night.check(result, 6, Entries::fresh, Sent::none, words);
    CHECK_THAT(result.err, contains("14 " + pending));
    night.heal();
    CHECK(night.repeated() == 0);
  }
}

TEST_CASE("fault 34: the login to Redis is wrong or missing") {
  OwnRedis own({"user job on >CANARY-job ~* &* +@all"});
  Night& night = own.night;
  night.check(night.sync({}, redis_at(own.user_url("job:CANARY-wrong"))), 6, Entries::fresh,
              Sent::none, "the login is refused (WRONGPASS). Check user and password");
  night.check(night.sync({}, redis_at(own.redis.url())), 6, Entries::fresh, Sent::none, "NOAUTH");
  night.heal();
}

TEST_CASE("fault 35: one channel is denied") {
  OwnRedis own(
      {"user job on >CANARY-job resetchannels &tickstock:universe:* -@all +publish +role"});
  Night& night = own.night;
  const ProcessResult result = night.sync({}, redis_at(own.user_url("job:CANARY-job")));
  night.check(result, 6, Entries::fresh, Sent::prefix, "tickstock:cache:ipo_assignment is refused");
  CHECK(night.arrived().size() == 10);
  night.heal();
  CHECK(night.repeated() == 0);
}

TEST_CASE("fault 36: Redis is paused, or hangs") {
  OwnRedis own;
  Night& night = own.night;
  own.redis.command({"CLIENT", "PAUSE", "600000", "ALL"});
  const ProcessResult result = night.sync({"--config", night.config()});
  own.redis.stop();
  own.redis.start();
  night.listen();
  night.check(result, 6, Entries::fresh, Sent::none, "no answer in time");

  own.redis.send_signal(SIGSTOP);
  const ProcessResult hung = night.sync({"--config", night.config()});
  own.redis.send_signal(SIGCONT);
  CHECK(hung.status == 6);
  CHECK_THAT(hung.err, contains("no answer in time"));
  night.heal();
}

TEST_CASE("fault 37: Redis cuts the connection, or is killed, while events are published") {
  for (const bool kill : {false, true}) {
    // The run may have sent everything before it can be stopped.
    bool met = false;
    for (int i = 0; i < 20 && !met; ++i) {
      OwnRedis own({"user job on >CANARY-job ~* &* +@all"});
      Night& night = own.night;
      list_many(night, 3000);
      const auto process = night.start({}, redis_at(own.user_url("job:CANARY-job")));
      wait_until("the run to publish", [&] { return !night.arrived().empty(); });
      process->send_signal(SIGSTOP);
      if (kill) {
        own.redis.stop();
      } else {
        own.redis.command({"CLIENT", "KILL", "USER", "job"});
      }
      process->send_signal(SIGCONT);
      const ProcessResult result = night.finish(*process);
      INFO(result.err);
      met = result.status != 0;
      if (met) CHECK(result.status == 6);
      if (kill) {
        own.redis.start();
        night.listen();
      }
      if (met) CHECK(night.sync().status == 0);
      CHECK(night.database().value(
                "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") == "0");
      if (!kill) CHECK(night.arrived() == night.stored());
    }
    CHECK(met);
  }
}

TEST_CASE("fault 37: Redis cuts the connection, or restarts, before any event is published") {
  for (const std::string fault : {"cut", "restarted", "cut without own tables"}) {
    INFO(fault);
    OwnRedis own({"user job on >CANARY-job ~* &* +@all"});
    Night& night = own.night;
    const bool has_tables = fault != "cut without own tables";
    if (!has_tables) {
      night.database().execute(
          "DROP TABLE cache_sync_changes, cache_sync_outbox, cache_sync_runs, cache_sync_states, "
          "cache_sync_waiting");
    }
    auto hold = night.hold();
    const auto process = night.start({}, redis_at(own.user_url("job:CANARY-job")));
    night.wait_until_held();
    if (fault == "restarted") {
      own.redis.stop();
      own.redis.start();
      night.listen();
    } else {
      own.redis.command({"CLIENT", "KILL", "USER", "job"});
    }
    hold.reset();
    const ProcessResult result = night.finish(*process);
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK_THAT(result.out, contains("; 14 events published; "));
    if (has_tables) CHECK(night.arrived() == night.stored());
  }
}

TEST_CASE("fault 37: Redis cuts the connection while a run waits for its turn") {
  OwnRedis own({"user job on >CANARY-job ~* &* +@all"});
  Night& night = own.night;
  Subscriber subscriber(own.redis, redis_password);
  Session holder = night.database().connect();
  holder.execute("BEGIN");
  holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
  const auto process = night.start({"--run-id", "patient", "--lock-wait", "60"},
                                   redis_at(own.user_url("job:CANARY-job")));
  wait_until("the run to try the lock", [&] {
    return night.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND application_name = 'tickstock-cache patient'") == "1";
  });
  own.redis.command({"CLIENT", "KILL", "USER", "job"});
  holder.execute("ROLLBACK");
  const ProcessResult result = night.finish(*process);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(event_lines(subscriber.drain()).at(0) == "cache_sync_triggered");
  CHECK(night.arrived() == night.stored());
}

TEST_CASE("fault 8: the server's process is ended while events are published") {
  for (const bool comes_back : {true, false}) {
    OwnRedis own;
    Night& night = own.night;
    own.redis.send_signal(SIGSTOP);
    const auto process = comes_back ? night.start() : night.start({"--config", night.config()});
    wait_until("the run to commit", [&] { return !night.stored().empty(); });
    if (!comes_back) night.database().execute("ALTER ROLE job NOLOGIN");
    // It waits for Redis.
    night.database().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE 'tickstock-cache%'");
    own.redis.send_signal(SIGCONT);
    const ProcessResult result = night.finish(*process);
    night.database().execute("ALTER ROLE job LOGIN");
    if (comes_back) {
      night.check(result, 0, Entries::fresh, Sent::all, "");
    } else {
      // The number of pending events can't be queried, so all of them are reported as pending.
      night.check(result, 6, Entries::fresh, Sent::prefix_or_all,
                  "14 events of this run are pending");
      CHECK_THAT(result.out, contains("0 events published, 14 pending"));
    }
    night.heal();
  }
}

TEST_CASE("fault 38: Redis has no memory left, which keeps no event from being published") {
  OwnRedis own;
  own.redis.command({"CONFIG", "SET", "maxmemory", "1"});
  own.night.check(own.night.sync(), 0, Entries::fresh, Sent::all, "");
  CHECK(own.night.run({"check"}).status == 0);
  own.night.heal();
}

TEST_CASE("fault 39: Redis is a replica") {
  OwnRedis own;
  own.redis.command({"REPLICAOF", "127.0.0.1", "1"});
  own.night.check(own.night.sync(), 6, Entries::fresh, Sent::none,
                  "it is a replica, whose subscribers are not those of the primary");
  own.redis.command({"REPLICAOF", "NO", "ONE"});
  own.night.heal();
}

TEST_CASE("fault 40: a subscriber that doesn't read is cut off, which is its own affair") {
  OwnRedis own({"client-output-buffer-limit pubsub 100kb 0 0"});
  Night& night = own.night;
  // More than the kernel and Redis buffer for a client that doesn't read.
  list_many(night, 20'000);
  const RedisConnection sleeper = [&] {
    RedisConnection connection(own.redis, redis_password);
    connection.command({"PSUBSCRIBE", "*"});
    return connection;
  }();
  const ProcessResult result = night.sync({"--timeout", "600"});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(own.redis.command({"CLIENT", "LIST", "TYPE", "pubsub"}).empty());
  CHECK(night.database().value(
            "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") == "0");
}

TEST_CASE("fault 41: what answers is not Redis, or does so a byte at a time") {
  const std::string http = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
  const std::string plain = "$3\r\nabc\r\n";
  for (const auto& [words, size] : std::vector<std::pair<std::string, std::size_t>>{
           {http, http.size()},
           {std::string("\x15\x03\x03\x00\x02\x02\x28", 7), 7},
           {"*2147483647\r\n", 100},
           {"$2000000000\r\n" + std::string(100'000, 'x'), 50'000},
           {repeated("*1\r\n", 400'000), 65'536},
           {repeated("%1\r\n", 400'000), 65'536},
           {":1\r\n:1\r\n:1\r\n", 100},
           {plain, 1}}) {
    const TcpServer server(say(words, size));
    Night night;
    const ProcessResult result =
        night.sync({"--config", night.config()}, redis_at(night.redis_url(server.port())));
    INFO(words.substr(0, 20));
    night.check(result, 6, Entries::fresh, Sent::none, "Redis at redis://127.0.0.1:");
    night.heal();
  }
}

TEST_CASE("fault 41: a server that listens and says nothing, and one with TLS instead") {
  const TcpServer silent([](int fd, const TcpServer& server) {
    while (!server.stopping()) swallow(fd);
  });
  Night night;
  night.check(night.sync({"--config", night.config()}, redis_at(night.redis_url(silent.port()))), 6,
              Entries::fresh, Sent::none, "no answer in time");
  const std::string tls = fmt::format("rediss://:{}@127.0.0.1:{}/0", redis_password, silent.port());
  night.check(night.sync({"--config", night.config()}, redis_at(tls)), 6, Entries::fresh,
              Sent::none, "no answer in time");
  const std::string plain =
      "rediss://:" + redis_password + "@127.0.0.1:" + std::to_string(guarded_redis().port()) + "/0";
  night.check(night.sync({"--config", night.config()}, redis_at(plain)), 6, Entries::fresh,
              Sent::none, "Redis at rediss://127.0.0.1:");
  night.heal();
}
