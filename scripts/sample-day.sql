-- Moves the sample market to another day: prices and caps take a daily step (2.5 % is one standard deviation), 1 symbol
-- in 500 is delisted, and a few new ones are listed (1 in 1,000, at least 3).
--
--   psql -v as_of=2026-08-21 -f scripts/sample-day.sql
--
-- Continues from the last day in ohlcv_daily. Variables: as_of (the new day), seed (the market's own). For an existing
-- day it fails at the prices' primary key and changes nothing.

\ir lib/sample.sql

BEGIN;

CREATE TEMPORARY TABLE trading ON COMMIT DROP AS
SELECT symbol, previous,
  greatest(0.01, round((previous * exp(0.025 * step))::numeric, 2)) AS close,
  leaves
FROM (
  SELECT symbol, previous, pg_temp.normal(pg_temp.uniform(hash, 0), pg_temp.uniform(hash, 1)) AS step,
    pg_temp.uniform(hash, 2) < 0.002 AS leaves
  FROM (
    SELECT s.symbol, p.close::double precision AS previous,
      md5(:'seed' || ':day:' || s.symbol || ':' || (:'as_of'::date - date '2000-01-01')) AS hash
    FROM symbols AS s
    JOIN ohlcv_daily AS p ON p.symbol = s.symbol AND p.date = (SELECT max(date) FROM ohlcv_daily)
    WHERE s.is_active AND (s.delisted_date IS NULL OR s.delisted_date > :'as_of'::date)
    OFFSET 0
  ) AS yesterday
) AS drawn;

UPDATE symbols AS s
SET market_cap = CASE WHEN s.market_cap > 0 THEN t.close * s.shares_outstanding ELSE s.market_cap END,
  is_active = NOT t.leaves,
  delisted_date = CASE WHEN t.leaves THEN :'as_of'::date ELSE s.delisted_date END
FROM trading AS t
WHERE t.symbol = s.symbol;

-- The market's numbers continue where they ended.
SELECT count(*) + 1 AS first_new, count(*) + greatest(3, count(*) / 1000) AS last_new FROM symbols \gset

CREATE TEMPORARY TABLE listed ON COMMIT DROP AS
SELECT * FROM pg_temp.companies(:'seed', :first_new, :last_new, :'as_of'::date, :recent);

INSERT INTO symbols
SELECT symbol, company_name, market_cap, sector, industry, :'as_of'::date, true, NULL, shares_outstanding
FROM listed;

INSERT INTO ohlcv_daily
SELECT symbol, :'as_of'::date, open, high, low, close, volume
FROM (
  SELECT symbol, previous::numeric(12,2), close FROM trading WHERE NOT leaves
  UNION ALL
  SELECT symbol, close, close FROM listed
) AS traded
CROSS JOIN LATERAL pg_temp.bar(symbol, :'as_of'::date, previous, close);

COMMIT;

ANALYZE symbols, ohlcv_daily;
