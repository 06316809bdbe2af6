// Faults 1 to 7: PostgreSQL can't be reached, or is not writable.

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "faults/night.hpp"
#include "mounts.hpp"
#include "network.hpp"
#include "peers.hpp"

using namespace tickstock::test;

namespace {

Environment at(const std::string& url) { return {{"DATABASE_URL", url}}; }

std::string job_at(const std::string& hosts, const std::string& rest) {
  return "postgresql://job:CANARY-pg%2F%40%25%3Ax@" + hosts + "/" + rest;
}

/// A name server that accepts questions and never answers, and a file that configures it. Its
/// address is unique to this process, since others may run these tests too.
class SilentNameServer {
 public:
  SilentNameServer() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(53);
    REQUIRE(::inet_pton(AF_INET, address_.c_str(), &address.sin_addr) == 1);
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~SilentNameServer() { ::close(fd_); }
  SilentNameServer(const SilentNameServer&) = delete;
  SilentNameServer& operator=(const SilentNameServer&) = delete;

 private:
  std::string address_ =
      fmt::format("127.77.{}.{}", ::getpid() / 250 % 250 + 1, ::getpid() % 250 + 1);
  int fd_;
  TemporaryDirectory directory_;
  PrivateMount names_ = PrivateMount::over(
      "/etc/resolv.conf", directory_.write("resolv.conf", "nameserver " + address_ +
                                                              "\noptions timeout:60 attempts:5\n"));
};

}  // namespace

TEST_CASE("fault 1: PostgreSQL is not there, by port and by socket") {
  Night night;
  const int port = free_port();
  night.check(night.sync({}, night.job(port)), 5, Entries::same, Sent::none,
              fmt::format("cannot connect to PostgreSQL at 127.0.0.1:{}: ", port));
  night.check(night.sync({}, at("postgresql://job:CANARY@/x?host=/no/such/directory")), 5,
              Entries::same, Sent::none, "/no/such/directory");
  // Each host is named that could not be reached, for whatever reason.
  const std::string both = job_at(fmt::format("no-such-host.invalid,127.0.0.1:{0}", port), "x");
  night.check(night.sync({}, at(both)), 5, Entries::same, Sent::none,
              "cannot connect to PostgreSQL at no-such-host.invalid: ");
  night.check(night.sync({}, at(both)), 5, Entries::same, Sent::none,
              fmt::format("; at 127.0.0.1:{}: ", port));
  night.heal();
}

TEST_CASE("fault 2: packets to PostgreSQL vanish, and a second host still gets its turn") {
  Night night;
  const BlackHole hole;
  const std::string config = night.config();
  const ProcessResult result = night.sync({"--config", config}, night.job(hole.port()));
  night.check(result, 5, Entries::same, Sent::none,
              fmt::format("127.0.0.1:{}: no answer in time", hole.port()));
  night.check(night.sync({"--timeout", "1"}, night.job(hole.port())), 5, Entries::same, Sent::none,
              "no answer in time");
  const std::string both =
      job_at(fmt::format("127.0.0.1:{},127.0.0.1:{}", hole.port(), guarded_postgres().port()),
             night.database().name());
  night.check(night.sync({"--config", config}, at(both)), 0, Entries::fresh, Sent::all, "");
  night.heal();
}

TEST_CASE("fault 3: a name server is silent (by root; anyone else: a name that does not exist)") {
  Night night;
  const std::string config = night.config();
  const std::string url = job_at("db.example.com", "x");
  const std::string redis = "redis://:" + redis_password + "@cache.example.com:6379/0";
  if (!PrivateMount::possible()) {
    night.check(night.sync({"--config", config}, at(job_at("no-such-host.invalid", "x"))), 5,
                Entries::same, Sent::none, "no-such-host.invalid");
    return;
  }
  const SilentNameServer silence;
  night.check(night.sync({"--config", config}, at(url)), 5, Entries::same, Sent::none,
              "db.example.com: its address could not be looked up in time");
  night.check(night.sync({"--config", config}, {{"REDIS_URL", redis}}), 6, Entries::fresh,
              Sent::none, "no answer in time");
  // A signal waits neither for the name server nor for the limit of ten seconds.
  const auto process = night.start({"--timeout", "600"}, at(url));
  wait_until("the look-up to begin", [&] {
    std::ifstream threads(fmt::format("/proc/{}/status", process->pid()));
    const std::string text{std::istreambuf_iterator<char>(threads), {}};
    return text.find("Threads:\t1\n") == std::string::npos;
  });
  process->send_signal(SIGTERM);
  const ProcessResult result = night.finish(*process);
  CHECK(result.status == 143);
  CHECK_THAT(result.err, contains("interrupted by a signal while looking up db.example.com"));
  night.heal();
}

TEST_CASE("fault 4: PostgreSQL is starting, or has no connection left") {
  Postgres postgres(guarded());
  admit_job(postgres);
  Night night(postgres);
  night.database().execute("ALTER ROLE job CONNECTION LIMIT 0");
  night.check(night.sync(), 5, Entries::same, Sent::none, "too many connections for role");
  night.database().execute("ALTER ROLE job CONNECTION LIMIT -1");

  night.database().disconnect();
  postgres.stop();
  // A standby without hot standby forever gives the answer of a server that is starting.
  const std::string signal_file = postgres.data_directory() + "/standby.signal";
  std::ofstream(signal_file) << "";
  std::ofstream(postgres.data_directory() + "/postgresql.conf", std::ios::app)
      << "hot_standby = off\n";
  postgres.start_refusing();
  const ProcessResult result = night.sync();
  CHECK(result.status == 5);
  // First that it is starting up, then that it is not accepting connections.
  CHECK_THAT(result.err, contains("FATAL:  the database system is "));
  postgres.stop();
  std::filesystem::remove(signal_file);
  postgres.start();
  night.heal();
}

TEST_CASE("fault 4: of two servers named only by their addresses, the first is starting") {
  Night night;
  const int port = guarded_postgres().port();
  const TcpServer starting(
      [](int client, const TcpServer& server) {
        using namespace std::string_literals;
        while (!server.stopping() && !TcpServer::readable(client)) continue;
        const std::string fields = "SFATAL\0VFATAL\0C57P03\0Mit is starting up\0\0"s;
        TcpServer::send_all(client, "E\0\0\0"s + static_cast<char>(fields.size() + 4) + fields);
      },
      "127.0.0.2", port);
  const std::string url =
      job_at("", night.database().name()) +
      fmt::format("?hostaddr=127.0.0.2,127.0.0.1&port={}&sslmode=disable", port);
  night.check(night.sync({}, at(url)), 0, Entries::fresh, Sent::all, "");
}

TEST_CASE("fault 5: the password is wrong, or there is none") {
  Night night;
  const auto url = [&night](const std::string& login) {
    return at(night.database().tcp_url(login));
  };
  night.check(night.sync({"-v"}, url("job:CANARY-wrong")), 5, Entries::same, Sent::none,
              "password authentication failed");
  night.check(night.sync({}, url("job")), 5, Entries::same, Sent::none, "no password supplied");
  // One attempt per host: the server counts them, and may lock the role.
  const std::string log = guarded_postgres().log();
  const std::string words = "password authentication failed for user \"job\"";
  const std::size_t first = log.find(words);
  REQUIRE(first != std::string::npos);
  CHECK(log.find(words, first + 1) == std::string::npos);
  night.heal();
}

TEST_CASE("fault 5: the environment of libpq has a gap, or a URL in the wrong place") {
  Night night;
  const auto with_variable = [](const std::string& name, const std::string& value) {
    return Environment{{"DATABASE_URL", std::nullopt}, {name, value}};
  };
  night.check(night.sync({}, with_variable("PGHOST", ",localhost")), 78, Entries::same, Sent::none,
              "Name each of them.");
  night.check(night.sync({}, with_variable("PGDATABASE", "postgresql://job:CANARY@db/market")), 78,
              Entries::same, Sent::none, "Give only the name.");
  night.check(night.sync({}, at("postgresql://job@a,b/x?port=1,2,3")), 78, Entries::same,
              Sent::none, "3 ports for 2 hosts");
  night.check(night.sync({"--database-url", "host=db dbname=postgresql://job:CANARY@db/x"}), 64,
              Entries::same, Sent::none, "its database name is a URL or conninfo itself");
  night.heal();
}

TEST_CASE("fault 6: the server is a standby, or only reads") {
  Postgres primary(guarded());
  admit_job(primary);
  Night night(primary);
  const Postgres standby(primary, guarded());
  const std::string name = night.database().name();
  const std::string there = job_at(fmt::format("127.0.0.1:{}", standby.port()), name);
  const std::string words = "this PostgreSQL server is a standby";
  night.check(night.sync({}, at(there)), 5, Entries::same, Sent::none, words);
  night.check(night.sync({}, at(there + "?target_session_attrs=read-write")), 5, Entries::same,
              Sent::none, "read-only");
  const ProcessResult dry = night.run({"dry-run", "--as-of", market_day}, at(there));
  CHECK(dry.status == 0);
  CHECK_THAT(dry.out, contains("11 universes would be changed"));

  night.database().execute("ALTER DATABASE " + name + " SET default_transaction_read_only = on");
  night.check(night.sync(), 5, Entries::same, Sent::none, "(default_transaction_read_only is on)");
  night.database().execute("ALTER DATABASE " + name + " RESET default_transaction_read_only");
  night.heal();
}

TEST_CASE("fault 7: of several hosts only the second is the primary") {
  Postgres primary(guarded());
  admit_job(primary);
  Night night(primary);
  const Postgres standby(primary, guarded());
  const std::string hosts =
      fmt::format("127.0.0.1:{},localhost:{}", standby.port(), primary.port());
  for (const std::string attributes : {"read-write", "primary"}) {
    const std::string url =
        job_at(hosts, night.database().name() + "?target_session_attrs=" + attributes);
    night.check(night.sync({}, at(url)), 0, Entries::fresh, Sent::all, "");
  }
  // A client that asks for a standby first gets it, wherever it is in the list.
  const std::string reader =
      job_at(fmt::format("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port()),
             night.database().name() + "?target_session_attrs=prefer-standby");
  const ProcessResult check = night.run({"check"}, at(reader));
  CHECK(check.status == 5);
  CHECK_THAT(check.out, contains("is a standby"));
  night.heal();
}
