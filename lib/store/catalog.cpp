#include "store/catalog.hpp"

#include <array>

#include "store/arrays.hpp"
#include "store/transaction.hpp"

namespace tickstock::store {

namespace {

constexpr const char* relations_sql = R"(
SELECT r.ord, c.oid, c.relkind, coalesce(has_schema_privilege(n.oid, 'USAGE'), false),
       coalesce(obj_description(c.oid, 'pg_class'), ''),
       EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
                WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
                  AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1
                  AND a.attnum = i.indkey[0] AND a.attname = 'universe'),
       coalesce(has_table_privilege(c.oid, 'DELETE'), false),
       coalesce(c.relpages, 0) + coalesce(t.relpages, 0), coalesce(c.reltuples, 0)::bigint
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(nspname, relname, ord)
  LEFT JOIN pg_namespace n ON n.nspname = r.nspname
  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = r.relname
                      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
 ORDER BY r.ord)";

constexpr const char* columns_sql = R"(
SELECT r.ord, a.attname, format_type(a.atttypid, NULL),
       has_column_privilege(c.oid, a.attnum, 'SELECT'),
       has_column_privilege(c.oid, a.attnum, 'INSERT'),
       has_column_privilege(c.oid, a.attnum, 'UPDATE')
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(nspname, relname, ord)
  JOIN pg_namespace n ON n.nspname = r.nspname
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = r.relname
                 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)";

constexpr const char* server_sql = R"(
SELECT (now() AT TIME ZONE $1)::date, extract(epoch FROM clock_timestamp()),
       pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean,
       current_setting('server_version'), current_setting('server_encoding'))";

Day day_of(std::string_view text) {
  const auto day = parse_day(text);
  if (!day) throw Error(ErrorKind::failed, "PostgreSQL's clock shows a day that is out of range");
  return *day;
}

void take_relation(const Result& rows, int row, Relation& relation) {
  if (rows.is_null(row, 1)) return;
  relation.oid = static_cast<std::uint32_t>(rows.integer(row, 1));
  relation.kind = rows.view(row, 2).front();
  relation.schema_usage = rows.boolean(row, 3);
  relation.comment = rows.text(row, 4);
  relation.unique_universe = rows.boolean(row, 5);
  relation.can_delete = rows.boolean(row, 6);
  relation.pages = std::max<std::int64_t>(rows.integer(row, 7), 0);
  relation.rows = std::max<std::int64_t>(rows.integer(row, 8), 0);
}

void take_server(const Result& rows, Catalog& catalog) {
  catalog.today = day_of(rows.view(0, 0));
  catalog.clock = rows.real(0, 1);
  catalog.in_recovery = rows.boolean(0, 2);
  catalog.read_only = rows.boolean(0, 3);
  catalog.server_version = rows.text(0, 4);
  catalog.server_encoding = rows.text(0, 5);
}

/// A 32-bit tag of the program above the oid of what is locked, so that neither installations nor
/// programs collide.
std::int64_t lock_key(std::int64_t tag, const Relation& relation) {
  return (tag << 32) | std::int64_t{relation.oid};
}

}  // namespace

std::int64_t run_lock_key(const Catalog& catalog) { return lock_key(1953063787, catalog.entries); }

std::int64_t publish_lock_key(const Catalog& catalog) {
  return lock_key(1953457003, catalog.outbox);
}

Catalog read_catalog(Connection& connection, const TableNames& names, const std::string& timezone) {
  Catalog catalog;
  const std::array<Relation*, 6> relations{&catalog.symbols, &catalog.prices,  &catalog.entries,
                                           &catalog.runs,    &catalog.changes, &catalog.outbox};
  const std::array<TableName, 6> table_names{names.symbols, names.prices,    names.entries,
                                             names.runs(),  names.changes(), names.outbox()};
  std::vector<std::string> schemas;
  std::vector<std::string> tables;
  for (std::size_t i = 0; i < relations.size(); ++i) {
    relations[i]->name = table_names[i];
    schemas.push_back(table_names[i].schema);
    tables.push_back(table_names[i].name);
  }
  const Params wanted{array_literal(schemas), array_literal(tables)};

  Transaction transaction(connection, {.read_only = true});
  PipelineOutcome outcome = transaction.run_pipeline({
      {"reading the catalog", relations_sql, wanted},
      {"reading the catalog", columns_sql, wanted},
      {"reading the clock in time zone '" + timezone + "'", server_sql, {timezone}},
  });
  if (outcome.failure && outcome.failure->error.sqlstate() == "22023") {
    throw Error(ErrorKind::config, "PostgreSQL knows no time zone '" + timezone +
                                       "'; use a name such as America/New_York");
  }
  const std::vector<Result>& results = outcome.value();
  for (std::size_t i = 0; i < relations.size(); ++i) {
    take_relation(results[0], static_cast<int>(i), *relations[i]);
  }
  for (int row = 0; row < results[1].rows(); ++row) {
    const auto index = static_cast<std::size_t>(results[1].integer(row, 0) - 1);
    relations.at(index)->columns.emplace(
        results[1].text(row, 1),
        Relation::Column{results[1].text(row, 2), results[1].boolean(row, 3),
                         results[1].boolean(row, 4), results[1].boolean(row, 5)});
  }
  take_server(results[2], catalog);
  return catalog;
}

}  // namespace tickstock::store
