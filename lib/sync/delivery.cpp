#include "sync/delivery.hpp"

#include <chrono>
#include <vector>

#include "tables/outbox.hpp"

namespace tickstock::sync {

namespace {

constexpr std::chrono::milliseconds pause_between_tries{50};

/// The way past an event that Redis refuses.
std::string discard_hint(const Message& refused) {
  return ", or give the event up: tickstock-cache deliver --discard " + refused.event_id;
}

/// Sends one batch after the other. \return whether nothing is pending any more, as far as the last
/// one told. \throws Error where it can't go on.
bool send_batches(postgres::Connection& connection, const tables::TableNames& names,
                  std::int64_t publish_lock, const std::string& application_name,
                  events::Publisher& publisher, io::Deadline deadline, io::Patience& patience,
                  const std::optional<std::string>& run_id, std::uint64_t& sent) {
  publisher.connect(deadline, patience);
  for (;;) {
    std::optional<Error> failure;
    const auto send = [&](const std::vector<Message>& batch) {
      events::Publisher::Published published = publisher.publish(batch, deadline, patience);
      failure = std::move(published.failure);
      if (failure && publisher.refused()) {
        failure = Error(failure->kind(), failure->what() + discard_hint(batch[published.taken]));
      }
      return published.taken;
    };
    tables::BatchOutcome batch;
    try {
      batch = tables::publish_batch(connection, names, publish_lock, application_name,
                                    deadline.left(), send);
    } catch (const Error&) {
      // Why the sending stopped counts more than what became of the marks.
      if (!failure) throw;
    }
    sent += batch.sent;
    if (failure) throw Error(*failure);
    if (!batch.locked) {
      if (!batch.more) return true;
      continue;
    }
    if (run_id && tables::count_pending(connection, names, run_id) == 0) return false;
    if (deadline.over()) {
      throw Error(ErrorKind::redis,
                  "another publisher is still at work; run 'tickstock-cache deliver' later");
    }
    if (!patience.pause(pause_between_tries)) {
      throw Error(ErrorKind::interrupted, "interrupted by a signal while publishing events");
    }
  }
}

}  // namespace

Delivery deliver(postgres::Connection& connection, const tables::TableNames& names,
                 const tables::Catalog& catalog, const std::string& application_name,
                 events::Publisher& publisher, std::chrono::milliseconds time,
                 io::Patience& patience, const std::optional<std::string>& run_id) {
  Delivery delivery;
  try {
    if (send_batches(connection, names, tables::publish_lock_key(catalog), application_name,
                     publisher, patience.step(time), patience, run_id, delivery.sent)) {
      delivery.pending = 0;
      return delivery;
    }
  } catch (const Error& error) {
    switch (error.kind()) {
      // Events that are not marked are sent once more, whatever became of the COMMIT.
      case ErrorKind::outcome_unknown:
        delivery.failure = Error(ErrorKind::unavailable, error.what());
        break;
      case ErrorKind::interrupted:
        delivery.failure = Error(ErrorKind::interrupted, "interrupted by a signal");
        break;
      default: delivery.failure = error;
    }
  }
  try {
    const io::Settling settling(patience);
    delivery.pending = static_cast<std::uint64_t>(tables::count_pending(connection, names, run_id));
  } catch (const Error& error) {
    if (!delivery.failure) delivery.failure = error;
  }
  if (delivery.pending == 0) delivery.failure.reset();
  return delivery;
}

}  // namespace tickstock::sync
