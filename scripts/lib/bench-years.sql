-- Repeats the nights of a journal, each time on later days, as if they had gone on for years.
--
--   psql -v times=125 -v nights=10 -f scripts/lib/bench-years.sql

\set ON_ERROR_STOP on

BEGIN;

INSERT INTO cache_sync_runs (run_id, entries, mode, triggered_by, status, as_of, events_enabled, approved,
  plan_digest, guards, task_results, symbols, eligible, total_changes, universes_changed, members_added,
  members_removed, members_moved, events, started_at, finished_at, duration_seconds, program_version, position)
SELECT r.run_id || '-' || n, r.entries, r.mode, r.triggered_by, r.status, r.as_of + n * :nights, r.events_enabled,
  r.approved, r.plan_digest, r.guards, r.task_results, r.symbols, r.eligible, r.total_changes, r.universes_changed,
  r.members_added, r.members_removed, r.members_moved, r.events, r.started_at + n * interval '1 second',
  r.finished_at + n * interval '1 second', r.duration_seconds, r.program_version, r.position + n * :nights
FROM cache_sync_runs AS r CROSS JOIN generate_series(1, :times) AS n
ORDER BY n, r.position;

INSERT INTO cache_sync_changes (run_id, task, universe, action, added, removed, moved, reason, content_before,
  cache_type_before, changed_at, added_why, removed_why, places, fingerprint, cache_type_after, metadata_after, keys)
SELECT c.run_id || '-' || n, c.task, c.universe, c.action, c.added, c.removed, c.moved, c.reason, c.content_before,
  c.cache_type_before, c.changed_at, c.added_why, c.removed_why, c.places, c.fingerprint, c.cache_type_after,
  c.metadata_after, c.keys
FROM cache_sync_changes AS c CROSS JOIN generate_series(1, :times) AS n
WHERE c.run_id <> (SELECT run_id FROM cache_sync_runs WHERE position = 1)
ORDER BY n, c.id;

UPDATE cache_sync_states AS s
SET change = (SELECT max(id) FROM cache_sync_changes AS c WHERE c.universe = s.universe);

COMMIT;
