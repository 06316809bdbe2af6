-- The work of one night as one script, the way a database administrator writes it: eligible rows with row_number() in a
-- temporary table, jsonb_agg over them, INSERT ... ON CONFLICT, and delisted names taken out through
-- jsonb_array_elements_text ... WITH ORDINALITY. It leaves the universes as the program does, without diff, guards,
-- journal or events. scripts/bench has psql run it, and bench-sync-tuned.sql, which is faster by other means.
--
--   psql -Xq -v as_of=2026-08-20 -f scripts/lib/bench-sync.sql
--
-- What was tried, and how it did at 100,000 symbols:
--   * the table of the delisted left out, and entries joined with symbols: 0.60 s instead of 0.39 s, with hash joins
--     prescribed and parallel workers too. Not analysed it does as well here;
--   * analysing the eligible as well: 0.03 s longer, and no better plan;
--   * all entries put together anew, not only those that hold a delisted name: 0.33 s instead of 0.28 s where
--     nothing is to be done;
--   * the top 2,000 cut out before the lists of leaders are joined with them, or categories aggregated before they are
--     joined with their names: no better;
--   * work_mem as it comes, and jit: no different; they slow the tuned script down at 1,000,000;
--   * ON CONFLICT DO UPDATE ... WHERE content IS DISTINCT FROM: as fast, but it locks, and so writes, rows that are
--     left as they are.

\set ON_ERROR_STOP on

BEGIN;
SET LOCAL work_mem = '256MB';
SET LOCAL jit = off;

CREATE TEMPORARY TABLE eligible ON COMMIT DROP AS
SELECT symbol, row_number() OVER (ORDER BY market_cap DESC, symbol COLLATE "C") AS rank,
  CASE
    WHEN market_cap >= 200e9 THEN 'mega_cap'
    WHEN market_cap >= 10e9 THEN 'large_cap'
    WHEN market_cap >= 2e9 THEN 'mid_cap'
    WHEN market_cap >= 300e6 THEN 'small_cap'
    WHEN market_cap >= 50e6 THEN 'micro_cap'
  END AS category
FROM symbols
WHERE is_active AND market_cap > 0
  AND (delisted_date IS NULL OR delisted_date > :'as_of' OR listing_date > delisted_date);

CREATE TEMPORARY TABLE gone ON COMMIT DROP AS
SELECT symbol FROM symbols
WHERE NOT is_active OR delisted_date <= :'as_of' AND NOT coalesce(listing_date > delisted_date, false);

ANALYZE gone;

-- What the ten owned universes should hold; one without members only where it has a row to be emptied.
WITH wanted AS MATERIALIZED (
  SELECT universe, 'market_cap' AS cache_type,
    coalesce(jsonb_agg(symbol ORDER BY rank) FILTER (WHERE symbol IS NOT NULL), '[]') AS symbols,
    jsonb_build_object('type', 'market_cap_category', 'market_cap_range', universe) AS metadata
  FROM (VALUES ('mega_cap'), ('large_cap'), ('mid_cap'), ('small_cap'), ('micro_cap')) AS listed (universe)
  LEFT JOIN eligible ON category = universe
  GROUP BY universe
  HAVING count(symbol) > 0 OR EXISTS (SELECT FROM cache_entries AS e WHERE e.universe = listed.universe)
  UNION ALL
  SELECT universe, 'market_leader', jsonb_agg(symbol ORDER BY rank),
    jsonb_build_object('type', 'market_leader', 'rank', universe)
  FROM (VALUES ('top_100', 100), ('top_500', 500), ('top_1000', 1000), ('top_2000', 2000)) AS leader (universe, size)
  JOIN eligible ON rank <= size
  GROUP BY universe
  UNION ALL
  SELECT 'recent_ipos', 'ipo', coalesce(jsonb_agg(symbol ORDER BY listing_date DESC, symbol COLLATE "C"), '[]'),
    '{"type": "ipo", "period": "last_30_days"}'
  FROM symbols
  WHERE is_active AND (delisted_date IS NULL OR delisted_date > :'as_of' OR listing_date > delisted_date)
    AND listing_date BETWEEN :'as_of'::date - 29 AND :'as_of'::date
  HAVING count(*) > 0 OR EXISTS (SELECT FROM cache_entries WHERE universe = 'recent_ipos')
)
INSERT INTO cache_entries (universe, cache_type, content, created_at, updated_at)
SELECT universe, cache_type, jsonb_build_object('symbols', symbols, 'count', jsonb_array_length(symbols),
  'metadata', metadata, 'last_updated', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
  now(), now()
FROM wanted AS w
WHERE NOT EXISTS (SELECT FROM cache_entries AS e WHERE e.universe = w.universe AND e.cache_type = w.cache_type
  AND e.content->'symbols' = w.symbols)
ON CONFLICT (universe) DO UPDATE
SET content = EXCLUDED.content, cache_type = EXCLUDED.cache_type, updated_at = EXCLUDED.updated_at;

-- Only entries that hold a delisted name are put together anew.
WITH holding AS MATERIALIZED (
  SELECT DISTINCT universe
  FROM cache_entries CROSS JOIN LATERAL jsonb_array_elements_text(content->'symbols') AS member
  JOIN gone ON gone.symbol = member
  WHERE cache_type IN ('market_cap', 'market_leader', 'sector', 'theme')
), cleaned AS MATERIALIZED (
  SELECT universe, (
      SELECT coalesce(jsonb_agg(member ORDER BY position), '[]')
      FROM jsonb_array_elements_text(content->'symbols') WITH ORDINALITY AS m (member, position)
      WHERE member NOT IN (SELECT symbol FROM gone)
    ) AS symbols
  FROM holding JOIN cache_entries USING (universe)
)
UPDATE cache_entries AS e
SET content = content || jsonb_build_object('symbols', symbols, 'count', jsonb_array_length(symbols),
      'last_updated', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), updated_at = now()
FROM cleaned
WHERE e.universe = cleaned.universe;
COMMIT;
