#include "tables/past.hpp"

#include "json/json.hpp"
#include "tables/outbox.hpp"
#include "tables/runs.hpp"
#include "tables/schema.hpp"

namespace tickstock::tables {

namespace {

constexpr std::string_view past_sql = R"(
SELECT last.as_of::text, w."group", w.symbol, w.universe, w.nights, w.as_of::text
  FROM (SELECT (SELECT as_of FROM {runs}
                 WHERE status IN ('completed', 'completed_with_errors') AND entries = $1
                 ORDER BY position DESC, started_at DESC LIMIT 1) AS as_of) last
  LEFT JOIN {waiting} w ON w.entries = $1)";

// The record keeps the rows from before; a new row had neither nights nor day.
constexpr std::string_view store_waiting_sql = R"(
WITH old AS (
  SELECT "group", symbol, universe, w.nights, w.as_of
    FROM {waiting} w
    JOIN jsonb_to_recordset($3::jsonb) AS given("group" text, symbol text, universe text)
   USING ("group", symbol, universe)
   WHERE w.entries = $1),
differing AS (
  SELECT "group", symbol, universe, new.nights, new.as_of, old.nights AS nights_before,
         old.as_of AS as_of_before
    FROM old
    FULL JOIN jsonb_to_recordset($4::jsonb)
           AS new("group" text, symbol text, universe text, nights int, as_of date)
   USING ("group", symbol, universe)
   WHERE (old.nights, old.as_of) IS DISTINCT FROM (new.nights, new.as_of)),
gone AS (
  DELETE FROM {waiting} w USING differing d
   WHERE w.entries = $1 AND w."group" = d."group" AND w.symbol = d.symbol
     AND w.universe = d.universe AND d.nights IS NULL),
changed AS (
  INSERT INTO {waiting} (entries, "group", symbol, universe, nights, as_of)
  SELECT $1, "group", symbol, universe, nights, as_of FROM differing WHERE nights IS NOT NULL
  ON CONFLICT (entries, "group", symbol, universe)
  DO UPDATE SET nights = EXCLUDED.nights, as_of = EXCLUDED.as_of)
UPDATE {runs}
   SET waited = (SELECT jsonb_agg(jsonb_build_array("group", symbol, universe, nights_before,
                                                    as_of_before)) FROM differing)
 WHERE run_id = $2)";

// A run may have written a universe twice: restore what was there before its first line, and expect
// what its last line left. What makes a plan, members, count and metadata, is restored always; of
// the other keys of a content those that the run set or removed: all where it replaced the content,
// else those that its lines name.
constexpr std::string_view undone_sql = R"(
WITH mine AS (
  SELECT universe, min(id) AS first, max(id) AS last,
         bool_and(keys IS NOT NULL OR action = 'cleaned') AS merged
    FROM {changes} WHERE run_id = $1 AND task <> 'another_writer' GROUP BY universe)
SELECT m.universe, m.first, f.content_before IS NOT NULL, coalesce(f.cache_type_before, ''),
       CASE WHEN octet_length((f.content_before -> 'symbols')::text) <= 67108864
            THEN (f.content_before -> 'symbols')::text END,
       left(coalesce((f.content_before -> 'count')::text, ''), 4096),
       left(coalesce((f.content_before -> 'metadata')::text, ''), 4096), l.fingerprint,
       coalesce((SELECT o.run_id FROM {changes} o JOIN {runs} r USING (run_id)
                  WHERE o.universe = m.universe AND r.entries = $2 AND o.id > m.last
                  ORDER BY o.id LIMIT 1), ''),
       to_jsonb(ARRAY(
         SELECT unnest('{symbols,count,metadata,last_updated}'::text[])
          UNION SELECT unnest(c.keys) FROM {changes} c
                 WHERE c.run_id = $1 AND c.universe = m.universe AND c.task <> 'another_writer'
          UNION SELECT jsonb_object_keys(CASE WHEN jsonb_typeof(f.content_before) = 'object'
                                              THEN f.content_before ELSE '{}' END)
                 WHERE NOT m.merged
          ORDER BY 1))::text
  FROM mine m
  JOIN {changes} f ON f.id = m.first
  JOIN {changes} l ON l.id = m.last
 ORDER BY m.first)";

constexpr std::string_view waited_sql = R"(
SELECT w ->> 0, w ->> 1, w ->> 2, w ->> 3, w ->> 4, now.nights, now.as_of::text
  FROM {runs} r
 CROSS JOIN jsonb_array_elements(r.waited) w
  LEFT JOIN {waiting} now ON now.entries = r.entries AND now."group" = w ->> 0
                         AND now.symbol = w ->> 1 AND now.universe = w ->> 2
 WHERE r.run_id = $1)";

// Keys that the run did not touch keep their current values, or those from before it if the row is
// gone. If the content was not an object, it is restored as a whole.
constexpr std::string_view restored_sql = R"(CASE
         WHEN jsonb_typeof(c.content_before) <> 'object' THEN c.content_before
         ELSE CASE WHEN jsonb_typeof(e.content) = 'object' THEN e.content ELSE '{}' END
              - CASE WHEN c.content_before IS NULL THEN '{}' ELSE $4::text[] END
              || CASE WHEN c.content_before IS NULL THEN '{"symbols": [], "count": 0}'
                      ELSE coalesce((SELECT jsonb_object_agg(key, value)
                                       FROM jsonb_each(c.content_before)
                                      WHERE key = ANY ($4::text[])), '{}') END
              || jsonb_build_object('last_updated', $3::text)
       END)";

constexpr std::string_view update_sql = R"(
UPDATE {entries} e
   SET content = {restored},
       cache_type = CASE WHEN c.content_before IS NULL THEN e.cache_type
                         ELSE c.cache_type_before END,
       updated_at = $3::timestamptz
  FROM {changes} c
 WHERE c.id = $2::bigint AND e.universe = $1::text)";

constexpr std::string_view insert_sql = R"(
INSERT INTO {entries} (universe, content, cache_type, created_at, updated_at)
SELECT $1::text, {restored}, c.cache_type_before, $3::timestamptz, $3::timestamptz
  FROM {changes} c CROSS JOIN LATERAL (SELECT c.content_before) e(content)
 WHERE c.id = $2::bigint
ON CONFLICT (universe) DO UPDATE SET content = EXCLUDED.content,
   cache_type = EXCLUDED.cache_type, updated_at = EXCLUDED.updated_at)";

}  // namespace

std::vector<Statement> ask_past(const TableNames& names, const Retention& retention) {
  return {names.statement("reading the last run, and who waits", past_sql, {names.entries.shown()}),
          ask_states(names, retention), ask_old_events(names, retention.outbox_max_age)};
}

Past past_of(std::span<const Result> answers, SymbolTable& symbols) {
  const Result& rows = answers[0];
  Past past;
  past.states = states_of(answers[1]);
  past.has_old_events = answers[2].rows() > 0;
  past.last_as_of = parse_day(rows.view(0, 0));
  for (int row = 0; row < rows.rows(); ++row) {
    const auto as_of = parse_day(rows.view(row, 5));
    if (!as_of) continue;
    past.waiting.push_back({rows.text(row, 1), symbols.intern(rows.view(row, 2)), rows.text(row, 3),
                            static_cast<int>(rows.integer(row, 4)), *as_of});
  }
  return past;
}

std::optional<Statement> store_waiting(const TableNames& names, const std::string& run_id,
                                       const Market& market, const std::vector<Waiting>& waited,
                                       const std::vector<Waiting>& waiting) {
  if (waited.empty() && waiting.empty()) return std::nullopt;
  const auto rows_of = [&market](const std::vector<Waiting>& rows) {
    const auto write_one = [&market](json::Writer& json, const Waiting& row) {
      json.object("group", row.group, "symbol", market.name(row.symbol), "universe", row.universe,
                  "nights", row.nights, "as_of", to_string(row.as_of));
    };
    json::Writer json;
    return json.value(json::list(rows, write_one)).text();
  };
  return names.statement("writing {waiting}", store_waiting_sql,
                         {names.entries.shown(), run_id, rows_of(waited), rows_of(waiting)});
}

UndoneRun read_undone(Database& database, const std::string& run_id, SymbolTable& symbols) {
  const TableNames& names = database.names;
  PipelineOutcome outcome = database.connection.run_pipeline(
      {names.statement("reading {changes}", undone_sql, {run_id, names.entries.shown()}),
       names.statement("reading {runs}", waited_sql, {run_id}),
       names.statement("reading {runs}", "SELECT FROM {runs} WHERE run_id = $1", {run_id})});
  const Result& rows = outcome.value()[0];
  // While this one waited for the lock, another run may have deleted it.
  if (outcome.results[2].rows() == 0) throw no_record_of(run_id);
  UndoneRun undone;
  json::StringArrayReader strings;
  for (int row = 0; row < rows.rows(); ++row) {
    Undone& each = undone.universes.emplace_back();
    each.universe = rows.text(row, 0);
    each.change = rows.integer(row, 1);
    if (!rows.is_null(row, 7)) each.left = static_cast<std::uint64_t>(rows.integer(row, 7));
    each.changed_by = rows.text(row, 8);
    strings.read(rows.view(row, 9));
    each.keys.assign(strings.strings().begin(), strings.strings().end());
    if (!rows.boolean(row, 2)) continue;
    Entry before;
    before.cache_type = rows.text(row, 3);
    before.count = rows.text(row, 5);
    before.metadata = rows.text(row, 6);
    before.readable = !rows.is_null(row, 4) && strings.read(rows.view(row, 4));
    if (before.readable) {
      std::vector<SymbolId> ids;
      symbols.intern(strings.strings(), ids);
      before.members = std::move(ids);
    }
    each.before = std::make_shared<const Entry>(std::move(before));
  }
  const Result& waited = outcome.results[1];
  for (int row = 0; row < waited.rows(); ++row) {
    const auto take = [&](int nights, std::vector<Waiting>& taken) {
      const auto as_of = parse_day(waited.view(row, nights + 1));
      if (!as_of) return;
      taken.push_back({waited.text(row, 0), symbols.intern(waited.view(row, 1)),
                       waited.text(row, 2), static_cast<int>(waited.integer(row, nights)), *as_of});
    };
    take(3, undone.waiting);
    take(5, undone.waited);
  }
  return undone;
}

Statement restore_statement(const TableNames& names, const EntryWrite& write,
                            const std::string& written_at) {
  const Restoration& restoration = *write.restoration;
  return {
      "writing universe '" + write.universe + "'",
      names.in(write.before ? update_sql : insert_sql, {{"restored", std::string(restored_sql)}}),
      {write.universe, std::to_string(restoration.change), written_at,
       array_literal(restoration.keys)}};
}

bool is_named(Database& database, const std::string& symbol) {
  std::string sql =
      "SELECT 1 FROM {changes} WHERE $1 = ANY (added) OR $1 = ANY (removed) OR $1 = ANY (moved)";
  if (has(database, Need::read_entries)) {
    sql += " UNION ALL SELECT 1 FROM {entries} WHERE content -> 'symbols' ? $1";
  }
  return database.read("looking for a symbol", sql + " LIMIT 1", {symbol}).rows() > 0;
}

}  // namespace tickstock::tables
