#include "redis/link.hpp"

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
#include <tuple>
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

TlsContext make_tls_context(const RedisSettings& settings) {
  const auto require = [&settings](bool success, const std::string& what) {
    if (success) return;
    throw settings.failure(what + tls_error_text(),
                           "Check ca_file, cert_file and key_file under [redis].");
  };
  TlsContext made(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX* context = made.get();
  require(context != nullptr, "");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  // Between two attempts to send them, the bytes may move in memory and increase.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const std::string& ca_file = settings.ca_file;
  const int trusts = ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(context)
                         : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
  require(trusts == 1, "the certificates to trust can't be read: " +
                           (ca_file.empty() ? ca_file : ca_file + ": "));
  const auto& [cert, key] = std::tie(settings.cert_file, settings.key_file);
  if (cert.empty()) return made;
  // Otherwise OpenSSL would ask the terminal for the password of a key.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  require(SSL_CTX_use_certificate_chain_file(context, cert.c_str()) == 1,
          "the client certificate " + cert + " can't be used: ");
  require(SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) == 1,
          "the key " + key + " can't be used with " + cert + ": ");
  return made;
}

Link::Link(RedisSettings settings, std::string doing)
    : settings_(std::move(settings)), doing_(std::move(doing)) {
  begin();
}

void Link::begin() {
  conversation_.emplace(settings_);
  step_ = settings_.sentinels.empty() ? &Link::look_up : &Link::ask_sentinels;
}

void Link::restart() {
  close_socket();
  failure_.reset();
  lookup_.reset();
  next_address_ = nullptr;
  sentinel_.reset();
  // The first one may be cut off from the others, and name the same primary forever.
  ++first_sentinel_;
  asked_sentinels_ = 0;
  why_no_sentinel_.clear();
  end_of_silence_.reset();
  if (is_named_) settings_.host.clear();
  is_named_ = false;
  begin();
}

bool Link::is_stale() {
  if (failure_) return may_pass_;
  if (step_ != &Link::talk) return false;
  try {
    talk();
    return false;
  } catch (const Error&) {
    return true;
  }
}

void Link::connect(Deadline deadline, io::Patience& patience) {
  advance(&Conversation::greetings, deadline.earlier(Deadline::after(settings_.connect_timeout)),
          patience);
}

void Link::advance(std::size_t (Conversation::*wanted)() const, Deadline deadline,
                   io::Patience& patience) {
  require_working();
  may_pass_ = false;
  bool late = false;
  try {
    while (conversation().answered() < (conversation().*wanted)()) {
      const Progress progress = (this->*step_)();
      if (progress == Progress::done) {
        end_of_silence_.reset();
        continue;
      }
      const Link& waiting = sentinel_ ? *sentinel_ : *this;
      const auto events = static_cast<short>(progress == Progress::wants_write ? POLLOUT : POLLIN);
      Deadline until = deadline;
      // A lookup has no descriptor to wait on, and an address has only its share of the time.
      if (progress == Progress::wants_time) {
        until = until.earlier(Deadline::after(std::chrono::milliseconds{5}));
      } else if (waiting.step_ != &Link::talk && waiting.next_address_ != nullptr) {
        until = until.earlier(waiting.end_of_address_);
      }
      if (sentinel_) until = until.earlier(end_of_sentinel_);
      // If another server may take over, don't wait for a silent one longer than for a connection.
      if (!end_of_silence_) end_of_silence_ = Deadline::after(settings_.connect_timeout);
      if (is_named_) until = until.earlier(*end_of_silence_);
      const Readiness readiness = patience.wait(waiting.fd_, events, until);
      if (readiness == Readiness::interrupted) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while " + doing_);
      }
      if (readiness == Readiness::timed_out && (deadline.over() || patience.over())) {
        late = true;
        throw settings_.outage("no answer in time");
      }
      if (is_named_ && end_of_silence_->over()) throw settings_.outage("no answer in time");
    }
  } catch (const Error& error) {
    // After a timeout the connection stays usable: the answers may still come.
    if (error.kind() == ErrorKind::redis && !late) failure_ = error;
    may_pass_ = dynamic_cast<const Outage*>(&error) != nullptr;
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

Link::Progress Link::ask_sentinels() {
  const std::size_t count = settings_.sentinels.size();
  // Leave a share of the time for the primary, too.
  const auto share = settings_.connect_timeout / static_cast<int>(count + 1);
  if (!sentinel_) {
    if (asked_sentinels_ == count) {
      throw settings_.failure("no Sentinel names the primary: " + why_no_sentinel_, sentinel_hint_);
    }
    RedisSettings one = settings_;
    const auto& [host, port] = settings_.sentinels[(first_sentinel_ + asked_sentinels_++) % count];
    std::tie(one.host, one.port) = std::tie(host, port);
    one.sentinels.clear();
    one.connect_timeout = share;
    sentinel_ = std::make_unique<Link>(std::move(one), doing_);
    end_of_sentinel_ = Deadline::after(share);
  }
  Link& asked = *sentinel_;
  try {
    const auto before = asked.step_;
    const Progress progress = (asked.*before)();
    if (asked.conversation().answered() < asked.conversation().greetings()) {
      // A server that was reached late still gets its time to answer.
      if (asked.step_ != before) end_of_sentinel_ = Deadline::after(share);
      if (progress == Progress::done || !end_of_sentinel_.over()) return progress;
      throw asked.settings_.failure("no answer in time");
    }
    std::tie(settings_.host, settings_.port) =
        std::tie(asked.conversation().primary().host, asked.conversation().primary().port);
  } catch (const Error& error) {
    why_no_sentinel_ += (why_no_sentinel_.empty() ? "" : "; ") + error.problem();
    if (sentinel_hint_.empty()) sentinel_hint_ = error.hint();
    sentinel_.reset();
    return Progress::done;
  }
  sentinel_.reset();
  is_named_ = true;
  conversation_->set_server(settings_);
  step_ = &Link::look_up;
  return Progress::done;
}

Link::Progress Link::look_up() {
  // The address may come from a Sentinel or a node of a Cluster.
  if (const std::string weakness = settings_.transport_weakness();
      settings_.require_tls && !weakness.empty()) {
    throw Error(ErrorKind::redis, "[security] require_tls: " + weakness,
                {.object = settings_.object(), .hint = settings_.transport_hint()});
  }
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
  if (!addresses.failure.empty()) throw settings_.unreachable(addresses.failure);
  next_address_ = addresses.list.get();
  int count = 0;
  for (const addrinfo* each = next_address_; each != nullptr; each = each->ai_next) ++count;
  time_of_address_ = settings_.connect_timeout / count;
  return try_next_address("");
}

Link::Progress Link::try_next_address(const std::string& why_not_last) {
  step_ = &Link::check_connected;
  if (next_address_ == nullptr) throw settings_.unreachable(why_not_last);
  const addrinfo& address = *std::exchange(next_address_, next_address_->ai_next);
  end_of_address_ = Deadline::after(time_of_address_);
  close_socket();
  fd_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw settings_.unreachable(error_text(errno));
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
  const auto require = [this](bool success) {
    if (!success) throw settings_.failure(tls_error_text());
  };
  tls_context_ = make_tls_context(settings_);
  tls_.reset(SSL_new(tls_context_.get()));
  SSL* tls = tls_.get();
  require(tls != nullptr);
  wants_certificate_ = false;
  // OpenSSL calls this only if there is no certificate to present.
  SSL_set_ex_data(tls, 0, &wants_certificate_);
  SSL_CTX_set_client_cert_cb(tls_context_.get(), [](SSL* asked, X509**, EVP_PKEY**) {
    *static_cast<bool*>(SSL_get_ex_data(asked, 0)) = true;
    return 0;
  });
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
  std::string& bytes = conversation_->unsent();
  while (!bytes.empty()) {
    const ssize_t sent = tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return waiting(sent, Progress::wants_write, "sending failed");
    bytes.erase(0, static_cast<std::size_t>(sent));
    end_of_silence_.reset();
  }
  return Progress::done;
}

Link::Progress Link::receive() {
  std::array<char, 16384> buffer;
  const ssize_t received =
      tls_ ? SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()))
           : ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (received <= 0) return waiting(received, Progress::wants_read, "receiving failed");
  conversation_->receive({buffer.data(), static_cast<std::size_t>(received)});
  return Progress::done;
}

Link::Progress Link::waiting(ssize_t result, Progress wants, std::string_view doing) const {
  const int number = errno;
  if (!tls_) {
    if (result == 0) throw settings_.outage("the server closed the connection");
    if (number == EAGAIN || number == EWOULDBLOCK || number == EINTR) return wants;
    throw settings_.outage(fmt::format("{}: {}", doing, error_text(number)));
  }
  const int error = SSL_get_error(tls_.get(), static_cast<int>(result));
  if (error == SSL_ERROR_WANT_READ) return Progress::wants_read;
  if (error == SSL_ERROR_WANT_WRITE) return Progress::wants_write;
  const bool is_of_system = error == SSL_ERROR_SYSCALL && number != 0 && ERR_peek_error() == 0;
  const std::string why = is_of_system ? error_text(number) : tls_error_text();
  if (wants_certificate_ && conversation_->answered() == 0) {
    throw settings_.failure("it requires a client certificate (" + why + ")",
                            "Name one and its key as cert_file and key_file in [redis].");
  }
  throw settings_.outage(fmt::format("{}: {}", doing, why));
}

void Link::close_socket() {
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace tickstock::redis
