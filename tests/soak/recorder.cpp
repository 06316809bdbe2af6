#include "soak/recorder.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace tickstock::soak {

namespace {

using test::Event;

constexpr int drain_limit_seconds = 30;

struct FreeReader {
  void operator()(redisReader* reader) const { redisReaderFree(reader); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reader = std::unique_ptr<redisReader, FreeReader>;
using Reply = std::unique_ptr<redisReply, FreeReply>;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int tcp_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::runtime_error("no socket for the recorder");
  return fd;
}

bool connect_to(int fd, int port) {
  const sockaddr_in address = loopback(port);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// Returns the next complete command or answer.
Reply next(redisReader* reader) {
  void* raw = nullptr;
  if (redisReaderGetReply(reader, &raw) != REDIS_OK) {
    throw std::runtime_error("what passes the recorder is not the Redis protocol");
  }
  return Reply(static_cast<redisReply*>(raw));
}

std::string text_of(const redisReply& reply) {
  return {reply.str, static_cast<std::size_t>(reply.len)};
}

std::optional<Event> published(const redisReply& command) {
  if (command.elements != 3 || text_of(*command.element[0]) != "PUBLISH") return std::nullopt;
  return Event{text_of(*command.element[1]), text_of(*command.element[2])};
}

}  // namespace

/// One connection of the program, and the one to Redis for it.
struct Recorder::Link {
  int client = -1;
  int redis = -1;
  bool client_open = true;
  Reader requests{redisReaderCreate()};
  Reader replies{redisReaderCreate()};
  std::deque<std::optional<Event>> asked;

  Link(int client_fd, int redis_fd) : client(client_fd), redis(redis_fd) {}
  ~Link() {
    ::close(client);
    ::close(redis);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
};

Recorder::Recorder(int redis_port) : redis_port_(redis_port), listener_(tcp_socket()) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  std::array<int, 2> pipe{};
  if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, raw, &size) != 0 || ::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("the recorder can't listen");
  }
  port_ = ntohs(address.sin_port);
  stop_reader_ = pipe[0];
  stop_writer_ = pipe[1];
  thread_ = std::thread([this] { serve(); });
}

Recorder::~Recorder() {
  ::close(stop_writer_);
  thread_.join();
  ::close(stop_reader_);
  ::close(listener_);
}

std::string Recorder::url() const { return "redis://127.0.0.1:" + std::to_string(port_) + "/0"; }

std::vector<Event> Recorder::drain() {
  // Connections are accepted in order: once ours has ended, every earlier one has been seen.
  const int last = tcp_socket();
  const timeval limit{drain_limit_seconds, 0};
  ::setsockopt(last, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  char byte = 0;
  const bool seen =
      connect_to(last, port_) && ::shutdown(last, SHUT_WR) == 0 && ::recv(last, &byte, 1, 0) <= 0;
  ::close(last);
  if (!seen) throw std::runtime_error("the recorder doesn't answer");
  test::wait_until("the end of all connections to Redis", [this] {
    const std::lock_guard lock(mutex_);
    return open_ == 0;
  });
  const std::lock_guard lock(mutex_);
  return std::exchange(taken_, {});
}

void Recorder::serve() {
  for (;;) {
    std::vector<pollfd> waiting{{stop_reader_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& link : links_) {
      waiting.push_back({link->client_open ? link->client : -1, POLLIN, 0});
      waiting.push_back({link->redis, POLLIN, 0});
    }
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[0].revents != 0) return;
    std::vector<std::unique_ptr<Link>> alive;
    for (std::size_t i = 0; i < links_.size(); ++i) {
      Link& link = *links_[i];
      // Redis first: what it answered was accepted, even if the program is gone.
      const bool good = (waiting[3 + 2 * i].revents == 0 || forward_replies(link)) &&
                        (waiting[2 + 2 * i].revents == 0 || forward_requests(link));
      if (good) alive.push_back(std::move(links_[i]));
    }
    links_ = std::move(alive);
    if (waiting[1].revents != 0) accept_link();
    const std::lock_guard lock(mutex_);
    open_ = links_.size();
  }
}

void Recorder::accept_link() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int redis = tcp_socket();
  if (connect_to(redis, redis_port_)) {
    const int on = 1;
    ::setsockopt(redis, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    links_.push_back(std::make_unique<Link>(client, redis));
  } else {
    ::close(redis);
    ::close(client);
  }
}

bool Recorder::forward_requests(Link& link) {
  std::array<char, 65536> bytes;
  const ssize_t size = ::recv(link.client, bytes.data(), bytes.size(), 0);
  if (size <= 0) {
    // What it has sent still gets an answer.
    link.client_open = false;
    return ::shutdown(link.redis, SHUT_WR) == 0;
  }
  const std::string_view arrived(bytes.data(), static_cast<std::size_t>(size));
  redisReaderFeed(link.requests.get(), arrived.data(), arrived.size());
  while (const Reply command = next(link.requests.get())) link.asked.push_back(published(*command));
  return send_all(link.redis, arrived);
}

bool Recorder::forward_replies(Link& link) {
  std::array<char, 65536> bytes;
  const ssize_t size = ::recv(link.redis, bytes.data(), bytes.size(), 0);
  if (size <= 0) return false;
  const std::string_view arrived(bytes.data(), static_cast<std::size_t>(size));
  redisReaderFeed(link.replies.get(), arrived.data(), arrived.size());
  while (const Reply reply = next(link.replies.get())) {
    if (link.asked.empty()) throw std::runtime_error("Redis answers what was not asked");
    if (link.asked.front() && reply->type == REDIS_REPLY_INTEGER) {
      const std::lock_guard lock(mutex_);
      taken_.push_back(*std::move(link.asked.front()));
    }
    link.asked.pop_front();
  }
  if (link.client_open && !send_all(link.client, arrived)) link.client_open = false;
  if (!link.client_open) ::shutdown(link.redis, SHUT_WR);
  return true;
}

}  // namespace tickstock::soak
