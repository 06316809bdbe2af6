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
    "approved, "
    "started_at, program_version) VALUES ($1, $2, $3, $4, 'running', $5::date, $6::boolean, "
    "$7::boolean, $8::timestamptz, $9) ON CONFLICT (run_id) DO NOTHING";

constexpr std::string_view finish_sql =
    "UPDATE {runs} SET status = $2, plan_digest = $3, guards = $4::jsonb, task_results = "
    "$5::jsonb, "
    "symbols = $6::bigint, eligible = $7::bigint, total_changes = $8::bigint, "
    "universes_changed = $9::bigint, members_added = $10::bigint, members_removed = $11::bigint, "
    "members_moved = $12::bigint, events = $13::bigint, finished_at = $14::timestamptz, "
    "duration_seconds = $15::float8, error = $16 WHERE run_id = $1";

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

// The columns of a RunView, in the order in which view_of reads them.
constexpr std::string_view view_sql = R"(
SELECT r.run_id, r.mode, r.triggered_by, r.status, r.as_of::text, r.events_enabled, r.approved,
       r.plan_digest, r.guards::text, r.task_results::text, r.symbols, r.eligible, r.total_changes,
       r.universes_changed, r.members_added, r.members_removed, r.members_moved, r.events,
       to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       r.duration_seconds, r.error,
       (SELECT count(*) FROM {outbox} o
         WHERE o.run_id = r.run_id AND o.published_at IS NULL AND o.given_up_at IS NULL),
       r.events_given_up
  FROM {runs} r)";

constexpr std::string_view asked_for_sql = R"(
 WHERE r.entries = $1
   AND ($2::int IS NULL OR r.started_at > now() - make_interval(hours => 24 * $2)))";

constexpr std::string_view counts_sql = R"(
SELECT count(*), count(*) FILTER (WHERE r.status IN ('completed', 'completed_with_errors')),
       count(*) FILTER (WHERE r.status = 'running'),
       avg(r.duration_seconds) FILTER (WHERE r.status IN ('completed', 'completed_with_errors'))
  FROM {runs} r)";

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
  RunRecord& record = view.record;
  record.run_id = rows.text(row, 0);
  record.mode = rows.text(row, 1);
  record.triggered_by = rows.text(row, 2);
  record.status = parse_run_status(rows.view(row, 3));
  record.as_of = parse_day(rows.view(row, 4)).value_or(Day());
  record.events_enabled = rows.boolean(row, 5);
  record.approved = rows.boolean(row, 6);
  record.plan_digest = rows.optional_text(row, 7);
  record.guards = rows.text(row, 8);
  record.task_results = rows.text(row, 9);
  record.symbols = rows.integer(row, 10);
  record.eligible = rows.integer(row, 11);
  record.total_changes = rows.integer(row, 12);
  record.universes_changed = rows.integer(row, 13);
  record.members_added = rows.integer(row, 14);
  record.members_removed = rows.integer(row, 15);
  record.members_moved = rows.integer(row, 16);
  record.events = rows.integer(row, 17);
  record.started_at = rows.text(row, 18);
  record.finished_at = rows.optional_text(row, 19);
  if (!rows.is_null(row, 20)) record.duration_seconds = rows.real(row, 20);
  record.error = rows.optional_text(row, 21);
  view.pending = rows.integer(row, 22);
  view.given_up = rows.integer(row, 23);
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
  const std::string entries = names.entries.shown();
  postgres::PipelineOutcome outcome = transaction.run_pipeline(
      {{doing, names.in(interrupt_sql), {entries}},
       {doing,
        names.in(open_sql),
        {record.run_id, entries, record.mode, record.triggered_by, to_string(record.as_of),
         record.events_enabled ? "t" : "f", record.approved ? "t" : "f", record.started_at,
         program_version}},
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
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  return {
      "writing the record of the run",
      names.in(finish_sql),
      {record.run_id, std::string(to_string(record.status)), record.plan_digest, record.guards,
       record.task_results, number(record.symbols), number(record.eligible),
       number(record.total_changes), number(record.universes_changed), number(record.members_added),
       number(record.members_removed), number(record.members_moved), number(record.events),
       record.finished_at, std::to_string(record.duration_seconds.value_or(0)), record.error}};
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
  const postgres::Result rows =
      transaction.run({"reading " + names.runs().shown(),
                       names.in(std::string(view_sql) +
                                " WHERE r.entries = $1 AND ($2::text IS NULL OR r.run_id = $2) "
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
       names.in(std::string(view_sql) + std::string(asked_for_sql) +
                " ORDER BY r.started_at DESC, r.run_id LIMIT $3::bigint OFFSET $4::bigint"),
       which});
  for (int row = 0; row < rows.rows(); ++row) {
    history.runs.push_back(view_of(rows, row));
    settle(history.runs.back(), holders, catalog);
  }
  return history;
}

}  // namespace tickstock::tables
