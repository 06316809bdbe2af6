#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "domain/error.hpp"
#include "events/publisher.hpp"
#include "io/wait.hpp"
#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::sync {

/// What a delivery came to.
struct Delivery {
  std::uint64_t sent = 0;
  /// Of the run that was asked for, or of all; nothing where PostgreSQL could not be asked.
  std::optional<std::uint64_t> pending = {};
  std::optional<Error> failure;  ///< why events are still pending
  /// How many received the end of the run that was asked for, where it was published here.
  std::optional<std::int64_t> listeners = {};
  bool reconnected = false;  ///< the server may be another one than before
};

/// Publishes what is pending in the outbox under the name `application_name`, oldest first, until
/// nothing is left, Redis fails, or the deadline is over. Another publisher at work is waited for;
/// a lost connection to PostgreSQL is replaced once, since a standby may take over. With `run_id`,
/// it is done as soon as the events of that run are published, whoever sent them. Never throws.
Delivery deliver(tables::Database& database, const std::string& application_name,
                 events::Publisher& publisher, io::Deadline deadline, io::Patience& patience,
                 const std::optional<std::string>& run_id);

/// What the beginning of a delivery came to.
struct OldEvents {
  std::uint64_t given_up = 0;
  std::string warning;  ///< counts them and names their runs; empty where there is nothing to say
  std::optional<Error> failure;  ///< why it could not be looked for any
  bool reconnected = false;      ///< as in Delivery
};

/// Gives up the events that are pending for more than `max_age` days (0: none is too old), as every
/// delivery does before it begins. Another publisher at work has done so itself; a lost connection
/// is replaced as by deliver(). Never throws.
OldEvents give_up_old_events(tables::Database& database, const std::string& application_name,
                             int max_age, io::Deadline deadline, io::Patience& patience);

/// Gives the pending events ids behind the last of the stream (see tables::renumber_pending);
/// another publisher at work is waited for. \return how many. \throws Error.
std::uint64_t renumber(tables::Database& database, const std::string& application_name,
                       events::Publisher& publisher, std::chrono::milliseconds time,
                       io::Patience& patience);

/// Gives up exactly one pending event; another publisher at work is waited for. \throws Error,
/// (failed) when the event is not pending.
void discard_event(tables::Database& database, const std::string& application_name,
                   const std::string& event_id, std::chrono::milliseconds time,
                   io::Patience& patience);

}  // namespace tickstock::sync
