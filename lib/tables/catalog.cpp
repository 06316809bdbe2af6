#include "tables/catalog.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "domain/error.hpp"
#include "postgres/transaction.hpp"

namespace tickstock::tables {

namespace {

// A row for each column of each relation, one without a column where a relation has none or does
// not exist. One statement of few joins: a session that has just begun plans slowly.
constexpr const char* relations_sql = R"(
SELECT r.ord, c.oid, c.relkind, has_schema_privilege(c.relnamespace, 'USAGE'),
       has_table_privilege(c.oid, 'DELETE'), c.reltuples::bigint,
       c.relpages + coalesce((SELECT t.relpages FROM pg_class t WHERE t.oid = c.reltoastrelid), 0),
       (SELECT d.description FROM pg_description d
         WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0),
       a.attname, a.atttypid, format_type(a.atttypid, NULL),
       has_column_privilege(c.oid, a.attnum, 'SELECT'),
       has_column_privilege(c.oid, a.attnum, 'INSERT'),
       has_column_privilege(c.oid, a.attnum, 'UPDATE'),
       EXISTS (SELECT FROM pg_index i
                WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indnkeyatts = 1
                  AND i.indisunique AND i.indimmediate AND i.indisvalid
                  AND i.indpred IS NULL AND i.indexprs IS NULL),
       CASE WHEN a.atttypid IN ('bpchar'::regtype, 'varchar'::regtype) AND a.atttypmod > 4
            THEN a.atttypmod - 4 ELSE 0 END
  FROM unnest($1::name[], $2::name[]) WITH ORDINALITY AS r(nspname, relname, ord)
  LEFT JOIN pg_class c ON c.relnamespace = to_regnamespace(quote_ident(r.nspname))
                      AND c.relname = r.relname AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)";

// Other words than names (EDT, 5, right/UTC) mean one zone here and another, or none, as the
// setting TimeZone. The list of names is read from hundreds of files, so not for the one that all
// have.
constexpr const char* server_sql = R"(
SELECT (now() AT TIME ZONE $1)::date, extract(epoch FROM clock_timestamp()),
       pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean,
       current_setting('server_version'), current_setting('server_encoding'),
       $1 = 'America/New_York' OR EXISTS (SELECT FROM pg_timezone_names WHERE name = $1))";

Day day_of(std::string_view text) {
  const auto day = parse_day(text);
  if (!day) throw Error(ErrorKind::failed, "PostgreSQL's clock shows a day that is out of range");
  return *day;
}

/// Takes a row in: what it says of the relation, which is the same in all of its rows, and of one
/// column.
void take_relation(const postgres::Result& rows, int row, Relation& relation) {
  if (rows.is_null(row, 1)) return;
  relation.oid = static_cast<std::uint32_t>(rows.integer(row, 1));
  relation.kind = rows.view(row, 2).front();
  relation.schema_usage = rows.boolean(row, 3);
  relation.can_delete = rows.boolean(row, 4);
  relation.rows = std::max<std::int64_t>(rows.integer(row, 5), 0);
  relation.pages = std::max<std::int64_t>(rows.integer(row, 6), 0);
  relation.comment = rows.text(row, 7);
  if (rows.is_null(row, 8)) return;
  relation.columns.emplace(
      rows.text(row, 8),
      Relation::Column{static_cast<std::uint32_t>(rows.integer(row, 9)), rows.text(row, 10),
                       rows.boolean(row, 11), rows.boolean(row, 12), rows.boolean(row, 13),
                       static_cast<std::size_t>(rows.integer(row, 15))});
  if (rows.view(row, 8) == "universe") relation.unique_universe = rows.boolean(row, 14);
}

void take_server(const postgres::Result& rows, Catalog& catalog) {
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

bool is_identifier(std::string_view text) {
  const auto allowed = [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '$');
  };
  return !text.empty() && text.size() <= 63 &&
         std::isdigit(static_cast<unsigned char>(text[0])) == 0 && !text.starts_with("pg_") &&
         std::all_of(text.begin(), text.end(), allowed);
}

void replace_all(std::string& text, std::string_view token, const std::string& replacement) {
  for (std::size_t at = text.find(token); at != std::string::npos;
       at = text.find(token, at + replacement.size())) {
    text.replace(at, token.size(), replacement);
  }
}

}  // namespace

std::int64_t Database::run_lock() const { return lock_key(1953063787, catalog.entries); }

std::int64_t Database::publish_lock() const { return lock_key(1953457003, catalog.outbox); }

postgres::Result Database::read(const std::string& doing, std::string_view sql,
                                const postgres::Params& params) {
  return std::move(postgres::read_at_once(connection,
                                          {.isolation = postgres::Isolation::read_committed},
                                          {{doing, names.in(sql), params}})
                       .front());
}

void Database::look_around(const std::string& timezone, ErrorKind unknown_timezone) {
  const Error no_such_zone(unknown_timezone,
                           "PostgreSQL knows no time zone '" + timezone +
                               "'; use a name of pg_timezone_names, such as America/New_York");
  catalog = {};
  const std::array<Relation*, 7> relations{&catalog.symbols, &catalog.prices,  &catalog.entries,
                                           &catalog.runs,    &catalog.changes, &catalog.outbox,
                                           &catalog.waiting};
  const std::array<TableName, 7> table_names{names.symbols,  names.prices,    names.entries,
                                             names.runs(),   names.changes(), names.outbox(),
                                             names.waiting()};
  std::vector<std::string> schemas;
  std::vector<std::string> tables;
  for (std::size_t i = 0; i < relations.size(); ++i) {
    relations[i]->name = table_names[i];
    schemas.push_back(table_names[i].schema);
    tables.push_back(table_names[i].name);
  }
  const postgres::Statement server{
      "reading the clock in time zone '" + timezone + "'", server_sql, {timezone}};
  std::vector<postgres::Result> results;
  try {
    results = postgres::read_at_once(
        connection, {},
        {{"reading the catalog",
          relations_sql,
          {postgres::array_literal(schemas), postgres::array_literal(tables)}},
         server});
  } catch (const Error& error) {
    if (error.sqlstate() != "22023") throw;
    throw Error(no_such_zone);
  }
  if (!results[1].boolean(0, 6)) throw Error(no_such_zone);
  for (int row = 0; row < results[0].rows(); ++row) {
    const auto index = static_cast<std::size_t>(results[0].integer(row, 0) - 1);
    take_relation(results[0], row, *relations.at(index));
  }
  take_server(results[1], catalog);
}

std::string quoted_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

TableName parse_table_name(std::string_view text, const std::string& default_schema,
                           const std::string& setting) {
  const std::size_t dot = text.find('.');
  TableName name{dot == std::string_view::npos ? default_schema : std::string(text.substr(0, dot)),
                 std::string(dot == std::string_view::npos ? text : text.substr(dot + 1))};
  if (!is_identifier(name.schema) || !is_identifier(name.name)) {
    throw Error(ErrorKind::config,
                setting +
                    " must be a name or schema.name of 1 to 63 letters, digits, _ and $ each, "
                    "not beginning with a digit or pg_");
  }
  return name;
}

std::string TableNames::in(std::string_view sql) const {
  const std::array<std::pair<std::string_view, std::string>, 7> tokens{
      {{"{symbols}", symbols.quoted()},
       {"{prices}", prices.quoted()},
       {"{entries}", entries.quoted()},
       {"{runs}", runs().quoted()},
       {"{changes}", changes().quoted()},
       {"{outbox}", outbox().quoted()},
       {"{waiting}", waiting().quoted()}}};
  std::string text(sql);
  for (const auto& [token, name] : tokens) replace_all(text, token, name);
  return text;
}

std::string TableNames::in(std::string_view sql, Day first, Day last) const {
  std::string text = in(sql);
  replace_all(text, "{first}", to_string(first));
  replace_all(text, "{last}", to_string(last));
  return text;
}

}  // namespace tickstock::tables
