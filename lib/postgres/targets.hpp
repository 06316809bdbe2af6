#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "io/wait.hpp"

namespace tickstock::postgres {

struct ConnectionSettings;

/// Where no file is: libpq then looks for no password, and complains of no file.
inline constexpr const char* no_password_file = "/no/password/file";

/// One address at which the server of a conninfo may answer.
struct Target {
  std::string host;     ///< the name that certificates and password files go by, or a directory
  std::string address;  ///< in digits; empty for a Unix socket
  std::string port;
  std::string session;  ///< target_session_attrs
  std::string sslmode;
  std::string refused_passfile;  ///< a file of passwords that others can read; not looked at

  /// `db.example.com:5432`, or the directory of the socket.
  [[nodiscard]] std::string shown() const;
  /// Why a stranger on the wire could listen, or answer in the server's place; empty for a server
  /// on this machine, or where its certificate is verified.
  [[nodiscard]] std::string transport_weakness() const;
};

/// The connect_timeout of a conninfo, the environment or a service file; nothing where none limits
/// it. \throws Error (config) for an unknown service.
std::optional<std::chrono::seconds> connect_timeout_of(const std::string& conninfo);

/// The addresses that a conninfo, the environment and a service file come to, in the order in which
/// to try them. Names are looked up here, since libpq would do it without a limit. \throws Error
/// (config) for what no retry helps: a value that libpq does not know, a service or a file that is
/// not there; (unavailable) where no name has an address, (interrupted).
std::vector<Target> find_targets(const ConnectionSettings& settings, io::Patience& patience);

}  // namespace tickstock::postgres
