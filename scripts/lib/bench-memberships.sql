-- Prints a line per universe: name, type, number of members, and a digest of the members in order.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on

SELECT universe, cache_type, jsonb_array_length(content->'symbols'), content->>'count',
  md5((content->'symbols')::text), md5((content->'metadata')::text)
FROM cache_entries
ORDER BY universe COLLATE "C";
