#include "redis.hpp"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "network.hpp"

namespace tickstock::test {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds service_limit{60};
constexpr std::chrono::milliseconds reply_limit{30'000};

timeval to_timeval(std::chrono::milliseconds time) {
  return {static_cast<time_t>(time.count() / 1000),
          static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

std::string text_of(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER: return std::to_string(reply.integer);
    case REDIS_REPLY_NIL: return "";
    case REDIS_REPLY_ARRAY: {
      std::string text;
      for (std::size_t i = 0; i < reply.elements; ++i) {
        text += (i == 0 ? "" : "\n") + text_of(*reply.element[i]);
      }
      return text;
    }
    default: return {reply.str, static_cast<std::size_t>(reply.len)};
  }
}

}  // namespace

Redis::Redis(RedisOptions options) : options_(std::move(options)) {
  // Another process may take the port between finding and using it.
  for (int tries = 0; tries < 5; ++tries) {
    port_ = free_port();
    directory_.write(
        "redis.conf",
        fmt::format("bind 127.0.0.1\nport {}\nunixsocket {}\nunixsocketperm 777\ndir {}\n"
                    "save \"\"\nappendonly no\ndaemonize no\ndatabases 16\n"
                    // A test may publish a lot before it looks.
                    "client-output-buffer-limit pubsub 0 0 0\n{}\n",
                    port_, socket(), directory_.path().string(),
                    fmt::join(options_.settings, "\n")));
    if (try_start()) {
      return;
    }
  }
  throw std::runtime_error("Redis doesn't start: " + log());
}

Redis::~Redis() {
  try {
    stop();
  } catch (const std::exception&) {
    // ~Process kills what didn't stop.
  }
}

Redis& Redis::shared() {
  static Redis redis;
  return redis;
}

bool Redis::try_start() {
  RunOptions options;
  options.directory = directory_.path().string();
  std::vector<std::string> words{options_.program, directory_.file("redis.conf")};
  if (options_.sentinel) words.emplace_back("--sentinel");
  server_ = std::make_unique<Process>(words, options);
  wait_until(
      "Redis to answer",
      [this] {
        if (!server_->running()) {
          return true;
        }
        try {
          return command({"PING"}) == "PONG";
        } catch (const std::exception& error) {
          // It answers; that it requires a login is what the test wants.
          return std::string_view(error.what()).starts_with("NOAUTH");
        }
      },
      service_limit);
  return server_->running();
}

void Redis::start() {
  if (!running() && !try_start()) {
    throw std::runtime_error("Redis doesn't start: " + log());
  }
}

void Redis::stop() {
  if (running()) {
    // Nothing needs saving, and a server stopped by SIGSTOP must end as well.
    server_->send_signal(SIGKILL);
    server_->wait(service_limit);
    ::unlink(socket().c_str());
  }
}

bool Redis::running() { return server_ && server_->running(); }

std::string Redis::url() const { return fmt::format("redis://127.0.0.1:{}/0", port_); }

std::string Redis::unix_url() const { return "unix://" + socket(); }

std::string Redis::log() const { return server_ ? server_->out() + server_->err() : ""; }

std::string Redis::command(const std::vector<std::string>& words) const {
  RedisConnection connection(*this, options_.password);
  return text_of(*connection.command(words));
}

std::string Redis::role() const {
  try {
    const std::string facts = command({"ROLE"});
    return facts.substr(0, facts.find('\n'));
  } catch (const std::runtime_error&) {
    return "";
  }
}

void RedisConnection::Free::operator()(redisContext* context) const { redisFree(context); }

void RedisConnection::FreeReply::operator()(redisReply* reply) const { freeReplyObject(reply); }

RedisConnection::RedisConnection(const Redis& redis, const std::string& password)
    : context_(redisConnectUnixWithTimeout(redis.socket().c_str(), to_timeval(reply_limit))) {
  if (!context_ || context_->err != 0) {
    throw std::runtime_error(
        fmt::format("cannot connect to Redis: {}", context_ ? context_->errstr : "out of memory"));
  }
  redisSetTimeout(context_.get(), to_timeval(reply_limit));
  if (!password.empty()) {
    command({"AUTH", password});
  }
}

RedisConnection::Reply RedisConnection::checked(void* raw) const {
  Reply reply(static_cast<redisReply*>(raw));
  if (!reply) {
    throw std::runtime_error(fmt::format("no reply from Redis: {}", context_->errstr));
  }
  if (reply->type == REDIS_REPLY_ERROR) {
    throw std::runtime_error(text_of(*reply));
  }
  return reply;
}

RedisConnection::Reply RedisConnection::command(const std::vector<std::string>& words) {
  std::vector<const char*> values;
  std::vector<std::size_t> lengths;
  for (const std::string& word : words) {
    values.push_back(word.data());
    lengths.push_back(word.size());
  }
  return checked(redisCommandArgv(context_.get(), static_cast<int>(words.size()), values.data(),
                                  lengths.data()));
}

RedisConnection::Reply RedisConnection::next(std::chrono::milliseconds limit) {
  redisSetTimeout(context_.get(), to_timeval(std::max(limit, std::chrono::milliseconds{1})));
  void* reply = nullptr;
  if (redisGetReply(context_.get(), &reply) != REDIS_OK) {
    reply = nullptr;
  }
  return checked(reply);
}

namespace {

const std::string master = "desk";

bool holds(const Redis& node, const std::vector<std::string>& question, const std::string& words) {
  return node.command(question).find(words) != std::string::npos;
}

std::vector<std::string> with_password(const std::string& password,
                                       std::vector<std::string> settings) {
  if (!password.empty()) settings.push_back("requirepass " + password);
  return settings;
}

/// Returns how long an answer of the primary may be missing before the Sentinels act, in
/// milliseconds; with less they would give up a new primary before they are connected to it.
std::string patience_of_sentinel(bool acts) { return acts ? "2000" : "86400000"; }

}  // namespace

Sentinels::Sentinels(const Options& options) : options_(options) {
  const std::string& password = options.password;
  const auto start = [&](const Redis* primary, const std::string& priority) {
    std::vector<std::string> settings{"repl-diskless-sync-delay 0", "replica-priority " + priority};
    if (!password.empty()) settings.push_back("masterauth " + password);
    if (primary != nullptr) {
      settings.push_back(fmt::format("replicaof 127.0.0.1 {}", primary->port()));
    }
    auto started = std::make_unique<Redis>(
        RedisOptions{with_password(password, settings), password, false, options.program});
    wait_until("the replica to be in sync", [&] {
      return primary == nullptr ||
             holds(*started, {"INFO", "replication"}, "master_link_status:up");
    });
    return started;
  };
  nodes_.push_back(start(nullptr, "100"));
  nodes_.push_back(start(&node(0), "100"));
  nodes_.push_back(start(&node(0), "0"));
  ear_ = start(&node(1), "0");
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::string> settings{
        fmt::format("sentinel monitor {} 127.0.0.1 {} 2", master, node(0).port()),
        fmt::format("sentinel down-after-milliseconds {} {}", master, patience_of_sentinel(false)),
        fmt::format("sentinel failover-timeout {} 3000", master)};
    if (!password.empty()) {
      settings.push_back(fmt::format("sentinel auth-pass {} {}", master, password));
    }
    const std::string& own = options.sentinel_password;
    if (!own.empty()) settings.push_back("sentinel sentinel-pass " + own);
    sentinels_.push_back(std::make_unique<Redis>(
        RedisOptions{with_password(own, settings), own, true, options.program}));
  }
  for (const auto& each : sentinels_) {
    wait_until("the Sentinels to know each other and the replicas", [&each] {
      const std::string facts = "\n" + each->command({"SENTINEL", "MASTER", master}) + "\n";
      return facts.find("\nnum-slaves\n2\n") != std::string::npos &&
             facts.find("\nnum-other-sentinels\n2\n") != std::string::npos;
    });
  }
}

std::string Sentinels::url(const std::string& login) const {
  std::vector<std::string> hosts;
  for (const auto& each : sentinels_) hosts.push_back(fmt::format("127.0.0.1:{}", each->port()));
  return fmt::format("redis+sentinel://{}{}/{}", login.empty() ? "" : login + "@",
                     fmt::join(hosts, ","), master);
}

std::string Sentinels::named_by(const Redis& sentinel) const {
  return sentinel.command({"SENTINEL", "get-master-addr-by-name", master});
}

Redis& Sentinels::primary() {
  for (const auto& each : nodes_) {
    const std::string address = fmt::format("127.0.0.1\n{}", each->port());
    if (std::count_if(sentinels_.begin(), sentinels_.end(), [&](const auto& sentinel) {
          return named_by(*sentinel) == address;
        }) > static_cast<std::ptrdiff_t>(count / 2)) {
      return *each;
    }
  }
  throw std::runtime_error("the Sentinels do not agree on a primary");
}

Redis& Sentinels::kill_primary() {
  Redis& old = primary();
  old.stop();
  return old;
}

void Sentinels::allow_failover(bool allowed) {
  for (const auto& each : sentinels_) {
    each->command(
        {"SENTINEL", "SET", master, "down-after-milliseconds", patience_of_sentinel(allowed)});
  }
}

Redis& Sentinels::wait_for_promotion(const Redis& old) {
  allow_failover(true);
  const std::string before = fmt::format("127.0.0.1\n{}", old.port());
  wait_until("another primary", [&] {
    const std::string now = named_by(*sentinels_.front());
    return now != before &&
           std::all_of(sentinels_.begin(), sentinels_.end(),
                       [&](const auto& each) { return named_by(*each) == now; }) &&
           primary().role() == "master";
  });
  allow_failover(false);
  return primary();
}

void RedisCluster::start_node() {
  RedisOptions options{.settings = settings_, .password = password_};
  // The bus port, by default 10,000 above the server's, could collide with the kernel's range.
  options.settings.insert(
      options.settings.begin(),
      {"cluster-enabled yes", "cluster-node-timeout 5000", "repl-diskless-sync-delay 0",
       fmt::format("cluster-port {}", free_port())});
  if (with_tls_) {
    options.settings.insert(options.settings.end(),
                            {"tls-cluster yes", fmt::format("tls-port {}", free_port())});
  }
  nodes_.push_back(std::make_unique<Redis>(options));
}

std::string RedisCluster::setting(std::size_t i, const std::string& name) const {
  const std::string lines = nodes_.at(i)->command({"CONFIG", "GET", name});
  return lines.substr(lines.find('\n') + 1);
}

void RedisCluster::meet(std::size_t i) {
  node(i).command({"CLUSTER", "MEET", "127.0.0.1", setting(0, with_tls_ ? "tls-port" : "port"),
                   setting(0, "cluster-port")});
}

void Sentinels::settle() {
  const std::string mark = std::to_string(++settled_);
  primary().command({"SET", "test:settled", mark});
  wait_until("the ear to hear it", [&] { return ear().command({"GET", "test:settled"}) == mark; });
}

RedisCluster::RedisCluster(std::vector<std::string> settings, std::string password, bool with_tls)
    : settings_(std::move(settings)), password_(std::move(password)), with_tls_(with_tls) {
  constexpr int slots = 16'384;
  const auto edge = [](std::size_t part) {
    return slots * static_cast<int>(part) / static_cast<int>(count);
  };
  for (std::size_t i = 0; i < count; ++i) {
    start_node();
    node(i).command(
        {"CLUSTER", "ADDSLOTSRANGE", std::to_string(edge(i)), std::to_string(edge(i + 1) - 1)});
    node(i).command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
    if (i > 0) meet(i);
  }
  wait_until_complete();
}

void RedisCluster::wait_until_complete() {
  // Events are forwarded only to nodes to which there is a connection.
  const std::string all = fmt::format("cluster_known_nodes:{}\r", nodes_.size());
  wait_until("the Cluster to be complete", [&] {
    return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& each) {
      return holds(*each, {"CLUSTER", "INFO"}, "cluster_state:ok") &&
             holds(*each, {"CLUSTER", "INFO"}, all) &&
             !holds(*each, {"CLUSTER", "NODES"}, "handshake") &&
             !holds(*each, {"CLUSTER", "NODES"}, " disconnected");
    });
  });
}

Redis& RedisCluster::add_replica(std::size_t of) {
  start_node();
  Redis& added = *nodes_.back();
  meet(nodes_.size() - 1);
  wait_until_complete();
  added.command({"CLUSTER", "REPLICATE", id(of)});
  wait_until("the replica to be in sync", [&] {
    return holds(added, {"INFO", "replication"}, "master_link_status:up");
  });
  return added;
}

int RedisCluster::slot_of(const std::string& key) const {
  return std::stoi(nodes_.front()->command({"CLUSTER", "KEYSLOT", key}));
}

std::size_t RedisCluster::owner_of(const std::string& key) const {
  for (std::size_t i = 0; i < count; ++i) {
    try {
      nodes_[i]->command({"EXISTS", key});
      return i;
    } catch (const std::runtime_error& error) {
      if (std::string_view(error.what()).starts_with("ASK ")) return i;
    }
  }
  throw std::runtime_error("no node owns the slot of " + key);
}

void RedisCluster::begin_to_move(const std::string& key, std::size_t to) {
  const std::size_t from = owner_of(key);
  const std::string slot = std::to_string(slot_of(key));
  node(to).command({"CLUSTER", "SETSLOT", slot, "IMPORTING", id(from)});
  node(from).command({"CLUSTER", "SETSLOT", slot, "MIGRATING", id(to)});
}

void RedisCluster::end_move(const std::string& key, std::size_t to) {
  const std::string slot = std::to_string(slot_of(key));
  node(to).command({"CLUSTER", "SETSLOT", slot, "NODE", id(to)});
  for (const auto& each : nodes_) each->command({"CLUSTER", "SETSLOT", slot, "NODE", id(to)});
}

std::string missing_program(const std::string& name) {
  if (run_process({"sh", "-c", "command -v " + name}).status == 0) return "";
  return "no " + name + " on this machine";
}

namespace {

std::string next_marker_channel() {
  static std::atomic<int> count{0};
  return fmt::format("test:marker:{}:{}", ::getpid(), ++count);
}

}  // namespace

Subscriber::Subscriber(const Redis& redis, const std::string& password, const std::string& pattern)
    : listener_(redis, password),
      publisher_(redis, password),
      marker_channel_(next_marker_channel()) {
  listener_.command({"PSUBSCRIBE", pattern});
  listener_.command({"SUBSCRIBE", marker_channel_});
}

std::vector<Event> Subscriber::read_until(const std::string& channel, const std::string* message,
                                          std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  std::vector<Event> events;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    const RedisConnection::Reply reply = listener_.next(left);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3) {
      throw std::runtime_error("unexpected reply to a subscriber: " + text_of(*reply));
    }
    // [message, channel, payload] or [pmessage, pattern, channel, payload]
    const std::string kind = text_of(*reply->element[0]);
    if (kind == "message" && message != nullptr && text_of(*reply->element[2]) == *message) {
      return events;
    }
    if (kind == "pmessage") {
      events.push_back({text_of(*reply->element[2]), text_of(*reply->element[3])});
      if (message == nullptr && events.back().channel == channel) {
        return events;
      }
    }
  }
}

std::vector<Event> Subscriber::drain() {
  const std::string marker = std::to_string(++markers_);
  publisher_.command({"PUBLISH", marker_channel_, marker});
  return read_until(marker_channel_, &marker, reply_limit);
}

std::vector<Event> Subscriber::wait_for(const std::string& channel,
                                        std::chrono::milliseconds limit) {
  return read_until(channel, nullptr, limit);
}

}  // namespace tickstock::test
