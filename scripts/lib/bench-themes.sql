-- Adds wide themes by the thousand, which sample-universes.sql takes a minute for: the market shuffled and cut into
-- themes, and shuffled again until there are enough.
--
--   psql -v themes=9976 -v members=1000 -v as_of=2026-08-20 -f scripts/lib/bench-themes.sql

\set ON_ERROR_STOP on

BEGIN;
SET LOCAL work_mem = '256MB';
SET LOCAL jit = off;

-- What was delisted in the last half year is still held.
CREATE TEMPORARY TABLE candidate ON COMMIT DROP AS
SELECT symbol FROM symbols WHERE delisted_date IS NULL OR delisted_date > :'as_of'::date - 180;

SELECT greatest(1, count(*) / :members) AS at_once FROM candidate \gset

INSERT INTO cache_entries (universe, cache_type, content, created_at, updated_at)
SELECT 'theme_' || name, 'theme',
  jsonb_build_object('symbols', members, 'count', jsonb_array_length(members),
    'metadata', jsonb_build_object('type', 'theme', 'theme', name),
    'last_updated', to_char(:'as_of'::date - 1, 'YYYY-MM-DD') || 'T21:05:00.000Z'),
  (:'as_of'::date - 1 + time '21:05') AT TIME ZONE 'UTC', (:'as_of'::date - 1 + time '21:05') AT TIME ZONE 'UTC'
FROM generate_series(0, (:themes - 1) / :at_once) AS shuffle
CROSS JOIN LATERAL (
  SELECT place / :members AS cut, jsonb_agg(symbol ORDER BY place) AS members
  FROM (
    SELECT symbol, row_number() OVER (ORDER BY hashtextextended(symbol, shuffle)) - 1 AS place FROM candidate
  ) AS shuffled
  GROUP BY cut
) AS theme
CROSS JOIN LATERAL (SELECT lpad((shuffle * :at_once + cut + 1)::text, 5, '0') AS name) AS named
WHERE cut < :at_once AND shuffle * :at_once + cut < :themes;

COMMIT;

ANALYZE cache_entries;
