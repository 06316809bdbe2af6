#include "network.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

namespace tickstock::test {

namespace {

bool can_bind(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // As the services do; else a connection that is just closing would make the port look taken.
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

}  // namespace

int free_port() {
  constexpr int first = 15000;
  constexpr int count = 17000;
  // Processes that start together begin far from each other, and no port is handed out twice.
  static std::atomic<int> next{static_cast<int>(::getpid()) * 61};
  for (int tries = 0; tries < count; ++tries) {
    const int port = first + static_cast<int>(static_cast<unsigned>(next++) % count);
    if (can_bind(port)) {
      return port;
    }
  }
  throw std::runtime_error("no free port on 127.0.0.1");
}

}  // namespace tickstock::test
