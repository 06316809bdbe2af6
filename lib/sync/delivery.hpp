#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "domain/error.hpp"
#include "events/publisher.hpp"
#include "io/wait.hpp"
#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::sync {

/// The result of deliver().
struct Delivery {
  std::uint64_t sent = 0;
  /// Of the requested run, or of all; nothing if PostgreSQL could not be asked.
  std::optional<std::uint64_t> pending = {};
  std::optional<Error> failure;  ///< why events are still pending
  /// How many received the final event of the requested run, if it was published here.
  std::optional<std::int64_t> listeners = {};
  bool reconnected = false;  ///< the server may not be the same as before
};

/// Publishes the pending events of the outbox, oldest first, as `application_name`, until none is
/// left, Redis fails, or the deadline passes. Waits for another publisher at work, and replaces a
/// lost connection to PostgreSQL once, since a standby may take over. With `run_id`, stops as soon
/// as the events of that run are published, no matter by whom. With the last batch goes `then` (see
/// tables::publish_batch). Never throws.
Delivery deliver(tables::Database& database, const std::string& application_name,
                 events::Publisher& publisher, io::Deadline deadline,
                 const std::optional<std::string>& run_id,
                 const std::vector<postgres::Statement>& then = {});

/// The result of give_up_old_events().
struct OldEvents {
  std::uint64_t given_up = 0;
  std::string warning;  ///< with their number and their runs; empty if there is nothing to say
  std::optional<Error> failure;  ///< why the search for them failed
  bool reconnected = false;      ///< as in Delivery
};

/// Drops the events that have been pending for more than `max_age` days (0: none). Every
/// delivery does this first. Does nothing if another publisher is at work, since that one already
/// did; replaces a lost connection as deliver() does. Never throws.
OldEvents give_up_old_events(tables::Database& database, const std::string& application_name,
                             int max_age, io::Deadline deadline);

/// Gives pending events ids above the stream's last (see tables::renumber_pending). Waits for
/// another publisher at work. \return how many. \throws Error.
std::uint64_t renumber(tables::Database& database, const std::string& application_name,
                       events::Publisher& publisher, io::Deadline deadline);

/// Drops exactly one pending event. Waits for another publisher at work. \throws Error, (failed)
/// if the event is not pending.
void discard_event(tables::Database& database, const std::string& application_name,
                   const std::string& event_id, io::Deadline deadline);

}  // namespace tickstock::sync
