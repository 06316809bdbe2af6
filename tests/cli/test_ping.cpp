// A dead man's switch is told how a run ended.

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>

#include "cli/scene.hpp"
#include "peers.hpp"

using namespace tickstock::test;

namespace {

/// A web server that records each request, and answers all of them with one status.
class Switch {
 public:
  explicit Switch(const std::string& status = "200 OK")
      : server_([this, status](int fd, const TcpServer& server) {
          std::string request;
          std::array<char, 4096> buffer{};
          const auto is_whole = [&] {
            const std::size_t head = request.find("\r\n\r\n");
            if (head == std::string::npos) return false;
            const std::size_t length = request.find("Content-Length: ");
            return length == std::string::npos ||
                   request.size() >= head + 4 + std::stoul(request.substr(length + 16));
          };
          while (!server.stopping() && !is_whole()) {
            if (!TcpServer::readable(fd)) continue;
            const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (size <= 0) return;
            request.append(buffer.data(), static_cast<std::size_t>(size));
          }
          {
            const std::lock_guard guard(mutex_);
            requests_.push_back(request);
          }
          TcpServer::send_all(
              fd, "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }) {}

  std::string url(const std::string& path = "/secret-uuid") const {
    return fmt::format("http://127.0.0.1:{}{}", server_.port(), path);
  }
  Names take() {
    const std::lock_guard guard(mutex_);
    return std::exchange(requests_, {});
  }

 private:
  std::mutex mutex_;
  Names requests_;
  TcpServer server_;
};

/// A market whose configuration names a switch.
struct Watched {
  explicit Watched(const std::string& url) {
    add_small_market(fixture);
    there = {{"TICKSTOCK_CACHE_CONFIG",
              directory.write("c.toml", "[monitoring]\nping_url = \"" + url + "\"\n")},
             {"no_proxy", "*"}};
  }

  Fixture fixture;
  TemporaryDirectory directory;
  Environment there;
};

}  // namespace

TEST_CASE("a run that succeeds gets the URL, any other posts its error to /fail") {
  Switch ping;
  Watched scene(ping.url("/secret-uuid?a=b"));
  CHECK(run_task(scene.fixture, {"dry-run"}, scene.there).status == 0);
  CHECK(scene.fixture.run({"check"}, scene.there).status == 0);
  CHECK(ping.take().empty());
  const ProcessResult done = run_task(scene.fixture, {"sync", "--detailed-exitcode"}, scene.there);
  CHECK(done.status == 2);
  Names requests = ping.take();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].starts_with("GET /secret-uuid?a=b HTTP/1.1\r\n"));

  scene.fixture.database().execute("UPDATE symbols SET market_cap = 0");
  const ProcessResult refused = run_task(scene.fixture, {"sync"}, scene.there);
  CHECK(refused.status == 4);
  requests = ping.take();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].starts_with("POST /secret-uuid/fail?a=b HTTP/1.1\r\n"));
  CHECK_THAT(requests[0], contains("exit status 4: refused by a guard: no symbol is eligible"));

  Environment away = scene.there;
  away.insert_or_assign("DATABASE_URL", "postgresql://127.0.0.1:1/none");
  CHECK(run_task(scene.fixture, {"sync"}, away).status == 5);
  requests = ping.take();
  REQUIRE(requests.size() == 1);
  CHECK_THAT(requests[0], contains("exit status 5: cannot connect to PostgreSQL"));

  CHECK(scene.fixture.run({"sync", "--as-of", "never"}, scene.there).status == 64);
  CHECK(ping.take().size() == 1);
}

TEST_CASE("a ping that fails is a warning, which names the server alone") {
  const BlackHole hole;
  Switch broken("503 Service Unavailable");
  Switch moved("301 Moved Permanently");
  for (const std::string& url :
       {std::string("http://127.0.0.1:1/secret-uuid"), broken.url(), moved.url(),
        fmt::format("http://127.0.0.1:{}/secret-uuid", hole.port())}) {
    INFO(url);
    Watched scene(url);
    const ProcessResult result = run_task(scene.fixture, {"sync"}, scene.there);
    CHECK(result.status == 0);
    const Names warnings = log_lines(result, "warning");
    REQUIRE_FALSE(warnings.empty());
    CHECK_THAT(warnings.back(), contains("the ping of " + url.substr(0, url.find("/secret"))) &&
                                    contains("Check [monitoring] ping_url"));
    CHECK((result.out + result.err).find("secret-uuid") == std::string::npos);
  }
}

TEST_CASE("a signal ends a ping that nobody answers") {
  std::atomic<bool> is_asked = false;
  TcpServer silent([&is_asked](int fd, const TcpServer& server) {
    while (!server.stopping()) is_asked = TcpServer::readable(fd) || is_asked;
  });
  Watched scene(fmt::format("http://127.0.0.1:{}/secret-uuid", silent.port()));
  Process process = scene.fixture.start({"sync", "--as-of", market_day}, scene.there);
  wait_until("the ping", [&] { return is_asked.load(); });
  process.send_signal(SIGTERM);
  const ProcessResult result = process.wait();
  CHECK(result.status == 0);
  CHECK_THAT(result.err, contains(": interrupted by a signal. Check [monitoring] ping_url"));
}

TEST_CASE("anything but a web address is refused") {
  for (const std::string url : {"ftp://host/x", "https://", "https://user:word@host/x", "host/x"}) {
    INFO(url);
    const Watched scene(url);
    const ProcessResult result = run_task(scene.fixture, {"sync"}, scene.there);
    CHECK(result.status == 78);
    CHECK_THAT(result.err, contains("[monitoring] ping_url must be an http:// or https:// URL"));
    CHECK(result.err.find("word@") == std::string::npos);
  }
}
