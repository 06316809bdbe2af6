#pragma once

#include <memory>
#include <string>
#include <vector>

#include "process.hpp"
#include "session.hpp"
#include "temporary_directory.hpp"

namespace tickstock::test {

struct PostgresOptions {
  /// Lines appended to postgresql.conf; they override the settings made here.
  std::vector<std::string> settings = {};
  /// Lines put at the head of pg_hba.conf, where the first match wins; otherwise everybody is
  /// trusted.
  std::vector<std::string> access_rules = {};
  /// More arguments for initdb.
  std::vector<std::string> initdb_arguments = {};
};

enum class StopMode { smart, fast, immediate };

/// A private PostgreSQL cluster: UTF8, locale C, superuser `postgres`, no durability, on a Unix
/// socket and on a loopback port. If root runs the tests, it runs as the user `postgres`. It is
/// stopped and removed at the end of the scope.
class Postgres {
 public:
  explicit Postgres(const PostgresOptions& options = {});
  /// Creates a hot standby that follows `primary`, with its settings and access rules. \pre primary
  /// runs.
  Postgres(const Postgres& primary, const PostgresOptions& options);
  ~Postgres();

  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  /// Returns the cluster of this test process, created on first use. Use it only inside a
  /// TEST_CASE: a failure in a file-scope object would leave the binary without tests, and ctest
  /// green.
  static Postgres& shared();

  /// Starts a stopped cluster on the same port, and waits until it accepts connections.
  void start();
  /// Starts one that was configured to refuse connections, and waits until it does.
  void start_refusing();
  void stop(StopMode mode = StopMode::fast);
  void restart(StopMode mode = StopMode::fast);
  /// Kills the postmaster by SIGKILL; its children notice and end.
  void kill();
  /// Kills every process but the postmaster by SIGKILL, so that no client gets a message; the
  /// postmaster then cleans up and ends. \pre running, with restart_after_crash = off.
  void crash();
  bool running();
  /// Ends the recovery of a standby, and waits until it is writable. \throws std::runtime_error.
  void promote() const;

  /// Makes new access rules and settings take effect. \pre running.
  void reload() const;

  int port() const { return port_; }
  /// Returns the directory of the Unix socket, to use as host.
  std::string socket_directory() const { return directory_.path().string(); }
  std::string data_directory() const { return directory_.file("data"); }
  /// Returns the process id of the postmaster.
  pid_t pid() const;
  /// Returns what the server has logged since it was last started.
  std::string log() const;

  /// Returns `postgresql://USER@/DATABASE?host=SOCKET_DIRECTORY&port=PORT`. The user may be
  /// `name:password`. Both user and database must be percent-encoded if needed.
  std::string url(const std::string& database, const std::string& user = "postgres") const;

  /// Returns `postgresql://USER@127.0.0.1:PORT/DATABASE`; another port is that of a proxy.
  std::string tcp_url(const std::string& database, const std::string& user = "postgres",
                      int port = 0) const;

 private:
  void prepare_directory();
  void initialise(const PostgresOptions& options);
  void start_on_free_port(const PostgresOptions& options);
  void write_configuration(const PostgresOptions& options);
  bool try_start(bool refusing = false);

  TemporaryDirectory directory_;
  RunOptions run_options_;
  std::string programs_;
  int port_ = 0;
  std::unique_ptr<Process> server_;
};

/// A private database, dropped at the end of the scope together with its connections.
class Database {
 public:
  /// The options are those of CREATE DATABASE, e.g. "TEMPLATE template0 ENCODING 'SQL_ASCII'".
  explicit Database(Postgres& postgres = Postgres::shared(), const std::string& options = "");
  ~Database();

  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Postgres& postgres() const { return *postgres_; }
  /// From now on the database is that of another server, which has taken over. \pre the other one
  /// lives as long.
  void follow(Postgres& other);
  const std::string& name() const { return name_; }
  std::string url(const std::string& user = "postgres") const;
  std::string tcp_url(const std::string& user = "postgres", int port = 0) const;

  /// Returns the database's own session, as superuser; connected on first use.
  Session& session();
  /// Returns another session, e.g. to hold a lock; a new one at every call.
  Session connect(const std::string& user = "postgres") const;
  /// Closes the own session, e.g. because the server was restarted; the next use opens a new one.
  void disconnect() { session_.reset(); }

  void execute(const std::string& sql, const Parameters& parameters = {});
  std::string value(const std::string& sql, const Parameters& parameters = {});
  Rows rows(const std::string& sql, const Parameters& parameters = {});
  std::vector<std::string> column(const std::string& sql, const Parameters& parameters = {});
  void copy_in(const std::string& target, std::string_view text,
               const std::string& options = "FORMAT csv");

 private:
  Postgres* postgres_;
  std::string name_;
  std::unique_ptr<Session> session_;
};

}  // namespace tickstock::test
