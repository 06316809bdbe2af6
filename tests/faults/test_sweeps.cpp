// Faults 20 and 26, and every point in between: a run is killed, interrupted or cut off at each of
// its externally visible system calls, and many are started at once. Label: sweep.

#include <cstdlib>
#include <fstream>
#include <memory>

#include "faults/night.hpp"

using namespace tickstock::test;

namespace {

/// Calls that send, receive, wait or write; a run makes no others that anybody could notice.
const Names outside_calls{"sendto", "recvfrom", "poll", "write", "connect"};

const std::string running_sql = "SELECT count(*) FROM cache_sync_runs WHERE status = 'running'";

/// Far more than a run makes of any call.
constexpr int most_calls = 400;

/// Runs a night whose n-th `call` meets `injection`.
struct Sweep {
  std::string call;
  std::string injection;
  int connections = 1;  ///< over which it reads
  Names command = {"sync", "--as-of", market_day};
  bool streams = false;

  /// \param met whether the run made so many calls that one was tampered with
  ProcessResult run(Night& night, int n, bool& met) const {
    RunOptions options = night.fixture.options(night.job());
    // A process can have only one tracer, and the leak detector would be a second one.
    const char* sanitizer = std::getenv("ASAN_OPTIONS");
    options.environment["ASAN_OPTIONS"] =
        (sanitizer == nullptr ? "" : std::string(sanitizer) + ":") + "detect_leaks=0";
    const TemporaryDirectory directory;
    options.environment["TICKSTOCK_CACHE_CONFIG"] =
        directory.write("c.toml", fmt::format("[database]\nconnections = {}\n{}", connections,
                                              streams ? stream_setting : ""));
    const std::string trace = directory.file("trace");
    const Names tracer{"strace",
                       "-o",
                       trace,
                       "-e",
                       "trace=" + call,
                       "-e",
                       fmt::format("inject={}:{}:when={}", call, injection, n)};
    ProcessResult result = run_process(with(tracer, Fixture::command(command)), options);
    std::ifstream file(trace);
    const std::string calls{std::istreambuf_iterator<char>(file), {}};
    met = calls.find("--- SIGTERM") != std::string::npos ||
          calls.find("killed by SIGKILL") != std::string::npos ||
          calls.find("(INJECTED)") != std::string::npos;
    return result;
  }
};

/// Returns whether the entries are as they were before, and nothing of the run is stored.
bool untouched(Night& night) {
  return night.stored().empty() && night.fixture.universes() == Names{"tech"};
}

/// Sweeps over one call until a run ends without having met the injection. After each run, checks
/// that nothing is half done and that the next run puts everything right.
template <typename Judge>
void sweep(const Sweep& sweep, Judge judge) {
  for (int n = 1; n < most_calls; ++n) {
    Night night;
    if (sweep.streams) night.keep_stream();
    bool met = false;
    const ProcessResult result = sweep.run(night, n, met);
    INFO(sweep.call << " number " << n << " with " << sweep.injection << ": " << result.err);
    CHECK_THAT(result.out + result.err, !contains("CANARY"));
    if (!met) {
      CHECK(n > 1);
      night.check(result, 0, Entries::fresh, Sent::all, "");
      return;
    }
    judge(night, result);
    night.heal();
  }
  FAIL("a run makes more than " << most_calls << " calls of " << sweep.call);
}

/// A night changed by a run that is to be undone.
struct Changed {
  Night night;
  Names before = contents();
  Names after;

  Changed() {
    REQUIRE(night.sync({"--run-id", "first"}).status == 0);
    after = contents();
    night.arrived();
  }

  /// Returns everything in the entries except when they were written.
  Names contents() {
    return night.database().column(
        "SELECT concat_ws(' ', universe, cache_type, content - 'last_updated') FROM cache_entries "
        "ORDER BY universe");
  }
};

}  // namespace

TEST_CASE("fault 26: killed at each call, a run leaves all or nothing, and the next one heals") {
  for (const std::string& call : outside_calls) {
    sweep({.call = call, .injection = "signal=KILL", .streams = true},
          [](Night& night, const ProcessResult& result) {
            CHECK(result.status == 137);
            if (untouched(night)) return;
            night.check(result, 137, Entries::fresh, Sent::prefix_or_all, "");
            // The published events are in the stream, which is a prefix of the stored ones.
            const Names streamed = night.streamed();
            const Names all = night.stored();
            REQUIRE(streamed.size() <= all.size());
            CHECK(streamed.size() >= night.arrived().size());
            CHECK(std::equal(streamed.begin(), streamed.end(), all.begin()));
          });
  }
}

TEST_CASE("an undo that is killed at each call leaves what was or what is wanted, and goes on") {
  Changed whole;
  REQUIRE(whole.night.run({"undo", "first"}).status == 0);
  const Names wanted = whole.contents();
  REQUIRE(wanted != whole.after);
  for (const std::string& call : outside_calls) {
    for (int n = 1;; ++n) {
      REQUIRE(n < most_calls);
      Changed scene;
      Night& night = scene.night;
      const std::size_t events = night.stored().size();
      bool met = false;
      const ProcessResult result =
          Sweep{call, "signal=KILL", 1, {"undo", "first", "--run-id", "back"}}.run(night, n, met);
      INFO(call << " number " << n << ": " << result.err);
      CHECK(result.status == (met ? 137 : 0));
      const Names left = scene.contents();
      const bool is_done = left == wanted;
      CHECK((is_done || left == scene.after));
      CHECK((night.database().value("SELECT count(*) FROM cache_sync_runs WHERE run_id = 'back' "
                                    "AND status = 'completed'") == "1") == is_done);
      CHECK((night.stored().size() > events) == is_done);
      // Another undo does what was not done, and refuses to do it twice.
      CHECK(night.run({"undo", "first", "--lock-wait", "30"}).status == (is_done ? 4 : 0));
      CHECK(scene.contents() == wanted);
      CHECK(night.run({"deliver"}).status == 0);
      CHECK(night.arrived() == night.stored());
      night.heal();
      if (!met) {
        CHECK(n > 1);
        break;
      }
    }
  }
}

TEST_CASE("fault 29: interrupted at each call, a run ends before COMMIT or after it, and says so") {
  for (const std::string& call : outside_calls) {
    sweep({call, "signal=TERM", 2}, [](Night& night, const ProcessResult& result) {
      switch (result.status) {
        case 143:
          night.check(result, 143, Entries::same, Sent::none, "interrupted");
          CHECK(night.database().value(running_sql) == "0");
          break;
        case 6: night.check(result, 6, Entries::fresh, Sent::prefix_or_all, "pending"); break;
        // It came during the final steps.
        default: night.check(result, 0, Entries::fresh, Sent::all, "");
      }
    });
  }
}

TEST_CASE("fault 8: cut off at each answer, a run knows what became of it") {
  sweep({"recvfrom", "error=ECONNRESET", 2}, [](Night& night, const ProcessResult& result) {
    switch (result.status) {
      case 5: night.check(result, 5, Entries::same, Sent::none, "error: "); break;
      case 6: night.check(result, 6, Entries::fresh, Sent::prefix_or_all, "pending"); break;
      // The answer to COMMIT, and those of Redis to best-effort events.
      default: night.check(result, 0, Entries::fresh, Sent::all, "");
    }
  });
}

TEST_CASE(
    "fault 20: of twenty runs started at once one works and the others find the lock or "
    "nothing to do") {
  for (int round = 0; round < 20; ++round) {
    Night night;
    std::vector<std::unique_ptr<Process>> runs;
    for (int i = 0; i < 20; ++i) runs.push_back(night.start());
    int changed = 0;
    for (const auto& run : runs) {
      const ProcessResult result = night.finish(*run);
      INFO(result.err);
      CHECK((result.status == 0 || result.status == 11));
      if (result.out.find("11 universes changed") != std::string::npos) ++changed;
    }
    CHECK(changed == 1);
    CHECK(night.database().value("SELECT count(*) FROM cache_sync_changes") == "11");
    night.heal();
    CHECK(night.repeated() == 0);
  }
}
