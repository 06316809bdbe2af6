-- What every program must do, whatever it computes: it fetches the columns that the rules read and, with `changed` set,
-- stores the changed rows, which are given on standard input. Binary is the faster COPY format here.

\set ON_ERROR_STOP on

BEGIN;
COPY symbols (symbol, market_cap, is_active, listing_date, delisted_date) TO STDOUT (FORMAT binary);
COPY cache_entries (universe, cache_type, content) TO STDOUT (FORMAT binary);
\if :{?changed}
  \copy changed FROM pstdin (FORMAT binary)
\endif
COMMIT;
