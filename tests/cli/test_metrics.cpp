// `--metrics-file`: what each outcome of a run leaves for Prometheus.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

using Samples = std::map<std::string, double>;

/// A market whose runs leave metrics.
struct Scene {
  Fixture fixture;
  TemporaryDirectory directory;
  std::string path = directory.file("cache.prom");

  Scene() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
  }

  Names flags(const Names& arguments) const { return with(arguments, {"--metrics-file", path}); }

  /// Returns the samples after a run that exited with this status, without their common prefix.
  Samples after(const Names& arguments, int status, const Environment& extra = {}) {
    const ProcessResult result = run_task(fixture, flags(arguments), extra);
    INFO(result.err);
    CHECK(result.status == status);
    return samples();
  }

  Samples samples() {
    Samples found;
    for (const std::string& line : lines_of(file_text(path))) {
      if (line.starts_with('#')) continue;
      const std::string prefix = "tickstock_cache_";
      REQUIRE(line.starts_with(prefix));
      const std::size_t space = line.rfind(' ');
      const std::string name = line.substr(prefix.size(), space - prefix.size());
      CHECK(found.emplace(name, std::stod(line.substr(space + 1))).second);
    }
    // The temporary file is gone.
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(directory.path()))
      ++files;
    CHECK(files == (found.empty() ? 0 : 1));
    return found;
  }
};

const std::string full = R"({mode="full"})";

}  // namespace

TEST_CASE("a run leaves when and how it ended, what it found, and what it changed") {
  Scene scene;
  scene.fixture.set_entry("q\"\\", "theme", R"({"symbols": ["GONE", "MID"], "count": 2})");
  scene.fixture.database().execute(
      "INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', '2024-06-26')");
  Samples found = scene.after({"sync"}, 0);
  CHECK(found.at("last_attempt_timestamp_seconds" + full) > 1.7e9);
  CHECK(found.at("last_success_timestamp_seconds" + full) ==
        found.at("last_attempt_timestamp_seconds" + full));
  CHECK(found.at("last_exit_status" + full) == 0);
  CHECK(found.at("last_duration_seconds" + full) > 0);
  CHECK(found.at("symbols") == 8);
  CHECK(found.at("eligible_symbols") == 7);
  CHECK(found.at("data_age_seconds") == 2 * 86'400);
  CHECK(found.at("pending_events") == 0);
  CHECK(found.at(R"(universe_members{universe="mid_cap"})") == 2);
  CHECK(found.at(R"(universe_members_added{universe="mid_cap"})") == 2);
  CHECK(found.at(R"(universe_members{universe="q\"\\"})") == 1);
  CHECK(found.at(R"(universe_members_removed{universe="q\"\\"})") == 1);
  CHECK(found.at("listeners") == 0);
  CHECK(found.size() == 10 + 3 * 12);

  struct stat facts {};
  REQUIRE(::stat(scene.path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0644);
  const ProcessResult checked =
      run_process({"promtool", "check", "metrics"}, {.input = file_text(scene.path)});
  CHECK(checked.out + checked.err == "");
  CHECK(checked.status == 0);

  // A quiet night: its own universes, and no change.
  found = scene.after({"sync"}, 0);
  CHECK(found.at(R"(universe_members{universe="mid_cap"})") == 2);
  CHECK(found.at(R"(universe_members_added{universe="mid_cap"})") == 0);
  CHECK(found.count(R"(universe_members{universe="q\"\\"})") == 0);
}

TEST_CASE("a run that fails leaves its status, and keeps the last success and what was known") {
  Scene scene;
  const Samples good = scene.after({"sync"}, 0);
  const auto check_kept = [&](const Samples& now, int status) {
    CHECK(now.at("last_exit_status" + full) == status);
    CHECK(now.at("last_attempt_timestamp_seconds" + full) >
          good.at("last_attempt_timestamp_seconds" + full));
    CHECK(now.at("last_success_timestamp_seconds" + full) ==
          good.at("last_success_timestamp_seconds" + full));
    CHECK(now.at(R"(universe_members{universe="mid_cap"})") == 2);
  };
  SECTION("refused") {
    scene.fixture.database().execute("UPDATE symbols SET is_active = false");
    const Samples now = scene.after({"sync"}, 4);
    check_kept(now, 4);
    CHECK(now.at("eligible_symbols") == 0);
  }
  SECTION("refused, since nothing new was imported") {
    scene.fixture.database().execute(
        "INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', '2024-05-17')");
    const TemporaryDirectory other;
    const std::string config = other.write("strict.toml", "[guards]\nmax_data_age_days = 10\n");
    const Samples now = scene.after({"sync", "--config", config}, 4);
    check_kept(now, 4);
    CHECK(now.at("data_age_seconds") == 42 * 86'400);
  }
  SECTION("an unusable command line") {
    check_kept(scene.after({"sync", "--nope"}, 64), 64);
    check_kept(scene.after({"sync", "--lock-wait=-1"}, 64), 64);
    const Samples now = scene.after({"ipo", "--nope"}, 64);
    CHECK(now.at(R"(last_exit_status{mode="ipos"})") == 64);
    CHECK(scene.after({"dry-run", "--nope"}, 64) == now);
    CHECK(scene.after({"status", "--nope"}, 64) == now);
  }
  SECTION("locked") {
    Session holder = scene.fixture.database().connect();
    holder.execute("BEGIN");
    holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
    check_kept(scene.after({"sync"}, 11), 11);
  }
  SECTION("without PostgreSQL") {
    check_kept(scene.after({"sync"}, 5, {{"DATABASE_URL", "postgresql://127.0.0.1:1/x"}}), 5);
  }
  SECTION("with a bad environment") {
    check_kept(scene.after({"sync"}, 78, {{"DATABASE_URL", "mysql://127.0.0.1/x"}}), 78);
  }
  SECTION("with a plan that is not approved") {
    check_kept(scene.after({"sync", "--approve-plan", std::string(64, 'a')}, 7), 7);
  }
  SECTION("signalled") {
    Process run =
        scene.fixture.start(scene.flags({"sync", "--as-of", market_day, "--wait-for-eod", "600"}));
    wait_until("the run to wait", [&] { return run.err().find("waiting") != std::string::npos; });
    run.send_signal(SIGTERM);
    CHECK(run.wait().status == 128 + SIGTERM);
    check_kept(scene.samples(), 128 + SIGTERM);
  }
}

TEST_CASE("events that are pending are counted until they are delivered") {
  Scene scene;
  const Samples pending = scene.after({"sync"}, 6, redis_down());
  CHECK(pending.at("pending_events") > 10);
  CHECK(pending.at("last_success_timestamp_seconds" + full) ==
        pending.at("last_attempt_timestamp_seconds" + full));
  const std::string config =
      scene.directory.write("c.toml", "[metrics]\nfile = '" + scene.path + "'\n");
  REQUIRE(scene.fixture.run({"deliver", "--config", config}).status == 0);
  CHECK_THAT(file_text(scene.path), contains("tickstock_cache_pending_events 0\n"));
  CHECK_THAT(file_text(scene.path), contains("last_exit_status{mode=\"full\"} 6\n"));
}

TEST_CASE("each mode has its own outcome, and a dry run has none") {
  Scene scene;
  CHECK(scene.after({"dry-run"}, 0).empty());
  scene.after({"ipo"}, 0);
  const Samples found = scene.after({"delisted"}, 0);
  CHECK(found.at(R"(last_exit_status{mode="ipos"})") == 0);
  CHECK(found.at(R"(last_exit_status{mode="delisted"})") == 0);
  CHECK(found.count("last_exit_status" + full) == 0);
}

TEST_CASE("runs that end at once don't take each other's values back") {
  Scene scene;
  scene.after({"ipo"}, 0);
  const int folder = ::open(scene.directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(::flock(folder, LOCK_EX) == 0);
  Process run =
      scene.fixture.start(scene.flags({"delisted", "--as-of", market_day, "--run-id", "beside"}));
  wait_until("the run to end in the database", [&] {
    return scene.fixture.database().value(
               "SELECT count(*) FROM cache_sync_runs WHERE run_id = 'beside' "
               "AND status = 'completed'") == "1" &&
           scene.fixture.database().value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
               "AND application_name LIKE '%beside%'") == "0";
  });
  std::ofstream(scene.path, std::ios::app) << "tickstock_cache_last_exit_status{mode=\"full\"} 1\n";
  ::close(folder);
  CHECK(run.wait().status == 0);
  const Samples found = scene.samples();
  CHECK(found.at("last_exit_status" + full) == 1);
  CHECK(found.at(R"(last_exit_status{mode="delisted"})") == 0);
}

TEST_CASE("metrics that can't be written are a warning, and no reason to fail") {
  Scene scene;
  scene.path = "/nonexistent/cache.prom";
  const ProcessResult result = run_task(scene.fixture, scene.flags({"sync"}));
  CHECK(result.status == 0);
  CHECK_THAT(log_lines(result, "warning").back(),
             contains("the metrics can't be written to /nonexistent/cache.prom"));
}

TEST_CASE("a limit of the size of files kills no run and leaves no temporary file") {
  Scene scene;
  // Here the test keeps standard output in a file, too.
  for (const auto& [flags, status] : {std::pair(Names{"-q"}, 0), std::pair(Names{}, 74)}) {
    scene.fixture.database().execute("DELETE FROM cache_entries WHERE universe = 'mega_cap'");
    const Names arguments = with(scene.flags({"sync", "--as-of", market_day}), flags);
    const Names limited =
        with({"sh", "-c", "ulimit -f 0; exec \"$@\"", "sh"}, Fixture::command(arguments));
    CHECK(run_process(limited, scene.fixture.options()).status == status);
    CHECK(scene.samples().empty());
    CHECK(scene.fixture.members("mega_cap") == Names{"MEGA"});
  }
}

TEST_CASE("what is not a regular file is neither read nor replaced by metrics") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const std::string pipe = directory.file("pipe.prom");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::filesystem::create_symlink("/dev/null", directory.file("null.prom"));
  std::filesystem::create_directory(directory.file("folder.prom"));
  for (const std::string name : {"pipe.prom", "null.prom", "folder.prom"}) {
    const auto type = std::filesystem::symlink_status(directory.file(name)).type();
    const ProcessResult result =
        run_task(fixture, {"sync", "--metrics-file", directory.file(name)});
    CHECK(result.status == 0);
    CHECK_THAT(result.err, contains(name + ": it is not a regular file"));
    CHECK(std::filesystem::symlink_status(directory.file(name)).type() == type);
  }
}

TEST_CASE("other content of the metrics file is not kept") {
  Scene scene;
  std::ofstream(scene.path) << "other 1\ngarbage\n\ntickstock_cache_pending_events 7\n# x\n"
                            << "tickstock_cache_last_success_timestamp_seconds{mode=\"ipos\"} 5\n";
  const Samples found = scene.after({"sync", "--no-events"}, 0);
  CHECK(found.at(R"(last_success_timestamp_seconds{mode="ipos"})") == 5);
  CHECK(found.at("pending_events") == 0);
}
