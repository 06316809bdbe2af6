#pragma once

#include <string_view>

#include "io/wait.hpp"
#include "sync/options.hpp"
#include "sync/report.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::sync {

/// Is told how a run goes on, as it goes.
class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  /// Once, before the first step: where it will stand how far reading has come.
  virtual void follow(const tables::Reading& reading) = 0;
  /// Step 1 to 5 begins.
  virtual void step(int number, std::string_view name) = 0;
  /// What is as it should be, but takes time: a wait that was asked for. \param reads whether
  /// something is read meanwhile
  virtual void tell(const std::string& sentence, bool reads = false) = 0;
  /// Something that should not be: a retry.
  virtual void note(const std::string& sentence) = 0;
};

/// The run: lock, read, plan, guard, apply, publish; a dry run stops after guard. Never throws an
/// Error: whatever happens is in the report.
Report run(const RunOptions& options, const Environment& environment, Observer& observer,
           io::Patience& patience);

/// Publishes that the phase failed, for a run that could not begin. Best effort, within a moment.
void announce_unstarted(const RunOptions& options, const Environment& environment,
                        const Error& error) noexcept;

}  // namespace tickstock::sync
