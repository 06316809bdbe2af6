#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "expectation.hpp"
#include "soak/fault.hpp"
#include "soak/ledger.hpp"
#include "soak/recorder.hpp"
#include "support/postgres.hpp"
#include "support/redis.hpp"
#include "support/temporary_directory.hpp"

namespace tickstock::soak {

/// The result of a night.
struct NightResult {
  Fault fault = Fault::none;
  std::vector<int> statuses;  ///< of the runs that met the fault
  std::size_t runs = 0;
};

/// The servers, and the nights on them: a run that may meet a fault and, if it did not exit with 0,
/// another one that must.
class Nights {
 public:
  Nights(test::Postgres& postgres, test::Redis& redis, test::Database& database, Recorder& recorder,
         Ledger& ledger, unsigned seed);

  /// Runs one night on the current market. \throws Violation.
  NightResult spend(std::size_t number, const std::string& day);

  /// Runs a command of the program without a fault.
  test::ProcessResult run(const std::vector<std::string>& arguments) const;

 private:
  using Names = std::vector<std::string>;

  std::size_t below(std::size_t limit) { return random_() % limit; }
  std::chrono::microseconds moment();
  Fault draw();

  [[nodiscard]] test::RunOptions options() const;
  Names sync(const std::string& day);
  std::vector<int> meet(Fault fault, const std::string& day);
  void befall(Fault fault, test::Process& process);
  void hold_lock(test::Process& process);
  void write_along(test::Process& process);
  void end_backend();
  void kill_redis();
  void heal();
  int finish(test::Process& process);

  Names dump();
  void judge(Fault fault, const std::vector<int>& statuses, test::Expectation& expectation,
             const Names& before);
  bool is_complete(Fault fault, test::Expectation& expectation);

  test::Postgres& postgres_;
  test::Redis& redis_;
  test::Database& database_;
  Recorder& recorder_;
  Ledger& ledger_;
  std::mt19937 random_;
  test::TemporaryDirectory directory_;
  std::string config_;     ///< of a night that reads over two connections
  bool over_two_ = false;  ///< this night does
  bool can_trace_ = false;
  std::string prefix_;  ///< of the run ids of this night
  std::size_t attempt_ = 0;
  std::unique_ptr<test::Session> stranger_;
  std::chrono::microseconds usual_duration_{40'000};
  std::string last_error_;
};

}  // namespace tickstock::soak
