#include "pgbouncer.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include "network.hpp"

namespace tickstock::test {

PgBouncer::PgBouncer(const Postgres& postgres, int pool_size, const std::string& pool_mode)
    : port_(free_port()) {
  directory_.open_to_services();
  RunOptions options;
  // It refuses to run as root.
  if (const passwd* user = ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr) {
    options.user = User{user->pw_uid, user->pw_gid};
  }
  const std::string config = directory_.write(
      "pgbouncer.ini",
      fmt::format("[databases]\n* = host={} port={} user=postgres\n[pgbouncer]\n"
                  "listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n"
                  "auth_type = any\npool_mode = {}\ndefault_pool_size = {}\n"
                  "max_client_conn = 40\nlogfile =\npidfile =\n",
                  postgres.socket_directory(), postgres.port(), port_, pool_mode, pool_size));
  // Debian keeps it out of an ordinary user's PATH.
  const std::string debian = "/usr/sbin/pgbouncer";
  const std::string program = ::access(debian.c_str(), X_OK) == 0 ? debian : "pgbouncer";
  process_ = std::make_unique<Process>(std::vector<std::string>{program, config}, options);
  // Use its own database, so that it has no connection to the server yet.
  const std::string console = url("pgbouncer") + "?connect_timeout=5";
  wait_until("the pooler to answer", [&] { return PQping(console.c_str()) == PQPING_OK; });
}

std::string PgBouncer::url(const std::string& database) const {
  return fmt::format("postgresql://postgres@127.0.0.1:{}/{}", port_, database);
}

}  // namespace tickstock::test
