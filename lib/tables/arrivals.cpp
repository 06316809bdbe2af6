#include "tables/arrivals.hpp"

namespace tickstock::tables {

namespace {

// Each half has its own index. Moves and contents are not read: they are most of the journal.
constexpr std::string_view arrivals_sql = R"(
WITH found AS (
  SELECT * FROM {changes}
   WHERE added || removed @> ARRAY[$2::text] AND cardinality(added) + cardinality(removed) <= 200
   UNION ALL
  SELECT * FROM {changes}
   WHERE $2::text = ANY (added || removed) AND cardinality(added) + cardinality(removed) > 200)
SELECT DISTINCT ON (c.universe) c.universe, c.run_id, r.as_of::text, $2 = ANY (c.added)
  FROM found c JOIN {runs} r USING (run_id)
 WHERE r.entries = $1 AND ($3::text IS NULL OR c.universe = $3)
 ORDER BY c.universe, c.id DESC)";

}  // namespace

std::vector<Arrival> read_arrivals(Transaction& transaction, const TableNames& names,
                                   const std::string& symbol,
                                   const std::optional<std::string>& universe) {
  const Result rows = transaction.run(names.statement("reading {changes}", arrivals_sql,
                                                      {names.entries.shown(), symbol, universe}));
  std::vector<Arrival> arrivals;
  for (int row = 0; row < rows.rows(); ++row) {
    arrivals.push_back(
        {rows.text(row, 0), rows.text(row, 1), rows.text(row, 2), rows.boolean(row, 3)});
  }
  return arrivals;
}

}  // namespace tickstock::tables
