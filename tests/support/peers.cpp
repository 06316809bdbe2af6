#include "peers.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace tickstock::test {

namespace {

constexpr std::size_t largest_record = 16384;  // bytes of TLS
// In milliseconds.
constexpr int moment = 20;
constexpr int short_moment = 2;

sockaddr_in loopback(int port, const std::string& digits = "127.0.0.1") {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(port));
  ::inet_pton(AF_INET, digits.c_str(), &address.sin_addr);
  return address;
}

int listen_on_loopback(int backlog, int& port, const std::string& digits = "127.0.0.1") {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(port, digits);
  socklen_t size = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(fd, backlog) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen on " + digits);
  }
  port = ntohs(address.sin_port);
  return fd;
}

int connect_to(int port, bool blocking, const std::string& digits = "127.0.0.1") {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
  const sockaddr_in address = loopback(port, digits);
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (blocking && result != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

/// Forwards what either side sends, after `change` has seen it, until a side ends or `change`
/// returns false.
template <typename Change>
void exchange(int client, int upstream, const TcpServer& server, Change change) {
  std::array<char, 65536> buffer{};
  while (!server.stopping()) {
    std::array<pollfd, 2> fds{{{client, POLLIN, 0}, {upstream, POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), moment) <= 0) continue;
    const bool to_client = fds[1].revents != 0;
    const ssize_t size = ::recv(to_client ? upstream : client, buffer.data(), buffer.size(), 0);
    if (size <= 0) return;
    std::string bytes(buffer.data(), static_cast<std::size_t>(size));
    if (!change(to_client, bytes)) return;
    if (!TcpServer::send_all(to_client ? client : upstream, bytes)) return;
  }
}

/// ERROR 40001, as a server sends it.
const std::string error_message = [] {
  using namespace std::string_literals;
  const std::string fields = "SERROR\0VERROR\0C40001\0Mmade up\0\0"s;
  return "E\0\0\0"s + static_cast<char>(fields.size() + 4) + fields;
}();

}  // namespace

BlackHole::BlackHole(const std::string& address, int port) : port_(port) {
  listener_ = listen_on_loopback(0, port_, address);
  // Once the queue of unaccepted connections is full, the kernel drops new ones.
  for (int i = 0; i < 4; ++i) fillers_.push_back(connect_to(port_, false, address));
}

BlackHole::~BlackHole() {
  for (const int fd : fillers_) ::close(fd);
  ::close(listener_);
}

TcpServer::TcpServer(Serve serve, const std::string& address, int port)
    : serve_(std::move(serve)), port_(port) {
  listener_ = listen_on_loopback(16, port_, address);
  acceptor_ = std::thread([this] { accept_all(); });
}

TcpServer::~TcpServer() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

void TcpServer::accept_all() {
  while (!stopping_) {
    if (!readable(listener_)) continue;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    threads_.emplace_back([this, fd] {
      serve_(fd, *this);
      ::close(fd);
    });
  }
}

bool TcpServer::send_all(int fd, const std::string& bytes) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool TcpServer::readable(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, moment) > 0;
}

CommitProxy::CommitProxy(int server_port, Mode mode, int commit)
    : server_port_(server_port),
      mode_(mode),
      commit_(commit),
      server_([this](int client, const TcpServer& server) { serve(client, server); }) {}

void CommitProxy::spoil(int upstream, const std::string& bytes, const TcpServer& server) {
  const bool forwards = mode_ != Mode::drop_before && mode_ != Mode::hang_before;
  if (forwards) TcpServer::send_all(upstream, bytes);
  spoilt_ = true;
  const bool hangs = mode_ == Mode::hang_before || mode_ == Mode::hang_after;
  // Once the server has answered, it has done what it was asked. In a hanging mode its side stays
  // open even if the client is gone.
  while (!server.stopping() && (hangs || (forwards && !TcpServer::readable(upstream)))) {
    std::this_thread::sleep_for(std::chrono::milliseconds(moment));
  }
}

void CommitProxy::serve(int client, const TcpServer& server) {
  if (spoilt_ && mode_ == Mode::vanish_after) return;
  const int upstream = connect_to(server_port_, true);
  if (upstream < 0) return;
  int commits = 0;
  std::string tail;
  std::array<char, 65536> buffer{};
  bool open = true;
  while (open && !server.stopping()) {
    std::array<pollfd, 2> fds{{{client, POLLIN, 0}, {upstream, POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), moment) <= 0) continue;
    if (fds[1].revents != 0) {
      const ssize_t size = ::recv(upstream, buffer.data(), buffer.size(), 0);
      open = size > 0 && TcpServer::send_all(client, {buffer.data(), static_cast<size_t>(size)});
    }
    if (!open || fds[0].revents == 0) continue;
    const ssize_t size = ::recv(client, buffer.data(), buffer.size(), 0);
    if (size <= 0) break;
    const std::string bytes(buffer.data(), static_cast<std::size_t>(size));
    constexpr std::string_view marker("COMMIT\0", 7);
    tail += bytes;
    for (std::size_t at = tail.find(marker); at != std::string::npos; at = tail.find(marker)) {
      tail.erase(0, at + marker.size());
      ++commits;
    }
    if (tail.size() > marker.size()) tail.erase(0, tail.size() - marker.size());
    if (commits == commit_ && !spoilt_) {
      spoil(upstream, bytes, server);
      break;
    }
    if (!TcpServer::send_all(upstream, bytes)) break;
  }
  ::close(upstream);
}

ReticentProxy::ReticentProxy(int server_port)
    : server_([server_port](int client, const TcpServer& server) {
        const int upstream = connect_to(server_port, true);
        if (upstream < 0) return;
        exchange(client, upstream, server, [](bool to_client, std::string& bytes) {
          const std::size_t told = bytes.find("in_hot_standby");
          // Under a name that no client knows.
          if (to_client && told != std::string::npos) bytes[told] = 'I';
          return true;
        });
        ::close(upstream);
      }) {}

TlsProxy::TlsProxy(int server_port, const std::string& certificate, const std::string& key)
    : server_([=, this](int client, const TcpServer& server) {
        const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(
            SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
        SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str());
        SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM);
        const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
        std::array<char, largest_record> buffer{};
        // The client asks for TLS in eight bytes.
        if (::recv(client, buffer.data(), 8, MSG_WAITALL) != 8 || !TcpServer::send_all(client, "S"))
          return;
        SSL_set_fd(tls.get(), client);
        const int upstream = SSL_accept(tls.get()) == 1 ? connect_to(server_port, true) : -1;
        if (upstream < 0) return;
        std::string answer;
        for (bool open = true; open && !server.stopping();) {
          std::array<pollfd, 2> fds{{{client, POLLIN, 0}, {upstream, POLLIN, 0}}};
          const bool waits = answer.empty() && SSL_pending(tls.get()) == 0;
          ::poll(fds.data(), fds.size(), waits ? moment : short_moment);
          if (fds[1].revents != 0) {
            const ssize_t size = ::recv(upstream, buffer.data(), buffer.size(), 0);
            open = size > 0;
            if (open) answer.append(buffer.data(), static_cast<std::size_t>(size));
            continue;
          }
          filled_one_ = filled_one_ || answer.size() > buffer.size();
          while (open && !answer.empty()) {
            const std::size_t rest = answer.size() % buffer.size();
            const int size = static_cast<int>(rest == 0 ? buffer.size() : rest);
            open = SSL_write(tls.get(), answer.data(), size) == size;
            answer.erase(0, static_cast<std::size_t>(size));
          }
          if (!open || (fds[0].revents == 0 && SSL_pending(tls.get()) == 0)) continue;
          const int size = SSL_read(tls.get(), buffer.data(), static_cast<int>(buffer.size()));
          open = size > 0 &&
                 TcpServer::send_all(upstream, {buffer.data(), static_cast<std::size_t>(size)});
        }
        ::close(upstream);
      }) {}

CountingProxy::CountingProxy(int server_port)
    : server_([this, server_port](int client, const TcpServer& server) {
        const int upstream = connect_to(server_port, true);
        if (upstream < 0) return;
        bool asked = false;
        exchange(client, upstream, server, [&](bool to_client, std::string&) {
          if (to_client && asked) ++round_trips_;
          asked = !to_client;
          return true;
        });
        ::close(upstream);
      }) {}

SecondProxy::SecondProxy(int server_port, const Spoil& spoil)
    : server_port_(server_port),
      other_port_(server_port),
      spoil_(spoil),
      server_([this](int client, const TcpServer& server) { serve(client, server); }) {}

SecondProxy::SecondProxy(int server_port, int other_port, Told told)
    : server_port_(server_port),
      other_port_(other_port),
      told_(std::move(told)),
      server_([this](int client, const TcpServer& server) { serve(client, server); }) {}

void SecondProxy::serve(int client, const TcpServer& server) {
  const bool second = ++connections_ == 2;
  if (second && spoil_ && spoil_->type == 0) {
    met_ = true;
    if (spoil_->how == How::hang) keep(client, server);
    return;
  }
  const int upstream = connect_to(second ? other_port_ : server_port_, true);
  if (upstream < 0) return;
  if (second) {
    serve_second(client, upstream, server);
  } else {
    exchange(client, upstream, server, [](bool, std::string&) { return true; });
  }
  ::close(upstream);
}

void SecondProxy::serve_second(int client, int upstream, const TcpServer& server) {
  std::string received;
  exchange(client, upstream, server, [&](bool to_client, std::string& bytes) {
    if (!to_client) {
      tell(bytes);
      return true;
    }
    received += bytes;
    bytes.clear();
    return pass(client, received);
  });
  if (hanging_) keep(client, server);
}

void SecondProxy::tell(const std::string& bytes) {
  constexpr std::string_view before = "SET TRANSACTION SNAPSHOT '";
  const std::size_t at = bytes.find(before);
  if (spoil_ || at == std::string::npos) return;
  const std::size_t begin = at + before.size();
  if (told_) told_(bytes.substr(begin, bytes.find('\'', begin) - begin));
  met_ = true;
}

bool SecondProxy::pass(int client, std::string& received) {
  std::string passed;
  while (received.size() >= 5 && !hanging_) {
    std::size_t size = 1;
    for (std::size_t i = 1, length = 0; i < 5; ++i) {
      length = length << 8 | static_cast<unsigned char>(received[i]);
      if (i == 4) size += length;
    }
    if (received.size() < size) break;
    std::string message = received.substr(0, size);
    received.erase(0, size);
    if (spoil_ && message[0] == spoil_->type && ++seen_ == spoil_->which) {
      met_ = true;
      if (spoil_->how == How::cut) {
        TcpServer::send_all(client, passed);
        return false;
      }
      hanging_ = spoil_->how == How::hang;
      failed_ = spoil_->how == How::fail;
      if (failed_) passed += error_message;
    }
    if (hanging_) break;
    const bool ends = message[0] == 'Z';
    // Inside a failed transaction.
    if (failed_ && ends) message.back() = 'E';
    if (!failed_ || ends) passed += message;
    if (ends) failed_ = false;
  }
  return TcpServer::send_all(client, passed) && !hanging_;
}

void SecondProxy::keep(int client, const TcpServer& server) {
  std::array<char, 65536> buffer{};
  while (!server.stopping()) {
    if (TcpServer::readable(client) && ::recv(client, buffer.data(), buffer.size(), 0) <= 0) return;
  }
}

}  // namespace tickstock::test
