#include "tables/waiting.hpp"

#include <string>

#include "json/json.hpp"
#include "tables/outbox.hpp"

namespace tickstock::tables {

namespace {

constexpr std::string_view past_sql = R"(
SELECT last.as_of::text, w."group", w.symbol, w.universe, w.nights, w.as_of::text
  FROM (SELECT (SELECT as_of FROM {runs}
                 WHERE status IN ('completed', 'completed_with_errors') AND entries = $1
                 ORDER BY started_at DESC LIMIT 1) AS as_of) last
  LEFT JOIN {waiting} w ON w.entries = $1)";

// The record keeps the rows from before; a new row had neither nights nor day.
constexpr std::string_view store_sql = R"(
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
  return names.statement("writing {waiting}", store_sql,
                         {names.entries.shown(), run_id, rows_of(waited), rows_of(waiting)});
}

}  // namespace tickstock::tables
