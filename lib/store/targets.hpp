#pragma once

#include <string>
#include <vector>

#include "io/wait.hpp"

namespace tickstock::store {

/// One address at which the server of a conninfo may answer.
struct Target {
  std::string host;     ///< the name that certificates and password files go by, or a directory
  std::string address;  ///< in digits; empty for a Unix socket
  std::string port;
  std::string session;  ///< target_session_attrs
  std::string sslmode;

  /// `db.example.com:5432`, or the directory of the socket.
  [[nodiscard]] std::string shown() const;
  /// Why a stranger on the wire could listen, or answer in the server's place; empty for a server
  /// on this machine, or where its certificate is verified.
  [[nodiscard]] std::string transport_weakness() const;
};

/// The addresses that a conninfo, the environment and a service file come to, in the order in which
/// to try them. Names are looked up here, since libpq would do it without a limit. \throws Error
/// (unavailable) where no name has an address, (interrupted).
std::vector<Target> find_targets(const std::string& conninfo, io::Deadline deadline,
                                 io::Patience& patience);

}  // namespace tickstock::store
