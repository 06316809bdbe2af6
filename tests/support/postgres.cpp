#include "postgres.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "network.hpp"

namespace tickstock::test {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds service_limit{60};

bool executable(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

/// Returns the directory of initdb and postgres: from PATH, or else where Debian hides it, the
/// newest first.
std::string program_directory() {
  const char* const variable = std::getenv("PATH");
  std::istringstream path(variable != nullptr ? variable : "");
  for (std::string entry; std::getline(path, entry, ':');) {
    // Both must be there: PATH may contain links to only some of the programs.
    if (executable(entry + "/initdb") && executable(entry + "/postgres") &&
        executable(entry + "/pg_basebackup")) {
      return entry;
    }
  }
  int newest = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (executable(entry.path().string() + "/bin/initdb")) {
      newest = std::max(
          newest, static_cast<int>(std::strtol(entry.path().filename().c_str(), nullptr, 10)));
    }
  }
  if (newest == 0) {
    throw std::runtime_error("no initdb in PATH or below /usr/lib/postgresql");
  }
  return fmt::format("/usr/lib/postgresql/{}/bin", newest);
}

/// Returns the user to run PostgreSQL as, which refuses to run as root; nullopt if the tester is
/// not root.
std::optional<User> service_user() {
  if (::geteuid() != 0) {
    return std::nullopt;
  }
  const passwd* entry = ::getpwnam("postgres");
  if (entry == nullptr) {
    throw std::runtime_error("run by root, the tests need a user named postgres");
  }
  return User{entry->pw_uid, entry->pw_gid};
}

/// Returns where to put a cluster: in memory if there is room, since tests create many databases,
/// and ext4 is slow to create files where others were just deleted.
std::string place_of_cluster() {
  constexpr std::uintmax_t enough = std::uintmax_t{2} << 30U;
  const std::string memory = "/dev/shm";
  std::error_code none;
  const fs::space_info space = fs::space(memory, none);
  const bool fits = !none && space.available >= enough && ::access(memory.c_str(), W_OK) == 0;
  return fits ? memory : "/tmp";
}

std::string joined_lines(const std::vector<std::string>& lines) {
  return fmt::format("{}\n", fmt::join(lines, "\n"));
}

}  // namespace

Postgres::Postgres(const PostgresOptions& options) : directory_(place_of_cluster()) {
  prepare_directory();
  initialise(options);
  start_on_free_port(options);
}

Postgres::Postgres(const Postgres& primary, const PostgresOptions& options)
    : directory_(place_of_cluster()) {
  prepare_directory();
  const ProcessResult result = run_process(
      {programs_ + "/pg_basebackup", "--pgdata=" + data_directory(), "--write-recovery-conf",
       "--checkpoint=fast", "--no-sync", "--username=postgres",
       "--host=" + primary.socket_directory(), "--port=" + std::to_string(primary.port())},
      run_options_);
  if (result.status != 0) {
    throw std::runtime_error("pg_basebackup: " + result.err);
  }
  start_on_free_port(options);
}

void Postgres::prepare_directory() {
  programs_ = program_directory();
  run_options_.user = service_user();
  run_options_.directory = directory_.path().string();
  run_options_.environment = {{"HOME", directory_.path().string()}};
  if (run_options_.user) {
    fs::permissions(directory_.path(), fs::perms::owner_all);
    if (::chown(directory_.path().c_str(), run_options_.user->uid, run_options_.user->gid) != 0) {
      throw std::runtime_error("cannot give a directory to the user postgres");
    }
  }
}

void Postgres::start_on_free_port(const PostgresOptions& options) {
  // Another process may take the port between finding and using it.
  for (int tries = 0; tries < 5; ++tries) {
    port_ = free_port();
    write_configuration(options);
    if (try_start()) {
      return;
    }
  }
  throw std::runtime_error("PostgreSQL doesn't start: " + log());
}

Postgres::~Postgres() {
  try {
    stop(StopMode::immediate);
  } catch (const std::exception&) {
    // ~Process kills what didn't stop.
  }
}

Postgres& Postgres::shared() {
  static Postgres postgres;
  return postgres;
}

void Postgres::initialise(const PostgresOptions& options) {
  std::vector<std::string> command{
      programs_ + "/initdb", "--pgdata=" + data_directory(), "--no-sync",       "--no-instructions",
      "--auth=trust",        "--username=postgres",          "--encoding=UTF8", "--locale=C"};
  command.insert(command.end(), options.initdb_arguments.begin(), options.initdb_arguments.end());
  const ProcessResult result = run_process(command, run_options_);
  if (result.status != 0) {
    throw std::runtime_error("initdb: " + result.err);
  }
  const std::string rules = data_directory() + "/pg_hba.conf";
  const std::string trust = file_text(rules);
  std::ofstream(rules, std::ios::trunc) << joined_lines(options.access_rules) << trust;
}

void Postgres::write_configuration(const PostgresOptions& options) {
  // A commit stays synchronous: without fsync it costs nothing, and a test may kill the server.
  const std::string settings = fmt::format(R"(
port = {}
listen_addresses = '127.0.0.1'
unix_socket_directories = '{}'
fsync = off
full_page_writes = off
autovacuum = off
shared_buffers = 32MB
max_connections = 60
max_wal_size = 256MB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a: '
)",
                                           port_, directory_.path().string());
  const std::string path = data_directory() + "/tickstock-test.conf";
  std::ofstream(path, std::ios::trunc) << settings << joined_lines(options.settings);
  const std::string main_path = data_directory() + "/postgresql.conf";
  const std::string include = "include 'tickstock-test.conf'\n";
  if (file_text(main_path).find(include) == std::string::npos) {
    std::ofstream(main_path, std::ios::app) << '\n' << include;
  }
  fs::permissions(path, fs::perms(0644));
}

bool Postgres::try_start(bool refusing) {
  RunOptions options = run_options_;
  // An immediate shutdown frees what the postmaster shares with its children; SIGKILL wouldn't.
  options.death_signal = SIGQUIT;
  options.stdout_path = "/dev/null";
  server_ = std::make_unique<Process>(
      std::vector<std::string>{programs_ + "/postgres", "-D", data_directory()}, options);
  const std::string conninfo = fmt::format(
      "host={} port={} dbname=postgres user=postgres connect_timeout=5", socket_directory(), port_);
  const PGPing wanted = refusing ? PQPING_REJECT : PQPING_OK;
  wait_until(
      "PostgreSQL to take connections",
      [&] { return !server_->running() || PQping(conninfo.c_str()) == wanted; }, service_limit);
  return server_->running();
}

void Postgres::start() {
  // The children of a killed server take a moment to end, and a new server refuses to start until
  // they have.
  wait_until(
      "what a killed PostgreSQL has left to end",
      [this] {
        return running() || try_start() || log().find("is still in use") == std::string::npos;
      },
      service_limit);
  if (!running()) {
    throw std::runtime_error("PostgreSQL doesn't start: " + log());
  }
}

void Postgres::start_refusing() {
  if (!try_start(true)) {
    throw std::runtime_error("PostgreSQL doesn't start: " + log());
  }
}

void Postgres::stop(StopMode mode) {
  if (!running()) {
    return;
  }
  const int signal = mode == StopMode::smart ? SIGTERM : mode == StopMode::fast ? SIGINT : SIGQUIT;
  server_->send_signal(signal);
  server_->wait(service_limit);
}

void Postgres::restart(StopMode mode) {
  stop(mode);
  start();
}

void Postgres::kill() {
  server_->send_signal(SIGKILL);
  server_->wait(service_limit);
}

void Postgres::crash() {
  wait_until(
      "the postmaster to end after its children",
      [this] {
        // It may have started another one meanwhile.
        std::istringstream children(file_text(fmt::format("/proc/{0}/task/{0}/children", pid())));
        for (pid_t child = 0; children >> child;) {
          ::kill(child, SIGKILL);
        }
        return !running();
      },
      service_limit);
}

void Postgres::promote() const {
  Session session(url("postgres"));
  session.execute("SELECT pg_promote(false)");
  wait_until(
      "the standby to be promoted",
      [&] { return session.value("SELECT pg_is_in_recovery()") == "f"; }, service_limit);
}

bool Postgres::running() { return server_ && server_->running(); }

void Postgres::reload() const {
  Session session(url("postgres"));
  session.execute("SELECT pg_reload_conf()");
}

pid_t Postgres::pid() const { return server_->pid(); }

std::string Postgres::log() const { return server_ ? server_->err() : std::string(); }

std::string Postgres::url(const std::string& database, const std::string& user) const {
  return fmt::format("postgresql://{}@/{}?host={}&port={}", user, database, socket_directory(),
                     port_);
}

std::string Postgres::tcp_url(const std::string& database, const std::string& user,
                              int port) const {
  return fmt::format("postgresql://{}@127.0.0.1:{}/{}", user, port == 0 ? port_ : port, database);
}

namespace {

std::string next_database_name() {
  static std::atomic<int> count{0};
  return fmt::format("test_{}_{}", ::getpid(), ++count);
}

}  // namespace

Database::Database(Postgres& postgres, const std::string& options)
    : postgres_(&postgres), name_(next_database_name()) {
  Session admin(postgres_->url("postgres"));
  admin.execute(fmt::format("CREATE DATABASE {} {}", name_, options));
}

Database::~Database() {
  session_.reset();
  try {
    Session admin(postgres_->url("postgres"));
    admin.execute(fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", name_));
  } catch (const std::exception&) {
    // The test may have stopped the cluster; the database then goes with it.
  }
}

void Database::follow(Postgres& other) {
  session_.reset();
  postgres_ = &other;
}

std::string Database::url(const std::string& user) const { return postgres_->url(name_, user); }

std::string Database::tcp_url(const std::string& user, int port) const {
  return postgres_->tcp_url(name_, user, port);
}

Session& Database::session() {
  if (!session_) {
    session_ = std::make_unique<Session>(url());
  }
  return *session_;
}

Session Database::connect(const std::string& user) const { return Session(url(user)); }

void Database::execute(const std::string& sql, const Parameters& parameters) {
  session().execute(sql, parameters);
}

std::string Database::value(const std::string& sql, const Parameters& parameters) {
  return session().value(sql, parameters);
}

Rows Database::rows(const std::string& sql, const Parameters& parameters) {
  return session().rows(sql, parameters);
}

std::vector<std::string> Database::column(const std::string& sql, const Parameters& parameters) {
  return session().column(sql, parameters);
}

void Database::copy_in(const std::string& target, std::string_view text,
                       const std::string& options) {
  session().copy_in(target, text, options);
}

}  // namespace tickstock::test
