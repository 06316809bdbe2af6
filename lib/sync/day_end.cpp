#include <algorithm>
#include <chrono>
#include <memory>

#include "events/publisher.hpp"
#include "sync/run_state.hpp"
#include "tables/market_reader.hpp"
#include "tables/schema.hpp"

namespace tickstock::sync {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds pause_between_looks{500};
/// How long one check of the lists may take.
constexpr milliseconds redis_time{500};
/// The longer a question takes, the less often it is asked.
constexpr int rest_per_work = 10;

/// Checks whether a day is complete: the prices, and the lists of Redis. Reports only once what it
/// can't check.
class DayEnd {
 public:
  DayEnd(const Environment& environment, const EodOptions& options, Day day, bool has_prices,
         Observer& observer, io::Patience& patience)
      : environment_(environment),
        options_(options),
        day_(day),
        has_prices_(has_prices),
        observer_(observer),
        patience_(patience) {}

  /// \return what shows that the day is complete; empty if nothing does yet.
  std::string look(postgres::Connection& connection) {
    const bool priced = has_prices_ && in_prices(connection);
    // Also if prices are there: a signal left on a list would be taken for another day's.
    const bool signalled = in_lists();
    if (priced) return environment_.tables.prices.shown() + " has its prices";
    return signalled ? "Redis signalled it" : "";
  }

 private:
  bool in_prices(postgres::Connection& connection) {
    postgres::Transaction transaction(connection,
                                      {.read_only = true, .timezone = environment_.timezone},
                                      {tables::ask_recent_prices(environment_.tables, day_, 1)});
    return transaction.first_results().front().rows() > 0;
  }

  bool in_lists() {
    try {
      if (!signals_) {
        signals_ = std::make_unique<events::DaySignals>(environment_.redis, options_.lists);
      }
      return signals_->take(day_, io::Deadline::after(redis_time), patience_);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      if (signals_ && signals_->failed()) signals_.reset();
      if (!told_) {
        observer_.note(error.after("no signal can be received: ").advised("Trying again.").what());
      }
      told_ = true;
      return false;
    }
  }

  const Environment& environment_;
  const EodOptions& options_;
  Day day_;
  bool has_prices_;
  Observer& observer_;
  io::Patience& patience_;
  std::unique_ptr<events::DaySignals> signals_;
  bool told_ = false;
};

}  // namespace

bool Run::wait_for_day_end() {
  const EodOptions& eod = options_.eod;
  if (eod.wait == milliseconds{0} || options_.dry_run || options_.undo) return false;
  const auto problems = tables::find_problems(*database_, {tables::Need::read_prices});
  for (const Error& problem : problems) {
    observer_.note(problem.after("the end of the day can't be seen in the prices: ").what());
  }
  const Day day = *report_.as_of;
  DayEnd end(environment_, eod, day, problems.empty(), observer_, patience_);
  const io::Deadline deadline = patience_.step(eod.wait);
  for (bool told = false;;) {
    const auto begin = io::Clock::now();
    if (const std::string reason = end.look(database_->connection); !reason.empty()) {
      if (told) {
        observer_.tell("the day " + to_string(day) + " is complete: " + reason);
        connect_to_redis();
      }
      return told;
    }
    if (deadline.over()) break;
    if (!told) observer_.tell("waiting for the end of the day " + to_string(day));
    told = true;
    const auto work = std::chrono::ceil<milliseconds>(io::Clock::now() - begin);
    const milliseconds pause = std::max(pause_between_looks, rest_per_work * work);
    if (!patience_.pause(std::min(pause, deadline.left()))) {
      throw Error(ErrorKind::interrupted,
                  "interrupted by a signal while waiting for the end of the day");
    }
  }
  const std::string late = "the day " + to_string(day) + " was not complete within " +
                           std::to_string(eod.wait.count() / 1000) + " s: no row of it in " +
                           environment_.tables.prices.shown() + ", and no signal on Redis";
  if (eod.required) throw Error(ErrorKind::unavailable, late, {.hint = "Run again once it is."});
  connect_to_redis();
  early_warnings_.emplace_back(late + ", continuing with the available data");
  return true;
}

}  // namespace tickstock::sync
