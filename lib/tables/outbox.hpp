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

// The outbox holds the events of runs: until they are published, and then as a log for readers with
// a cursor. Its ids ascend in the order of commit.

/// Stores events behind those that are there, in their order. The first statement takes an advisory
/// lock, held to the end of the transaction, so that no later id is committed before an earlier
/// one.
std::vector<Statement> store_events(const Database& database, const std::string& run_id,
                                    const std::string& created_at,
                                    const std::vector<Message>& messages);

/// What one batch came to.
struct BatchOutcome {
  bool locked = false;  ///< another publisher was at work; nothing was read
  std::size_t read = 0;
  std::size_t sent = 0;
  bool more = false;  ///< behind what was read
};

/// Hands over events, and returns how many received each of those that were sent, which are the
/// first ones. Who is missing earlier ones may ask for them.
using Send =
    std::function<std::vector<std::int64_t>(const std::vector<Message>&, const PublishedBetween&)>;

/// Publishes one batch, oldest first, in a READ COMMITTED transaction that holds the publish lock:
/// read, hand over to `send`, which may take `time`, mark what was sent, COMMIT. Who received the
/// end of a run is written into its record. \throws Error.
BatchOutcome publish_batch(Database& database, const std::string& application_name,
                           std::chrono::milliseconds time, const Send& send);

/// Says of each of these events whether it stands in the stream.
using Holds = std::function<std::vector<bool>(const std::vector<Message>&)>;

/// Makes room for a stream that is at `last`, ahead of the outbox since a backup was restored:
/// gives pending events ids behind it and behind all others, in their order, where one of them up
/// to `last` does not stand in the stream; those that do keep theirs. What is stored from then on
/// lies behind too. \return how many; nothing where another publisher is at work. \throws Error,
/// (failed) where the role may not set the sequence.
std::optional<std::uint64_t> renumber_pending(Database& database,
                                              const std::string& application_name,
                                              std::int64_t last, const Holds& holds);

/// Asks how many events are not published yet: all, or those of one run.
Statement asking_for_pending(const TableNames& names, const std::optional<std::string>& run_id);
std::int64_t count_pending(Database& database, const std::optional<std::string>& run_id = {});

/// What waits in the outbox.
struct Backlog {
  std::int64_t events = 0;
  double oldest_seconds = 0;  ///< age of the oldest by PostgreSQL's clock
  std::int64_t last_id = 0;   ///< of all events that are stored, 0 where none is
};

Backlog read_backlog(Database& database);

/// A stored event as a reader sees it.
struct StoredEvent : Message {
  std::string run_id;
  std::string created_at;  ///< ISO 8601 in UTC
  std::string state;       ///< `published`, `pending` or `dropped`
};

/// Every event with an id above `after`, published or not, oldest first, at most `limit`.
std::vector<StoredEvent> read_events(Database& database, std::int64_t after, std::int64_t limit);

/// Events of one run that will never be published.
struct GivenUp {
  std::string run_id;
  std::int64_t events;
};

/// Asks whether an event has been pending for more than `days` days; 0 stands for never.
Statement ask_old_events(const TableNames& names, int days);

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

}  // namespace tickstock::tables
