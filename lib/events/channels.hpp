#pragma once

#include <array>
#include <string_view>

namespace tickstock::events {

/// One kind of event, and where it goes.
struct EventKind {
  std::string_view channel;
  std::string_view event;
};

namespace kinds {

inline constexpr EventKind sync_triggered{"tickstock:cache:sync_triggered", "cache_sync_triggered"};
inline constexpr EventKind universe_updated{"tickstock:universe:updated", "universe_updated"};
inline constexpr EventKind ipo_assigned{"tickstock:cache:ipo_assignment", "ipo_assigned"};
inline constexpr EventKind delisting_cleanup{"tickstock:cache:delisting_cleanup",
                                             "delisting_cleanup"};
inline constexpr EventKind sync_completed{"tickstock:cache:sync_complete", "cache_sync_completed"};
inline constexpr EventKind phase_completed{"tickstock:processing:status", "phase_completed"};
inline constexpr EventKind progress{"tickstock:monitoring", "job_progress_update"};
inline constexpr EventKind sync_error{"tickstock:errors", "cache_sync_error"};

}  // namespace kinds

/// All of them: a user of Redis needs these channels and no others.
inline constexpr std::array<EventKind, 8> event_kinds{
    kinds::sync_triggered, kinds::universe_updated, kinds::ipo_assigned, kinds::delisting_cleanup,
    kinds::sync_completed, kinds::phase_completed,  kinds::progress,     kinds::sync_error};

}  // namespace tickstock::events
