-- Prints the events of one run as a subscriber received them, one short line each, in their order; of more than twelve
-- in a row on one channel the rest is counted. Channels are shown without "tickstock:", with which each begins. Times are
-- left out, so that two runs print the same. Read by scripts/demo.
--
-- Variable: run_id. Standard input: a line for each message, the channel and the JSON with the byte 2 between them.

\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on

CREATE TEMPORARY TABLE received (number bigint GENERATED ALWAYS AS IDENTITY, channel text, message jsonb);
\copy received (channel, message) FROM pstdin WITH (FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')

WITH sent AS (
  SELECT number, channel, message->>'event' AS event, message->'payload' AS p,
    message->'payload'->'metadata' AS m,
    -- The same number for messages that follow one another on one channel.
    number - row_number() OVER (PARTITION BY channel ORDER BY number) AS stretch
  FROM received
  WHERE message->'payload'->>'run_id' = :'run_id'
), told AS (
  SELECT number, channel, stretch,
    row_number() OVER (PARTITION BY channel, stretch ORDER BY number) AS place,
    count(*) OVER (PARTITION BY channel, stretch) AS length,
    CASE event
      WHEN 'cache_sync_triggered' THEN format('%s, triggered by %s', p->>'mode', p->>'triggered_by')
      WHEN 'universe_updated' THEN format('%s: %s → %s, +%s −%s ~%s',
        p->>'universe', m->>'previous_count', m->>'count', m->>'added', m->>'removed', m->>'moved')
      WHEN 'ipo_assigned' THEN format('%s: %s, %s', p->>'symbol', p->>'company_name', coalesce(p->>'sector', 'no sector'))
      WHEN 'delisting_cleanup' THEN format('%s: %s memberships', (SELECT string_agg(value, ', ' ORDER BY n)
        FROM jsonb_array_elements_text(p->'symbols') WITH ORDINALITY AS symbol (value, n)), p->>'removed_count')
      WHEN 'cache_sync_completed' THEN format('%s: %s changes in %s universes', p->>'sync_status', p->>'total_changes',
        jsonb_array_length(p->'universes_updated'))
      WHEN 'phase_completed' THEN format('%s %s, %s changes', p->>'phase', p->>'status', p->'stats'->>'changes')
      WHEN 'job_progress_update' THEN format('%s (%s of %s done)', p->>'current_step', p->>'completed_steps',
        p->>'total_steps')
      ELSE coalesce(p->>'message', event)
    END AS text
  FROM sent
)
SELECT format('%-23s %s', substr(channel, length('tickstock:') + 1), CASE
    WHEN place > 12 THEN format('... and %s more', length - 12)
    WHEN length(text) > 52 THEN left(text, 48) || ' ...'
    ELSE text
  END)
FROM told
WHERE place <= 13
ORDER BY number;
