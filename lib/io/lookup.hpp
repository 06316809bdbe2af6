#pragma once

#include <memory>
#include <string>
#include <vector>

struct addrinfo;

namespace tickstock::io {

/// The addresses of a host, looked up in the background: the C library's own look-up heeds neither
/// a deadline nor a signal.
class Lookup {
 public:
  /// Begins at once. An address in digits is done from the start.
  Lookup(const std::string& host, const std::string& port);
  ~Lookup();
  Lookup(Lookup&&) noexcept;
  Lookup& operator=(Lookup&&) = delete;
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  /// Whether it has ended, well or not. There is nothing to wait on but time.
  [[nodiscard]] bool done();
  /// In words, why there are no addresses; empty when there are. \pre done.
  [[nodiscard]] const std::string& failure() const;
  /// In the order in which they should be tried, valid as long as this object. \pre done.
  [[nodiscard]] const std::vector<const addrinfo*>& addresses() const;

 private:
  struct Request;
  std::shared_ptr<Request> request_;
};

/// An address in digits: `192.0.2.1`, `2001:db8::1`.
std::string digits_of(const addrinfo& address);

}  // namespace tickstock::io
