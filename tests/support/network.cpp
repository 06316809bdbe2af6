#include "network.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace tickstock::test {

namespace {

bool can_bind(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // As the services do; otherwise a connection that is just closing would make the port look taken.
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

constexpr int first_port = 15'000;
constexpr int ports_of_a_block = 100;
constexpr int blocks = 50;

/// Returns whether this process owns the block from now to its end: an abstract socket has one
/// owner, and ends with it.
bool claim(int block) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string name = fmt::format("tickstock-test-ports-{}", block);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) {
    return true;
  }
  ::close(fd);
  return false;
}

/// Returns the first port of a block from which no other process hands out ports: a port that one
/// suite leaves closed must not be taken by a server of another.
int claimed_block() {
  for (int block = 0; block < blocks; ++block) {
    if (claim(block)) {
      return first_port + block * ports_of_a_block;
    }
  }
  throw std::runtime_error("too many tests at once: no block of ports is left");
}

}  // namespace

int free_port() {
  static const int first = claimed_block();
  // After all were handed out, the oldest are reused.
  static std::atomic<unsigned> next{0};
  for (int tries = 0; tries < ports_of_a_block; ++tries) {
    const int port = first + static_cast<int>(next++ % ports_of_a_block);
    if (can_bind(port)) {
      return port;
    }
  }
  throw std::runtime_error("no free port on 127.0.0.1");
}

}  // namespace tickstock::test
