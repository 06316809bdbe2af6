-- Moves 2 in 100 of the eligible symbols to other ranks: changes each cap by at least a tenth, up to double or half. Always
-- changes the same symbols by the same factors.

\ir sample.sql

UPDATE symbols AS s
SET market_cap = round((s.market_cap * exp(CASE WHEN pg_temp.uniform(hash, 1) < 0.5 THEN 1 ELSE -1 END
  * (0.1 + 0.6 * pg_temp.uniform(hash, 2))))::numeric, 2)
FROM (SELECT symbol, md5('night:' || symbol) AS hash FROM symbols OFFSET 0) AS drawn
WHERE s.symbol = drawn.symbol AND pg_temp.uniform(hash, 0) < 0.02 AND s.is_active AND s.market_cap > 0;
