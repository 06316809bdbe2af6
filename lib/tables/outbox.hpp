#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "domain/run.hpp"
#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// What one batch came to.
struct BatchOutcome {
  bool locked = false;  ///< another publisher was at work; nothing was read
  std::size_t read = 0;
  std::size_t sent = 0;
  bool more = false;  ///< behind what was read
};

/// Publishes one batch, oldest first, in a READ COMMITTED transaction that holds the publish lock:
/// read, hand over to `send`, mark what it took, COMMIT. `send` returns how many of them, from the
/// front, were sent; it may take `time`. \throws Error.
BatchOutcome publish_batch(Database& database, const std::string& application_name,
                           std::chrono::milliseconds time,
                           const std::function<std::size_t(const std::vector<Message>&)>& send);

/// How many events are not published yet: all, or those of one run.
std::int64_t count_pending(Database& database, const std::optional<std::string>& run_id = {});

/// What waits in the outbox.
struct Backlog {
  std::int64_t events = 0;
  double oldest_seconds = 0;  ///< age of the oldest by PostgreSQL's clock
};

Backlog read_backlog(Database& database);

/// Events of one run that will never be published.
struct GivenUp {
  std::string run_id;
  std::int64_t events;
};

/// Gives up every event that has been pending for more than `days` days by PostgreSQL's clock, in a
/// READ COMMITTED transaction that holds the publish lock, and counts them in the records of their
/// runs. \return them by run, oldest first; nothing where another publisher is at work. \throws
/// Error.
std::optional<std::vector<GivenUp>> give_up_old(Database& database,
                                                const std::string& application_name, int days);

/// The same for exactly one event, a UUID. \return false where another publisher is at work.
/// \throws Error (failed) when the event is not pending, with the reason.
bool give_up_event(Database& database, const std::string& application_name,
                   const std::string& event_id);

/// How long the program's own tables keep what; 0 stands for ever.
struct Retention {
  int journal_days = 400;     ///< a record of a run and its changes
  int journal_runs = 10'000;  ///< so many records, whatever their age
  int outbox_days = 30;       ///< an event that was published or given up
  int outbox_max_age = 7;     ///< days until a pending event is given up
};

/// Deletes the records of runs on these entries and the events that are kept long enough, the
/// oldest first and so many at most that no night becomes slow, in one READ COMMITTED transaction
/// that waits for no row. Running records, the newest that committed, and runs with pending events
/// stay. \throws Error.
void prune(Database& database, const Retention& retention);

}  // namespace tickstock::tables
