-- Creates the table `symbols` for one real day, given as CSV on standard input.

\set ON_ERROR_STOP on

\ir symbols.sql

CREATE TEMPORARY TABLE day (LIKE symbols, close numeric, volume bigint);
\copy day FROM pstdin (FORMAT csv, HEADER)

INSERT INTO symbols
SELECT symbol, company_name, market_cap, sector, industry, listing_date, is_active, delisted_date, shares_outstanding
FROM day;
