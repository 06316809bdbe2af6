#include "store/pruning.hpp"

#include <vector>

#include "store/arrays.hpp"
#include "store/transaction.hpp"

namespace tickstock::store {

namespace {

constexpr std::string_view old_runs_sql = R"(
WITH ranked AS (
  SELECT run_id, status, started_at,
         row_number() OVER (ORDER BY started_at DESC, run_id DESC) AS place
    FROM {runs} WHERE entries = $1)
SELECT run_id FROM {runs}
 WHERE run_id IN (
   SELECT old.run_id FROM ranked old
    WHERE old.status <> 'running'
      AND ($2::int > 0 AND old.started_at < now() - make_interval(days => $2::int)
           OR $3::int > 0 AND old.place > $3::int)
      AND old.run_id IS DISTINCT FROM (
        SELECT run_id FROM ranked WHERE status IN ('completed', 'completed_with_errors')
         ORDER BY place LIMIT 1)
      AND NOT EXISTS (
        SELECT FROM {outbox} o WHERE o.run_id = old.run_id
           AND o.published_at IS NULL AND o.given_up_at IS NULL)
    ORDER BY old.place DESC LIMIT 1000)
   FOR UPDATE SKIP LOCKED)";

constexpr std::string_view delete_events_sql = R"(
DELETE FROM {outbox} WHERE id IN (
  SELECT id FROM {outbox}
   WHERE published_at < now() - make_interval(days => $1::int)
      OR given_up_at < now() - make_interval(days => $1::int)
   ORDER BY id LIMIT 20000 FOR UPDATE SKIP LOCKED))";

/// The records that are old enough, locked.
std::vector<std::string> old_runs(Transaction& transaction, const TableNames& names,
                                  const Retention& retention) {
  std::vector<std::string> runs;
  if (retention.journal_days == 0 && retention.journal_runs == 0) return runs;
  const Result rows =
      transaction.run({"looking for old records in " + names.runs().shown(),
                       names.in(old_runs_sql),
                       {names.entries.shown(), std::to_string(retention.journal_days),
                        std::to_string(retention.journal_runs)}});
  for (int row = 0; row < rows.rows(); ++row) runs.push_back(rows.text(row, 0));
  return runs;
}

}  // namespace

void prune(Connection& connection, const TableNames& names, const Retention& retention) {
  Transaction transaction(connection, {.isolation = Isolation::read_committed});
  std::vector<Statement> statements;
  if (const auto runs = old_runs(transaction, names, retention); !runs.empty()) {
    const Params which{array_literal(runs)};
    // Its changes go with a record.
    statements.push_back({"deleting from " + names.runs().shown(),
                          names.in("DELETE FROM {runs} WHERE run_id = ANY ($1::text[])"), which});
  }
  if (retention.outbox_days > 0) {
    statements.push_back({"deleting from " + names.outbox().shown(),
                          names.in(delete_events_sql),
                          {std::to_string(retention.outbox_days)}});
  }
  if (statements.empty()) return;
  transaction.run_pipeline(statements).value();
  transaction.commit();
}

}  // namespace tickstock::store
