// Encryption to PostgreSQL: a server that is not proven to be the right one gets nothing.

#include <pwd.h>
#include <unistd.h>

#include "certificates.hpp"
#include "faults/night.hpp"

using namespace tickstock::test;

namespace {

/// A server that accepts the job only over TLS, with one of the test's certificates.
class TlsPostgres {
 public:
  explicit TlsPostgres(const std::string& certificate) {
    // The server rejects a key that others could read.
    const std::string key = directory_.file("server.key");
    const std::string owner = ::geteuid() == 0 ? "postgres" : std::to_string(::geteuid());
    REQUIRE(run_process({"install", "-m", "0600", "-o", owner,
                         certificates_.file(certificate + ".key"), key})
                .status == 0);
    directory_.open_to_services();
    PostgresOptions options{
        .settings = {"ssl = on", "ssl_key_file = '" + key + "'",
                     "ssl_cert_file = '" + certificates_.file(certificate + ".crt") + "'"},
        .access_rules = {"hostssl all job 127.0.0.1/32 scram-sha-256",
                         "host all job 127.0.0.1/32 reject"}};
    postgres_ = std::make_unique<Postgres>(options);
    admit_job(*postgres_);
    night = std::make_unique<Night>(*postgres_);
  }

  /// Runs the night against a host name, with what libpq is told about certificates.
  ProcessResult sync(const std::string& host, const std::string& mode, const std::string& authority,
                     const std::string& more = "") {
    const std::string url = fmt::format(
        "postgresql://job:CANARY-pg%2F%40%25%3Ax@{}:{}/{}?sslmode={}&sslrootcert={}{}", host,
        postgres_->port(), night->database().name(), mode, file(authority + ".crt"), more);
    return night->sync({}, {{"DATABASE_URL", url}});
  }

  std::string file(const std::string& name) const { return certificates_.file(name); }

 private:
  Certificates certificates_;
  TemporaryDirectory directory_;
  std::unique_ptr<Postgres> postgres_;

 public:
  std::unique_ptr<Night> night;
};

}  // namespace

TEST_CASE(
    "PostgreSQL over TLS is used where its certificate is trusted and made out for the host") {
  TlsPostgres server("good");
  Night& night = *server.night;
  night.check(server.sync("127.0.0.1", "verify-full", "other"), 5, Entries::same, Sent::none,
              "certificate verify failed");
  night.check(server.sync("127.0.0.1", "disable", "ca"), 5, Entries::same, Sent::none,
              "pg_hba.conf rejects connection");
  night.check(server.sync("127.0.0.1", "verify-full", "no-such-file"), 78, Entries::same,
              Sent::none, "no-such-file.crt, which can't be read: No such file or directory");
  night.check(server.sync("localhost", "verify-full", "ca"), 0, Entries::fresh, Sent::all, "");
  night.check(server.sync("127.0.0.1", "verify-full", "ca"), 0, Entries::fresh, Sent::all, "");
}

TEST_CASE("what libpq has decrypted is not waited for, however long the records of TLS are") {
  // libpq reads a part of a record that its buffer has no room for later, and poll(2) does not know
  // of it.
  const Certificates certificates;
  Night night;
  TlsProxy proxy(guarded_postgres().port(), certificates.file("good.crt"),
                 certificates.file("good.key"));
  const std::string url = *night.job(proxy.port()).at("DATABASE_URL") +
                          "?sslmode=verify-full&sslrootcert=" + certificates.file("ca.crt");
  const TemporaryDirectory directory;
  for (int more = 0; more < 4; ++more) {
    // None of them is active, so the universes stay as they are.
    night.database().execute(
        "INSERT INTO symbols (symbol, is_active) SELECT 'X' || $1 || n, false "
        "FROM generate_series(1, 2000) n",
        {std::to_string(more)});
    const std::string config = directory.write(
        "c.toml",
        fmt::format("[database]\nconnections = {}\n[timeouts]\nstatement = 20\n", more % 2 + 1));
    night.check(night.sync({"--config", config}, {{"DATABASE_URL", url}}), 0, Entries::fresh,
                Sent::all, "");
  }
  CHECK(proxy.filled_one());
  night.heal();
}

TEST_CASE("a certificate of PostgreSQL for another host, or one that has expired, is refused") {
  {
    TlsPostgres server("wrong_host");
    server.night->check(server.sync("localhost", "verify-full", "ca"), 5, Entries::same, Sent::none,
                        "does not match host name");
  }
  TlsPostgres server("expired");
  server.night->check(server.sync("localhost", "verify-full", "ca"), 5, Entries::same, Sent::none,
                      "certificate verify failed");
}

TEST_CASE("a certificate or key that libpq can't use is a wrong setting, and nobody is asked") {
  const TemporaryDirectory directory;
  TlsPostgres server("good");
  const std::string key = server.file("private.key");
  const std::string locked = directory.file("locked.key");
  REQUIRE(run_process(
              {"openssl", "rsa", "-aes256", "-passout", "pass:CANARY", "-in", key, "-out", locked})
              .status == 0);
  const std::string garbage = directory.write("garbage", "CANARY", 0600);
  const auto refuses = [&](const std::string& certificate, const std::string& with,
                           const std::string& why) {
    const ProcessResult result =
        server.sync("127.0.0.1", "require", "ca", "&sslcert=" + certificate + "&sslkey=" + with);
    server.night->check(result, 78, Entries::same, Sent::none, why);
    CHECK_THAT(result.err, contains("sslpassword opens an encrypted key") && !contains("phrase:"));
  };
  refuses(server.file("wrong_host.crt"), key, "private key file \"" + key);
  refuses(server.file("good.crt"), locked, "could not load private key file \"" + locked);
  refuses(server.file("good.crt"), garbage, "could not load private key file \"" + garbage);
  refuses(garbage, key, "could not read certificate file \"" + garbage);
  server.night->check(server.sync("127.0.0.1", "require", "ca",
                                  "&sslcert=" + server.file("good.crt") + "&sslkey=" + locked +
                                      "&sslpassword=CANARY"),
                      0, Entries::fresh, Sent::all, "");
}

TEST_CASE("a PostgreSQL without TLS is refused where TLS is asked for") {
  const Certificates certificates;
  Night night;
  for (const std::string mode : {"require", "verify-full"}) {
    const std::string url = night.database().tcp_url("job:CANARY-pg%2F%40%25%3Ax") +
                            "?sslmode=" + mode + "&sslrootcert=" + certificates.file("ca.crt");
    night.check(night.sync({}, {{"DATABASE_URL", url}}), 5, Entries::same, Sent::none,
                "server does not support SSL");
  }
  night.heal();
}

TEST_CASE("require_tls refuses unverified servers on other machines before anything is sent") {
  Night night;
  const TemporaryDirectory directory;
  const std::string config = directory.write("tls.toml", "[security]\nrequire_tls = true\n");
  // Addresses reserved for documentation: connecting to them would hang.
  for (const std::string parameters : {"", "?sslmode=require", "?sslmode=verify-ca"}) {
    const std::string url = "postgresql://job:CANARY@192.0.2.1/x" + parameters;
    night.check(night.sync({"--config", config}, {{"DATABASE_URL", url}}), 78, Entries::same,
                Sent::none, "[security] require_tls: the connection to PostgreSQL at 192.0.2.1");
  }
  night.check(night.sync({"--config", config}, {{"REDIS_URL", "redis://:CANARY@192.0.2.1:6379/0"}}),
              78, Entries::same, Sent::none,
              "[security] require_tls: the connection to Redis at redis://192.0.2.1:6379/0");
  // On this machine nobody can eavesdrop in between.
  night.check(night.sync({"--config", config}), 0, Entries::fresh, Sent::all, "");
  night.heal();
}
