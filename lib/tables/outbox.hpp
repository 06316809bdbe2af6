#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "domain/run.hpp"
#include "postgres/transaction.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

// The outbox stores the events of runs: until they are published, and afterwards as a log for
// readers with a cursor. Its ids ascend in commit order.

/// Returns the statements that append events to the outbox, in order. The first takes an advisory
/// lock and holds it to the end of the transaction, so that no later id commits before an earlier
/// one.
std::vector<Statement> store_events(const Database& database, const std::string& run_id,
                                    const std::string& created_at,
                                    const std::vector<Message>& messages);

/// The result of publish_batch().
struct BatchOutcome {
  bool locked = false;  ///< another publisher holds the lock; nothing was sent
  std::size_t sent = 0;
  bool more = false;  ///< the outbox holds more events after these
};

/// Sends events and returns, for each one that was sent, how many clients received it. Those sent
/// are always the first ones. Subscribers that missed earlier events may ask for them.
using Send =
    std::function<std::vector<std::int64_t>(const std::vector<Message>&, const PublishedBetween&)>;

/// Publishes one batch, oldest first, in a READ COMMITTED transaction that holds the publish lock:
/// reads it, passes it to `send`, which may take up to `time`, marks what was sent, and commits.
/// Records in a run how many received its final event. If all are sent and none are left, `then`
/// travels with the COMMIT (see postgres::results_after_commit). \throws Error.
BatchOutcome publish_batch(Database& database, const std::string& application_name,
                           std::chrono::milliseconds time, const Send& send,
                           const std::vector<Statement>& then = {});

/// Returns for each of these events whether the stream contains it.
using Holds = std::function<std::vector<bool>(const std::vector<Message>&)>;

/// Renumbers pending events when the stream, at `last`, is ahead of the outbox because a backup was
/// restored. If the stream lacks a pending event with an id up to `last`, every pending event that
/// it lacks gets a new id above `last` and above all others, in order; those that it contains keep
/// theirs. Events stored later get higher ids in any case. \return how many it renumbered; nothing
/// if another publisher is at work. \throws Error, of kind failed if the role may not set the
/// sequence.
std::optional<std::uint64_t> renumber_pending(Database& database,
                                              const std::string& application_name,
                                              std::int64_t last, const Holds& holds);

/// Returns a query for the number of unpublished events, of all runs or of one.
Statement asking_for_pending(const TableNames& names, const std::optional<std::string>& run_id);
std::int64_t count_pending(Database& database, const std::optional<std::string>& run_id = {});

/// The state of the outbox.
struct Backlog {
  std::int64_t events = 0;
  double oldest_seconds = 0;  ///< age of the oldest event by PostgreSQL's clock
  std::int64_t last_id = 0;   ///< of all stored events; 0 if there are none
  Message first = {};         ///< the oldest pending event: id and event_id
};

Backlog read_backlog(Database& database);

/// A stored event as a reader sees it.
struct StoredEvent : Message {
  std::string run_id;
  std::string created_at;  ///< ISO 8601 in UTC
  std::string state;       ///< `published`, `pending` or `dropped`
};

/// Reads events with an id above `after`, published or not, oldest first, at most `limit`.
std::vector<StoredEvent> read_events(Database& database, std::int64_t after, std::int64_t limit);

/// Events of one run that will never be published.
struct GivenUp {
  std::string run_id;
  std::int64_t events;
};

/// Returns a query for whether any event has been pending for more than `days` days; with 0, never.
Statement ask_old_events(const TableNames& names, int days);

/// Drops every event pending for more than `days` days by PostgreSQL's clock, and counts them in
/// the records of their runs, in a READ COMMITTED transaction that holds the publish lock. \return
/// the counts by run, oldest first; nothing if another publisher is at work. \throws Error.
std::optional<std::vector<GivenUp>> give_up_old(Database& database,
                                                const std::string& application_name, int days);

/// Drops exactly one event, named by its UUID. \return false if another publisher is at work.
/// \throws Error (failed) with the reason if the event is not pending.
bool give_up_event(Database& database, const std::string& application_name,
                   const std::string& event_id);

}  // namespace tickstock::tables
