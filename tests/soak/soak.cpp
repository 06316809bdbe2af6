// Consecutive nights over a changing market, with random faults: the program's promises must hold
// after each of them.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>
#include <system_error>

#include "soak/ledger.hpp"
#include "soak/market.hpp"
#include "soak/night.hpp"
#include "soak/recorder.hpp"

namespace {

using namespace tickstock;
using namespace tickstock::soak;
using Clock = std::chrono::steady_clock;

constexpr int nights_between_pruning = 25;

struct Wishes {
  std::size_t nights = 2000;
  std::size_t minutes = 0;  ///< no limit
  std::size_t seed = 1;
  std::size_t symbols = 1500;
};

/// \return false for an invalid argument.
bool read_wishes(int argc, char** argv, Wishes& wishes) {
  const std::map<std::string_view, std::size_t*> names{{"--nights", &wishes.nights},
                                                       {"--minutes", &wishes.minutes},
                                                       {"--seed", &wishes.seed},
                                                       {"--symbols", &wishes.symbols}};
  for (int i = 1; i < argc; i += 2) {
    const auto found = names.find(argv[i]);
    if (found == names.end() || i + 1 == argc) return false;
    const std::string_view value = argv[i + 1];
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), *found->second);
    if (error != std::errc{} || end != value.data() + value.size() || *found->second == 0) {
      return false;
    }
  }
  return true;
}

/// What to print at the end.
struct Tally {
  std::size_t nights = 0;
  std::size_t runs = 0;
  std::map<Fault, std::size_t> faults;
  std::map<Fault, std::map<int, std::size_t>> statuses;
  std::map<Fault, std::uint64_t> duplicates;

  void add(const NightResult& night, std::uint64_t new_duplicates) {
    ++nights;
    runs += night.runs;
    ++faults[night.fault];
    for (const int status : night.statuses) ++statuses[night.fault][status];
    if (new_duplicates > 0) duplicates[night.fault] += new_duplicates;
  }
};

void print(const Tally& tally, const Ledger& ledger, const Wishes& wishes, double seconds,
           const std::string& violation) {
  fmt::print("{:<24} {:>8}\n", "nights", tally.nights);
  fmt::print("{:<24} {:>8}\n", "runs", tally.runs);
  for (const auto& [fault, count] : tally.faults) {
    std::string line;
    for (const auto& [status, times] : tally.statuses.at(fault)) {
      line += fmt::format("  {}: {}", status, times);
    }
    const auto twice = tally.duplicates.find(fault);
    if (twice != tally.duplicates.end()) line += fmt::format("  sent twice: {}", twice->second);
    fmt::print("  {:<22} {:>8} {}\n", name_of(fault), count, line);
  }
  fmt::print("{:<24} {:>8}\n", "changes committed", ledger.changes());
  fmt::print("{:<24} {:>8}\n", "events announced", ledger.announced());
  fmt::print("{:<24} {:>8}\n", "duplicates", ledger.duplicates());
  // Each of these would have ended the soak.
  fmt::print("{:<24} {:>8}\n", "lost", violation.empty() ? "0" : "?");
  fmt::print("{:<24} {:>8}\n", "mixed states", violation.empty() ? "0" : "?");
  fmt::print("{:<24} {:>8}\n", "unannounced changes", violation.empty() ? "0" : "?");
  fmt::print("{:<24} {:>8.1f} s, {:.3f} s a night, seed {}\n", "duration", seconds,
             seconds / static_cast<double>(std::max<std::size_t>(tally.nights, 1)), wishes.seed);
  if (!violation.empty()) fmt::print("violation: {}\n", violation);
}

/// Checks the state after the last night: nothing is left to do, and no record is left open.
void check_end(Nights& nights, test::Database& database, const std::string& day) {
  const test::Expectation expectation(database, day);
  if (!expectation.writes().empty()) {
    throw Violation(fmt::format("in the end {} is not as computed in SQL",
                                expectation.writes().front().universe));
  }
  const test::ProcessResult result = nights.run({"dry-run", "--as-of", day, "--detailed-exitcode"});
  if (result.status != 0) {
    throw Violation(fmt::format("in the end a dry run ends with {}: {}{}", result.status,
                                result.out, result.err));
  }
  for (const std::string& run :
       database.column("SELECT run_id FROM cache_sync_runs WHERE status = 'running'")) {
    throw Violation("in the end the record of run " + run + " is still open");
  }
}

std::string soak_all(const Wishes& wishes, Tally& tally, Nights& nights, Market& market,
                     Ledger& ledger, test::Database& database) {
  const auto begin = Clock::now();
  const auto limit = std::chrono::minutes(wishes.minutes);
  std::size_t number = 0;
  try {
    while (++number <= wishes.nights) {
      if (wishes.minutes > 0 && Clock::now() - begin >= limit) break;
      if (number > 1) market.move();
      const std::uint64_t before = ledger.duplicates();
      const NightResult night = nights.spend(number, market.day());
      tally.add(night, ledger.duplicates() - before);
      if (number % nights_between_pruning == 0) ledger.prune();
    }
    check_end(nights, database, market.day());
  } catch (const Violation& violation) {
    return fmt::format("night {} ({}), seed {}: {}", number, market.day(), wishes.seed,
                       violation.what());
  }
  return "";
}

int soak_once(const Wishes& wishes) {
  const auto begin = Clock::now();
  const auto seed = static_cast<unsigned>(wishes.seed);
  const char* const folder = std::getenv("TICKSTOCK_MARKET_DAYS");
  test::Postgres postgres;
  test::Redis redis;
  test::Database database(postgres);
  Recorder recorder(redis.port());
  Ledger ledger(database, recorder);
  Market market(database, static_cast<int>(wishes.symbols), seed, folder == nullptr ? "" : folder);
  Nights nights(postgres, redis, database, recorder, ledger, seed);

  market.begin();
  if (nights.run({"init"}).status != 0) throw std::runtime_error("init failed");
  market.add_universes();
  Tally tally;
  const std::string violation = soak_all(wishes, tally, nights, market, ledger, database);
  print(tally, ledger, wishes, std::chrono::duration<double>(Clock::now() - begin).count(),
        violation);
  return violation.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Wishes wishes;
    if (!read_wishes(argc, argv, wishes)) {
      fmt::print(stderr, "usage: soak [--nights N] [--minutes M] [--seed S] [--symbols N]\n");
      return 64;
    }
    return soak_once(wishes);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soak: %s\n", error.what());
    return 1;
  }
}
