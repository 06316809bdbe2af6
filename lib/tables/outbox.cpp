#include "tables/outbox.hpp"

#include "postgres/transaction.hpp"

namespace tickstock::tables {

namespace {

// At most 500 rows and 4 MiB of text, but at least one row, however long; ids ascend in the order
// of commit. The last column tells whether there are more.
constexpr std::string_view pending_sql = R"(
SELECT id, event_id, channel, event, message, found
  FROM (SELECT *, row_number() OVER oldest_first AS place,
               sum(octet_length(message)) OVER oldest_first AS bytes, count(*) OVER () AS found
          FROM (SELECT id, event_id, channel, event, message FROM {outbox}
                 WHERE published_at IS NULL AND given_up_at IS NULL
                 ORDER BY id LIMIT 501) oldest
        WINDOW oldest_first AS (ORDER BY id)) batch
 WHERE place = 1 OR bytes <= 4194304 AND place <= 500
 ORDER BY id)";

constexpr std::string_view mark_sql =
    "UPDATE {outbox} SET published_at = clock_timestamp() WHERE id = ANY ($1::bigint[])";

struct Pending {
  std::vector<std::string> ids;
  std::vector<Message> messages;
  bool more = false;
};

Pending read_pending(postgres::Transaction& transaction, const TableNames& names) {
  const postgres::Result rows =
      transaction.run({"reading " + names.outbox().shown(), names.in(pending_sql)});
  Pending pending;
  for (int row = 0; row < rows.rows(); ++row) {
    pending.ids.push_back(rows.text(row, 0));
    pending.messages.push_back(
        {rows.text(row, 1), rows.text(row, 2), rows.text(row, 3), rows.text(row, 4)});
    pending.more = rows.integer(row, 5) > rows.rows();
  }
  return pending;
}

postgres::TransactionOptions publishing(const Database& database,
                                        const std::string& application_name) {
  return {.isolation = postgres::Isolation::read_committed,
          .lock = database.publish_lock(),
          .application_name = application_name};
}

// Which events is said by what stands between the two halves.
constexpr std::string_view give_up_sql = R"(
WITH chosen AS (
  UPDATE {outbox} SET given_up_at = clock_timestamp()
   WHERE published_at IS NULL AND given_up_at IS NULL AND )";
constexpr std::string_view count_sql = R"(
  RETURNING id, run_id),
by_run AS (SELECT run_id, count(*) AS events, min(id) AS first FROM chosen GROUP BY run_id),
noted AS (
  UPDATE {runs} r SET events_given_up = r.events_given_up + by_run.events
    FROM by_run WHERE r.run_id = by_run.run_id)
SELECT run_id, events FROM by_run ORDER BY first)";

constexpr const char* too_old = "created_at < now() - make_interval(days => $1::int)";

std::vector<GivenUp> give_up(postgres::Transaction& transaction, const TableNames& names,
                             std::string_view condition, const std::string& value) {
  const postgres::Result rows =
      transaction.run({"giving up events in " + names.outbox().shown(),
                       names.in(std::string(give_up_sql).append(condition).append(count_sql)),
                       {value}});
  std::vector<GivenUp> given_up;
  for (int row = 0; row < rows.rows(); ++row) {
    given_up.push_back({rows.text(row, 0), rows.integer(row, 1)});
  }
  return given_up;
}

[[noreturn]] void fail_not_pending(postgres::Transaction& transaction, const TableNames& names,
                                   const std::string& event_id) {
  const postgres::Result rows = transaction.run(
      {"reading " + names.outbox().shown(),
       names.in("SELECT published_at IS NOT NULL FROM {outbox} WHERE event_id = $1::uuid"),
       {event_id}});
  const std::string why = rows.rows() == 0
                              ? "there is none with this id in " + names.outbox().shown()
                          : rows.boolean(0, 0) ? "it was published"
                                               : "it was given up before";
  throw Error(ErrorKind::failed,
              "event " + event_id + " is not pending: " + why + "; nothing was changed");
}

// Those before a moment: so many days ago, or when the oldest of so many runs began. Found through
// the index on started_at, whatever the number of records.
constexpr std::string_view old_runs_sql = R"(
SELECT run_id FROM {runs} r
 WHERE entries = $1 AND status <> 'running'
   AND started_at < greatest(
         CASE WHEN $2::int > 0 THEN now() - make_interval(days => $2::int) END,
         (SELECT started_at FROM {runs} WHERE entries = $1 AND $3::int > 0
           ORDER BY started_at DESC LIMIT 1 OFFSET greatest($3::int - 1, 0)))
   AND run_id IS DISTINCT FROM (
         SELECT run_id FROM {runs}
          WHERE entries = $1 AND status IN ('completed', 'completed_with_errors')
          ORDER BY started_at DESC LIMIT 1)
   AND NOT EXISTS (
         SELECT FROM {outbox} o
          WHERE o.run_id = r.run_id AND o.published_at IS NULL AND o.given_up_at IS NULL)
 ORDER BY started_at LIMIT 1000 FOR UPDATE SKIP LOCKED)";

constexpr std::string_view delete_events_sql = R"(
DELETE FROM {outbox} WHERE id IN (
  SELECT id FROM {outbox}
   WHERE published_at < now() - make_interval(days => $1::int)
      OR given_up_at < now() - make_interval(days => $1::int)
   ORDER BY id LIMIT 20000 FOR UPDATE SKIP LOCKED))";

}  // namespace

BatchOutcome publish_batch(Database& database, const std::string& application_name,
                           std::chrono::milliseconds time,
                           const std::function<std::size_t(const std::vector<Message>&)>& send) {
  const TableNames& names = database.names;
  postgres::TransactionOptions options = publishing(database, application_name);
  options.idle_time = time;
  postgres::Transaction transaction(database.connection, options);
  BatchOutcome outcome;
  if (!transaction.has_lock()) {
    outcome.locked = true;
    return outcome;
  }
  Pending pending = read_pending(transaction, names);
  outcome.read = pending.messages.size();
  outcome.more = pending.more;
  if (outcome.read == 0) return outcome;
  outcome.sent = send(pending.messages);
  // What is sent gets its mark, in spite of a signal.
  const io::Settling settling(database.connection.patience());
  pending.ids.resize(outcome.sent);
  if (!pending.ids.empty()) {
    transaction.run({"marking events as published",
                     names.in(mark_sql),
                     {postgres::array_literal(pending.ids)}});
  }
  transaction.commit();
  return outcome;
}

std::int64_t count_pending(Database& database, const std::optional<std::string>& run_id) {
  return database
      .read("counting pending events",
            "SELECT count(*) FROM {outbox} WHERE published_at IS NULL AND given_up_at IS NULL "
            "AND ($1::text IS NULL OR run_id = $1)",
            {run_id})
      .integer(0, 0);
}

Backlog read_backlog(Database& database) {
  const postgres::Result rows =
      database.read("counting pending events",
                    "SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM {outbox} "
                    "WHERE published_at IS NULL AND given_up_at IS NULL");
  return {rows.integer(0, 0), rows.real(0, 1)};
}

std::optional<std::vector<GivenUp>> give_up_old(Database& database,
                                                const std::string& application_name, int days) {
  const TableNames& names = database.names;
  // Nearly every night there is none, and to find that out is cheap.
  const postgres::Statement look{"looking for old events in " + names.outbox().shown(),
                                 names
                                     .in("SELECT FROM {outbox} WHERE published_at IS NULL "
                                         "AND given_up_at IS NULL AND ")
                                     .append(too_old)
                                     .append(" LIMIT 1"),
                                 {std::to_string(days)}};
  postgres::Transaction transaction(database.connection, publishing(database, application_name),
                                    {look});
  if (!transaction.has_lock()) return std::nullopt;
  if (transaction.first_results().front().rows() == 0) return std::vector<GivenUp>();
  std::vector<GivenUp> given_up = give_up(transaction, names, too_old, std::to_string(days));
  transaction.commit();
  return given_up;
}

bool give_up_event(Database& database, const std::string& application_name,
                   const std::string& event_id) {
  const TableNames& names = database.names;
  postgres::Transaction transaction(database.connection, publishing(database, application_name));
  if (!transaction.has_lock()) return false;
  if (give_up(transaction, names, "event_id = $1::uuid", event_id).empty()) {
    fail_not_pending(transaction, names, event_id);
  }
  transaction.commit();
  return true;
}

void prune(Database& database, const Retention& retention) {
  const TableNames& names = database.names;
  std::vector<postgres::Statement> statements;
  if (retention.outbox_days > 0) {
    statements.push_back({"deleting from " + names.outbox().shown(),
                          names.in(delete_events_sql),
                          {std::to_string(retention.outbox_days)}});
  }
  const bool records_end = retention.journal_days > 0 || retention.journal_runs > 0;
  if (records_end) {
    statements.push_back({"looking for old records in " + names.runs().shown(),
                          names.in(old_runs_sql),
                          {names.entries.shown(), std::to_string(retention.journal_days),
                           std::to_string(retention.journal_runs)}});
  }
  if (statements.empty()) return;
  postgres::Transaction transaction(database.connection,
                                    {.isolation = postgres::Isolation::read_committed}, statements);
  std::vector<std::string> runs;
  if (records_end) {
    const postgres::Result& rows = transaction.first_results().back();
    for (int row = 0; row < rows.rows(); ++row) runs.push_back(rows.text(row, 0));
  }
  if (!runs.empty()) {
    // Its changes go with a record.
    transaction.run({"deleting from " + names.runs().shown(),
                     names.in("DELETE FROM {runs} WHERE run_id = ANY ($1::text[])"),
                     {postgres::array_literal(runs)}});
  }
  transaction.commit();
}

}  // namespace tickstock::tables
