#pragma once

#include <string_view>

#include "io/wait.hpp"
#include "sync/options.hpp"
#include "sync/report.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::sync {

/// Gets news of a run as it progresses.
class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  /// Called once, before the first step, with the place where reading will track its progress.
  virtual void follow(const tables::Reading& reading) = 0;
  /// Called when step 1 to 5 begins.
  virtual void step(int number, std::string_view name) = 0;
  /// Called for what is normal but takes time, such as a wait that was asked for. \param reads
  /// whether reading goes on meanwhile
  virtual void tell(const std::string& sentence, bool reads = false) = 0;
  /// Called for what is not normal, such as a retry.
  virtual void note(const std::string& sentence) = 0;
};

/// Runs: lock, read, plan, guard, apply, publish; a dry run stops after guard. Never throws an
/// Error: every outcome is in the report.
Report run(const RunOptions& options, const Environment& environment, Observer& observer,
           io::Patience& patience);

/// Publishes that the phase failed, for a run that could not begin. Makes one brief attempt.
void announce_unstarted(const RunOptions& options, const Environment& environment,
                        const Error& error) noexcept;

}  // namespace tickstock::sync
