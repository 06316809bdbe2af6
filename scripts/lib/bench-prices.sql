-- Creates years of prices for the largest symbols: each close varies by up to three percent a day around the one that gives
-- today's market cap. Prints how many.
--   psql -v symbols=12000 -v days=600 -f bench-prices.sql
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
BEGIN;
CREATE TABLE ohlcv_daily (symbol text, date date, close numeric, volume bigint, PRIMARY KEY (symbol, date));
ALTER TABLE symbols ADD COLUMN IF NOT EXISTS shares_outstanding bigint;
UPDATE symbols SET shares_outstanding = 1000000 WHERE shares_outstanding IS NULL OR shares_outstanding = 0;
INSERT INTO ohlcv_daily (symbol, date, close)
SELECT s.symbol, date '2026-08-20' - d,
       round((s.market_cap / s.shares_outstanding * (1 + 0.03 * sin(d * (1 + s.place % 7) * 0.7)
              + 0.10 * sin((d + s.place % 97) / 40.0)))::numeric, 4)
  FROM (SELECT symbol, market_cap, shares_outstanding, row_number() OVER (ORDER BY market_cap DESC, symbol) AS place
          FROM symbols WHERE market_cap > 0 AND is_active LIMIT :symbols) AS s,
       generate_series(0, :days - 1) AS d;
COMMIT;
ANALYZE ohlcv_daily;
SELECT count(*) FROM ohlcv_daily;
