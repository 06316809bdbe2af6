// Fault 61: a job that knows a primary and its standby, which is promoted before, during and after
// a run, at each of its calls. Label: sweep.

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "failover.hpp"
#include "faults/night.hpp"

using namespace tickstock::test;

namespace {

/// Far more than a run makes of any call.
constexpr int most_calls = 400;

/// Returns the servers of this process. Each time the standby has taken over, there is a new one.
FailoverPair& pair() {
  static const std::unique_ptr<FailoverPair> made = [] {
    auto servers = std::make_unique<FailoverPair>(guarded());
    admit_job(servers->primary());
    return servers;
  }();
  return *made;
}

/// A night whose servers are these two.
struct Scene {
  Scene() { night.know_servers(pair().ports()); }
  ~Scene() {
    if (moved) pair().renew();
  }

  void promote(Death death = Death::crash) {
    pair().lose_primary(death);
    take_over();
  }
  /// Promotes the standby after the primary is gone.
  void take_over() {
    pair().promote();
    night.database().follow(pair().primary());
    moved = true;
  }

  std::string value(const std::string& sql) { return night.database().value(sql); }

  Night night{pair().primary()};
  bool moved = false;
};

/// A command of the job that stops at its n-th `call`.
class Halted {
 public:
  Halted(Night& night, const std::string& call, int n, const Names& command) : call_(call) {
    Environment environment = night.job();
    environment["TICKSTOCK_CACHE_CONFIG"] =
        directory_.write("c.toml", "[database]\nconnections = 2\n");
    // A process can have only one tracer, and the leak detector would be a second one.
    const char* sanitizer = std::getenv("ASAN_OPTIONS");
    environment["ASAN_OPTIONS"] =
        (sanitizer == nullptr ? "" : std::string(sanitizer) + ":") + "detect_leaks=0";
    // As a grandchild, so that the child is the command itself.
    const Names tracer{"strace", "-D",
                       "-o",     trace_,
                       "-e",     "trace=" + call,
                       "-e",     fmt::format("inject={}:signal=STOP:when={}", call, n)};
    process_ = std::make_unique<Process>(with(tracer, Fixture::command(command)),
                                         night.fixture.options(environment));
    wait_until("the command to stop or end",
               [this] { return is_stopped() || !process_->running(); });
  }

  bool is_stopped() const { return trace().find("--- stopped by SIGSTOP") != std::string::npos; }
  void go_on() { process_->send_signal(SIGCONT); }
  ProcessResult end() {
    ProcessResult result = process_->wait();
    CHECK_THAT(result.out + result.err, !contains("CANARY"));
    return result;
  }

  /// Returns how many calls it made. \pre it has ended.
  int calls() const {
    wait_until("the tracer to end", [this] { return trace().find("+++") != std::string::npos; });
    const Names lines = lines_of(trace());
    return static_cast<int>(
        std::count_if(lines.begin(), lines.end(),
                      [this](const std::string& line) { return line.starts_with(call_ + "("); }));
  }

 private:
  std::string trace() const {
    std::ifstream file(trace_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string call_;
  TemporaryDirectory directory_;
  std::string trace_ = directory_.file("trace");
  std::unique_ptr<Process> process_;
};

const Names whole_run{"sync", "--as-of", market_day, "--run-id", "night", "--format", "json"};

/// Waits until the primary has done what it was asked, whether or not its answer was received.
void let_primary_work() {
  Session session(pair().primary().url("postgres"));
  wait_until("the primary to have done its work", [&] {
    return session.value(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'job' AND state = "
               "'active' AND wait_event IS DISTINCT FROM 'ClientRead'") == "0";
  });
}

/// Checks whether a run is done, that entries, record, journal, outbox, document and announcements
/// agree on it, and that the next run puts everything right. \return whether it is done.
bool judge(Scene& scene, const ProcessResult& result) {
  Night& night = scene.night;
  const bool done = result.status != 5;
  if (done) {
    night.check(result, 0, Entries::fresh, Sent::all, "");
  } else {
    night.check(result, 5, Entries::same, Sent::none, "error: ");
  }
  CHECK(scene.value("SELECT count(*) FROM cache_sync_runs WHERE run_id = 'night' AND status = "
                    "'completed'") == (done ? "1" : "0"));
  CHECK(scene.value("SELECT count(*) FROM cache_sync_changes") == (done ? "11" : "0"));
  CHECK(scene.value("SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") == "0");
  CHECK(night.stored().empty() != done);
  const Json document = Json::parse(result.out);
  CHECK(document.at("success").boolean() == done);
  if (done) CHECK(document.at("events.pending").integer() == 0);
  night.heal();
  return done;
}

/// Returns how often a run without a fault looks for an answer.
int count_answers() {
  Scene scene;
  Halted run(scene.night, "recvfrom", most_calls, whole_run);
  CHECK(run.end().status == 0);
  return run.calls();
}

}  // namespace

TEST_CASE("fault 61: a standby that was promoted before a run serves it, and not before that") {
  for (const bool primary_first : {true, false}) {
    Scene scene;
    std::vector<int> ports = pair().ports();
    if (!primary_first) std::swap(ports[0], ports[1]);
    scene.night.know_servers(ports);
    pair().lose_primary(primary_first ? Death::crash : Death::immediate_stop);
    check_failure(scene.night.sync(), 5, "cannot connect to PostgreSQL");
    scene.take_over();
    scene.night.check(scene.night.sync(), 0, Entries::fresh, Sent::all, "");
    scene.night.heal();
  }
}

TEST_CASE(
    "fault 61: whatever a run is at when a standby is promoted, it did all or nothing, knows "
    "which, and the next one puts everything right") {
  bool committed = false;
  bool undone = false;
  for (int n = 1;; ++n) {
    REQUIRE(n < most_calls);
    Scene scene;
    Halted run(scene.night, "sendto", n, whole_run);
    INFO("sendto number " << n);
    if (!run.is_stopped()) {
      scene.night.check(run.end(), 0, Entries::fresh, Sent::all, "");
      break;
    }
    // One time in three, do not even let the primary finish what it was asked.
    if (n % 3 != 0) let_primary_work();
    scene.promote(n % 2 == 0 ? Death::crash : Death::immediate_stop);
    run.go_on();
    judge(scene, run.end()) ? committed = true : undone = true;
  }
  CHECK(committed);
  CHECK(undone);
}

TEST_CASE("fault 61: a run that has heard of its COMMIT publishes from whoever takes over") {
  // From the last answer back to the first before COMMIT, while the run looks for a server.
  int undone = 0;
  for (int n = count_answers(); undone < 3; --n) {
    REQUIRE(n > 0);
    Scene scene;
    Halted run(scene.night, "recvfrom", n, whole_run);
    INFO("recvfrom number " << n);
    // How often it looks for an answer varies a little.
    if (!run.is_stopped()) continue;
    pair().lose_primary(n % 2 == 0 ? Death::crash : Death::immediate_stop);
    run.go_on();
    scene.take_over();
    if (!judge(scene, run.end())) ++undone;
  }
}

TEST_CASE("fault 61: a run asks for the outcome of its COMMIT until a standby takes over") {
  Scene scene;
  Night& night = scene.night;
  CommitProxy proxy(pair().primary().port(), CommitProxy::Mode::vanish_after, 2);
  night.know_servers({proxy.port(), pair().standby().port()});
  const auto process = night.start({"--run-id", "night"});
  wait_until("the run to ask for the outcome",
             [&] { return process->err().find("asking for the outcome") != std::string::npos; });
  scene.promote();
  night.check(night.finish(*process), 0, Entries::fresh, Sent::all, "");
  night.heal();
}

TEST_CASE("fault 61: COMMIT hangs, whether it arrived or not, while a standby takes over") {
  for (const auto mode : {CommitProxy::Mode::hang_before, CommitProxy::Mode::hang_after}) {
    Scene scene;
    Night& night = scene.night;
    CommitProxy proxy(pair().primary().port(), mode, 2);
    night.know_servers({proxy.port(), pair().standby().port()});
    const auto process = night.start({"--run-id", "night", "--config", night.config()});
    wait_until("COMMIT to hang", [&] { return proxy.spoilt(); });
    if (mode == CommitProxy::Mode::hang_after) {
      wait_until("COMMIT to be done", [&] { return !night.stored().empty(); });
    }
    scene.promote();
    const ProcessResult result = night.finish(*process);
    if (mode == CommitProxy::Mode::hang_after) {
      night.check(result, 0, Entries::fresh, Sent::all, "asking for the outcome");
    } else {
      night.check(result, 5, Entries::same, Sent::none, "the transaction was rolled back");
      CHECK(scene.value("SELECT status FROM cache_sync_runs") == "failed");
    }
    night.heal();
  }
}

TEST_CASE("fault 61: events that are pending when a standby is promoted are sent from there") {
  for (const bool by_deliver : {true, false}) {
    Scene scene;
    Night& night = scene.night;
    night.check(night.sync({}, redis_down()), 6, Entries::fresh, Sent::none, "pending");
    scene.promote();
    CHECK(night.arrived().empty());
    if (by_deliver) {
      CHECK(night.run({"deliver"}).status == 0);
      CHECK(night.arrived() == night.stored());
    }
    night.heal();
    CHECK(night.repeated() == 0);
  }
}

TEST_CASE("fault 61: whatever a delivery is at when a standby is promoted, nothing is lost") {
  for (int n = 1;; ++n) {
    REQUIRE(n < most_calls);
    Scene scene;
    Night& night = scene.night;
    REQUIRE(night.sync({}, redis_down()).status == 6);
    Halted delivery(night, "sendto", n, {"deliver"});
    const bool is_stopped = delivery.is_stopped();
    if (is_stopped) {
      if (n % 3 != 0) let_primary_work();
      scene.promote(n % 2 == 0 ? Death::crash : Death::immediate_stop);
      delivery.go_on();
    }
    const ProcessResult result = delivery.end();
    INFO("sendto number " << n << ": " << result.err);
    // It looked around on the server that went away.
    const bool is_early = result.status == 5;
    CHECK((result.status == 0 || (is_early && is_stopped)));
    night.check(result, result.status, Entries::fresh, is_early ? Sent::none : Sent::all, "");
    night.heal();
    if (!is_stopped) break;
  }
}

TEST_CASE("fault 61: a run that a failover loses after its COMMIT says so, and is worth a retry") {
  Scene scene;
  Night& night = scene.night;
  pair().part();
  guarded_redis().command({"CLIENT", "PAUSE", "60000", "WRITE"});
  const auto process = night.start({"--run-id", "night"});
  wait_until("the run to publish", [&] {
    return night.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
               "'tickstock-cache night 5/5' AND state = 'idle in transaction'") == "1";
  });
  scene.promote();
  guarded_redis().command({"CLIENT", "UNPAUSE"});
  const ProcessResult result = night.finish(*process);
  CHECK(result.status == 5);
  CHECK_THAT(result.err, contains("PostgreSQL lost the committed run in a failover"));
  CHECK(night.fixture.universes() == Names{"tech"});
  CHECK(night.stored().empty());
  CHECK(scene.value("SELECT count(*) FROM cache_sync_runs WHERE status = 'completed'") == "0");
  // Subscribers were told about it, and will be told about the next one.
  night.forget_events();
  night.heal();
}
