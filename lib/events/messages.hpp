#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "domain/market.hpp"
#include "domain/run.hpp"
#include "rules/plan.hpp"

namespace tickstock::events {

/// A kind of event, with its channel.
struct EventKind {
  std::string_view channel;
  std::string_view event;
  std::string_view source = "daily_cache_sync_job";
};

namespace kinds {

inline constexpr EventKind sync_triggered{"tickstock:cache:sync_triggered", "cache_sync_triggered"};
inline constexpr EventKind universe_updated{"tickstock:universe:updated", "universe_updated"};
inline constexpr EventKind ipo_assigned{"tickstock:cache:ipo_assignment", "ipo_assigned"};
inline constexpr EventKind delisting_cleanup{"tickstock:cache:delisting_cleanup",
                                             "delisting_cleanup"};
inline constexpr EventKind sync_completed{"tickstock:cache:sync_complete", "cache_sync_completed"};
inline constexpr EventKind phase_completed{"tickstock:processing:status", "phase_completed"};
/// The application recognizes progress by its source.
inline constexpr EventKind progress{"tickstock:monitoring", "job_progress_update",
                                    "daily_processing.cache_sync"};
inline constexpr EventKind sync_error{"tickstock:errors", "cache_sync_error"};

}  // namespace kinds

/// All kinds. A Redis user needs access to these channels only.
inline constexpr std::array<EventKind, 8> event_kinds{
    kinds::sync_triggered, kinds::universe_updated, kinds::ipo_assigned, kinds::delisting_cleanup,
    kinds::sync_completed, kinds::phase_completed,  kinds::progress,     kinds::sync_error};

/// Returns the Redis command that creates a user with only the permissions this program needs,
/// below a comment on its password. \param lists the lists that a run reads before it begins \param
/// stream the stream that events are added to; empty for none
std::string redis_acl(const std::string& user, const std::vector<std::string>& lists,
                      const std::string& stream);

/// Returns a UUID (version 8, RFC 9562) computed from texts: the same texts always give the same
/// one.
std::string uuid_of(std::string_view run_id, std::string_view task, std::string_view universe = {},
                    std::string_view symbol = {}, std::uint64_t position = 0);

// Each event's id is computed from the run and the event's place in it, so it is the same when the
// event is sent again. `timestamp` is ISO 8601 in UTC.

Message sync_triggered(const RunRecord& run, const std::string& timestamp);

/// Returns the events of one task in order: its universes, then its listings or its clean-up. At
/// most `max_universes` built-in universes are included (0 for all), and all declared ones;
/// `omitted` grows by those left out. \param waiting who waits after the run \param ipo_days how
/// long a listing counts as recent
std::vector<Message> task_events(const std::string& run_id, const std::string& timestamp,
                                 const TaskPlan& task, const std::vector<Waiting>& waiting,
                                 const Market& market, int ipo_days, std::size_t max_universes,
                                 std::size_t& omitted);

Message sync_completed(const RunRecord& run, const std::string& timestamp);

/// Returns the id of the event that sync_completed() creates for this run.
std::string id_of_end(const std::string& run_id);

Message phase_completed(const RunRecord& run, const std::string& timestamp);

/// The steps of every run; a run of one task skips the others.
inline constexpr std::array<std::string_view, 5> step_names{
    "Reading symbols and universes", "Market cap recalculation", "IPO assignment",
    "Delisted cleanup", "Publishing events"};

/// Returns the event for `step`, from 1 to 5, at work after `completed_steps`.
Message progress(const RunRecord& run, const std::string& timestamp, int step, int completed_steps);

Message sync_error(const RunRecord& run, const std::string& timestamp, ErrorKind kind,
                   const std::string& message);

/// The longest text that every Redis accepts: the smallest possible proto-max-bulk-len.
inline constexpr std::size_t largest_message = std::size_t{1} << 20;

/// \throws Error (failed) naming an event that is longer.
void require_sendable(const std::vector<Message>& messages);

}  // namespace tickstock::events
