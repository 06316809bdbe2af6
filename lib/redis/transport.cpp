#include "redis/transport.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "domain/error.hpp"

namespace tickstock::redis {

namespace {

std::string error_text(int number) { return std::generic_category().message(number); }

std::string tls_error_text() {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "the peer closed the connection" : reason;
}

bool would_block(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

}  // namespace

Transport::Transport(RedisSettings settings) : settings_(std::move(settings)) {}

Transport::~Transport() {
  tls_.reset();
  close_socket();
}

Transport::Progress Transport::connect() {
  switch (state_) {
    case State::looking_up: return look_up();
    case State::connecting: return check_connected();
    case State::shaking_hands: return shake_hands();
    case State::open: return Progress::done;
  }
  return Progress::done;
}

Transport::Progress Transport::look_up() {
  if (settings_.transport == RedisSettings::Transport::unix_socket) return try_next_address();
  if (!lookup_) lookup_.emplace(settings_.host, settings_.port);
  if (!lookup_->done()) return Progress::wants_time;
  if (!lookup_->failure().empty()) fail(lookup_->failure());
  return try_next_address();
}

Transport::Progress Transport::try_next_address() {
  state_ = State::connecting;
  if (settings_.transport == RedisSettings::Transport::unix_socket) {
    if (next_address_++ > 0) fail(last_failure_);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, settings_.path.data(), settings_.path.size());
    open_socket(AF_UNIX);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return begin_tls();
    }
  } else {
    if (next_address_ >= lookup_->addresses().size()) fail(last_failure_);
    const addrinfo* address = lookup_->addresses()[next_address_++];
    end_of_address_ = io::Deadline::after(settings_.connect_timeout /
                                          static_cast<int>(lookup_->addresses().size()));
    open_socket(address->ai_family);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_, address->ai_addr, address->ai_addrlen) == 0) return begin_tls();
  }
  if (errno == EINPROGRESS) return Progress::wants_write;
  last_failure_ = error_text(errno);
  return try_next_address();
}

Transport::Progress Transport::check_connected() {
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, 0) == 0) {
    if (!is_late()) return Progress::wants_write;
    last_failure_ = "no answer in time";
    return try_next_address();
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == 0) return begin_tls();
  last_failure_ = error_text(error);
  return try_next_address();
}

Transport::Progress Transport::begin_tls() {
  if (settings_.transport != RedisSettings::Transport::tls) {
    state_ = State::open;
    return Progress::done;
  }
  tls_context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = tls_context_.get();
  if (context == nullptr) fail(tls_error_text());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  // What is to be sent may move in memory, and grow, before it can be.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const bool trusts =
      settings_.ca_file.empty()
          ? SSL_CTX_set_default_verify_paths(context) == 1
          : SSL_CTX_load_verify_locations(context, settings_.ca_file.c_str(), nullptr) == 1;
  if (!trusts) fail("the certificates to trust can't be read: " + tls_error_text());
  tls_.reset(SSL_new(context));
  SSL* tls = tls_.get();
  if (tls == nullptr) fail(tls_error_text());
  const char* host = settings_.host.c_str();
  X509_VERIFY_PARAM* wanted = SSL_get0_param(tls);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) != 1) {
    ERR_clear_error();
    // What SSL_set_tlsext_host_name does, without its C cast.
    SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, settings_.host.data());
    if (SSL_set1_host(tls, host) != 1) fail(tls_error_text());
  }
  if (SSL_set_fd(tls, fd_) != 1) fail(tls_error_text());
  state_ = State::shaking_hands;
  return shake_hands();
}

Transport::Progress Transport::shake_hands() {
  if (is_late()) {
    last_failure_ = "no answer in time";
    return try_next_address();
  }
  const int result = SSL_connect(tls_.get());
  if (result == 1) {
    state_ = State::open;
    return Progress::done;
  }
  const long verdict = SSL_get_verify_result(tls_.get());
  if (verdict != X509_V_OK) {
    fail(std::string("its certificate is refused: ") + X509_verify_cert_error_string(verdict));
  }
  return tls_progress(result, "the TLS handshake failed");
}

Transport::Progress Transport::tls_progress(int result, const std::string& doing) {
  const int saved = errno;
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ: return Progress::wants_read;
    case SSL_ERROR_WANT_WRITE: return Progress::wants_write;
    case SSL_ERROR_SYSCALL:
      if (saved != 0 && ERR_peek_error() == 0) fail(doing + ": " + error_text(saved));
      [[fallthrough]];
    default: fail(doing + ": " + tls_error_text());
  }
}

Transport::Progress Transport::send(std::string& bytes) {
  while (!bytes.empty()) {
    if (tls_) {
      const int sent = SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (sent <= 0) return tls_progress(sent, "sending failed");
      bytes.erase(0, static_cast<std::size_t>(sent));
    } else {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && would_block(errno)) return Progress::wants_write;
      if (sent < 0) fail("sending failed: " + error_text(errno));
      bytes.erase(0, static_cast<std::size_t>(sent));
    }
  }
  return Progress::done;
}

Transport::Progress Transport::receive(std::string& bytes) {
  std::array<char, 16384> buffer;
  if (tls_) {
    const int received = SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (received <= 0) return tls_progress(received, "receiving failed");
    bytes.append(buffer.data(), static_cast<std::size_t>(received));
    return Progress::done;
  }
  const ssize_t received = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (received < 0 && would_block(errno)) return Progress::wants_read;
  if (received < 0) fail("receiving failed: " + error_text(errno));
  if (received == 0) fail("the server closed the connection");
  bytes.append(buffer.data(), static_cast<std::size_t>(received));
  return Progress::done;
}

void Transport::open_socket(int family) {
  tls_.reset();
  close_socket();
  fd_ = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) fail(error_text(errno));
}

void Transport::close_socket() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Transport::fail(const std::string& why) const {
  throw Error(ErrorKind::redis, "Redis at " + settings_.shown() + ": " + why);
}

}  // namespace tickstock::redis
