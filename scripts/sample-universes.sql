-- Adds the universes that others maintain, as they would be before the first run: one per sector, and themes. They still
-- contain symbols that were delisted in the last half year.
--
--   psql -v themes=12 -v as_of=2026-08-20 -f scripts/sample-universes.sql
--
-- Needs sample-market.sql's tables, and cache_entries from `tickstock-cache init`. Variables: themes (how many, 12),
-- as_of (2026-08-20), seed, theme_min and theme_max (how many members a theme has, 15 to 75).

\ir lib/sample.sql

BEGIN;

CREATE TEMPORARY TABLE candidate ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY symbol COLLATE "C") AS number, symbol, sector
FROM symbols
WHERE delisted_date IS NULL OR delisted_date > :'as_of'::date - 180;

WITH sectors AS (
  SELECT 'sector_' || replace(lower(sector), ' ', '_') AS universe, 'sector' AS cache_type,
    jsonb_build_object('type', 'sector', 'sector', sector) AS metadata,
    jsonb_agg(symbol ORDER BY number) AS members
  FROM candidate
  WHERE sector IS NOT NULL
  GROUP BY sector
), theme AS (
  SELECT k, md5(:'seed' || ':theme:' || k) AS hash, coalesce((ARRAY['artificial_intelligence', 'cloud_computing',
    'cybersecurity', 'electric_vehicles', 'clean_energy', 'robotics', 'fintech', 'genomics', 'space', 'video_games',
    'e_commerce', 'water', 'infrastructure', 'agriculture', 'semiconductors', 'nuclear_power', 'batteries', 'telehealth',
    'online_travel', 'dividend_growth'])[k], lpad(k::text, 5, '0')) AS name
  FROM generate_series(1, :themes) AS k
), picked AS (
  -- A symbol that is drawn twice counts once.
  SELECT k, name, 1 + floor(pg_temp.uniform(md5(hash || draw), 0) * (SELECT count(*) FROM candidate))::bigint AS number,
    min(draw) AS draw
  FROM theme CROSS JOIN LATERAL generate_series(1,
    :theme_min + floor(pg_temp.uniform(hash, 0) * (:theme_max - :theme_min + 1))::int) AS draw
  GROUP BY k, name, 3
), themes AS (
  SELECT 'theme_' || name AS universe, 'theme' AS cache_type,
    jsonb_build_object('type', 'theme', 'theme', name) AS metadata,
    jsonb_agg(symbol ORDER BY draw) AS members
  FROM picked JOIN candidate USING (number)
  GROUP BY k, name
)
INSERT INTO cache_entries (universe, cache_type, content, created_at, updated_at)
SELECT universe, cache_type,
  jsonb_build_object('symbols', members, 'count', jsonb_array_length(members), 'metadata', metadata,
    'last_updated', to_char(:'as_of'::date - 1, 'YYYY-MM-DD') || 'T21:05:00.000Z'),
  (:'as_of'::date - 1 + time '21:05') AT TIME ZONE 'UTC', (:'as_of'::date - 1 + time '21:05') AT TIME ZONE 'UTC'
FROM (SELECT * FROM sectors UNION ALL SELECT * FROM themes) AS entries
ORDER BY universe COLLATE "C";

COMMIT;

ANALYZE cache_entries;
