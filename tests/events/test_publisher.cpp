#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "events/publisher.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/network.hpp"
#include "support/patience.hpp"
#include "support/peers.hpp"
#include "support/process.hpp"
#include "support/redis.hpp"

using namespace tickstock;
using namespace tickstock::events;
using namespace tickstock::redis;
using namespace tickstock::test;
using std::chrono::seconds;

namespace {

Message message(const std::string& body) {
  return {"00000000-0000-8000-8000-000000000001", "tickstock:test", "test", body};
}

void publish(Publisher& publisher, const std::string& body,
             io::Deadline deadline = io::Deadline::after(seconds(10)),
             io::Patience& patience = unlimited()) {
  const Publisher::Published published =
      publisher.publish(std::vector<Message>{message(body)}, deadline, patience);
  CHECK(published.receivers.size() == (published.failure ? 0U : 1U));
  if (published.failure) throw Error(*published.failure);
}

void publish(const std::string& url, const std::string& body, const std::string& ca_file = "",
             const std::string& cert_file = "", const std::string& key_file = "") {
  RedisSettings settings = parse_redis_url(url);
  settings.ca_file = ca_file;
  settings.cert_file = cert_file;
  settings.key_file = key_file;
  Publisher publisher(settings);
  publish(publisher, body);
}

std::string failure_of(const std::string& url, const std::string& ca_file = "",
                       const std::string& cert_file = "", const std::string& key_file = "") {
  try {
    publish(url, "lost", ca_file, cert_file, key_file);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::redis);
    CHECK_THAT(error.what(), !contains("CANARY"));
    return error.what();
  }
  return "published";
}

std::vector<std::string> received(Subscriber& subscriber) {
  std::vector<std::string> bodies;
  for (const Event& event : subscriber.drain()) bodies.push_back(event.message);
  return bodies;
}

/// A server with TLS and one of the test's certificates.
class TlsRedis {
 public:
  Redis start(const std::string& certificate, const std::string& asks_clients = "no") const {
    return Redis({.settings = {"tls-port " + std::to_string(port_),
                               "tls-cert-file " + certificates_.file(certificate + ".crt"),
                               "tls-key-file " + certificates_.file(certificate + ".key"),
                               "tls-ca-cert-file " + certificates_.file("ca.crt"),
                               "tls-auth-clients " + asks_clients}});
  }

  [[nodiscard]] std::string url(const std::string& host) const {
    return "rediss://" + host + ":" + std::to_string(port_) + "/0";
  }
  [[nodiscard]] std::string ca(const std::string& name) const {
    return certificates_.file(name + ".crt");
  }
  [[nodiscard]] std::string key(const std::string& name) const {
    return certificates_.file(name + ".key");
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  Certificates certificates_;
  int port_ = free_port();
};

}  // namespace

TEST_CASE("events arrive over TCP, a Unix socket and with a database") {
  Redis& redis = Redis::shared();
  Subscriber subscriber(redis);
  publish(redis.url(), "over TCP");
  publish(redis.unix_url(), "over a socket");
  publish("redis://localhost:" + std::to_string(redis.port()) + "/3",
          "over a name, with a database");
  CHECK(received(subscriber) ==
        std::vector<std::string>{"over TCP", "over a socket", "over a name, with a database"});
}

TEST_CASE("an event may hold any bytes that JSON can") {
  Subscriber subscriber(Redis::shared());
  const std::string odd = "%s %b \r\n$5\r\n ä " + std::string(300'000, 'x');
  publish(Redis::shared().url(), odd);
  CHECK(received(subscriber) == std::vector<std::string>{odd});
}

TEST_CASE("announcements never wait, keep their order, and come before what is published") {
  Subscriber subscriber(Redis::shared());
  Publisher publisher(parse_redis_url(Redis::shared().url()));
  publisher.announce(message("1"));
  publisher.announce(message("2"));
  publish(publisher, "3");
  publisher.announce(message("4"));
  CHECK(publisher.flush(io::Deadline::after(seconds(10)), unlimited()));
  CHECK(received(subscriber) == std::vector<std::string>{"1", "2", "3", "4"});
}

TEST_CASE(
    "a Redis that is not there fails in words, and announcements to it are lost without any") {
  const std::string url = "redis://127.0.0.1:" + std::to_string(free_port()) + "/0";
  CHECK_THAT(failure_of(url), contains("Connection refused"));
  Publisher publisher(parse_redis_url(url));
  publisher.announce(message("lost"));
  CHECK_FALSE(publisher.flush(io::Deadline::after(seconds(10)), unlimited()));
  CHECK_THAT(failure_of("unix:///no/such/socket"), contains("No such file"));
  CHECK_THAT(failure_of("redis://no-such-host.invalid"), contains("no-such-host.invalid"));
}

TEST_CASE("user, password and their refusals") {
  Redis redis({.settings = {"requirepass CANARY",
                            "user job on >CANARY-job resetchannels &tickstock:* -@all +publish "
                            "+role +auth +select"},
               .password = "CANARY"});
  const std::string host = "127.0.0.1:" + std::to_string(redis.port());
  Subscriber subscriber(redis, "CANARY");
  publish("redis://:CANARY@" + host, "by password");
  publish("redis://job:CANARY-job@" + host, "by user");
  CHECK(received(subscriber).size() == 2);
  CHECK_THAT(failure_of("redis://:CANARY-wrong@" + host), contains("login is refused (WRONGPASS)"));
  CHECK_THAT(failure_of("redis://nobody:CANARY@" + host), contains("login is refused"));
  CHECK_THAT(failure_of("redis://" + host), contains("NOAUTH"));
}

TEST_CASE("a channel that is denied stops the delivery with the remedy") {
  Redis redis(
      {.settings = {"user job on >CANARY resetchannels &other:* -@all +publish +role +auth"}});
  CHECK_THAT(failure_of("redis://job:CANARY@127.0.0.1:" + std::to_string(redis.port())),
             contains("channel tickstock:test is refused: NOPERM"));
}

TEST_CASE(
    "many events go out at once and in their order, and none behind a channel that is denied") {
  Redis redis(
      {.settings = {"user job on >CANARY resetchannels &tickstock:* -@all +publish +role +auth"}});
  Subscriber subscriber(redis);
  Publisher publisher(
      parse_redis_url("redis://job:CANARY@127.0.0.1:" + std::to_string(redis.port())));
  std::vector<Message> messages;
  std::vector<std::string> expected;
  for (int i = 0; i < 1'000; ++i) {
    messages.push_back(message(std::to_string(i)));
    if (i % 3 == 0) messages.back().channel = "tickstock:other";
    if (i < 700) expected.push_back(messages.back().body);
  }
  messages[700].channel = "elsewhere";
  const Publisher::Published published =
      publisher.publish(messages, io::Deadline::after(seconds(10)), unlimited());
  CHECK(published.receivers.size() == 700);
  REQUIRE(published.failure);
  CHECK_THAT(published.failure->what(), contains("on channel elsewhere is refused: NOPERM"));
  CHECK(received(subscriber) == expected);
  CHECK(publisher.refused());

  const std::vector<Message> rest(messages.begin() + 701, messages.end());
  CHECK(publisher.publish(rest, io::Deadline::after(seconds(10)), unlimited()).receivers.size() ==
        299);
}

TEST_CASE("a server that does not report its role gets a warning, a replica is refused") {
  Redis shy({.settings = {"user job on >CANARY resetchannels &tickstock:* -@all +publish +auth"}});
  Publisher publisher(
      parse_redis_url("redis://job:CANARY@127.0.0.1:" + std::to_string(shy.port())));
  publish(publisher, "told");
  CHECK_THAT(publisher.warning(), contains("does not report its role"));

  Redis replica({.settings = {"replicaof 127.0.0.1 1"}});
  CHECK_THAT(failure_of(replica.url()), contains("it is a replica"));
}

TEST_CASE(
    "a server that never answers is given up at the deadline, and an interrupt ends the wait") {
  Redis redis;
  redis.send_signal(SIGSTOP);
  Publisher publisher(parse_redis_url(redis.url()));
  const auto deadline = io::Deadline::after(std::chrono::milliseconds(200));
  CHECK_THROWS_WITH(publish(publisher, "lost", deadline), contains("no answer in time"));

  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  REQUIRE(::write(pipe[1], "x", 1) == 1);
  io::Patience interrupted(io::Interrupt{pipe[0]}, io::Deadline::never());
  CHECK_THROWS_WITH(publish(publisher, "lost", io::Deadline::after(seconds(60)), interrupted),
                    contains("interrupted"));
  ::close(pipe[0]);
  ::close(pipe[1]);
  redis.send_signal(SIGCONT);
}

TEST_CASE("an answer that comes too late for its event counts for no other") {
  Redis redis;
  Publisher publisher(parse_redis_url(redis.url()));
  publish(publisher, "first");
  redis.send_signal(SIGSTOP);
  const auto soon = io::Deadline::after(std::chrono::milliseconds(100));
  const std::vector<Message> late{message("late"), message("later")};
  CHECK(publisher.publish(late, soon, unlimited()).receivers.empty());
  const auto also_soon = io::Deadline::after(std::chrono::milliseconds(100));
  CHECK(publisher.publish(late, also_soon, unlimited()).receivers.empty());
  redis.send_signal(SIGCONT);
  publish(publisher, "last");
}

TEST_CASE("a server that goes away in between is an error, not the end of the process") {
  Redis redis;
  Publisher publisher(parse_redis_url(redis.url()));
  publish(publisher, "first");
  redis.stop();
  CHECK_THROWS_AS(publish(publisher, "second"), Error);
  CHECK_THROWS_AS(publish(publisher, "third"), Error);
}

TEST_CASE("a connection that the server has closed since, or not yet accepted, is replaced") {
  const TlsRedis tls;
  Redis redis = tls.start("good");
  for (const std::string& url : {redis.url(), redis.unix_url(), tls.url("localhost")}) {
    INFO(url);
    RedisSettings settings = parse_redis_url(url);
    settings.ca_file = tls.ca("ca");
    Publisher publisher(settings);
    publish(publisher, "first");
    redis.stop();
    publisher.renew();
    CHECK_THROWS_AS(publish(publisher, "lost"), Error);
    redis.start();
    publisher.renew();
    publish(publisher, "second");
  }
}

TEST_CASE("a server that refused the login is not asked again") {
  Redis redis({.settings = {"requirepass good"}, .password = "good"});
  Publisher publisher(parse_redis_url("redis://:wrong@" + redis.url().substr(8)));
  for (int i = 0; i < 2; ++i) {
    publisher.renew();
    CHECK_THROWS_WITH(publish(publisher, "lost"), contains("WRONGPASS"));
  }
  CHECK_THAT(redis.command({"INFO", "errorstats"}), contains("errorstat_WRONGPASS:count=1\r"));
}

TEST_CASE("rediss:// is encrypted and verified: authority, host and time") {
  const TlsRedis tls;
  {
    const Redis redis = tls.start("good");
    Subscriber subscriber(redis);
    publish(tls.url("localhost"), "by name", tls.ca("ca"));
    publish(tls.url("127.0.0.1"), "by address", tls.ca("ca"));
    CHECK(received(subscriber).size() == 2);
    CHECK_THAT(failure_of(tls.url("localhost"), tls.ca("other")),
               contains("certificate is refused"));
    CHECK_THAT(failure_of(tls.url("localhost")), contains("certificate is refused"));
    CHECK_THAT(failure_of(tls.url("localhost"), "/no/such/file"),
               contains("certificates to trust"));
    // Plain text to a TLS port, and TLS to a plain one.
    CHECK(failure_of("redis://127.0.0.1:" + tls.url("").substr(10, 5)) != "published");
    CHECK(failure_of("rediss://127.0.0.1:" + std::to_string(redis.port())) != "published");
  }
  {
    const Redis redis = tls.start("wrong_host");
    CHECK_THAT(failure_of(tls.url("localhost"), tls.ca("ca")),
               contains("certificate is refused: hostname mismatch"));
    CHECK_THAT(failure_of(tls.url("127.0.0.1"), tls.ca("ca")),
               contains("certificate is refused: IP address mismatch"));
  }
  const Redis redis = tls.start("expired");
  CHECK_THAT(failure_of(tls.url("localhost"), tls.ca("ca")), contains("certificate is refused"));
}

TEST_CASE("a server that asks for a certificate gets it, and is named if there is none") {
  const TlsRedis tls;
  const std::string ca = tls.ca("ca");
  for (const std::string version : {"TLSv1.2", "TLSv1.3"}) {
    INFO(version);
    const Redis redis = tls.start("good", "yes\ntls-protocols " + version);
    Subscriber subscriber(redis);
    publish(tls.url("localhost"), "shown", ca, tls.ca("good"), tls.key("good"));
    CHECK(received(subscriber) == std::vector<std::string>{"shown"});
    CHECK_THAT(failure_of(tls.url("localhost"), ca),
               contains("it requires a client certificate (") &&
                   contains("Name one and its key as cert_file and key_file in [redis]"));
    CHECK_THAT(failure_of(tls.url("localhost"), ca, tls.ca("other"), tls.key("other")),
               contains("unknown ca"));
  }
  CHECK_THAT(failure_of(tls.url("localhost"), ca, "/no/such.crt", tls.key("good")),
             contains("Connection refused"));
  const Redis redis = tls.start("good", "optional");
  publish(tls.url("localhost"), "not asked for", ca);
  CHECK_THAT(failure_of(tls.url("localhost"), ca, "/no/such.crt", tls.key("good")),
             contains("the client certificate /no/such.crt can't be used: "));
  CHECK_THAT(failure_of(tls.url("localhost"), ca, tls.ca("good"), tls.key("other")),
             contains(tls.key("other") + " can't be used with ") && contains("mismatch"));
}

namespace {

/// Answers every question at once in the same way.
TcpServer::Serve answering(const std::string& words) {
  return [words](int fd, const TcpServer& server) {
    std::array<char, 4096> bytes{};
    while (!server.stopping()) {
      if (!TcpServer::readable(fd)) continue;
      if (::recv(fd, bytes.data(), bytes.size(), 0) <= 0) return;
      TcpServer::send_all(fd, words);
    }
  };
}

std::string naming(int port) {
  return "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n" + std::to_string(port) + "\r\n";
}

std::string watched_by(const std::vector<int>& ports) {
  std::string hosts;
  for (const int port : ports) {
    hosts += (hosts.empty() ? "" : ",") + ("127.0.0.1:" + std::to_string(port));
  }
  return "redis+sentinel://" + hosts + "/desk";
}

}  // namespace

TEST_CASE("one Sentinel after another is asked, until one names the primary") {
  Redis& redis = Redis::shared();
  Subscriber subscriber(redis);
  const BlackHole hole;
  const TcpServer silent([](int fd, const TcpServer& server) {
    while (!server.stopping()) TcpServer::readable(fd);
  });
  const TcpServer ignorant(answering("*-1\r\n"));
  const TcpServer shy(answering("-NOAUTH Authentication required.\r\n"));
  const TcpServer odd(answering("HTTP/1.1 400 Bad Request\r\n"));
  const TcpServer good(answering(naming(redis.port())));
  const std::vector<int> bad{free_port(), hole.port(), silent.port(), ignorant.port(),
                             shy.port(),  odd.port(),  redis.port()};
  std::vector<int> all = bad;
  all.push_back(good.port());
  publish(watched_by(all), "found");
  CHECK(received(subscriber) == std::vector<std::string>{"found"});

  const std::string failure = failure_of(watched_by(bad));
  CHECK_THAT(failure, starts_with("Redis at redis+sentinel://127.0.0.1:") &&
                          contains("/desk/0: no Sentinel names the primary: 127.0.0.1:"));
  const std::vector<std::string> reasons{": Connection refused; ",
                                         ": no answer in time; ",
                                         ": no answer in time; ",
                                         ": it does not know the master desk; ",
                                         ": NOAUTH Authentication required.; ",
                                         ": its answer is not the Redis protocol; ",
                                         ": it is not a Sentinel"};
  for (std::size_t i = 0; i < bad.size(); ++i) {
    CHECK_THAT(failure, contains("127.0.0.1:" + std::to_string(bad[i]) + reasons[i]));
  }
}

TEST_CASE("announcements do not wait for a Sentinel either, and come before what is published") {
  Redis redis;
  Subscriber subscriber(redis);
  const TcpServer sentinel(answering(naming(redis.port())));
  Publisher publisher(parse_redis_url(watched_by({free_port(), sentinel.port()})));
  publisher.announce(message("1"));
  publisher.nudge();
  publish(publisher, "2");
  CHECK(received(subscriber) == std::vector<std::string>{"1", "2"});
  CHECK(publisher.server().endpoint().shown() == "127.0.0.1:" + std::to_string(redis.port()));
  CHECK_FALSE(publisher.may_recover());
}

TEST_CASE("a primary that is lost, silent or a replica may recover, one that refuses may not") {
  const auto outcome = [](const std::string& url, const std::string& part) {
    RedisSettings settings = parse_redis_url(url);
    settings.connect_timeout = std::chrono::milliseconds(500);
    Publisher publisher(settings);
    CHECK_THROWS_WITH(publish(publisher, "lost"), contains(part));
    return publisher.may_recover();
  };
  const TcpServer none(answering(naming(free_port())));
  CHECK(outcome(watched_by({none.port()}), "/desk/0 (127.0.0.1:"));
  const BlackHole hole;
  const TcpServer dark(answering(naming(hole.port())));
  CHECK(outcome(watched_by({dark.port()}), "no answer in time"));
  Redis hung;
  const TcpServer of_hung(answering(naming(hung.port())));
  hung.send_signal(SIGSTOP);
  CHECK(outcome(watched_by({of_hung.port()}), "no answer in time"));
  hung.send_signal(SIGCONT);
  const Redis replica({.settings = {"replicaof 127.0.0.1 1"}});
  const TcpServer of_replica(answering(naming(replica.port())));
  CHECK(outcome(watched_by({of_replica.port()}), "it is a replica"));

  const Redis locked({.settings = {"requirepass word"}, .password = "word"});
  const TcpServer of_locked(answering(naming(locked.port())));
  CHECK_FALSE(outcome(watched_by({of_locked.port()}), "NOAUTH"));
  CHECK_FALSE(outcome(watched_by({free_port()}), "no Sentinel names the primary"));
  CHECK_FALSE(outcome("redis://127.0.0.1:" + std::to_string(free_port()), "refused"));
}

TEST_CASE("a restarted connection asks another Sentinel first") {
  Redis redis;
  Subscriber subscriber(redis);
  // Cut off from the others, it would name the old primary forever.
  const TcpServer stale(answering(naming(free_port())));
  const TcpServer good(answering(naming(redis.port())));
  Publisher publisher(parse_redis_url(watched_by({stale.port(), good.port()})));
  CHECK_THROWS_WITH(publish(publisher, "first"), contains("Connection refused"));
  REQUIRE(publisher.may_recover());
  publisher.restart();
  publish(publisher, "second");
  CHECK(received(subscriber) == std::vector<std::string>{"second"});
}

TEST_CASE("with require_tls a primary on another machine is refused before anything is sent") {
  const TcpServer sentinel(answering("*2\r\n$9\r\n192.0.2.1\r\n$4\r\n6379\r\n"));
  RedisSettings settings = parse_redis_url(watched_by({sentinel.port()}));
  settings.require_tls = true;
  Publisher publisher(settings);
  CHECK_THROWS_WITH(publish(publisher, "lost"),
                    contains("[security] require_tls: the connection to Redis at ") &&
                        contains(" (192.0.2.1:6379) is not encrypted"));
  CHECK_FALSE(publisher.may_recover());
}

TEST_CASE("with require_tls no other machine of a Cluster is told a login either") {
  const TcpServer node([](int fd, const TcpServer& server) {
    // First its role, then the location of the stream.
    for (const char* words :
         {"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", "-MOVED 3999 192.0.2.1:6379\r\n"}) {
      while (!server.stopping() && !TcpServer::readable(fd)) continue;
      std::array<char, 4096> bytes{};
      if (::recv(fd, bytes.data(), bytes.size(), 0) <= 0) return;
      TcpServer::send_all(fd, words);
    }
    while (!server.stopping()) TcpServer::readable(fd);
  });
  RedisSettings settings = parse_redis_url(fmt::format("redis://127.0.0.1:{}", node.port()));
  settings.require_tls = true;
  settings.connect_timeout = std::chrono::milliseconds(500);
  Publisher publisher(settings, {.key = "stream"});
  const io::Deadline deadline = io::Deadline::after(seconds(10));
  publisher.connect(deadline, unlimited());
  const Message stored{"id", "channel", "event", "body", 1};
  const Publisher::Published published = publisher.publish({&stored, 1}, deadline, unlimited());
  REQUIRE(published.failure);
  CHECK(published.receivers.empty());
  CHECK_THAT(published.failure->what(),
             contains("[security] require_tls: the connection to Redis at redis://192.0.2.1:6379/0 "
                      "is not encrypted"));
}

TEST_CASE("rediss+sentinel:// encrypts and verifies the Sentinels and the primary") {
  const TlsRedis tls;
  const TlsRedis watch;
  const Redis redis = tls.start("good");
  const Redis sentinel(
      {.settings = {"tls-port " + std::to_string(watch.port()), "tls-cert-file " + watch.ca("good"),
                    "tls-key-file " + watch.key("good"), "tls-ca-cert-file " + watch.ca("ca"),
                    "tls-auth-clients no",
                    "sentinel monitor desk 127.0.0.1 " + std::to_string(tls.port()) + " 1"},
       .sentinel = true});
  const TemporaryDirectory directory;
  const std::string both =
      directory.write("both.pem", file_text(tls.ca("ca")) + file_text(watch.ca("ca")));
  Subscriber subscriber(redis);
  const std::string url = "rediss+sentinel://localhost:" + std::to_string(watch.port()) + "/desk";
  publish(url, "encrypted", both);
  CHECK(received(subscriber) == std::vector<std::string>{"encrypted"});
  CHECK_THAT(failure_of(url, tls.ca("ca")), contains("no Sentinel names the primary: localhost:") &&
                                                contains("certificate is refused"));
  CHECK_THAT(failure_of(url, watch.ca("ca")),
             contains("/desk/0 (127.0.0.1:") && contains("certificate is refused"));
}

TEST_CASE("data waiting to be sent over TLS may grow meanwhile") {
  const TlsRedis tls;
  Redis redis = tls.start("good");
  Subscriber subscriber(redis);
  RedisSettings settings = parse_redis_url(tls.url("localhost"));
  settings.ca_file = tls.ca("ca");
  Publisher publisher(settings);
  publish(publisher, "first");
  redis.send_signal(SIGSTOP);
  const std::string large(1'000'000, 'x');
  constexpr int many = 20;
  for (int i = 0; i < many; ++i) publisher.announce(message(large));
  redis.send_signal(SIGCONT);
  CHECK(publisher.flush(io::Deadline::after(seconds(30)), unlimited()));
  publish(publisher, "last");
  CHECK(received(subscriber).size() == many + 2);
}
