// Faults 50 to 53: poolers, clocks and time zones, and a poor environment.

#include <hiredis/hiredis.h>

#include <array>
#include <chrono>
#include <fstream>

#include "faults/night.hpp"
#include "pgbouncer.hpp"

using namespace tickstock::test;

namespace {

[[maybe_unused]] ProcessResult limited(Night& night, const std::string& limit) {
  return run_process(with({"sh", "-c", limit + " && exec \"$0\" \"$@\""},
                          Fixture::command({"sync", "--as-of", market_day})),
                     night.fixture.options(night.job()));
}

}  // namespace

TEST_CASE("fault 50: a pooler in between, with one connection, which others have used before") {
  Night night;
  const PgBouncer pooler(guarded_postgres());
  const std::string url = pooler.url(night.database().name());
  const Environment pooled{{"DATABASE_URL", url}};
  {
    // What another client leaves in the session that the run will get.
    Session stranger(url);
    stranger.execute(
        "CREATE TEMPORARY TABLE symbols (symbol text); "
        "CREATE TEMPORARY TABLE cache_entries (universe text); "
        "SET search_path = pg_temp, public; SET lock_timeout = 7777; SET extra_float_digits = -15");
  }
  night.check(night.sync({}, pooled), 0, Entries::fresh, Sent::all, "");
  // Nothing of the run is left for the next client.
  Session next(url);
  CHECK(next.value("SHOW lock_timeout") == "7777ms");
  CHECK(next.value("SHOW statement_timeout") == "0");
  CHECK(night.database().value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0");
  for (const Names& command :
       {Names{"check"}, {"history"}, {"status"}, {"universes"}, {"deliver"}}) {
    INFO(command.front());
    CHECK(night.run(command, pooled).status == 0);
  }
  night.heal();
}

TEST_CASE("the servers' logs and what Redis' monitor shows hold no password") {
  Night night;
  RedisConnection monitor(guarded_redis(), redis_password);
  monitor.command({"MONITOR"});
  night.check(night.sync({"-v"}), 0, Entries::fresh, Sent::all, "");
  std::string seen;
  while (seen.find("phase_completed") == std::string::npos) {
    const auto line = monitor.next(std::chrono::seconds(30));
    seen.append(line->str, static_cast<std::size_t>(line->len)) += '\n';
  }
  CHECK_THAT(seen, contains("\"ROLE\""));
  CHECK_THAT(seen, !contains("CANARY"));
  CHECK_THAT(guarded_redis().log() + guarded_postgres().log(), !contains("CANARY"));
}

TEST_CASE("the memory of a run, including passwords, is never dumped") {
  Night night;
  RunOptions options = night.fixture.options(night.job());
  options.environment["ASAN_OPTIONS"] = "detect_leaks=0";
  const TemporaryDirectory directory;
  const std::string trace = directory.file("trace");
  const ProcessResult result =
      run_process(with({"strace", "-o", trace, "-e", "trace=prctl,connect"},
                       Fixture::command({"sync", "--as-of", market_day})),
                  options);
  CHECK(result.status == 0);
  std::ifstream file(trace);
  const std::string calls{std::istreambuf_iterator<char>(file), {}};
  const std::size_t protection = calls.find("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE) = 0");
  CHECK(protection != std::string::npos);
  CHECK(protection < calls.find("connect("));
}

TEST_CASE(
    "fault 51: the zone of the environment is not that of the market, and the clock is that "
    "of PostgreSQL") {
  Night night;
  const auto day_in = [&night](const std::string& zone) {
    return night.database().value("SELECT (now() AT TIME ZONE $1)::date", {zone});
  };
  // The two always have different dates.
  for (const std::string zone : {"Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"}) {
    for (const Environment& environment :
         {Environment{}, {{"TZ", "Asia/Tokyo"}}, {{"PGTZ", "Asia/Tokyo"}}, {{"TZ", "no zone"}}}) {
      std::string before;
      std::string day;
      // Midnight may be between the two questions.
      do {
        before = day_in(zone);
        const ProcessResult result =
            night.run({"dry-run", "--timezone", zone, "--format", "json"}, environment);
        day = Json::parse(result.out).at("as_of").str();
      } while (before != day_in(zone));
      CHECK(day == before);
    }
  }
  CHECK(day_in("Pacific/Kiritimati") != day_in("Pacific/Pago_Pago"));
  night.check(night.sync({"--timezone", "America/Nowhere"}), 64, Entries::same, Sent::none,
              "PostgreSQL knows no time zone 'America/Nowhere'");
  // The end of a year, and the days on which the clock changes.
  for (const std::string day : {"2024-12-31", "2025-01-01", "2026-03-08", "2026-11-01"}) {
    const ProcessResult result = night.run({"dry-run", "--as-of", day, "--format", "json"});
    CHECK(Json::parse(result.out).at("as_of").str() == day);
  }
  night.heal();
}

TEST_CASE("fault 52: the same day once more changes nothing") {
  Night night;
  night.check(night.sync(), 0, Entries::fresh, Sent::all, "");
  const Names before = night.fixture.entries_dump();
  const ProcessResult result = night.sync();
  CHECK(result.status == 0);
  CHECK_THAT(result.out, contains("0 universes changed, 11 unchanged"));
  CHECK(night.fixture.entries_dump() == before);
  night.heal();
}

TEST_CASE("fault 53: no standard input, few descriptors, a small stack, and nothing to write to") {
  {
    Night night;
    RunOptions options = night.fixture.options(night.job());
    options.closed_fds = {0};
    night.check(run_process(Fixture::command({"sync", "--as-of", market_day}), options), 0,
                Entries::fresh, Sent::all, "");
    night.heal();
  }
#ifndef TICKSTOCK_CACHE_SANITIZED
  // The sanitizers themselves need more than this.
  for (const std::string limit : {"ulimit -n 16", "ulimit -s 256"}) {
    INFO(limit);
    Night night;
    night.check(limited(night, limit), 0, Entries::fresh, Sent::all, "");
    night.heal();
  }
  {
    // Without a descriptor for the socket there is no connection, which is reported.
    Night night;
    night.check(limited(night, "ulimit -n 5"), 5, Entries::same, Sent::none, "error: ");
    night.heal();
  }
#endif
  Night night;
  RunOptions options = night.fixture.options(night.job());
  options.stdout_path = "/dev/full";
  night.check(run_process(Fixture::command({"sync", "--as-of", market_day}), options), 74,
              Entries::fresh, Sent::all, "could not be written to standard output");
  night.heal();
}
