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
  /// Lines appended to redis.conf; they override the settings made here.
  std::vector<std::string> settings = {};
  /// The password of the tests' own connections; a line of the settings must set it too.
  std::string password = {};
  /// Whether it is a Sentinel.
  bool sentinel = false;
  /// The program: redis-server, or one that takes the same files.
  std::string program = "redis-server";
};

/// A private Redis server on a loopback port and on a Unix socket, without persistence. It is
/// stopped and removed at the end of the scope.
class Redis {
 public:
  explicit Redis(RedisOptions options = {});
  ~Redis();

  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  /// Returns the server of this test process, created on first use, inside a TEST_CASE.
  static Redis& shared();

  /// Starts a stopped server on the same port and without data, and waits until it answers.
  void start();
  void stop();
  bool running();
  /// Sends a signal, e.g. SIGSTOP.
  void send_signal(int signal) { server_->send_signal(signal); }

  int port() const { return port_; }
  const std::string& password() const { return options_.password; }
  std::string socket() const { return directory_.file("redis.sock"); }
  /// Returns `redis://127.0.0.1:PORT/0`.
  std::string url() const;
  /// Returns `unix://SOCKET`.
  std::string unix_url() const;
  /// Returns the directory that the server runs in, e.g. for certificates.
  const TemporaryDirectory& directory() const { return directory_; }
  std::string log() const;

  /// Executes a command on a new connection. Returns strings unchanged, numbers as text, nil as "",
  /// and array elements one per line. \throws std::runtime_error with the server's message.
  std::string command(const std::vector<std::string>& words) const;

  /// Returns `master` or `slave`; empty if the question was cut off, as by a Sentinel, which
  /// disconnects all clients of a server whose role it changes.
  std::string role() const;

 private:
  bool try_start();

  TemporaryDirectory directory_;
  RedisOptions options_;
  int port_ = 0;
  std::unique_ptr<Process> server_;
};

/// A hiredis connection to a Redis of the tests, with a limit on every wait.
class RedisConnection {
 public:
  explicit RedisConnection(const Redis& redis, const std::string& password = "");

  struct FreeReply {
    void operator()(redisReply* reply) const;
  };
  using Reply = std::unique_ptr<redisReply, FreeReply>;

  /// \throws std::runtime_error if the connection fails or the reply is an error.
  Reply command(const std::vector<std::string>& words);
  /// Returns the next reply that the server sends by itself. \throws std::runtime_error if none
  /// arrives within the limit.
  Reply next(std::chrono::milliseconds limit);

 private:
  struct Free {
    void operator()(redisContext* context) const;
  };

  Reply checked(void* raw) const;

  std::unique_ptr<redisContext, Free> context_;
};

/// A published event.
struct Event {
  std::string channel;
  std::string message;

  bool operator==(const Event&) const = default;
};

/// Listens to the channels that match a pattern, from its construction on.
class Subscriber {
 public:
  explicit Subscriber(const Redis& redis = Redis::shared(), const std::string& password = "",
                      const std::string& pattern = "tickstock:*");

  /// Returns everything whose PUBLISH ended before the call and that was not returned yet, in
  /// order.
  std::vector<Event> drain();

  /// Waits for an event on this channel; returns the events before it, and this one as the last.
  std::vector<Event> wait_for(const std::string& channel,
                              std::chrono::milliseconds limit = std::chrono::milliseconds{30'000});

 private:
  std::vector<Event> read_until(const std::string& channel, const std::string* message,
                                std::chrono::milliseconds limit);

  RedisConnection listener_;
  RedisConnection publisher_;
  /// A private channel, outside the pattern, that marks the end of what was sent.
  std::string marker_channel_;
  int markers_ = 0;
};

/// A primary, two replicas and three Sentinels that watch them, with short limits. They are nodes 0
/// to 2; of the replicas, only node 1 is ever promoted.
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

  /// Returns `redis+sentinel://LOGIN@127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1:PORT/master`.
  std::string url(const std::string& login = "") const;
  Redis& node(std::size_t i) { return *nodes_.at(i); }
  Redis& sentinel(std::size_t i) { return *sentinels_.at(i); }
  /// Returns a replica of node 1 that the Sentinels don't know. They disconnect the clients of a
  /// node that they promote; whoever listens here receives everything that either primary
  /// publishes.
  Redis& ear() { return *ear_; }
  /// Waits until that replica has caught up with the primary.
  void settle();

  /// Returns the node that a majority of the Sentinels considers the primary.
  Redis& primary();
  /// Kills the primary and returns it; start() starts it again as it was.
  Redis& kill_primary();
  /// Lets the Sentinels elect another primary if this one is gone, or prevents it, as initially.
  void allow_failover(bool allowed);
  /// Lets them, waits until they agree on another primary than `old`, which knows its role, and
  /// prevents the next election.
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
  /// \param settings lines for each node \param with_tls whether each has another port, for TLS:
  /// the settings name the certificates
  explicit RedisCluster(std::vector<std::string> settings = {}, std::string password = {},
                        bool with_tls = false);

  Redis& node(std::size_t i) { return *nodes_.at(i); }
  /// Returns the port of a node for TLS.
  std::string tls_port(std::size_t i) const { return setting(i, "tls-port"); }
  /// Adds a replica of a node, as the last node, and waits until it is in sync.
  Redis& add_replica(std::size_t of);
  int slot_of(const std::string& key) const;
  /// Returns which node owns the slot of a key.
  std::size_t owner_of(const std::string& key) const;
  /// Begins to move the slot of a key to another node: for a missing key, its owner answers ASK.
  void begin_to_move(const std::string& key, std::size_t to);
  /// Ends that. The slot must not contain any keys.
  void end_move(const std::string& key, std::size_t to);

 private:
  void start_node();
  void meet(std::size_t i);
  void wait_until_complete();
  std::string setting(std::size_t i, const std::string& name) const;
  std::string id(std::size_t i) const { return nodes_.at(i)->command({"CLUSTER", "MYID"}); }

  std::vector<std::string> settings_;
  std::string password_;
  bool with_tls_;
  std::vector<std::unique_ptr<Redis>> nodes_;
};

/// Returns why there are no tests with a server of this name; empty if there are.
std::string missing_program(const std::string& name);

}  // namespace tickstock::test
