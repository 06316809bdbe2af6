#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/messages.hpp"
#include "events/publisher.hpp"
#include "postgres/transaction.hpp"
#include "sync/run.hpp"
#include "tables/catalog.hpp"
#include "tables/market_reader.hpp"
#include "tables/schema.hpp"

// The values that a run passes from step to step, and the steps that are not in run.cpp.
namespace tickstock::sync {

/// What a run was asked to do, and who watches it.
struct Job {
  const RunOptions& options;
  const Environment& environment;
  Observer& observer;
  io::Patience& patience;
  tables::Reading& reading;  ///< progress of reading
  RunClock clock = {};
  std::unique_ptr<events::Publisher> publisher = {};  ///< null if events are switched off

  /// Returns the application_name of the run's connection in a step; 0 for none.
  [[nodiscard]] std::string application_name(int step) const;
};

/// The database as a run found it, and how far the run got with its lock and its record, in
/// whatever attempt.
struct Session {
  tables::Database database;
  bool can_read_history = false;
  std::vector<std::string> undone = {};  ///< the universes changed by the run to undo
  bool undoes_undo = false;              ///< whether that run was itself an undo
  std::unique_ptr<postgres::Companion> companion = {};  ///< until the tables are read
  std::vector<Warning> warnings = {};
  bool had_lock = false;
  bool has_record = false;
  bool may_have_record = false;  ///< it was sent, but the answer is unknown
  bool has_trigger = false;      ///< the run was announced

  [[nodiscard]] bool can_read_prices() const {
    return tables::has(database, tables::Need::read_prices);
  }
};

inline RunRecord record_of(const Job& job, const Report& report) {
  return record_of(report, job.options, job.clock);
}

/// Opens the run's connection. \throws Error.
postgres::Connection connect_to_database(const Job& job);

/// Begins a connection to Redis, unless the run announces nothing. It gets established while the
/// database is being read.
void connect_to_redis(Job& job);

/// Announces what may be lost. It is sent only as far as possible without waiting, so that Redis
/// never delays the database work.
template <typename Make, typename... More>
void announce(const Job& job, const Report& report, Make make, const More&... more) noexcept {
  if (!job.publisher) return;
  try {
    job.publisher->announce(make(record_of(job, report), job.clock.now(), more...));
  } catch (const std::exception&) {
    // Losing an event that can't be built is better than failing the run.
  }
}

/// Announces a step that is later than the last one.
void begin_step(const Job& job, Report& report, int step);

/// Waits for the end of the day, if asked to. \return whether that took any time. \throws Error.
bool wait_for_day_end(Job& job, Session& session, Day day);

/// Writes the plan of a report, and adds to the report what is said about it. \throws Error.
void apply(const Job& job, const Session& session, postgres::Transaction& transaction,
           Report& report);

/// Commits, and finds out whether that succeeded. \throws Error if it did not, or if nobody knows.
void commit(const Job& job, Session& session, postgres::Transaction& transaction, Report& report);

/// Publishes what is pending, and adds to the report how far that got. \throws Error if another
/// server has taken over, without the run.
void publish(Job& job, Session& session, Report& report);

/// Deletes old rows.
void tidy(const Job& job, Session& session, Report& report);

/// Reads what only monitoring needs, as far as it is not known yet.
void measure(const Job& job, Session& session, Report& report);

/// Records and announces a failure. \param session null if there was no connection
void fail(Job& job, Session* session, Report& report, const Error& error);

}  // namespace tickstock::sync
