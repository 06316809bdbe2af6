#include "sync/giving_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "domain/error.hpp"
#include "tables/outbox.hpp"

namespace tickstock::sync {

namespace {

constexpr std::chrono::milliseconds pause_between_tries{50};
constexpr std::size_t runs_named = 5;

/// `1 event … of the run night-1` or `12 events … of the runs night-1, night-2 and 3 more`.
std::string words_for(const std::vector<tables::GivenUp>& old, std::uint64_t events, int max_age) {
  std::string runs;
  for (std::size_t i = 0; i < std::min(old.size(), runs_named); ++i) {
    runs += (i == 0 ? "" : ", ") + old[i].run_id;
  }
  if (old.size() > runs_named) runs += fmt::format(" and {} more", old.size() - runs_named);
  return fmt::format(
      "{} pending for more than {} ([outbox] max_age) {} given up and will not be published, of "
      "the run{} {}",
      events == 1 ? "1 event" : fmt::format("{} events", events),
      max_age == 1 ? "1 day" : fmt::format("{} days", max_age), events == 1 ? "was" : "were",
      old.size() == 1 ? "" : "s", runs);
}

}  // namespace

OldEvents give_up_old_events(postgres::Connection& connection, const tables::TableNames& names,
                             const tables::Catalog& catalog, const std::string& application_name,
                             int max_age) {
  OldEvents result;
  if (max_age == 0) return result;
  try {
    const auto old = tables::give_up_old(connection, names, tables::publish_lock_key(catalog),
                                         application_name, max_age);
    if (!old || old->empty()) return result;
    for (const tables::GivenUp& run : *old) {
      result.given_up += static_cast<std::uint64_t>(run.events);
    }
    result.warning = words_for(*old, result.given_up, max_age);
  } catch (const Error& error) {
    // The delivery itself says that a signal ended it.
    if (error.kind() == ErrorKind::interrupted) return result;
    result.warning = std::string("old events could not be given up: ") + error.what();
    result.failure = error;
  }
  return result;
}

void discard_event(postgres::Connection& connection, const tables::TableNames& names,
                   const tables::Catalog& catalog, const std::string& application_name,
                   const std::string& event_id, std::chrono::milliseconds time,
                   io::Patience& patience) {
  const io::Deadline deadline = patience.step(time);
  while (!tables::give_up_event(connection, names, tables::publish_lock_key(catalog),
                                application_name, event_id)) {
    if (deadline.over()) {
      throw Error(ErrorKind::redis, "event " + event_id +
                                        " was not given up: another publisher is still at work; "
                                        "run 'tickstock-cache deliver' again later");
    }
    if (!patience.pause(pause_between_tries)) {
      throw Error(ErrorKind::interrupted, "interrupted by a signal while waiting for a publisher");
    }
  }
}

}  // namespace tickstock::sync
