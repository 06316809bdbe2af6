// Addresses as people copy them: parameters of other libraries, line feeds, parts, services, files.

#include <libpq-fe.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>

#include "certificates.hpp"
#include "cli/scene.hpp"
#include "peers.hpp"

using namespace tickstock::test;

namespace {

struct Urls {
  Fixture fixture;
  TemporaryDirectory directory;
  Urls() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
  }

  /// Checks that nothing is done, the status is this one, one line says why, and it contains no
  /// secret.
  void refuses(const Environment& environment, int status, const std::string& part,
               const Names& more = {}) {
    const Names before = fixture.entries_dump();
    for (const std::string command : {"sync", "check"}) {
      Names arguments = with({command}, more);
      if (command == "sync") arguments = with(arguments, {"--as-of", market_day});
      const ProcessResult result = fixture.run(arguments, environment);
      INFO(command << ": " << result.err << result.out);
      CHECK(result.status == status);
      CHECK_THAT(result.err + result.out, contains(part) && !contains("CANARY"));
    }
    CHECK(fixture.entries_dump() == before);
  }
  /// Checks that a run succeeds.
  void takes(const Environment& environment, const Names& more = {}) {
    const ProcessResult result = run_task(fixture, with({"sync"}, more), environment);
    INFO(result.err);
    CHECK(result.status == 0);
  }

  std::string database_url() { return fixture.database().tcp_url(); }
};

/// Lets one more user read a file of mode 0400, by its access control list.
void open_to(const std::string& file, uid_t user) {
  struct Line {
    std::uint16_t tag;
    std::uint16_t permissions;
    std::uint32_t id;
  };
  constexpr std::uint32_t nobody = 0xffffffff;
  struct {
    std::uint32_t version = 2;
    std::array<Line, 5> lines;
  } const list{.lines = {{{0x01, 4, nobody},  // the owner
                          {0x02, 4, user},
                          {0x04, 0, nobody},     // the group
                          {0x10, 4, nobody},     // what a line above may give
                          {0x20, 0, nobody}}}};  // everybody else
  REQUIRE(::setxattr(file.c_str(), "system.posix_acl_access", &list, sizeof list, 0) == 0);
}

}  // namespace

TEST_CASE("a Redis URL with what is not understood is 78 that names the part, and 64 as a flag") {
  Urls scene;
  const std::string at = "127.0.0.1:" + std::to_string(scene.fixture.redis().port());
  struct Case {
    std::string url;
    std::string part;
  };
  for (const Case& each :
       std::vector<Case>{{"redis://" + at + "?ssl_cert_reqs=none", "ssl_cert_reqs"},
                         {"redis://" + at + "/0?password=CANARY", "password"},
                         {"redis://localhost?password=CANARY", "password"},
                         {"redis://localhost,password=CANARY", "password"},
                         {"redis://localhost#CANARY", "'#'"},
                         {"redis://localhost&CANARY", "'&'"},
                         {"redis://localhost&password=CANARY", "password"},
                         {"rediss://localhost,ssl=true", "ssl"}}) {
    INFO(each.url);
    scene.refuses({{"REDIS_URL", each.url}}, 78, each.part);
    scene.refuses({}, 64, each.part, {"--redis-url", each.url});
    const std::string config =
        scene.directory.write("c.toml", "[redis]\nurl = '" + each.url + "'\n", 0600);
    scene.refuses({}, 78, each.part, {"--config", config});
    const std::string file = scene.directory.write("url", each.url + "\n", 0600);
    scene.refuses({}, 78, each.part, {"--redis-url-file", file});
  }
}

TEST_CASE("a URL where a file or a name belongs is 78 and is not repeated") {
  Urls scene;
  const std::string url = "postgresql://u:CANARY@h/d";
  scene.refuses({}, 78, "the name of a file is a URL", {"--database-url-file", url});
  scene.refuses({}, 78, "the name of a file is a URL", {"--redis-url-file", url});
  scene.refuses({}, 78, "the name of a file is a URL", {"--config", url});
  scene.refuses({{"TICKSTOCK_CACHE_CONFIG", url}}, 78, "the name of a file is a URL");
  scene.refuses({{"DATABASE_URL", "host=" + url}}, 78, "its host is a URL");
  for (const auto& [variable, name] :
       std::map<std::string, std::string>{{"PGHOST", "host"},
                                          {"PGUSER", "user"},
                                          {"PGPASSFILE", "passfile"},
                                          {"PGSERVICE", "service"},
                                          {"PGSSLROOTCERT", "sslrootcert"}}) {
    scene.refuses({{"DATABASE_URL", ""}, {variable, url}}, 78, "its " + name + " is a URL");
    const ProcessResult shown =
        scene.fixture.run({"config"}, {{"DATABASE_URL", ""}, {variable, url}});
    CHECK_THAT(shown.out + shown.err, !contains("CANARY"));
  }
  const ProcessResult run = run_task(scene.fixture, {"sync", "--metrics-file", url});
  CHECK(run.status == 0);
  CHECK_THAT(run.err, contains("the name of the metrics file is a URL") && !contains("CANARY"));
}

TEST_CASE("parameters of other libraries in a database URL are 78 with a remedy") {
  Urls scene;
  const std::string url = scene.database_url();
  scene.refuses({{"DATABASE_URL", url + "?sslmode=no-verify"}}, 78, "sslmode");
  scene.refuses({{"DATABASE_URL", url + "?pgbouncer=true"}}, 78, "pgbouncer");
  scene.refuses({{"DATABASE_URL", url + "?schema=public"}}, 78, "[tables] schema");
  scene.refuses({{"DATABASE_URL", url + "?target_session_attrs=master"}}, 78,
                "target_session_attrs");
  scene.refuses({{"DATABASE_URL", url + "?keepalives_idle=soon"}}, 78, "keepalives_idle");
  scene.refuses({{"DATABASE_URL", "postgresql://127.0.0.1:99999/x"}}, 78, "port");
  // The same from where libpq itself looks.
  scene.refuses({{"PGSSLMODE", "no-verify"}}, 78, "sslmode");
  scene.refuses({{"DATABASE_URL", std::nullopt}, {"PGPORT", "CANARY"}}, 78, "port");
  scene.refuses({{"PGTARGETSESSIONATTRS", "master"}}, 78, "target_session_attrs");
  scene.refuses({{"PGGSSENCMODE", "bogus"}}, 78, "gssencmode");
  scene.refuses({{"PGHOSTADDR", "300.1.1.1"}}, 78, "hostaddr is not an IP address");
  scene.refuses({{"DATABASE_URL", url + "?hostaddr=300.1.1.1"}}, 78, "hostaddr");
  scene.refuses({{"DATABASE_URL", url + "?ssl_max_protocol_version=TLSv1.1"}}, 78,
                "ssl_min_protocol_version is above");
  scene.takes({{"DATABASE_URL", url + "?gssencmode=disable"}, {"PGGSSENCMODE", "bogus"}});
}

TEST_CASE("an unknown service and a certificate file that is not there are 78, not 5") {
  Urls scene;
  const std::string url = scene.database_url();
  scene.refuses({{"DATABASE_URL", "service=nowhere"}}, 78, "nowhere");
  scene.refuses({{"DATABASE_URL", std::nullopt}, {"PGSERVICE", "nowhere"}}, 78, "nowhere");
  scene.refuses({{"DATABASE_URL", url + "?sslmode=verify-full&sslrootcert=/no/such.crt"}}, 78,
                "/no/such.crt");
  scene.refuses({{"DATABASE_URL", url + "?sslmode=require&sslcert=/no/such.crt"}}, 78,
                "/no/such.crt");
  scene.refuses({{"DATABASE_URL", url}, {"PGSSLROOTCERT", "/no/such.crt"}}, 78, "/no/such.crt");
  scene.refuses({{"DATABASE_URL", url + "?sslmode=verify-full"}}, 78, "root.crt");
  const std::string certificate = scene.directory.write("c.crt", "");
  scene.refuses({{"DATABASE_URL", url + "?sslmode=require&sslcert=" + certificate}}, 78,
                ".postgresql/postgresql.key");
  scene.refuses({{"DATABASE_URL",
                  url + "?sslmode=require&sslcert=" + certificate + "&sslkey=" + certificate}},
                78, "chmod 600 " + certificate);
  scene.refuses({{"DATABASE_URL", url}, {"PGSSLMODE", ""}}, 78, "sslmode");
  const std::string trust = scene.directory.write("ca.toml", "[redis]\nca_file = '/no/such.pem'\n");
  scene.refuses({{"REDIS_URL", "rediss://127.0.0.1:1"}}, 78, "/no/such.pem", {"--config", trust});
  if (PQlibVersion() < 160000) {
    scene.refuses({{"DATABASE_URL", url + "?sslmode=verify-full&sslrootcert=system"}}, 78,
                  "/etc/ssl/certs/ca-certificates.crt");
  }
  const auto shows = [&scene](const std::string& cert, const std::string& key) {
    std::string text = "[redis]\n";
    if (!cert.empty()) text += "cert_file = '" + cert + "'\n";
    if (!key.empty()) text += "key_file = '" + key + "'\n";
    return Names{"--config", scene.directory.write("client.toml", text)};
  };
  const Environment tls{{"REDIS_URL", "rediss://127.0.0.1:1"}};
  const Certificates own;
  const std::string cert = own.file("good.crt");
  const std::string key = own.file("private.key");
  scene.refuses(tls, 78, "[redis] cert_file is set without key_file. Set both.", shows(cert, ""));
  scene.refuses({}, 78, "[redis] key_file is set without cert_file. Set both.", shows("", key));
  scene.refuses(tls, 78, "/no/such.crt", shows("/no/such.crt", key));
  scene.refuses(tls, 78, "/no/such.key", shows(cert, "/no/such.key"));
  scene.refuses(tls, 78, "chmod 600 " + own.file("good.key"), shows(cert, own.file("good.key")));
  scene.refuses(tls, 78, own.file("other.crt") + ": ", shows(own.file("other.crt"), key));
  scene.refuses({{"REDIS_URL", "rediss+sentinel://127.0.0.1:1/desk"}}, 78, "no.crt can't be used",
                shows(scene.directory.write("no.crt", "CANARY"), key));
  check_failure(run_task(scene.fixture, with({"ipo"}, shows(cert, key)), tls), 6, "refused");
  // A file that TLS doesn't use is no obstacle, nor is an existing service.
  scene.takes({{"DATABASE_URL", url + "?sslmode=disable&sslrootcert=/no/such.crt"}});
  const std::string services = scene.directory.write(
      "services", fmt::format("[here]\nhost=127.0.0.1\nport={}\ndbname={}\nuser=postgres\n",
                              Postgres::shared().port(), scene.fixture.database().name()));
  scene.takes({{"DATABASE_URL", "service=here"}, {"PGSERVICEFILE", services}});
}

TEST_CASE("one line feed at the end of an address or a secret is removed everywhere") {
  Urls scene;
  const Redis secured({.settings = {"requirepass word"}, .password = "word"});
  const std::string redis = "redis://:word@127.0.0.1:" + std::to_string(secured.port()) + "/0";
  const std::string url = scene.database_url();
  scene.takes({{"DATABASE_URL", url + "\n"}, {"REDIS_URL", redis + "\n"}});
  scene.takes({{"DATABASE_URL", url + "\r\n"}, {"REDIS_URL", redis + "\r\n"}});
  scene.takes({}, {"--database-url", url + "\n"});
  scene.takes({{"REDIS_URL", std::nullopt},
               {"REDIS_HOST", "127.0.0.1\n"},
               {"REDIS_PORT", std::to_string(scene.fixture.redis().port()) + "\n"},
               {"REDIS_DB", "0\n"}});
  scene.takes({{"DATABASE_URL", std::nullopt},
               {"PGHOST", "127.0.0.1\n"},
               {"PGPORT", std::to_string(Postgres::shared().port()) + "\n"},
               {"PGUSER", "postgres\n"},
               {"PGDATABASE", scene.fixture.database().name() + "\n"}});
  const std::string config = scene.directory.write(
      "c.toml",
      "[database]\nurl = \"\"\"" + url + "\n\"\"\"\n[redis]\nurl = \"" + redis + "\\n\"\n", 0600);
  scene.takes({{"DATABASE_URL", std::nullopt}, {"REDIS_URL", std::nullopt}}, {"--config", config});
  scene.refuses({{"DATABASE_URL", url + "\n\n"}}, 78, "DATABASE_URL can't be used");
}

TEST_CASE("a password with a line feed behind it logs in") {
  const Postgres secured(PostgresOptions{.access_rules = {"host all job all scram-sha-256"}});
  Urls scene;
  Session(secured.url("postgres")).execute("CREATE ROLE job LOGIN PASSWORD 'word'");
  const Environment there{{"DATABASE_URL", secured.tcp_url("postgres", "job")},
                          {"PGPASSWORD", "word\n"}};
  // It gets as far as noticing the missing tables.
  CHECK(scene.fixture.run({"universes"}, there).status == 1);
}

TEST_CASE("of REDIS_HOST, REDIS_PORT and REDIS_DB the wrong one is named") {
  Urls scene;
  const Environment parts{{"REDIS_URL", std::nullopt}, {"REDIS_HOST", "127.0.0.1"}};
  const auto with_part = [&parts](const std::string& name, const std::string& value) {
    Environment environment = parts;
    environment[name] = value;
    return environment;
  };
  scene.refuses(with_part("REDIS_PORT", "tcp://10.96.0.10:6379"), 78, "Kubernetes");
  scene.refuses(with_part("REDIS_PORT", "CANARY"), 78, "REDIS_PORT must be");
  scene.refuses(with_part("REDIS_PORT", "6379/0?x=CANARY"), 78, "REDIS_PORT must be");
  scene.refuses(with_part("REDIS_PORT", "CANARY@6379"), 78, "REDIS_PORT must be");
  scene.refuses(with_part("REDIS_PORT", "6379@h"), 78, "REDIS_PORT must be");
  scene.refuses(with_part("REDIS_DB", "a:CANARY@h"), 78, "REDIS_DB must be");
  scene.refuses(with_part("REDIS_DB", "cache"), 78, "REDIS_DB must be");
  scene.refuses(with_part("REDIS_HOST", "h:6379"), 78, "REDIS_HOST must be");
  scene.refuses(with_part("REDIS_HOST", "user:CANARY@h"), 78, "REDIS_HOST must be");
  scene.refuses(with_part("REDIS_HOST", "redis://h"), 78, "REDIS_HOST must be");
}

TEST_CASE("an @ in a name of the application and a raw # in a password work") {
  const Postgres secured(PostgresOptions{.access_rules = {"host all job all scram-sha-256"}});
  Session(secured.url("postgres")).execute("CREATE ROLE job LOGIN PASSWORD 'a#b'");
  Urls scene;
  const std::string url = secured.tcp_url("postgres", "job:a#b") + "?application_name=a@b";
  CHECK(scene.fixture.run({"universes"}, {{"DATABASE_URL", url}}).status == 1);
  scene.takes({{"DATABASE_URL", scene.database_url() + "?application_name=a@b"}});
}

TEST_CASE("the connect_timeout of a URL, or of libpq's environment, is the one that holds") {
  Urls scene;
  const BlackHole hole;
  const std::string url = "postgresql://127.0.0.1:" + std::to_string(hole.port()) + "/x";
  const auto shown = [&scene](const Environment& environment) {
    const ProcessResult result = scene.fixture.run({"config"}, environment);
    const Names lines = lines_of(result.out);
    return *std::find_if(lines.begin(), lines.end(),
                         [](const std::string& line) { return line.starts_with("connect = "); });
  };
  CHECK_THAT(shown({{"DATABASE_URL", url + "?connect_timeout=1"}}),
             contains("connect = 1 ") && contains("connect_timeout of DATABASE_URL"));
  CHECK_THAT(shown({{"DATABASE_URL", url}, {"PGCONNECT_TIMEOUT", "7"}}), contains("connect = 7 "));
  CHECK_THAT(shown({{"DATABASE_URL", url + "?connect_timeout=0"}}), contains("connect = 10 "));
  // It would wait for ten seconds, in a command that may take two.
  check_failure(scene.fixture.run({"universes", "--timeout", "9"},
                                  {{"DATABASE_URL", url + "?connect_timeout=1"}}),
                5, "no answer in time");
}

TEST_CASE(
    "a secret that Kubernetes or systemd hands over is accepted, and /dev/null is an empty "
    "configuration") {
  Urls scene;
  scene.takes({}, {"--config", "/dev/null"});
  scene.takes({{"TICKSTOCK_CACHE_CONFIG", "/dev/null"}});
  scene.refuses({}, 78, "first line is empty", {"--database-url-file", "/dev/null"});
  scene.refuses({}, 78, "not a regular file", {"--config", "/dev/zero"});
  if (::geteuid() != 0) return;
  scene.directory.open_to_services();
  const std::string secret = scene.directory.write("url", scene.database_url() + "\n", 0440);
  // The user may not enter the folder of the build, such as one below /root.
  const std::string program = scene.directory.file("program");
  std::filesystem::copy_file(Fixture::command({}).front(), program);
  constexpr uid_t user = 4711;
  constexpr gid_t group = 4712;
  const auto status_as = [&](const std::string& file, gid_t as) {
    RunOptions options = scene.fixture.options({{"DATABASE_URL", std::nullopt}});
    options.user = User{user, as};
    return run_process({program, "universes", "--database-url-file", file}, options).status;
  };
  REQUIRE(::chown(secret.c_str(), 0, group) == 0);
  CHECK(status_as(secret, group) == 0);
  CHECK(status_as(secret, group + 1) == 78);
  for (const mode_t mode : {0640U, 0444U, 0460U}) {
    REQUIRE(::chmod(secret.c_str(), mode) == 0);
    CHECK(status_as(secret, group) == 78);
  }
  REQUIRE(::chmod(secret.c_str(), 0440) == 0);
  REQUIRE(::chown(secret.c_str(), user + 1, group) == 0);
  CHECK(status_as(secret, group) == 78);

  // systemd leaves a credential to root, and opens it to the user of the service by a list.
  REQUIRE(::chown(secret.c_str(), 0, 0) == 0);
  CHECK(status_as(secret, group) == 78);
  open_to(secret, user);
  CHECK(status_as(secret, group) == 0);
  REQUIRE(::chmod(secret.c_str(), 0444) == 0);
  CHECK(status_as(secret, group) == 78);
}
