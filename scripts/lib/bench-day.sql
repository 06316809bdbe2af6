-- Makes the table `symbols` of one real day, which comes as CSV on standard input.

\set ON_ERROR_STOP on

CREATE TABLE symbols (
  symbol text PRIMARY KEY,
  company_name text,
  market_cap numeric(20,2),
  sector text,
  industry text,
  listing_date date,
  is_active boolean,
  delisted_date date,
  shares_outstanding bigint
);

CREATE TEMPORARY TABLE day (LIKE symbols, close numeric, volume bigint);
\copy day FROM pstdin (FORMAT csv, HEADER)

INSERT INTO symbols
SELECT symbol, company_name, market_cap, sector, industry, listing_date, is_active, delisted_date, shares_outstanding
FROM day;
