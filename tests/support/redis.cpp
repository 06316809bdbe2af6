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
  // Between the search for a port and its use another process may take it.
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
  server_ = std::make_unique<Process>(
      std::vector<std::string>{"redis-server", directory_.file("redis.conf")}, options);
  wait_until(
      "Redis to answer",
      [this] {
        if (!server_->running()) {
          return true;
        }
        try {
          return command({"PING"}) == "PONG";
        } catch (const std::exception& error) {
          // It answers; that it wants to know who asks is the test's own wish.
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
    // Nothing is to be saved, and a server that a test has stopped by SIGSTOP must end as well.
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
