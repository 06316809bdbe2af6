#include "sync/delivery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "domain/text.hpp"
#include "events/messages.hpp"
#include "tables/outbox.hpp"
#include "tables/runs.hpp"

namespace tickstock::sync {

namespace {

constexpr std::chrono::milliseconds pause_between_tries{50};

/// Returns how to get past an event that Redis refuses.
std::string discard_hint(const Message& refused) {
  return "To deliver the rest without it, run 'tickstock-cache deliver --discard " +
         refused.event_id + "'.";
}

/// \throws Error (interrupted) if a signal ends the pause.
void pause(io::Patience& patience, std::chrono::milliseconds time, const std::string& doing) {
  if (patience.pause(time)) return;
  throw Error(ErrorKind::interrupted, "interrupted by a signal while " + doing);
}

/// The pause while Sentinels elect another primary.
constexpr std::chrono::milliseconds pause_of_failover{200};

/// One delivery: what it works with, and how far it has got.
struct Courier {
  tables::Database& database;
  const std::string& application_name;
  events::Publisher& publisher;
  io::Deadline deadline;
  const std::optional<std::string>& run_id;
  const std::vector<postgres::Statement>& then;
  Delivery delivery = {};

  /// Sends batch after batch, the last with `then`. \return whether nothing is pending any more, as
  /// far as the last batch showed. \throws Error if it can't go on.
  bool send_batches();
  /// Does the same; if Sentinels may name another primary, tries as long as there is time.
  bool send_in_spite_of_failover();
};

bool Courier::send_batches() {
  io::Patience& patience = database.connection.patience();
  publisher.connect(deadline, patience);
  const std::string end = run_id ? events::id_of_end(*run_id) : "";
  for (;;) {
    std::optional<Error> failure;
    const auto send = [&](const std::vector<Message>& batch,
                          const PublishedBetween& published_between) {
      events::Publisher::Published published =
          publisher.publish(batch, deadline, patience, published_between);
      failure = std::move(published.failure);
      const std::vector<std::int64_t>& receivers = published.receivers;
      // Without a permission for the command, Redis would refuse the rest, too.
      const bool may_publish =
          failure && failure->problem().find("to run the 'publish' command") == std::string::npos;
      if (publisher.refused() && may_publish) {
        failure = failure->advised(discard_hint(batch[receivers.size()]));
      }
      for (std::size_t i = 0; i < receivers.size(); ++i) {
        if (batch[i].event_id == end) delivery.listeners = receivers[i];
      }
      return receivers;
    };
    tables::BatchOutcome batch;
    try {
      batch = tables::publish_batch(database, application_name, deadline.left(), send, then);
    } catch (const Error&) {
      // The reason why sending stopped matters more than a failure to mark.
      if (!failure) throw;
    }
    delivery.sent += batch.sent;
    if (failure) throw Error(*failure);
    if (!batch.locked) {
      if (!batch.more) return true;
      continue;
    }
    if (run_id && tables::count_pending(database, run_id) == 0) return false;
    if (deadline.over()) {
      throw Error(ErrorKind::redis, "another publisher is still running",
                  {.object = "the outbox", .hint = "Run 'tickstock-cache deliver' later."});
    }
    pause(patience, pause_between_tries, "publishing events");
  }
}

bool Courier::send_in_spite_of_failover() {
  for (;;) {
    try {
      return send_batches();
    } catch (const Error& error) {
      const bool recovers = error.kind() == ErrorKind::redis && publisher.may_recover();
      if (!recovers || deadline.left() <= pause_of_failover) throw;
    }
    pause(database.connection.patience(), pause_of_failover, "publishing events");
    publisher.restart();
  }
}

/// The pause between two attempts to connect while a standby is being promoted.
constexpr std::chrono::milliseconds pause_of_promotion{250};

/// Replaces a lost connection, using the same conninfo. Rejects a standby, whatever the conninfo
/// says about sessions: it may be about to take over. \return whether there is a connection.
/// \throws Error (interrupted).
bool reconnect(tables::Database& database, io::Deadline deadline) {
  io::Patience& patience = database.connection.patience();
  while (!deadline.over()) {
    try {
      postgres::ConnectionSettings settings = database.connection.settings();
      settings.connect_timeout = std::min(settings.connect_timeout, deadline.left());
      database.connection = postgres::Connection::open(settings, patience);
      if (!tables::is_standby(database)) return true;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      // Waiting helps only if the server is unavailable.
      if (error.kind() != ErrorKind::unavailable) return false;
    }
    if (deadline.left() <= pause_of_promotion) return false;
    pause(patience, pause_of_promotion, "reconnecting");
  }
  return false;
}

/// Does some work, and repeats it on another connection if the one to PostgreSQL is lost: whatever
/// was not marked as published is published again. \param reconnected set if that happened
template <typename Work>
auto in_spite_of_promotion(tables::Database& database, io::Deadline deadline, bool& reconnected,
                           Work work) {
  try {
    return work();
  } catch (const Error& error) {
    const bool is_lost =
        !database.connection.usable() &&
        (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::outcome_unknown);
    if (!is_lost || reconnected || !reconnect(database, deadline)) throw;
  }
  reconnected = true;
  return work();
}

constexpr std::size_t runs_named = 5;

/// Returns `1 event … of the run night-1` or `12 events … of the runs night-1, night-2 and 3 more`.
std::string words_for(const std::vector<tables::GivenUp>& old, std::uint64_t events, int max_age) {
  std::string runs;
  for (std::size_t i = 0; i < std::min(old.size(), runs_named); ++i) {
    runs += (i == 0 ? "" : ", ") + old[i].run_id;
  }
  if (old.size() > runs_named) runs += fmt::format(" and {} more", old.size() - runs_named);
  return fmt::format(
      "{} pending for more than {} ([outbox] max_age) {} dropped and will not be published, of "
      "the run{} {}",
      counted(events, "event", "events"), counted(max_age, "day", "days"),
      events == 1 ? "was" : "were", old.size() == 1 ? "" : "s", runs);
}

/// Retries until no other publisher is at work. \throws Error if that takes too long.
template <typename Try>
void when_alone(const std::string& otherwise, io::Deadline deadline, io::Patience& patience,
                Try done) {
  while (!done()) {
    if (deadline.over()) {
      throw Error(ErrorKind::redis, otherwise + ": another publisher is still running",
                  {.object = "the outbox", .hint = "Run 'tickstock-cache deliver' again later."});
    }
    pause(patience, pause_between_tries, "waiting for a publisher");
  }
}

}  // namespace

Delivery deliver(tables::Database& database, const std::string& application_name,
                 events::Publisher& publisher, io::Deadline deadline,
                 const std::optional<std::string>& run_id,
                 const std::vector<postgres::Statement>& then) {
  Courier courier{database, application_name, publisher, deadline, run_id, then};
  Delivery& delivery = courier.delivery;
  try {
    if (in_spite_of_promotion(database, deadline, delivery.reconnected,
                              [&courier] { return courier.send_in_spite_of_failover(); })) {
      delivery.pending = 0;
      return delivery;
    }
  } catch (const Error& error) {
    switch (error.kind()) {
      // Unmarked events are sent again, whatever happened to the COMMIT.
      case ErrorKind::outcome_unknown: delivery.failure = error.as(ErrorKind::unavailable); break;
      case ErrorKind::interrupted:
        delivery.failure = Error(ErrorKind::interrupted, "interrupted by a signal");
        break;
      default:
        delivery.failure = delivery.sent > 0 && deadline.over()
                               ? error.advised("Or give it more time with [timeouts] publish.")
                               : error;
    }
  }
  try {
    const io::Settling settling(database.connection.patience());
    delivery.pending = static_cast<std::uint64_t>(tables::count_pending(database, run_id));
  } catch (const Error& error) {
    if (!delivery.failure) delivery.failure = error;
  }
  if (delivery.pending == 0) delivery.failure.reset();
  return delivery;
}

OldEvents give_up_old_events(tables::Database& database, const std::string& application_name,
                             int max_age, io::Deadline deadline) {
  OldEvents result;
  if (max_age == 0) return result;
  try {
    const auto old = in_spite_of_promotion(database, deadline, result.reconnected, [&] {
      return tables::give_up_old(database, application_name, max_age);
    });
    if (!old || old->empty()) return result;
    for (const tables::GivenUp& run : *old) {
      result.given_up += static_cast<std::uint64_t>(run.events);
    }
    result.warning = words_for(*old, result.given_up, max_age);
  } catch (const Error& error) {
    // The delivery itself reports that a signal ended it.
    if (error.kind() == ErrorKind::interrupted) return result;
    result.warning = std::string("old events could not be dropped: ") + error.what();
    result.failure = error;
  }
  return result;
}

std::uint64_t renumber(tables::Database& database, const std::string& application_name,
                       events::Publisher& publisher, io::Deadline deadline) {
  io::Patience& patience = database.connection.patience();
  publisher.connect(deadline, patience);
  const std::int64_t last = publisher.stream()->last_id(deadline, patience);
  std::optional<std::uint64_t> events;
  when_alone("the events were not renumbered", deadline, patience, [&] {
    events = tables::renumber_pending(
        database, application_name, last, [&](const std::vector<Message>& pending) {
          return publisher.stream()->holds(pending, deadline, patience);
        });
    return events.has_value();
  });
  return *events;
}

void discard_event(tables::Database& database, const std::string& application_name,
                   const std::string& event_id, io::Deadline deadline) {
  when_alone("event " + event_id + " was not dropped", deadline, database.connection.patience(),
             [&] { return tables::give_up_event(database, application_name, event_id); });
}

}  // namespace tickstock::sync
