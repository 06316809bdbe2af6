#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "process.hpp"
#include "temporary_directory.hpp"

struct redisContext;
struct redisReply;

namespace tickstock::test {

struct RedisOptions {
  /// Lines appended to redis.conf; they win over the settings made here.
  std::vector<std::string> settings = {};
  /// What the tests' own connections log in with; it has to be set by a line of the settings too.
  std::string password = {};
  /// Whether it is a Sentinel.
  bool sentinel = false;
  /// The program: redis-server, or one that takes the same files.
  std::string program = "redis-server";
};

/// A private Redis server on a loopback port and on a Unix socket that keeps nothing on disk. It is
/// stopped and removed at the end of the scope.
class Redis {
 public:
  explicit Redis(RedisOptions options = {});
  ~Redis();

  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  /// The server of this test process, made when it is first asked for, inside a TEST_CASE.
  static Redis& shared();

  /// Starts a server that is stopped, on the same port and without data, and waits until it
  /// answers.
  void start();
  void stop();
  bool running();
  /// Sends a signal, e.g. SIGSTOP.
  void send_signal(int signal) { server_->send_signal(signal); }

  int port() const { return port_; }
  const std::string& password() const { return options_.password; }
  std::string socket() const { return directory_.file("redis.sock"); }
  /// `redis://127.0.0.1:PORT/0`
  std::string url() const;
  /// `unix://SOCKET`
  std::string unix_url() const;
  /// The directory that the server runs in, e.g. for certificates.
  const TemporaryDirectory& directory() const { return directory_; }
  std::string log() const;

  /// Executes a command on a connection made for it. Strings come back as they are, numbers as
  /// text, nil as "", and the elements of an array on lines of their own. \throws
  /// std::runtime_error with the server's message.
  std::string command(const std::vector<std::string>& words) const;

  /// Returns `master` or `slave`; empty where the question was cut off, as by a Sentinel, which
  /// cuts off all clients of a server whose role it changes.
  std::string role() const;

 private:
  bool try_start();

  TemporaryDirectory directory_;
  RedisOptions options_;
  int port_ = 0;
  std::unique_ptr<Process> server_;
};

/// A connection by hiredis to a Redis of the tests, with a limit on every wait.
class RedisConnection {
 public:
  explicit RedisConnection(const Redis& redis, const std::string& password = "");

  struct FreeReply {
    void operator()(redisReply* reply) const;
  };
  using Reply = std::unique_ptr<redisReply, FreeReply>;

  /// \throws std::runtime_error where the connection fails or the reply is an error.
  Reply command(const std::vector<std::string>& words);
  /// The next reply that the server sends by itself. \throws std::runtime_error when none comes
  /// within the limit.
  Reply next(std::chrono::milliseconds limit);

 private:
  struct Free {
    void operator()(redisContext* context) const;
  };

  Reply checked(void* raw) const;

  std::unique_ptr<redisContext, Free> context_;
};

/// What was published.
struct Event {
  std::string channel;
  std::string message;

  bool operator==(const Event&) const = default;
};

/// Listens to the channels that match a pattern from its construction on.
class Subscriber {
 public:
  explicit Subscriber(const Redis& redis = Redis::shared(), const std::string& password = "",
                      const std::string& pattern = "tickstock:*");

  /// Everything whose PUBLISH has ended before the call and that was not handed out yet, in order.
  std::vector<Event> drain();

  /// Waits for an event on this channel; hands out what came before it, and itself as the last.
  std::vector<Event> wait_for(const std::string& channel,
                              std::chrono::milliseconds limit = std::chrono::milliseconds{30'000});

 private:
  std::vector<Event> read_until(const std::string& channel, const std::string* message,
                                std::chrono::milliseconds limit);

  RedisConnection listener_;
  RedisConnection publisher_;
  /// A channel of its own, outside of the pattern, on which it finds the end of what was sent.
  std::string marker_channel_;
  int markers_ = 0;
};

/// A primary, two replicas and three Sentinels that watch over them, with short limits. They are
/// nodes 0 to 2; of the replicas, only node 1 is ever promoted.
class Sentinels {
 public:
  struct Options {
    std::string password = {};           ///< of the nodes
    std::string sentinel_password = {};  ///< of the Sentinels
    std::string program = "redis-server";
  };
  static constexpr std::size_t count = 3;

  explicit Sentinels(const Options& options);
  Sentinels() : Sentinels(Options()) {}

  /// `redis+sentinel://LOGIN@127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1:PORT/master`
  std::string url(const std::string& login = "") const;
  Redis& node(std::size_t i) { return *nodes_.at(i); }
  Redis& sentinel(std::size_t i) { return *sentinels_.at(i); }
  /// A replica of node 1, of which the Sentinels know nothing: they cut off who listens to a node
  /// that they promote, and who listens here hears all that either primary publishes.
  Redis& ear() { return *ear_; }
  /// Waits until that replica has what the primary has.
  void settle();

  /// The node that a majority of the Sentinels takes for the primary.
  Redis& primary();
  /// Kills the primary and returns it; start() starts it as it was.
  Redis& kill_primary();
  /// Lets the Sentinels elect another primary where this one is gone, or keeps them from it, as at
  /// first.
  void allow_failover(bool allowed);
  /// Lets them, waits until they agree on another primary than `old`, which knows to be one, and
  /// keeps them from the next.
  Redis& wait_for_promotion(const Redis& old);

 private:
  std::string named_by(const Redis& sentinel) const;

  Options options_;
  std::vector<std::unique_ptr<Redis>> nodes_;
  std::vector<std::unique_ptr<Redis>> sentinels_;
  std::unique_ptr<Redis> ear_;
  int settled_ = 0;
};

/// A Cluster of three primaries.
class RedisCluster {
 public:
  static constexpr std::size_t count = 3;
  /// \param settings lines for each node
  explicit RedisCluster(std::vector<std::string> settings = {}, std::string password = {});

  Redis& node(std::size_t i) { return *nodes_.at(i); }
  /// Adds a replica of a node, as the last node, and waits until it is in sync.
  Redis& add_replica(std::size_t of);
  int slot_of(const std::string& key) const;
  /// Which node owns the slot of a key.
  std::size_t owner_of(const std::string& key) const;
  /// Begins to move the slot of a key to another node: for a key that is not there, its owner
  /// answers ASK.
  void begin_to_move(const std::string& key, std::size_t to);
  /// Ends that. The slot must hold no key any more.
  void end_move(const std::string& key, std::size_t to);

 private:
  void start_node();
  void meet(std::size_t i);
  void wait_until_complete();
  std::string id(std::size_t i) const { return nodes_.at(i)->command({"CLUSTER", "MYID"}); }

  std::vector<std::string> settings_;
  std::string password_;
  std::vector<std::unique_ptr<Redis>> nodes_;
};

/// Why there is no test with a server by this name; empty where there is one.
std::string missing_program(const std::string& name);

}  // namespace tickstock::test
