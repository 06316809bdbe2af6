#include "io/lookup.hpp"

#include <netdb.h>

#include <array>
#include <utility>

namespace tickstock::io {

/// It is shared, since a request that can't be cancelled goes on writing into it.
struct Lookup::Request {
  std::string host;
  std::string port;
  addrinfo hints{};
  gaicb control{};
  bool done = false;
  std::string failure;
  std::vector<const addrinfo*> addresses;

  Request(std::string a_host, std::string a_port)
      : host(std::move(a_host)), port(std::move(a_port)) {
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    control.ar_name = host.c_str();
    control.ar_service = port.c_str();
    control.ar_request = &hints;
  }
  ~Request() {
    if (control.ar_result != nullptr) freeaddrinfo(control.ar_result);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  void begin() {
    // An address in digits needs no thread.
    addrinfo numeric = hints;
    numeric.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
    if (getaddrinfo(host.c_str(), port.c_str(), &numeric, &control.ar_result) == 0) {
      end(0);
      return;
    }
    gaicb* request = &control;
    if (const int error = getaddrinfo_a(GAI_NOWAIT, &request, 1, nullptr); error != 0) end(error);
  }

  void end(int error) {
    done = true;
    if (error != 0) {
      failure = gai_strerror(error);
      return;
    }
    for (const addrinfo* each = control.ar_result; each != nullptr; each = each->ai_next) {
      addresses.push_back(each);
    }
  }
};

Lookup::Lookup(const std::string& host, const std::string& port)
    : request_(std::make_shared<Request>(host, port)) {
  request_->begin();
}

Lookup::Lookup(Lookup&&) noexcept = default;

Lookup::~Lookup() {
  if (!request_ || done() || gai_cancel(&request_->control) != EAI_NOTCANCELED) return;
  // The library goes on writing into it, and may do so while the process ends: it is never freed.
  static auto& abandoned = *std::make_unique<std::vector<std::shared_ptr<Request>>>().release();
  abandoned.push_back(request_);
}

bool Lookup::done() {
  if (request_->done) return true;
  const int error = gai_error(&request_->control);
  if (error == EAI_INPROGRESS) return false;
  request_->end(error);
  return true;
}

const std::string& Lookup::failure() const { return request_->failure; }

const std::vector<const addrinfo*>& Lookup::addresses() const { return request_->addresses; }

std::string digits_of(const addrinfo& address) {
  std::array<char, NI_MAXHOST> text{};
  const int error = getnameinfo(address.ai_addr, address.ai_addrlen, text.data(), text.size(),
                                nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? std::string(text.data()) : std::string();
}

}  // namespace tickstock::io
