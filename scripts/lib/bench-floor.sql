-- What no program can do without, whatever it computes: it fetches the columns that the rules read and, with `changed`
-- set, stores the rows that change, which come ready on standard input. Binary is the faster format of COPY here.

\set ON_ERROR_STOP on

BEGIN;
COPY symbols (symbol, market_cap, is_active, listing_date, delisted_date) TO STDOUT (FORMAT binary);
COPY cache_entries (universe, cache_type, content) TO STDOUT (FORMAT binary);
\if :{?changed}
  \copy changed FROM pstdin (FORMAT binary)
\endif
COMMIT;
