-- Makes a database with symbols and universes the one that every contestant gets a copy of.

\set ON_ERROR_STOP on

-- No rule reads prices unless a setting says so; copies without them are quicker to make.
DROP TABLE IF EXISTS ohlcv_daily;

-- Where the floor stores the rows that change.
CREATE TABLE changed (LIKE cache_entries INCLUDING ALL);

CREATE EXTENSION pg_prewarm;
CREATE FUNCTION warm() RETURNS bigint LANGUAGE sql AS $$
  -- Tables, what they have outgrown, and the indexes of both.
  WITH tables AS (
    SELECT unnest(ARRAY[oid, nullif(reltoastrelid, 0)]) AS id
    FROM pg_class
    WHERE relname IN ('symbols', 'cache_entries') AND relkind = 'r'
  )
  SELECT sum(pg_prewarm(id::regclass))::bigint
  FROM (SELECT id FROM tables UNION ALL SELECT indexrelid FROM pg_index JOIN tables ON indrelid = id) AS relations
  WHERE id IS NOT NULL
$$;
