-- Creates a sample market: the tables `symbols` and `ohlcv_daily`, as TickStock has them, with one day's rows.
--
--   psql -v symbols=3000 -v as_of=2026-08-20 -f scripts/sample-market.sql
--
-- Variables: symbols (how many, 3000), as_of (the day, 2026-08-20), seed (any word; another gives another market),
-- recent (the share that was listed within 30 days, 1.0 / 120). The same variables give the same rows everywhere. It
-- fails if the tables exist: sample rows don't belong among real ones.

\ir lib/sample.sql

BEGIN;

\ir lib/symbols.sql

CREATE TABLE ohlcv_daily (
  symbol text NOT NULL,
  date date NOT NULL,
  open numeric(12,2),
  high numeric(12,2),
  low numeric(12,2),
  close numeric(12,2),
  volume bigint
);

-- Uses one temporary table, so that each company is drawn once.
CREATE TEMPORARY TABLE sample ON COMMIT DROP AS
SELECT * FROM pg_temp.companies(:'seed', 1, :symbols, :'as_of'::date, :recent);

INSERT INTO symbols
SELECT symbol, company_name, market_cap, sector, industry, listing_date, is_active, delisted_date, shares_outstanding
FROM sample;

INSERT INTO ohlcv_daily
SELECT symbol, :'as_of'::date, open, high, low, close, volume
FROM sample CROSS JOIN LATERAL pg_temp.bar(symbol, :'as_of'::date, close, close)
WHERE is_active AND (delisted_date IS NULL OR delisted_date > :'as_of'::date);

ALTER TABLE ohlcv_daily ADD PRIMARY KEY (symbol, date);

COMMIT;

ANALYZE symbols, ohlcv_daily;
