#include "tables/runs.hpp"

#include <algorithm>
#include <concepts>
#include <type_traits>

#include "domain/counted.hpp"
#include "postgres/arrays.hpp"

namespace tickstock::tables {

using std::chrono::milliseconds;

namespace {

constexpr std::string_view interrupt_sql =
    "UPDATE {runs} SET status = 'interrupted', finished_at = coalesce(finished_at, now()), "
    "error = coalesce(error, 'the run ended without recording a result') "
    "WHERE status = 'running' AND entries = $1";

constexpr std::string_view last_as_of_sql =
    "SELECT as_of::text FROM {runs} WHERE status IN ('completed', 'completed_with_errors') "
    "AND entries = $1 ORDER BY started_at DESC LIMIT 1";

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

/// Shows each column of a record that is written as a run begins, with its type.
template <typename Record, typename Visit>
void each_column_of_begin(Record& run, const Visit& column) {
  column("run_id", "text", run.run_id);
  column("mode", "text", run.mode);
  column("triggered_by", "text", run.triggered_by);
  column("as_of", "date", run.as_of);
  column("events_enabled", "boolean", run.events_enabled);
  column("approved", "boolean", run.approved);
  column("started_at", "timestamptz", run.started_at);
}

/// The same for those that are written as it ends.
template <typename Record, typename Visit>
void each_column_of_end(Record& run, const Visit& column) {
  column("status", "text", run.status);
  column("plan_digest", "text", run.plan_digest);
  column("guards", "jsonb", run.guards);
  column("task_results", "jsonb", run.task_results);
  column("symbols", "bigint", run.symbols);
  column("eligible", "bigint", run.eligible);
  column("total_changes", "bigint", run.total_changes);
  column("universes_changed", "bigint", run.universes_changed);
  column("members_added", "bigint", run.members_added);
  column("members_removed", "bigint", run.members_removed);
  column("members_moved", "bigint", run.members_moved);
  column("events", "bigint", run.events);
  column("finished_at", "timestamptz", run.finished_at);
  column("duration_seconds", "float8", run.duration_seconds);
  column("error", "text", run.error);
}

template <typename T>
std::optional<std::string> param_of(const T& value) {
  if constexpr (std::same_as<T, bool>) {
    return value ? "t" : "f";
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::same_as<T, RunStatus> || std::same_as<T, Day>) {
    return std::string(to_string(value));
  } else if constexpr (std::same_as<T, std::optional<double>>) {
    return value ? param_of(*value) : std::nullopt;
  } else {
    return value;
  }
}

/// Reads the columns of a row, from left to right.
class RowReader {
 public:
  RowReader(const postgres::Result& rows, int row) : rows_(rows), row_(row) {}

  void take(std::string& field) { field = rows_.text(row_, column_++); }
  void take(std::optional<std::string>& field) { field = rows_.optional_text(row_, column_++); }
  void take(bool& field) { field = rows_.boolean(row_, column_++); }
  void take(std::int64_t& field) { field = rows_.integer(row_, column_++); }
  void take(Day& field) { field = parse_day(rows_.view(row_, column_++)).value_or(Day()); }
  void take(RunStatus& field) { field = parse_run_status(rows_.view(row_, column_++)); }
  void take(std::optional<double>& field) {
    if (!rows_.is_null(row_, column_)) field = rows_.real(row_, column_);
    ++column_;
  }

 private:
  const postgres::Result& rows_;
  int row_;
  int column_ = 0;
};

/// The columns of a RunView, in the order in which view_of reads them.
std::string view_sql() {
  std::string sql = "SELECT ";
  const auto add = [&sql](const std::string& name, std::string_view type, const auto&) {
    const std::string column = "r." + name;
    // A boolean as text would be a word.
    sql += type == "timestamptz" ? time_of(column) : column + (type == "boolean" ? "" : "::text");
    sql += ", ";
  };
  const RunRecord any;
  each_column_of_begin(any, add);
  each_column_of_end(any, add);
  return sql +
         "(SELECT count(*) FROM {outbox} o WHERE o.run_id = r.run_id AND o.published_at IS NULL "
         "AND o.given_up_at IS NULL), r.events_given_up FROM {runs} r";
}

postgres::Statement open_statement(const TableNames& names, const RunRecord& record,
                                   const std::string& program_version) {
  postgres::Params params{names.entries.shown(), program_version};
  std::string columns = "entries, program_version, status";
  std::string values = "$1, $2, 'running'";
  each_column_of_begin(record, [&](const char* name, const char* type, const auto& field) {
    params.push_back(param_of(field));
    columns += std::string(", ") + name;
    values += ", $" + std::to_string(params.size()) + "::" + type;
  });
  return {"opening the record of the run",
          names.in("INSERT INTO {runs} (" + columns + ") VALUES (" + values +
                   ") ON CONFLICT (run_id) DO NOTHING"),
          params};
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
  RowReader reader(rows, row);
  const auto take = [&reader](const char*, const char*, auto& field) { reader.take(field); };
  each_column_of_begin(view.record, take);
  each_column_of_end(view.record, take);
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
       open_statement(names, record, program_version),
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
  each_column_of_end(record, [&](const char* name, const char* type, const auto& field) {
    params.push_back(param_of(field));
    changes += (changes.empty() ? "" : ", ") + std::string(name) + " = $" +
               std::to_string(params.size()) + "::" + type;
  });
  return {"writing the record of the run",
          names.in("UPDATE {runs} SET " + changes + " WHERE run_id = $1"), params};
}

std::optional<Success> last_success(postgres::Connection& connection, const TableNames& names) {
  const std::vector<postgres::Result> results = postgres::read_at_once(
      connection, {},
      {{"reading the last run", names.in(last_success_sql), {names.entries.shown()}}});
  const postgres::Result& rows = results.front();
  if (rows.rows() == 0) return std::nullopt;
  return Success{rows.text(0, 0), rows.text(0, 1), rows.real(0, 2)};
}

std::optional<Day> last_completed_as_of(postgres::Transaction& transaction,
                                        const TableNames& names) {
  const postgres::Result rows =
      transaction.run({"reading the last run", names.in(last_as_of_sql), {names.entries.shown()}});
  if (rows.rows() == 0) return std::nullopt;
  return parse_day(rows.view(0, 0));
}

bool has_committed(postgres::Connection& connection, const TableNames& names, std::int64_t lock_key,
                   const std::string& run_id, milliseconds time) {
  // To PostgreSQL, 0 is no limit.
  postgres::Transaction transaction(connection, {.isolation = postgres::Isolation::read_committed,
                                                 .lock_timeout = std::max(time, milliseconds{1})});
  const postgres::Result waited = transaction.run(
      {"waiting for the lost transaction to end",
       "SELECT pg_is_in_recovery() FROM (SELECT pg_advisory_xact_lock($1::bigint)) locked",
       {std::to_string(lock_key)}});
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

std::string lock_holder(postgres::Connection& connection, std::int64_t lock_key) {
  const std::vector<postgres::Result> results =
      postgres::read_at_once(connection, {}, {locks_statement(lock_key)});
  const postgres::Result& rows = results.front();
  if (rows.rows() == 0) return "";
  std::string who = "process " + rows.text(0, 0);
  if (!rows.view(0, 1).empty()) who += " ('" + rows.text(0, 1) + "')";
  return who;
}

std::optional<RunView> read_run(postgres::Connection& connection, const TableNames& names,
                                const Catalog& catalog, const std::optional<std::string>& run_id) {
  postgres::Transaction transaction(connection, reading());
  const postgres::Result holders = transaction.run(locks_statement(run_lock_key(catalog)));
  const postgres::Result rows = transaction.run(
      {"reading " + names.runs().shown(),
       names.in(view_sql() + " WHERE r.entries = $1 AND ($2::text IS NULL OR r.run_id = $2) "
                             "ORDER BY r.started_at DESC LIMIT 1"),
       {names.entries.shown(), run_id}});
  if (rows.rows() == 0) return std::nullopt;
  RunView view = view_of(rows, 0);
  settle(view, holders, catalog);
  const postgres::Result changed = transaction.run(
      {"reading " + names.changes().shown(),
       names.in("SELECT universe FROM {changes} WHERE run_id = $1 GROUP BY universe "
                "ORDER BY min(id)"),
       {view.record.run_id}});
  for (int row = 0; row < changed.rows(); ++row) view.universes.push_back(changed.text(row, 0));
  return view;
}

History read_history(postgres::Connection& connection, const TableNames& names,
                     const Catalog& catalog, const HistoryPage& page) {
  postgres::Transaction transaction(connection, reading());
  const std::string doing = "reading " + names.runs().shown();
  postgres::Params which{names.entries.shown(), std::nullopt};
  if (page.days) which[1] = std::to_string(*page.days);
  const postgres::Result holders = transaction.run(locks_statement(run_lock_key(catalog)));
  const postgres::Result counts = transaction.run(
      {doing, names.in(std::string(counts_sql) + std::string(asked_for_sql)), which});
  History history;
  history.total = counts.integer(0, 0);
  history.completed = counts.integer(0, 1);
  // A record says `running` for ever where its run died.
  const bool can_run = holders.rows() > 0 || catalog.in_recovery;
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
    settle(history.runs.back(), holders, catalog);
  }
  return history;
}

Changes read_changes(postgres::Connection& connection, const TableNames& names,
                     const ChangeFilter& filter, std::int64_t limit, std::int64_t offset) {
  const std::string doing = "reading " + names.changes().shown();
  postgres::Transaction transaction(connection, {.read_only = true});
  // The arrays are searched once, for the page and for the total.
  postgres::Params which{names.entries.shown(), filter.universe, filter.symbol, std::nullopt};
  if (filter.days) which.back() = std::to_string(*filter.days);
  const postgres::Result matching = transaction.run({doing, names.in(matching_sql), which});
  Changes found;
  found.total = matching.rows();
  std::vector<std::string> page;
  const std::int64_t end = std::min(found.total, offset + limit);
  for (std::int64_t row = offset; row < end; ++row) {
    page.push_back(matching.text(static_cast<int>(row), 0));
  }
  if (page.empty()) return found;
  const postgres::Result rows =
      transaction.run({doing, names.in(page_sql), {postgres::array_literal(page), filter.symbol}});
  for (int row = 0; row < rows.rows(); ++row) {
    RowReader reader(rows, row);
    each_column(found.changes.emplace_back(),
                [&reader](const char*, auto& field) { reader.take(field); });
  }
  return found;
}

}  // namespace tickstock::tables
