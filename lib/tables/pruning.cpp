#include "tables/pruning.hpp"

#include <vector>

#include "postgres/transaction.hpp"

namespace tickstock::tables {

namespace {

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

void prune(postgres::Connection& connection, const TableNames& names, const Retention& retention) {
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
  postgres::Transaction transaction(connection, {.isolation = postgres::Isolation::read_committed},
                                    statements);
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
