#include "redis/link.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace tickstock::redis {

using io::Deadline;
using io::Readiness;

namespace {

std::string error_text(int number) { return std::generic_category().message(number); }

std::string tls_error_text() {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "the peer closed the connection" : reason;
}

}  // namespace

Link::Link(const RedisSettings& settings, std::string doing)
    : settings_(settings), doing_(std::move(doing)), conversation_(settings) {}

void Link::connect(Deadline deadline, io::Patience& patience) {
  advance(&Conversation::greetings, deadline.earlier(Deadline::after(settings_.connect_timeout)),
          patience);
}

void Link::advance(std::size_t (Conversation::*wanted)() const, Deadline deadline,
                   io::Patience& patience) {
  require_working();
  bool late = false;
  try {
    while (conversation_.answered() < (conversation_.*wanted)()) {
      const Progress progress = (this->*step_)();
      if (progress == Progress::done) continue;
      const auto events = static_cast<short>(progress == Progress::wants_write ? POLLOUT : POLLIN);
      Deadline until = deadline;
      // A look-up has no descriptor to wait on, and an address only its share of the time.
      if (progress == Progress::wants_time) {
        until = until.earlier(Deadline::after(std::chrono::milliseconds{5}));
      } else if (step_ != &Link::talk && next_address_ != nullptr) {
        until = until.earlier(end_of_address_);
      }
      const Readiness readiness = patience.wait(fd_, events, until);
      if (readiness == Readiness::interrupted) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while " + doing_);
      }
      if (readiness == Readiness::timed_out && (deadline.over() || patience.over())) {
        late = true;
        throw settings_.failure("no answer in time");
      }
    }
  } catch (const Error& error) {
    // After a timeout the connection stays usable: the answers may still come.
    if (error.kind() == ErrorKind::redis && !late) failure_ = error;
    throw;
  }
}

Link::Progress Link::talk() {
  try {
    const Progress sent = send();
    if (sent != Progress::done) return sent;
  } catch (const Error&) {
    // The server may have said why before it closed the connection.
    receive();
    throw;
  }
  return receive();
}

Link::Progress Link::look_up() {
  if (settings_.transport == RedisSettings::Transport::unix_socket) {
    unix_path_.sun_family = AF_UNIX;
    std::memcpy(unix_path_.sun_path, settings_.path.data(), settings_.path.size());
    unix_address_.ai_family = AF_UNIX;
    unix_address_.ai_addr = reinterpret_cast<sockaddr*>(&unix_path_);
    unix_address_.ai_addrlen = sizeof unix_path_;
    next_address_ = &unix_address_;
    return try_next_address("");
  }
  if (!lookup_) lookup_.emplace(settings_.host, settings_.port);
  if (!lookup_->done()) return Progress::wants_time;
  const io::Addresses& addresses = lookup_->addresses();
  if (!addresses.failure.empty()) throw settings_.failure(addresses.failure);
  next_address_ = addresses.list.get();
  int count = 0;
  for (const addrinfo* each = next_address_; each != nullptr; each = each->ai_next) ++count;
  time_of_address_ = settings_.connect_timeout / count;
  return try_next_address("");
}

Link::Progress Link::try_next_address(const std::string& why_not_last) {
  step_ = &Link::check_connected;
  if (next_address_ == nullptr) throw settings_.failure(why_not_last);
  const addrinfo& address = *std::exchange(next_address_, next_address_->ai_next);
  end_of_address_ = Deadline::after(time_of_address_);
  close_socket();
  fd_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw settings_.failure(error_text(errno));
  const int on = 1;
  if (lookup_) ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, address.ai_addr, address.ai_addrlen) == 0) return begin_tls();
  return errno == EINPROGRESS ? Progress::wants_write : try_next_address(error_text(errno));
}

Link::Progress Link::check_connected() {
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, 0) == 0) {
    return is_late() ? try_next_address("no answer in time") : Progress::wants_write;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? begin_tls() : try_next_address(error_text(error));
}

Link::Progress Link::begin_tls() {
  step_ = settings_.transport == RedisSettings::Transport::tls ? &Link::shake_hands : &Link::talk;
  if (step_ == &Link::talk) return Progress::done;
  const auto require = [this](bool success, const std::string& what = "") {
    if (!success) throw settings_.failure(what + tls_error_text());
  };
  tls_context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = tls_context_.get();
  require(context != nullptr);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  // Between two tries to send them, the bytes may move in memory, and grow in number.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const std::string& ca_file = settings_.ca_file;
  const int trusts = ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(context)
                         : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
  require(trusts == 1, "the certificates to trust can't be read: ");
  tls_.reset(SSL_new(context));
  SSL* tls = tls_.get();
  require(tls != nullptr);
  const char* host = settings_.host.c_str();
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) != 1) {
    ERR_clear_error();
    // What SSL_set_tlsext_host_name does, without its C cast.
    SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, settings_.host.data());
    require(SSL_set1_host(tls, host) == 1);
  }
  require(SSL_set_fd(tls, fd_) == 1);
  return shake_hands();
}

Link::Progress Link::shake_hands() {
  if (is_late()) return try_next_address("no answer in time");
  const int result = SSL_connect(tls_.get());
  if (result == 1) {
    step_ = &Link::talk;
    return Progress::done;
  }
  if (const long verdict = SSL_get_verify_result(tls_.get()); verdict != X509_V_OK) {
    throw settings_.failure(std::string("its certificate is refused: ") +
                            X509_verify_cert_error_string(verdict));
  }
  return waiting(result, Progress::wants_read, "the TLS handshake failed");
}

Link::Progress Link::send() {
  std::string& bytes = conversation_.unsent();
  while (!bytes.empty()) {
    const ssize_t sent = tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return waiting(sent, Progress::wants_write, "sending failed");
    bytes.erase(0, static_cast<std::size_t>(sent));
  }
  return Progress::done;
}

Link::Progress Link::receive() {
  std::array<char, 16384> buffer;
  const ssize_t received =
      tls_ ? SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()))
           : ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (received <= 0) return waiting(received, Progress::wants_read, "receiving failed");
  conversation_.receive({buffer.data(), static_cast<std::size_t>(received)});
  return Progress::done;
}

Link::Progress Link::waiting(ssize_t result, Progress wants, std::string_view doing) const {
  const int number = errno;
  if (!tls_) {
    if (result == 0) throw settings_.failure("the server closed the connection");
    if (number == EAGAIN || number == EWOULDBLOCK || number == EINTR) return wants;
    throw settings_.failure(fmt::format("{}: {}", doing, error_text(number)));
  }
  const int error = SSL_get_error(tls_.get(), static_cast<int>(result));
  if (error == SSL_ERROR_WANT_READ) return Progress::wants_read;
  if (error == SSL_ERROR_WANT_WRITE) return Progress::wants_write;
  const bool is_of_system = error == SSL_ERROR_SYSCALL && number != 0 && ERR_peek_error() == 0;
  throw settings_.failure(
      fmt::format("{}: {}", doing, is_of_system ? error_text(number) : tls_error_text()));
}

void Link::close_socket() {
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace tickstock::redis
