#pragma once

#include <set>

#include "cli/scene.hpp"

// What runs leave behind, for tests that compare two ways of running.

namespace tickstock::test {

/// Keys of a document or an event that depend on the moment: times, and who else listened.
inline const std::set<std::string> times{
    "sync_start", "sync_end", "last_updated", "average_duration_seconds",
    "start_time", "end_time", "timestamp",    "duration_seconds",
    "changed_at", "listeners"};

/// Returns everything left in the database, except times.
inline Names stored_rows(Database& database) {
  Names all;
  for (const std::string sql :
       {"SELECT universe, cache_type, content - 'last_updated' FROM cache_entries ORDER BY 1",
        "SELECT run_id, mode, status, as_of, plan_digest, guards, task_results, symbols, "
        "eligible, total_changes, universes_changed, members_added, members_removed, "
        "members_moved, events, error FROM cache_sync_runs ORDER BY started_at",
        "SELECT id, run_id, task, universe, action, added, removed, moved, reason, added_why, "
        "removed_why, content_before - 'last_updated', cache_type_before "
        "FROM cache_sync_changes ORDER BY id",
        "SELECT id, event_id, run_id, channel, event, published_at IS NULL, given_up_at IS NULL "
        "FROM cache_sync_outbox ORDER BY id"}) {
    for (const auto& row : database.rows(sql)) {
      all.push_back(fmt::format("{}", fmt::join(row, " | ")));
    }
  }
  return all;
}

/// Returns the events that arrived, without times.
inline Names published(Subscriber& subscriber) {
  Names all;
  for (const Event& event : subscriber.drain()) {
    all.push_back(event.channel + " " + Json::parse(event.message).text_without(times));
  }
  return all;
}

}  // namespace tickstock::test
