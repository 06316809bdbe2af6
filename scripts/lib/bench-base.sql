-- Prepares a database with symbols and universes, of which every contestant gets a copy.

\set ON_ERROR_STOP on

-- No rule reads prices unless a setting says so; copies without them are made faster.
DROP TABLE IF EXISTS ohlcv_daily;

-- The floor stores the changed rows here.
CREATE TABLE changed (LIKE cache_entries INCLUDING ALL);

CREATE EXTENSION pg_prewarm;
CREATE FUNCTION warm() RETURNS bigint LANGUAGE sql AS $$
  -- Tables, their out-of-line storage, and the indexes of both.
  WITH tables AS (
    SELECT unnest(ARRAY[oid, nullif(reltoastrelid, 0)]) AS id
    FROM pg_class
    WHERE relname IN ('symbols', 'cache_entries') AND relkind = 'r'
  )
  SELECT sum(pg_prewarm(id::regclass))::bigint
  FROM (SELECT id FROM tables UNION ALL SELECT indexrelid FROM pg_index JOIN tables ON indrelid = id) AS relations
  WHERE id IS NOT NULL
$$;
