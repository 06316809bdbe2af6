#include "tables/runs.hpp"

#include <algorithm>

#include "domain/text.hpp"

namespace tickstock::tables {

using std::chrono::milliseconds;

namespace {

constexpr std::string_view interrupt_sql =
    "UPDATE {runs} SET status = 'interrupted', finished_at = coalesce(finished_at, now()), "
    "error = coalesce(error, 'the run ended without recording a result') "
    "WHERE status = 'running' AND entries = $1";

constexpr std::string_view open_sql =
    "INSERT INTO {runs} (run_id, entries, mode, triggered_by, status, as_of, events_enabled, "
    "approved, started_at, program_version) VALUES ($1, $2, $3, $4, 'running', $5::date, "
    "$6::boolean, $7::boolean, $8::timestamptz, $9) ON CONFLICT (run_id) DO NOTHING";

constexpr std::string_view last_success_sql =
    "SELECT run_id, to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "
    "extract(epoch FROM now() - finished_at) FROM {runs} "
    "WHERE status IN ('completed', 'completed_with_errors') AND entries = $1 "
    "ORDER BY started_at DESC LIMIT 1";

constexpr std::string_view holder_sql =
    "SELECT l.pid, coalesce(a.application_name, '') FROM pg_catalog.pg_locks l "
    "LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_catalog.pg_database "
    "WHERE datname = pg_catalog.current_database()) "
    "AND l.classid = ($1::bigint >> 32)::oid AND l.objid = ($1::bigint & 4294967295)::oid";

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
                       c.removed_why[array_position(c.removed, $2)]), '')
  FROM unnest($1::bigint[]) WITH ORDINALITY AS page(id, place)
  JOIN {changes} c USING (id) JOIN {runs} r USING (run_id)
 ORDER BY page.place)";

/// ISO 8601 in UTC.
std::string time_of(const std::string& column) {
  return "to_char(" + column + " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
}

/// Shows each column of a record with its type, and whether it is written as the run ends, in the
/// order in which they are read.
template <typename Record, typename Visit>
void each_column_of_run(Record& run, const Visit& column) {
  column("run_id", "text", false, run.run_id);
  column("mode", "text", false, run.mode);
  column("triggered_by", "text", false, run.triggered_by);
  column("status", "text", true, run.status);
  column("as_of", "date", false, run.as_of);
  column("events_enabled", "boolean", false, run.events_enabled);
  column("approved", "boolean", false, run.approved);
  column("plan_digest", "text", true, run.plan_digest);
  column("guards", "jsonb", true, run.guards);
  column("task_results", "jsonb", true, run.task_results);
  column("symbols", "bigint", true, run.symbols);
  column("eligible", "bigint", true, run.eligible);
  column("total_changes", "bigint", true, run.total_changes);
  column("universes_changed", "bigint", true, run.universes_changed);
  column("members_added", "bigint", true, run.members_added);
  column("members_removed", "bigint", true, run.members_removed);
  column("members_moved", "bigint", true, run.members_moved);
  column("events", "bigint", true, run.events);
  column("started_at", "timestamptz", false, run.started_at);
  column("finished_at", "timestamptz", true, run.finished_at);
  column("duration_seconds", "float8", true, run.duration_seconds);
  column("error", "text", true, run.error);
}

// How the value of a column gets into a statement.
std::optional<std::string> param_of(const std::optional<std::string>& text) { return text; }
std::optional<std::string> param_of(std::int64_t number) { return std::to_string(number); }
std::optional<std::string> param_of(bool value) { return value ? "t" : "f"; }
std::optional<std::string> param_of(Day day) { return to_string(day); }
std::optional<std::string> param_of(RunStatus status) { return std::string(to_string(status)); }
std::optional<std::string> param_of(const std::optional<double>& number) {
  return std::to_string(number.value_or(0));
}

/// Reads the columns of a row, from left to right.
struct RowReader {
  const postgres::Result& rows;
  int row;
  int column = 0;

  void take(std::string& field) { field = rows.text(row, column++); }
  void take(std::optional<std::string>& field) { field = rows.optional_text(row, column++); }
  void take(bool& field) { field = rows.boolean(row, column++); }
  void take(std::int64_t& field) { field = rows.integer(row, column++); }
  void take(Day& field) { field = parse_day(rows.view(row, column++)).value_or(Day()); }
  void take(RunStatus& field) { field = parse_run_status(rows.view(row, column++)); }
  void take(std::optional<double>& field) {
    if (!rows.is_null(row, column)) field = rows.real(row, column);
    ++column;
  }
};

/// The columns of a RunView, in the order in which view_of reads them.
std::string view_sql() {
  std::string sql = "SELECT ";
  const auto add = [&sql](const std::string& name, std::string_view type, bool, const auto&) {
    const std::string as_is = "r." + name + (type == "date" || type == "jsonb" ? "::text" : "");
    sql += (type == "timestamptz" ? time_of("r." + name) : as_is) + ", ";
  };
  const RunRecord any;
  each_column_of_run(any, add);
  return sql +
         "(SELECT count(*) FROM {outbox} o WHERE o.run_id = r.run_id AND o.published_at IS NULL "
         "AND o.given_up_at IS NULL), r.events_given_up FROM {runs} r";
}

postgres::Statement locks_statement(std::int64_t lock_key) {
  return {"looking at the locks", std::string(holder_sql), {std::to_string(lock_key)}};
}

/// The step in what the main transaction of a running run calls itself, `tickstock-cache RUN_ID
/// 3/5`; 0 where it is no such name, which whoever holds the lock may choose.
int step_of(std::string_view application_name) {
  constexpr std::string_view end = " N/5";
  if (!application_name.starts_with("tickstock-cache ") || !application_name.ends_with("/5")) {
    return 0;
  }
  const std::string_view last = application_name.substr(application_name.size() - end.size());
  return last[0] == ' ' && last[1] >= '1' && last[1] <= '5' ? last[1] - '0' : 0;
}

RunView view_of(const postgres::Result& rows, int row) {
  RunView view;
  RowReader reader{rows, row};
  const auto take = [&reader](const char*, const char*, bool, auto& field) { reader.take(field); };
  each_column_of_run(view.record, take);
  reader.take(view.pending);
  reader.take(view.given_up);
  return view;
}

/// A record says `running` until its main transaction commits; without a holder of the lock nobody
/// will.
void settle(RunView& view, const postgres::Result& holders, const Catalog& catalog) {
  if (view.record.status != RunStatus::running || catalog.in_recovery) return;
  if (holders.rows() == 0) {
    view.record.status = RunStatus::interrupted;
  } else {
    view.step = step_of(holders.view(0, 1));
  }
}

postgres::TransactionOptions reading() {
  return {.isolation = postgres::Isolation::repeatable_read, .read_only = true};
}

}  // namespace

void open_run(postgres::Transaction& transaction, const TableNames& names, const RunRecord& record,
              const std::string& program_version) {
  const std::string doing = "opening the record of the run";
  postgres::PipelineOutcome outcome = transaction.run_pipeline(
      {{doing, names.in(interrupt_sql), {names.entries.shown()}},
       {doing,
        names.in(open_sql),
        {record.run_id, names.entries.shown(), record.mode, record.triggered_by,
         param_of(record.as_of), param_of(record.events_enabled), param_of(record.approved),
         record.started_at, program_version}},
       {doing, names.in("SELECT count(*) FROM {outbox} WHERE run_id = $1"), {record.run_id}}});
  const std::vector<postgres::Result>& results = outcome.value();
  if (const std::int64_t left = results[2].integer(0, 0); left > 0 && results[1].affected() == 1) {
    throw Error(ErrorKind::usage,
                "run id '" + record.run_id + "' was used before: its record is deleted, but " +
                    counted(static_cast<std::uint64_t>(left), "event is", "events are") +
                    " still in " + names.outbox().shown() + "; use another --run-id");
  }
  if (results[1].affected() == 1) return;
  const postgres::Result used = transaction.run(
      {doing, names.in("SELECT status FROM {runs} WHERE run_id = $1"), {record.run_id}});
  throw Error(ErrorKind::usage, "run id '" + record.run_id +
                                    "' has a record already, with status " + used.text(0, 0) +
                                    "; use another --run-id");
}

postgres::Statement finish_run(const TableNames& names, const RunRecord& record) {
  postgres::Params params{record.run_id};
  std::string changes;
  const auto add = [&](const std::string& name, const std::string& type, bool ends,
                       const auto& field) {
    if (!ends) return;
    params.push_back(param_of(field));
    const std::string place = "$" + std::to_string(params.size());
    changes += (changes.empty() ? "" : ", ") + name + " = " + place;
    if (type != "text") changes += "::" + type;
  };
  each_column_of_run(record, add);
  return {"writing the record of the run",
          names.in("UPDATE {runs} SET " + changes + " WHERE run_id = $1"), params};
}

std::optional<Success> last_success(Database& database) {
  const postgres::Result rows =
      database.read("reading the last run", last_success_sql, {database.names.entries.shown()});
  if (rows.rows() == 0) return std::nullopt;
  return Success{rows.text(0, 0), rows.text(0, 1), rows.real(0, 2)};
}

bool has_committed(Database& database, const std::string& run_id, milliseconds time) {
  const TableNames& names = database.names;
  // To PostgreSQL, 0 is no limit.
  postgres::Transaction transaction(database.connection,
                                    {.isolation = postgres::Isolation::read_committed,
                                     .lock_timeout = std::max(time, milliseconds{1})});
  const postgres::Result waited = transaction.run(
      {"waiting for the lost transaction to end",
       "SELECT pg_is_in_recovery() FROM (SELECT pg_advisory_xact_lock($1::bigint)) locked",
       {std::to_string(database.run_lock())}});
  if (waited.boolean(0, 0)) {
    throw Error(ErrorKind::unavailable, "a standby can't tell the outcome of a run");
  }
  const postgres::Result rows = transaction.run(
      {"reading the record of the run",
       names.in(
           "SELECT status IN ('completed', 'completed_with_errors') FROM {runs} WHERE run_id = $1"),
       {run_id}});
  return rows.rows() == 1 && rows.boolean(0, 0);
}

std::string run_lock_holder(Database& database) {
  const postgres::Result rows =
      database.read("looking at the locks", holder_sql, {std::to_string(database.run_lock())});
  if (rows.rows() == 0) return "";
  std::string who = "process " + rows.text(0, 0);
  if (!rows.view(0, 1).empty()) who += " ('" + rows.text(0, 1) + "')";
  return who;
}

std::optional<RunView> read_run(Database& database, const std::optional<std::string>& run_id) {
  const TableNames& names = database.names;
  postgres::Transaction transaction(database.connection, reading());
  const postgres::Result holders = transaction.run(locks_statement(database.run_lock()));
  const postgres::Result rows = transaction.run(
      {"reading " + names.runs().shown(),
       names.in(view_sql() + " WHERE r.entries = $1 AND ($2::text IS NULL OR r.run_id = $2) "
                             "ORDER BY r.started_at DESC LIMIT 1"),
       {names.entries.shown(), run_id}});
  if (rows.rows() == 0) return std::nullopt;
  RunView view = view_of(rows, 0);
  settle(view, holders, database.catalog);
  const postgres::Result changed = transaction.run(
      {"reading " + names.changes().shown(),
       names.in("SELECT universe FROM {changes} WHERE run_id = $1 GROUP BY universe "
                "ORDER BY min(id)"),
       {view.record.run_id}});
  for (int row = 0; row < changed.rows(); ++row) view.universes.push_back(changed.text(row, 0));
  return view;
}

History read_history(Database& database, const JournalPage& page) {
  const TableNames& names = database.names;
  postgres::Transaction transaction(database.connection, reading());
  const std::string doing = "reading " + names.runs().shown();
  postgres::Params which{names.entries.shown(), std::nullopt};
  if (page.days) which[1] = std::to_string(*page.days);
  const postgres::Result holders = transaction.run(locks_statement(database.run_lock()));
  const postgres::Result counts = transaction.run(
      {doing, names.in(std::string(counts_sql) + std::string(asked_for_sql)), which});
  History history;
  history.page = page;
  history.total = counts.integer(0, 0);
  history.completed = counts.integer(0, 1);
  // A record says `running` for ever where its run died.
  const bool can_run = holders.rows() > 0 || database.catalog.in_recovery;
  history.running = can_run ? counts.integer(0, 2) : 0;
  if (!counts.is_null(0, 3)) history.average_duration = counts.real(0, 3);
  which.emplace_back(std::to_string(page.limit));
  which.emplace_back(std::to_string(page.offset));
  const postgres::Result rows = transaction.run(
      {doing,
       names.in(view_sql() + std::string(asked_for_sql) +
                " ORDER BY r.started_at DESC, r.run_id LIMIT $3::bigint OFFSET $4::bigint"),
       which});
  for (int row = 0; row < rows.rows(); ++row) {
    history.runs.push_back(view_of(rows, row));
    settle(history.runs.back(), holders, database.catalog);
  }
  return history;
}

Changes read_changes(Database& database, const ChangeFilter& filter, const JournalPage& page) {
  const TableNames& names = database.names;
  const std::string doing = "reading " + names.changes().shown();
  postgres::Transaction transaction(database.connection, {.read_only = true});
  // The arrays are searched once, for the page and for the total.
  postgres::Params which{names.entries.shown(), filter.universe, filter.symbol, std::nullopt};
  if (page.days) which.back() = std::to_string(*page.days);
  const postgres::Result matching = transaction.run({doing, names.in(matching_sql), which});
  Changes found;
  found.page = page;
  found.filter = filter;
  found.total = matching.rows();
  std::vector<std::string> ids;
  const std::int64_t end = std::min(found.total, page.offset + page.limit);
  for (std::int64_t row = page.offset; row < end; ++row) {
    ids.push_back(matching.text(static_cast<int>(row), 0));
  }
  if (ids.empty()) return found;
  const postgres::Result rows =
      transaction.run({doing, names.in(page_sql), {postgres::array_literal(ids), filter.symbol}});
  for (int row = 0; row < rows.rows(); ++row) {
    RowReader reader{rows, row};
    each_column(found.changes.emplace_back(),
                [&reader](const char*, auto& field) { reader.take(field); });
  }
  return found;
}

}  // namespace tickstock::tables
