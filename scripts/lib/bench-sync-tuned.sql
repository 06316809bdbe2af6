-- The work of one night as the fastest script that was found: what bench-sync.sql does, with the same outcome, by one
-- sort into an array that the nine lists are cut from (no row_number, no jsonb_agg over the market), joins that are
-- hashed whatever the planner thinks, parallel where that pays, and `jsonb - text[]`. Nobody is expected to write this
-- for a nightly step. scripts/bench has psql run it.
--
--   psql -Xq -v as_of=2026-08-20 -f scripts/lib/bench-sync-tuned.sql
--
-- What was tried, and how it did at 1,000,000 symbols and 10,000 entries of 1,000 members unless it says otherwise:
--   * a temporary table of eligible rows with row_number(), then jsonb_agg(... ORDER BY rank) for each universe: for
--     the nine lists twice as long as sorting once into an array and cutting it up;
--   * GROUP BY category over sorted rows without ORDER BY in the aggregate: as fast as the array, but a plan that sorts
--     by category breaks the order, and did;
--   * jsonb_agg(member ORDER BY position) over WITH ORDINALITY for all entries that hold a delisted name, or for all
--     entries at once: two and ten times as long. `jsonb - text[]` compares every member with every name, which is the
--     faster way while few leave; where many do, filtering through a hash is;
--   * a temporary table of the delisted, analysed: keeps the join out of parallel workers, 2.9 s instead of 1.1 s;
--   * leaving joins to the planner, which takes every entry for 100 members: a nested loop, 5 s instead of 0.3 s at 40
--     entries;
--   * work_mem as it comes: a quarter longer, since the sort goes to disk; 1GB instead: no better;
--   * jit: 0.3 to 0.5 s longer, more than all the rest at 100,000 symbols;
--   * ON CONFLICT DO UPDATE ... WHERE content IS DISTINCT FROM: locks, and so writes, rows that are left as they are.

\set ON_ERROR_STOP on

BEGIN;
SET LOCAL work_mem = '256MB';
SET LOCAL jit = off;
SET LOCAL enable_nestloop = off;
-- The table of entries is small, but its contents are not.
SET LOCAL min_parallel_table_scan_size = 0;

-- What the ten built-in universes should contain.
CREATE TEMPORARY TABLE wanted ON COMMIT DROP AS
WITH market AS MATERIALIZED (
  SELECT array_agg(symbol) AS ranked,
    count(*) FILTER (WHERE market_cap >= 200e9) AS mega,
    count(*) FILTER (WHERE market_cap >= 10e9) AS large,
    count(*) FILTER (WHERE market_cap >= 2e9) AS mid,
    count(*) FILTER (WHERE market_cap >= 300e6) AS small,
    count(*) FILTER (WHERE market_cap >= 50e6) AS micro
  FROM (
    SELECT symbol, market_cap
    FROM symbols
    WHERE is_active AND market_cap > 0
      AND (delisted_date IS NULL OR delisted_date > :'as_of' OR listing_date > delisted_date)
    ORDER BY market_cap DESC, symbol COLLATE "C"
  ) AS eligible
)
SELECT universe, 'market_cap' AS cache_type, to_jsonb(ranked[above + 1:upto]) AS symbols,
  jsonb_build_object('type', 'market_cap_category', 'market_cap_range', universe) AS metadata
FROM market CROSS JOIN LATERAL (VALUES ('mega_cap', 0, mega), ('large_cap', mega, large), ('mid_cap', large, mid),
  ('small_cap', mid, small), ('micro_cap', small, micro)) AS category (universe, above, upto)
WHERE upto > above OR EXISTS (SELECT FROM cache_entries AS e WHERE e.universe = category.universe)
UNION ALL
SELECT universe, 'market_leader', to_jsonb(ranked[1:size]),
  jsonb_build_object('type', 'market_leader', 'rank', universe)
FROM market CROSS JOIN (VALUES ('top_100', 100), ('top_500', 500), ('top_1000', 1000), ('top_2000', 2000))
  AS leader (universe, size)
UNION ALL
SELECT 'recent_ipos', 'ipo', coalesce(jsonb_agg(symbol ORDER BY listing_date DESC, symbol COLLATE "C"), '[]'),
  '{"type": "ipo", "period": "last_30_days"}'
FROM symbols
WHERE is_active AND (delisted_date IS NULL OR delisted_date > :'as_of' OR listing_date > delisted_date)
  AND listing_date BETWEEN :'as_of'::date - 29 AND :'as_of'::date
HAVING count(*) > 0 OR EXISTS (SELECT FROM cache_entries WHERE universe = 'recent_ipos');

INSERT INTO cache_entries (universe, cache_type, content, created_at, updated_at)
SELECT universe, cache_type, jsonb_build_object('symbols', symbols, 'count', jsonb_array_length(symbols),
  'metadata', metadata, 'last_updated', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
  now(), now()
FROM wanted AS w
WHERE NOT EXISTS (SELECT FROM cache_entries AS e WHERE e.universe = w.universe AND e.cache_type = w.cache_type
  AND e.content->'symbols' = w.symbols)
ON CONFLICT (universe) DO UPDATE
SET content = EXCLUDED.content, cache_type = EXCLUDED.cache_type, updated_at = EXCLUDED.updated_at;

-- Which entries hold delisted names, and which names.
CREATE TEMPORARY TABLE holding ON COMMIT DROP AS
SELECT universe, array_agg(member) AS gone
FROM (SELECT universe, jsonb_array_elements_text(content->'symbols') AS member FROM cache_entries
      WHERE cache_type IN ('market_cap', 'market_leader', 'sector', 'theme')) AS members
JOIN symbols ON symbol = member
WHERE NOT is_active OR delisted_date <= :'as_of' AND NOT coalesce(listing_date > delisted_date, false)
GROUP BY universe;

UPDATE cache_entries AS e
SET content = content || jsonb_build_object('symbols', symbols, 'count', jsonb_array_length(symbols),
      'last_updated', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), updated_at = now()
FROM (
  SELECT universe, CASE
      WHEN cardinality(gone) < 100 THEN (content->'symbols') - gone
      ELSE to_jsonb(ARRAY(SELECT member FROM jsonb_array_elements_text(content->'symbols') AS member
                          WHERE member NOT IN (SELECT unnest(gone))))
    END AS symbols
  FROM holding JOIN cache_entries USING (universe)
  OFFSET 0
) AS cleaned
WHERE e.universe = cleaned.universe;
COMMIT;
