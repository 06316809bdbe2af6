#include "tables/waiting.hpp"

#include <map>
#include <string>
#include <tuple>

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

// The rows of `gone` and `changed` are JSON objects. The record keeps the rows from before.
constexpr std::string_view store_sql = R"(
WITH gone AS (
  DELETE FROM {waiting} w
   USING jsonb_to_recordset($3::jsonb) AS old("group" text, symbol text, universe text)
   WHERE w.entries = $1 AND w."group" = old."group" AND w.symbol = old.symbol
     AND w.universe = old.universe),
changed AS (
  INSERT INTO {waiting} (entries, "group", symbol, universe, nights, as_of)
  SELECT $1, * FROM jsonb_to_recordset($4::jsonb)
      AS new("group" text, symbol text, universe text, nights int, as_of date)
  ON CONFLICT (entries, "group", symbol, universe)
  DO UPDATE SET nights = EXCLUDED.nights, as_of = EXCLUDED.as_of)
UPDATE {runs} SET waited = $5::jsonb WHERE run_id = $2)";

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
  using Key = std::tuple<std::string_view, std::string_view, SymbolId>;
  const auto key = [](const Waiting& row) { return Key(row.group, row.universe, row.symbol); };
  std::map<Key, const Waiting*> gone;
  for (const Waiting& row : waited) gone.emplace(key(row), &row);
  std::vector<const Waiting*> changed;
  // The old rows; a new row had none.
  json::Writer before;
  before.begin_array();
  const auto note = [&](const Waiting& row, bool was_there) {
    before.begin_array().value(row.group).value(market.name(row.symbol)).value(row.universe);
    if (was_there) before.value(row.nights).value(to_string(row.as_of));
    before.end_array();
  };
  for (const Waiting& row : waiting) {
    const auto old = gone.find(key(row));
    const bool was_there = old != gone.end();
    const bool is_same =
        was_there && old->second->nights == row.nights && old->second->as_of == row.as_of;
    if (!is_same) {
      changed.push_back(&row);
      note(was_there ? *old->second : row, was_there);
    }
    if (was_there) gone.erase(old);
  }
  std::vector<const Waiting*> deleted;
  for (const auto& [ignored, row] : gone) {
    note(*row, true);
    deleted.push_back(row);
  }
  if (deleted.empty() && changed.empty()) return std::nullopt;
  const auto rows_of = [&market](const std::vector<const Waiting*>& rows) {
    const auto write_one = [&market](json::Writer& json, const Waiting* row) {
      json.object("group", row->group, "symbol", market.name(row->symbol), "universe",
                  row->universe, "nights", row->nights, "as_of", to_string(row->as_of));
    };
    json::Writer json;
    return json.value(json::list(rows, write_one)).text();
  };
  return names.statement("writing {waiting}", store_sql,
                         {names.entries.shown(), run_id, rows_of(deleted), rows_of(changed),
                          before.end_array().text()});
}

}  // namespace tickstock::tables
