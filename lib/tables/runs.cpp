#include "tables/runs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <type_traits>

#include "tables/schema.hpp"

namespace tickstock::tables {

using std::chrono::milliseconds;

namespace {

constexpr std::string_view interrupt_sql =
    "UPDATE {runs} SET status = 'interrupted', finished_at = coalesce(finished_at, now()), "
    "error = coalesce(error, 'the run ended without recording a result') "
    "WHERE status = 'running' AND entries = $1 AND current_setting($2) = 'true'";

// A run that starts over opens its record again: another run may have taken it for dead.
constexpr std::string_view open_sql =
    "INSERT INTO {runs} AS r (run_id, entries, mode, triggered_by, status, as_of, events_enabled, "
    "approved, started_at, program_version) SELECT $1, $2, $3, $4, 'running', $5::date, "
    "$6::boolean, $7::boolean, $8::timestamptz, $9 WHERE current_setting($10) = 'true' "
    "AND NOT EXISTS (SELECT FROM {outbox} WHERE run_id = $1) ON CONFLICT (run_id) DO UPDATE "
    "SET status = 'running', finished_at = NULL, error = NULL "
    "WHERE $11::boolean AND r.started_at = excluded.started_at "
    "AND r.status IN ('running', 'interrupted')";

constexpr std::string_view last_success_sql =
    "SELECT run_id, to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "
    "extract(epoch FROM now() - finished_at) FROM {runs} "
    "WHERE status IN ('completed', 'completed_with_errors') AND entries = $1 "
    "ORDER BY position DESC, started_at DESC LIMIT 1";

constexpr const char* holder_sql =
    "SELECT l.pid, coalesce(a.application_name, '') FROM pg_catalog.pg_locks l "
    "LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_catalog.pg_database "
    "WHERE datname = pg_catalog.current_database()) "
    "AND l.classid = ($1::bigint >> 32)::oid AND l.objid = ($1::bigint & 4294967295)::oid";

// `removed in tech: 45 (max_removed_percent = 30)`
constexpr std::string_view refusals_sql = R"(
SELECT concat(g ->> 'name', ' in ' || (g ->> 'universe'), ': ',
              round((g ->> 'value')::numeric, 2)::float8,
              ' (' || (g ->> 'setting') || ' = ' || (g ->> 'limit') || ')')
  FROM {runs} r
 CROSS JOIN LATERAL jsonb_array_elements(
       CASE WHEN jsonb_typeof(r.guards) = 'array' THEN r.guards ELSE '[]' END) g
 WHERE r.run_id = $1 AND (g ->> 'refused')::boolean)";

constexpr std::string_view asked_for_sql = R"(
 WHERE r.entries = $1
   AND ($2::int IS NULL OR r.started_at > now() - make_interval(hours => 24 * $2)))";

constexpr std::string_view counts_sql = R"(
SELECT count(*), count(*) FILTER (WHERE r.status IN ('completed', 'completed_with_errors')),
       count(*) FILTER (WHERE r.status = 'running'),
       avg(r.duration_seconds) FILTER (WHERE r.status IN ('completed', 'completed_with_errors'))
  FROM {runs} r)";

constexpr std::string_view matching_sql = R"(
SELECT c.id FROM {changes} c JOIN {runs} r USING (run_id)
 WHERE r.entries = $1
   AND ($2::text IS NULL OR c.universe = $2)
   AND ($3::text IS NULL OR $3 = ANY (c.added) OR $3 = ANY (c.removed) OR $3 = ANY (c.moved))
   AND ($4::int IS NULL OR c.changed_at > now() - make_interval(hours => 24 * $4))
   AND ($5::text IS NULL OR c.run_id = $5)
 ORDER BY c.changed_at DESC, c.id)";

// The columns of a ChangeView, in the order of each_column.
constexpr std::string_view page_sql = R"(
SELECT c.run_id, r.as_of::text,
       to_char(c.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       c.task, c.universe, c.action, c.reason,
       cardinality(c.added), cardinality(c.removed), cardinality(c.moved),
       CASE WHEN $2::text = ANY (c.added) THEN 'added' WHEN $2 = ANY (c.removed) THEN 'removed'
            WHEN $2 = ANY (c.moved) THEN 'moved' ELSE '' END,
       nullif(coalesce(c.added_why[array_position(c.added, $2)],
                       c.removed_why[array_position(c.removed, $2)]), ''),
       CASE WHEN $3::boolean THEN to_jsonb(c.added) END, CASE WHEN $3 THEN to_jsonb(c.removed) END,
       CASE WHEN $3 THEN to_jsonb(c.moved) END, CASE WHEN $3 THEN to_jsonb(c.added_why) END,
       CASE WHEN $3 THEN to_jsonb(c.removed_why) END
  FROM unnest($1::bigint[]) WITH ORDINALITY AS page(id, place)
  JOIN {changes} c USING (id) JOIN {runs} r USING (run_id)
 ORDER BY page.place)";

/// Visits each column of a record in the order of reading, with whether the run's value is written
/// when it ends.
template <typename Record, typename Visit>
void each_column_of_run(Record& run, const Visit& column) {
  column("run_id", false, run.run_id);
  column("mode", false, run.mode);
  column("triggered_by", false, run.triggered_by);
  column("status", true, run.status);
  column("as_of", false, run.as_of);
  column("events_enabled", false, run.events_enabled);
  column("approved", false, run.approved);
  column("plan_digest", true, run.plan_digest);
  column("guards", true, run.guards);
  column("task_results", true, run.task_results);
  column("symbols", true, run.symbols);
  column("eligible", true, run.eligible);
  column("total_changes", true, run.total_changes);
  column("universes_changed", true, run.universes_changed);
  column("members_added", true, run.members_added);
  column("members_removed", true, run.members_removed);
  column("members_moved", true, run.members_moved);
  column("events", true, run.events);
  column("listeners", false, run.listeners);
  column("started_at", false, run.started_at);
  column("finished_at", false, run.finished_at);
  column("duration_seconds", false, run.duration_seconds);
  column("error", true, run.error);
}

// Convert a value to a parameter of a statement.
std::optional<std::string> param_of(const std::optional<std::string>& text) { return text; }
std::optional<std::string> param_of(std::int64_t number) { return std::to_string(number); }
std::optional<std::string> param_of(const std::optional<std::int64_t>& number) {
  return number ? param_of(*number) : std::nullopt;
}
std::optional<std::string> param_of(bool value) { return value ? "t" : "f"; }
std::optional<std::string> param_of(Day day) { return to_string(day); }
std::optional<std::string> param_of(RunStatus status) { return std::string(to_string(status)); }
std::optional<std::string> param_of(const std::optional<double>& number) {
  return std::to_string(number.value_or(0));
}

constexpr std::string_view committed_sql =
    "SELECT status IN ('completed', 'completed_with_errors') FROM {runs} WHERE run_id = $1";

/// Returns the columns of a RunView, in the order view_of reads them.
std::string view_sql() {
  std::string sql = "SELECT ";
  const RunRecord any;
  each_column_of_run(any, [&sql](std::string_view name, bool, const auto&) {
    constexpr auto time = "to_char(r.{} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), ";
    sql += name.ends_with("_at") ? fmt::format(time, name) : fmt::format("r.{}, ", name);
  });
  return sql +
         "(SELECT count(*) FROM {outbox} o WHERE o.run_id = r.run_id AND o.published_at IS NULL "
         "AND o.given_up_at IS NULL), r.events_given_up FROM {runs} r";
}

/// Returns the first column of all rows.
std::vector<std::string> column_of(const Result& rows) {
  std::vector<std::string> values;
  for (int row = 0; row < rows.rows(); ++row) values.push_back(rows.text(row, 0));
  return values;
}

Statement locks_statement(const Database& database) {
  return {"looking at the locks", holder_sql, {std::to_string(database.run_lock())}};
}

/// Returns who holds the lock, of two looks: the first and the last of these results.
const Result& holders_of(const std::vector<Result>& results) {
  return results.front().rows() > 0 ? results.front() : results.back();
}

/// Returns the step from the application_name of a run's main transaction, `tickstock-cache RUN_ID
/// 3/5`; 0 for any other name, since whoever holds the lock may choose one.
int step_of(std::string_view name) {
  if (!name.starts_with("tickstock-cache ") || !name.ends_with("/5")) return 0;
  const std::string_view last = name.substr(name.size() - 4);
  return last[0] == ' ' && last[1] >= '1' && last[1] <= '5' ? last[1] - '0' : 0;
}

/// A record says `running` until its main transaction commits. If nobody held the lock before and
/// after it was read, it never will.
RunView view_of(const Result& rows, int row, const Result& holders, const Catalog& catalog) {
  RunView view;
  int column = 0;
  each_column_of_run(view.record, [&](const char*, bool, auto& field) {
    if constexpr (std::is_same_v<decltype(field), RunStatus&>) {
      field = parse_run_status(rows.view(row, column++));
    } else {
      rows.get(row, column++, field);
    }
  });
  view.pending = rows.integer(row, column);
  view.given_up = rows.integer(row, column + 1);
  if (view.record.status != RunStatus::running || catalog.in_recovery) return view;
  if (holders.rows() == 0) {
    view.record.status = RunStatus::interrupted;
  } else {
    view.step = step_of(holders.view(0, 1));
  }
  return view;
}

}  // namespace

std::vector<Statement> opening_run(const TableNames& names, const RunRecord& record,
                                   const std::string& program_version, bool again) {
  constexpr std::string_view doing = "opening the record of the run";
  const std::string entries = names.entries.shown();
  const std::string lock(postgres::lock_setting);
  return {names.statement(doing, interrupt_sql, {entries, lock}),
          names.statement(
              doing, open_sql,
              {record.run_id, entries, record.mode, record.triggered_by, param_of(record.as_of),
               param_of(record.events_enabled), param_of(record.approved), record.started_at,
               program_version, lock, param_of(again)}),
          names.statement(doing, "SELECT status FROM {runs} WHERE run_id = $1", {record.run_id})};
}

Statement asking_if_running(const TableNames& names, const std::string& run_id) {
  return names.statement("reading the record of the run",
                         "SELECT FROM {runs} WHERE run_id = $1 AND status = 'running'", {run_id});
}

bool is_opened(const Transaction& transaction, const std::string& run_id) {
  if (!transaction.had_lock_ahead()) return false;
  const std::vector<Result>& answers = transaction.ahead_results();
  if (answers[1].affected() == 1) return true;
  const std::string why =
      answers[2].rows() > 0
          ? "has a record already, with status " + answers[2].text(0, 0)
          : "was used before: its record is deleted, but its events are still stored";
  throw Error(ErrorKind::usage, fmt::format("run id '{}' {}", run_id, why),
              {.object = "--run-id", .hint = "Use another --run-id."});
}

Statement finish_run(const TableNames& names, const RunRecord& record) {
  Params params{record.run_id};
  // This statement is made before the entries are written, in the same round trip.
  std::vector<std::string> changes{
      "finished_at = clock_timestamp()",
      "duration_seconds = extract(epoch FROM clock_timestamp() - started_at)"};
  each_column_of_run(record, [&](const char* name, bool ends, const auto& field) {
    if (!ends) return;
    params.push_back(param_of(field));
    changes.push_back(fmt::format("{} = ${}", name, params.size()));
  });
  // Committed runs are numbered consecutively, which the run lock makes safe.
  if (application_status(record.status) == "completed") {
    params.push_back(names.entries.shown());
    changes.push_back(fmt::format(
        "position = 1 + (SELECT coalesce(max(position), 0) FROM {{runs}} WHERE entries = ${})",
        params.size()));
  }
  return names.statement(
      "writing the record of the run",
      fmt::format("UPDATE {{runs}} SET {} WHERE run_id = $1", fmt::join(changes, ", ")),
      std::move(params));
}

Statement finish_failed_run(const TableNames& names, const RunRecord& record) {
  Statement statement = finish_run(names, record);
  statement.params.emplace_back(record.started_at);
  // Since the rollback freed the lock, another run may have taken this one for dead.
  statement.sql +=
      fmt::format(" AND status IN ('running', 'interrupted') AND started_at = ${}::timestamptz",
                  statement.params.size());
  return statement;
}

std::optional<Success> last_success(Database& database) {
  const Result rows =
      database.read("reading the last run", last_success_sql, {database.names.entries.shown()});
  if (rows.rows() == 0) return std::nullopt;
  Success success;
  rows.read(0, success.run_id, success.finished_at, success.age_seconds);
  return success;
}

bool has_committed(Database& database, const std::string& run_id, milliseconds time) {
  // To PostgreSQL, 0 means no limit.
  Transaction transaction(database.connection, {.read_committed = true,
                                                .lock_timeout = std::max(time, milliseconds{1})});
  const Result waited = transaction.run(
      {"waiting for the lost transaction to end",
       "SELECT pg_is_in_recovery() FROM (SELECT pg_advisory_xact_lock($1::bigint)) locked",
       {std::to_string(database.run_lock())}});
  if (waited.boolean(0, 0)) {
    throw Error(ErrorKind::unavailable, "a standby can't tell the outcome of a run");
  }
  const Result rows = database.run("reading the record of the run", committed_sql, {run_id});
  return rows.rows() == 1 && rows.boolean(0, 0);
}

bool is_recorded_as_committed(Database& database, const std::string& run_id) {
  const Result rows = database.read("reading the record of the run", committed_sql, {run_id});
  return rows.rows() == 1 && rows.boolean(0, 0);
}

bool is_standby(Database& database) {
  return database.read("looking at the server", "SELECT pg_is_in_recovery()").boolean(0, 0);
}

std::string run_lock_holder(Database& database) {
  const auto [doing, sql, params] = locks_statement(database);
  const Result rows = database.read(doing, sql, params);
  if (rows.rows() == 0) return "";
  std::string who = "process " + rows.text(0, 0);
  if (!rows.view(0, 1).empty()) who += " ('" + rows.text(0, 1) + "')";
  return who;
}

std::optional<RunView> read_run(Database& database, const std::optional<std::string>& run_id) {
  const TableNames& names = database.names;
  const Statement locks = locks_statement(database);
  // READ COMMITTED, so that a run that ends between two statements is not taken for dead.
  Transaction transaction(
      database.connection, {.read_committed = true, .read_only = true},
      {locks,
       names.statement("reading {runs}",
                       view_sql() + " WHERE r.entries = $1 AND ($2::text IS NULL OR "
                                    "left(r.run_id, length($2)) = $2) "
                                    "ORDER BY r.run_id = $2 DESC, r.started_at DESC LIMIT 2",
                       {names.entries.shown(), run_id}),
       locks});
  const Result& rows = transaction.first_results()[1];
  if (rows.rows() == 0) return std::nullopt;
  if (run_id && rows.rows() == 2 && rows.view(0, 0) != *run_id) {
    throw Error(ErrorKind::failed,
                fmt::format("more than one run id begins with '{}', such as {} and {}", *run_id,
                            rows.view(0, 0), rows.view(1, 0)),
                {.object = "run " + *run_id, .hint = "Give more of it."});
  }
  RunView view = view_of(rows, 0, holders_of(transaction.first_results()), database.catalog);
  PipelineOutcome outcome = transaction.run_pipeline(
      {names.statement(
           "reading {changes}",
           "SELECT universe FROM {changes} WHERE run_id = $1 AND task <> 'another_writer' "
           "GROUP BY universe ORDER BY min(id)",
           {view.record.run_id}),
       names.statement("reading {runs}", refusals_sql, {view.record.run_id})});
  view.universes = column_of(outcome.value()[0]);
  view.refusals = column_of(outcome.value()[1]);
  return view;
}

RunView require_run(Database& database, const std::optional<std::string>& run_id) {
  if (auto view = read_run(database, run_id)) return *std::move(view);
  if (!run_id) {
    throw Error(ErrorKind::failed, "no run is on record yet",
                {.object = "the journal", .hint = "Run 'tickstock-cache sync' first."});
  }
  throw no_record_of(*run_id);
}

Error no_record_of(const std::string& run_id) {
  return {ErrorKind::failed,
          "there is no record of run '" + run_id + "'",
          {.object = "run " + run_id,
           .hint = "Run 'tickstock-cache history' for a list of the recorded runs."}};
}

History read_history(Database& database, const JournalPage& page) {
  const TableNames& names = database.names;
  constexpr std::string_view doing = "reading {runs}";
  Params which{names.entries.shown(), param_of(page.days)};
  const Statement locks = locks_statement(database);
  const Statement count =
      names.statement(doing, fmt::format("{}{}", counts_sql, asked_for_sql), which);
  which.insert(which.end(), {std::to_string(page.limit), std::to_string(page.offset)});
  const Statement list = names.statement(
      doing,
      fmt::format("{}{} ORDER BY r.started_at DESC, r.run_id LIMIT $3::bigint OFFSET $4::bigint",
                  view_sql(), asked_for_sql),
      which);
  const std::vector<Result> results =
      read_at_once(database.connection, {.read_committed = true}, {locks, count, list, locks});
  const Result& holders = holders_of(results);
  History history{.page = page};
  results[1].read(0, history.total, history.completed, history.running, history.average_duration);
  // A record says `running` forever if its run died.
  if (holders.rows() == 0 && !database.catalog.in_recovery) history.running = 0;
  for (int row = 0; row < results[2].rows(); ++row) {
    history.runs.push_back(view_of(results[2], row, holders, database.catalog));
  }
  return history;
}

Changes read_changes(Database& database, const ChangeFilter& filter, const JournalPage& page) {
  const TableNames& names = database.names;
  constexpr std::string_view doing = "reading {changes}";
  // Search the arrays once for both the page and the total.
  Transaction transaction(database.connection, {.read_only = true},
                          {names.statement(doing, matching_sql,
                                           {names.entries.shown(), filter.universe, filter.symbol,
                                            param_of(page.days), filter.run_id})});
  const Result& matching = transaction.first_results().front();
  Changes found{.page = page, .filter = filter, .total = matching.rows()};
  std::vector<std::string> ids;
  const std::int64_t end = std::min(found.total, page.offset + page.limit);
  for (std::int64_t row = page.offset; row < end; ++row) {
    ids.push_back(matching.text(static_cast<int>(row), 0));
  }
  if (ids.empty()) return found;
  const Result rows = database.run(
      doing, page_sql, {array_literal(ids), filter.symbol, param_of(filter.with_names)});
  for (int row = 0; row < rows.rows(); ++row) {
    int column = 0;
    each_column(found.changes.emplace_back(),
                [&](const char*, auto& field) { rows.get(row, column++, field); });
  }
  return found;
}

std::vector<std::string> known_universes(Database& database) {
  std::string sql = "SELECT universe FROM {changes}";
  if (has(database, Need::list_entries)) sql += " UNION SELECT universe::text FROM {entries}";
  return column_of(database.read("reading the names of universes", sql));
}

std::vector<std::string> known_symbols(Database& database) {
  if (!has(database, Need::read_market)) return {};
  return column_of(database.read("reading {symbols}", "SELECT symbol::text FROM {symbols}"));
}

}  // namespace tickstock::tables
