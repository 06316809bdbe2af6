#include "tables/waiting.hpp"

#include <map>
#include <string>
#include <tuple>

#include "domain/text.hpp"
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

constexpr std::string_view delete_sql = R"(
DELETE FROM {waiting} w
 USING unnest($2::text[], $3::text[], $4::text[]) AS gone("group", symbol, universe)
 WHERE w.entries = $1 AND w."group" = gone."group" AND w.symbol = gone.symbol
   AND w.universe = gone.universe)";

constexpr std::string_view insert_sql = R"(
INSERT INTO {waiting} (entries, "group", symbol, universe, nights, as_of)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::date[])
ON CONFLICT (entries, "group", symbol, universe)
DO UPDATE SET nights = EXCLUDED.nights, as_of = EXCLUDED.as_of)";

/// Rows as arrays, one per column.
struct Columns {
  std::vector<std::string_view> groups;
  std::vector<std::string_view> symbols;
  std::vector<std::string_view> universes;
  std::vector<std::string> nights;
  std::vector<std::string> days;

  void add(const Waiting& row, const Market& market) {
    groups.push_back(row.group);
    symbols.push_back(market.name(row.symbol));
    universes.push_back(row.universe);
    nights.push_back(std::to_string(row.nights));
    days.push_back(to_string(row.as_of));
  }
  [[nodiscard]] Params keys(const TableNames& names) const {
    return {names.entries.shown(), array_literal(groups), array_literal(symbols),
            array_literal(universes)};
  }
};

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

std::vector<Statement> store_waiting(const TableNames& names, const std::string& run_id,
                                     const Market& market, const std::vector<Waiting>& waited,
                                     const std::vector<Waiting>& waiting) {
  using Key = std::tuple<std::string_view, std::string_view, SymbolId>;
  const auto key = [](const Waiting& row) { return Key(row.group, row.universe, row.symbol); };
  std::map<Key, const Waiting*> gone;
  for (const Waiting& row : waited) gone.emplace(key(row), &row);
  Columns changed;
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
      changed.add(row, market);
      note(was_there ? *old->second : row, was_there);
    }
    if (was_there) gone.erase(old);
  }
  for (const auto& [ignored, row] : gone) note(*row, true);
  before.end_array();
  std::vector<Statement> statements;
  if (!gone.empty()) {
    Columns deleted;
    for (const auto& [ignored, row] : gone) deleted.add(*row, market);
    statements.push_back(names.statement("writing {waiting}", delete_sql, deleted.keys(names)));
  }
  if (!changed.groups.empty()) {
    Params params = changed.keys(names);
    params.emplace_back(array_literal(changed.nights));
    params.emplace_back(array_literal(changed.days));
    statements.push_back(names.statement("writing {waiting}", insert_sql, std::move(params)));
  }
  if (!statements.empty()) {
    statements.push_back(names.statement("writing the record of the run",
                                         "UPDATE {runs} SET waited = $2::jsonb WHERE run_id = $1",
                                         {run_id, before.text()}));
  }
  return statements;
}

}  // namespace tickstock::tables
