#include "tables/entries_list.hpp"

#include "postgres/transaction.hpp"

namespace tickstock::tables {

namespace {

// A time with a zone and one without, which is in UTC, show the same in the zone of this
// transaction, UTC.
constexpr std::string_view list_sql = R"(
SELECT universe::text, cache_type::text,
       CASE WHEN jsonb_typeof(content -> 'symbols') = 'array'
            THEN jsonb_array_length(content -> 'symbols') END,
       to_char(updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  FROM {entries}
 ORDER BY universe COLLATE "C")";

}  // namespace

std::vector<EntrySummary> list_entries(postgres::Connection& connection, const TableNames& names) {
  const std::vector<postgres::Result> results = postgres::read_at_once(
      connection, {}, {{"reading " + names.entries.shown(), names.in(list_sql)}});
  const postgres::Result& rows = results.front();
  std::vector<EntrySummary> entries;
  for (int row = 0; row < rows.rows(); ++row) {
    EntrySummary& entry = entries.emplace_back();
    entry.universe = rows.optional_text(row, 0);
    entry.type = rows.optional_text(row, 1);
    if (!rows.is_null(row, 2)) entry.symbols = rows.integer(row, 2);
    entry.updated_at = rows.optional_text(row, 3);
  }
  return entries;
}

}  // namespace tickstock::tables
