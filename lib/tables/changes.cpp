#include "tables/changes.hpp"

#include <algorithm>

#include "postgres/transaction.hpp"

namespace tickstock::tables {

namespace {

constexpr std::string_view matching_sql = R"(
SELECT c.id FROM {changes} c JOIN {runs} r USING (run_id)
 WHERE r.entries = $1
   AND ($2::text IS NULL OR c.universe = $2)
   AND ($3::text IS NULL OR $3 = ANY (c.added) OR $3 = ANY (c.removed) OR $3 = ANY (c.moved))
   AND ($4::int IS NULL OR c.changed_at > now() - make_interval(hours => 24 * $4))
 ORDER BY c.changed_at DESC, c.id)";

// The columns of a ChangeView, in the order in which view_of reads them.
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

ChangeView view_of(const postgres::Result& rows, int row) {
  ChangeView view;
  view.run_id = rows.text(row, 0);
  view.as_of = rows.text(row, 1);
  view.changed_at = rows.text(row, 2);
  view.task = rows.text(row, 3);
  view.universe = rows.text(row, 4);
  view.action = rows.text(row, 5);
  view.reason = rows.text(row, 6);
  view.added = rows.integer(row, 7);
  view.removed = rows.integer(row, 8);
  view.moved = rows.integer(row, 9);
  view.change = rows.text(row, 10);
  view.why = rows.optional_text(row, 11);
  return view;
}

}  // namespace

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
  for (int row = 0; row < rows.rows(); ++row) found.changes.push_back(view_of(rows, row));
  return found;
}

}  // namespace tickstock::tables
