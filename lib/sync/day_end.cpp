#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "events/publisher.hpp"
#include "sync/walk.hpp"
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
  DayEnd(const Job& job, postgres::Connection& connection, Day day, bool has_prices)
      : job_(job), connection_(connection), day_(day), has_prices_(has_prices) {}

  /// \return what shows that the day is complete; empty if nothing does yet.
  std::string look() {
    const bool priced = has_prices_ && in_prices();
    // Also if prices are there: a signal left on a list would be taken for another day's.
    const bool signalled = in_lists();
    if (priced) return job_.environment.tables.prices.shown() + " has its prices";
    return signalled ? "Redis signalled it" : "";
  }

  /// Replaces the connection to PostgreSQL if it may have been closed meanwhile. \throws Error.
  void reconnect() {
    if (!has_prices_ || !why_no_prices_.empty()) connection_ = connect_to_database(job_);
  }

  /// Returns why PostgreSQL could not be asked for the prices at the last look; empty if it was.
  [[nodiscard]] const std::string& why_no_prices() const { return why_no_prices_; }

  /// Returns why no signal could be received at the last look; empty if one could.
  [[nodiscard]] const std::string& why_no_signal() const { return why_no_signal_; }

 private:
  [[nodiscard]] bool in_prices() {
    const Environment& environment = job_.environment;
    try {
      if (!why_no_prices_.empty()) connection_ = connect_to_database(job_);
      why_no_prices_.clear();
      postgres::Transaction transaction(connection_,
                                        {.read_only = true, .timezone = environment.timezone},
                                        {tables::ask_recent_prices(environment.tables, day_, 1)});
      return transaction.first_results().front().rows() > 0;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unavailable) throw;
      why_no_prices_ = error.problem();
      if (!std::exchange(told_prices_, true)) {
        job_.observer.note(
            error.after("the prices can't be read: ").advised("Trying again.").what());
      }
      return false;
    }
  }

  bool in_lists() {
    try {
      if (!signals_) signals_.emplace(job_.environment.redis, job_.options.eod.lists);
      const bool signalled = signals_->take(day_, io::Deadline::after(redis_time), job_.patience);
      why_no_signal_.clear();
      return signalled;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      if (signals_ && signals_->failed()) signals_.reset();
      why_no_signal_ = error.problem();
      if (!std::exchange(told_signals_, true)) {
        job_.observer.note(
            error.after("no signal can be received: ").advised("Trying again.").what());
      }
      return false;
    }
  }

  const Job& job_;
  postgres::Connection& connection_;
  Day day_;
  bool has_prices_;
  std::optional<events::DaySignals> signals_;
  std::string why_no_prices_;
  bool told_prices_ = false;
  bool told_signals_ = false;
  std::string why_no_signal_;
};

}  // namespace

bool wait_for_day_end(Job& job, Session& session, Day day) {
  const EodOptions& eod = job.options.eod;
  if (eod.wait == milliseconds{0} || job.options.dry_run || job.options.undo) return false;
  const auto problems = tables::find_problems(session.database, {tables::Need::read_prices});
  for (const Error& problem : problems) {
    job.observer.note(problem.after("the end of the day can't be seen in the prices: ").what());
  }
  DayEnd end(job, session.database.connection, day, problems.empty());
  const io::Deadline deadline = job.patience.step(eod.wait);
  for (bool told = false;;) {
    const auto begin = io::Clock::now();
    if (const std::string reason = end.look(); !reason.empty()) {
      if (told) {
        job.observer.tell("the day " + to_string(day) + " is complete: " + reason);
        end.reconnect();
        connect_to_redis(job);
      }
      return told;
    }
    if (deadline.over()) break;
    if (!told) job.observer.tell("waiting for the end of the day " + to_string(day));
    told = true;
    const auto work = std::chrono::ceil<milliseconds>(io::Clock::now() - begin);
    const milliseconds pause = std::max(pause_between_looks, rest_per_work * work);
    if (!job.patience.pause(std::min(pause, deadline.left()))) {
      throw Error(ErrorKind::interrupted,
                  "interrupted by a signal while waiting for the end of the day");
    }
  }
  const std::string prices = job.environment.tables.prices.shown();
  const std::string late =
      fmt::format("the day {} was not complete within {} s: {}, and no signal on Redis{}",
                  to_string(day), eod.wait.count() / 1000,
                  end.why_no_prices().empty() ? "no symbol has a row of it in " + prices
                                              : prices + " can't be read: " + end.why_no_prices(),
                  end.why_no_signal().empty() ? "" : ": " + end.why_no_signal());
  if (eod.required)
    throw Error(ErrorKind::unavailable, late, {.object = prices, .hint = "Run again once it is."});
  end.reconnect();
  connect_to_redis(job);
  session.warnings.emplace_back(late + ", continuing with the available data");
  return true;
}

}  // namespace tickstock::sync
