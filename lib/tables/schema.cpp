#include "tables/schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "domain/text.hpp"
#include "postgres/transaction.hpp"

namespace tickstock::tables {

namespace {

constexpr std::string_view version_mark = "tickstock-cache schema ";
constexpr std::int64_t init_lock_key = std::int64_t{1953063787} << 32;

/// Returns the comment that marks a table as this program's, in this version.
std::string version_comment() { return std::string(version_mark) + std::to_string(schema_version); }

/// Returns the columns added in version `since` or later, one per line.
std::string column_lines(const Table& table, const TableNames& names, int since,
                         std::string_view verb) {
  std::string lines;
  for (const Column& column : table.columns) {
    if (column.since < since) continue;
    // The only name that is an SQL keyword.
    const std::string_view name = column.name == "group" ? "\"group\"" : column.name;
    lines += fmt::format("{}\n  {}{} {}", lines.empty() ? "" : ",", verb, name,
                         names.in(column.definition));
  }
  return lines;
}

constexpr const char* rename_it = "Rename it, or name other tables in [tables].";

/// Checks a relation in the place of one of ours: it must have our columns, and not be of a version
/// that we don't know.
void check_shape(const Table& table, const Relation& relation) {
  const std::string shown = relation.name.shown();
  if (!relation.is_table()) {
    throw Error(ErrorKind::failed, "the relation " + shown + " is not a table",
                {.object = shown, .hint = rename_it});
  }
  const int version = table.is_own() ? version_of(relation) : schema_version;
  if (version == 0 || version > schema_version) {
    throw Error(unknown_version(relation, ", wanted is '" + version_comment() + "'"));
  }
  const std::vector<std::string_view> missing = missing_columns(table, relation);
  if (missing.empty()) return;
  throw Error(ErrorKind::failed,
              fmt::format("the relation {} has another shape: it lacks the columns {}", shown,
                          fmt::join(missing, ", ")),
              {.object = shown, .hint = rename_it});
}

constexpr std::string_view grants_head =
    R"(-- What a role needs to run every command of tickstock-cache but init, and no more. Run
-- this with psql as the owner of the tables, after 'tickstock-cache init', as often as
-- you like. It revokes nothing and does not create the role; an administrator does:
--   CREATE ROLE {0} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE
--     NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 3;
--   ALTER ROLE {0} SET client_connection_check_interval = '5s';
-- and, if not everybody may connect to the database: GRANT CONNECT ON DATABASE … TO {0};
)";

constexpr std::string_view grant_prices = R"(BEGIN
IF to_regclass({0}) IS NOT NULL THEN
{1}END IF;
END
)";

constexpr std::string_view grant_sequence = R"(DECLARE sequence regclass;
BEGIN
FOR sequence IN
  SELECT d.refobjid FROM pg_attrdef f
    JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
    JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
   WHERE f.adrelid = {0}::regclass AND a.attname = 'id' AND c.relkind = 'S'
LOOP
  EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', sequence, {1});
END LOOP;
END
)";

// Another table may have an index of that name, or be called so.
constexpr std::string_view drop_retired = R"(BEGIN
IF EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = {0}::regclass AND c.relname = {1}) THEN
  DROP INDEX {2};
END IF;
END
)";

/// Returns a DO block around `body`, in dollar quotes that do not occur in it.
std::string block(const std::string& body) {
  std::string tag = "$body$";
  while (body.find(tag) != std::string::npos) tag.insert(1, "_");
  return fmt::format("DO {0}\n{1}{0}", tag, body);
}

}  // namespace

std::vector<std::string_view> missing_columns(const Table& table, const Relation& relation) {
  const int version = table.is_own() ? version_of(relation) : schema_version;
  std::vector<std::string_view> missing;
  for (const Column& column : table.columns) {
    const bool matters = table.is_own() || column.uses != 0;
    if (matters && column.since <= version && !relation.columns.contains(column.name)) {
      missing.push_back(column.name);
    }
  }
  return missing;
}

int version_of(const Relation& relation) {
  const std::string_view comment = relation.comment;
  if (comment.empty()) return 1;
  if (!comment.starts_with(version_mark)) return 0;
  return std::max(number_of<int>(comment.substr(version_mark.size())).value_or(0), 0);
}

Error unknown_version(const Relation& relation, const std::string& wanted) {
  const std::string shown = relation.name.shown();
  if (version_of(relation) == 0) {
    return {
        ErrorKind::failed,
        fmt::format("the table {} is not marked as one of this program (its comment says '{}'{})",
                    shown, relation.comment, wanted),
        {.object = shown, .hint = rename_it}};
  }
  return {ErrorKind::failed,
          fmt::format("the table {} was made by a newer version of this program ('{}', this one "
                      "knows up to '{}')",
                      shown, relation.comment, version_comment()),
          {.object = shown, .hint = "Use the newer version."}};
}

std::vector<std::string> schema_sql(const TableNames& names) {
  std::vector<std::string> statements;
  for (const Table& table : all_tables()) {
    if (!table.is_created()) continue;
    const TableName name = names.of(table);
    statements.push_back(fmt::format("CREATE TABLE IF NOT EXISTS {} ({}\n)", name.quoted(),
                                     column_lines(table, names, 1, "")));
    if (std::string added = column_lines(table, names, 2, "ADD COLUMN IF NOT EXISTS ");
        !added.empty()) {
      statements.push_back("ALTER TABLE " + name.quoted() + added);
    }
    if (!table.retired_index.empty()) {
      const TableName index{name.schema, std::string(table.retired_index)};
      statements.push_back(block(fmt::format(drop_retired, in_quotes(name.quoted(), '\'', '\''),
                                             in_quotes(index.name, '\'', '\''), index.quoted())));
    }
    for (const std::string_view each : table.further) statements.push_back(names.in(each));
    if (!table.is_own()) continue;
    statements.push_back(
        fmt::format("COMMENT ON TABLE {} IS '{}'", name.quoted(), version_comment()));
  }
  return statements;
}

std::vector<std::string> create_schema(Database& database) {
  const TableNames& names = database.names;
  database.look_around("UTC");
  std::vector<std::string> done;
  for (const Table& table : all_tables()) {
    const Relation& relation = database.catalog.*table.relation;
    if (!table.is_created()) continue;
    if (!relation.exists()) {
      done.push_back("created " + relation.name.shown());
      continue;
    }
    check_shape(table, relation);
    if (table.is_own() && version_of(relation) < schema_version) {
      done.push_back(
          fmt::format("upgraded {} to version {}", relation.name.shown(), schema_version));
    }
  }
  if (done.empty()) return done;
  require(database, {Need::writable_server});

  Transaction transaction(database.connection, {.read_committed = true});
  // Two at once would both find a table missing.
  transaction.run({"waiting for another init",
                   "SELECT pg_advisory_xact_lock($1::bigint)",
                   {std::to_string(init_lock_key)}});
  try {
    for (const std::string& sql : schema_sql(names)) {
      transaction.run({"creating or upgrading the tables", sql});
    }
  } catch (const Error& error) {
    if (error.sqlstate() != postgres::insufficient_privilege) throw;
    throw error.hinting(
        fmt::format("Run init as the owner of the tables, who may create others in schema {}.",
                    names.entries.schema));
  }
  transaction.commit();
  return done;
}

std::string role_problem(std::string_view role) {
  if (role.empty() || role.size() > 63) return "must have 1 to 63 bytes";
  if (role.starts_with("pg_") || role == "public" || role == "none") {
    return "must not be a name that PostgreSQL reserves";
  }
  const bool control = std::any_of(role.begin(), role.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  // psql would reject a script that is not UTF-8.
  return control || !is_utf8(role) ? "must be printable text in UTF-8" : "";
}

std::string grants_sql(const TableNames& names, const std::string& role, bool priced,
                       const std::vector<std::string>& labels) {
  const std::string to = " TO " + in_quotes(role, '"', '"') + ";\n";
  std::set<std::string> schemas;
  const auto use_schema = [&](const std::string& schema) {
    const bool is_new = schemas.insert(schema).second;
    return is_new ? "GRANT USAGE ON SCHEMA " + in_quotes(schema, '"', '"') + to : "";
  };
  const auto grant = [&to](std::string_view word, const TableName& table,
                           const std::vector<std::string>& columns) {
    std::vector<std::string> list;
    for (const std::string& column : columns) list.push_back(in_quotes(column, '"', '"'));
    return fmt::format("GRANT {} ({}) ON {}{}", word, fmt::join(list, ", "), table.quoted(), to);
  };
  std::string text = fmt::format(grants_head, in_quotes(role, '"', '"'));
  text += use_schema(names.symbols.schema) + use_schema(names.entries.schema);
  text += grant("SELECT", names.symbols, columns_of(&Catalog::symbols, reads));
  if (!labels.empty()) text += grant("SELECT", names.symbols, labels);
  std::string prices = use_schema(names.prices.schema);
  prices += grant("SELECT", names.prices, columns_of(&Catalog::prices, reads));
  const std::string shares =
      grant("SELECT", names.symbols, columns_of(&Catalog::symbols, makes_caps));
  const std::string closes =
      grant("SELECT", names.prices, columns_of(&Catalog::prices, makes_caps));
  if (priced) prices += closes;
  text += "-- for max_data_age_days, market caps from prices, and check, if the prices exist\n" +
          block(fmt::format(grant_prices, in_quotes(names.prices.quoted(), '\'', '\''), prices)) +
          ";\n";
  text += priced ? shares
                 : "-- for replay and --market-cap-from prices, also run:\n-- " + shares + "-- " +
                       closes;
  text += grant("SELECT", names.entries, columns_of(&Catalog::entries, reads | updates));
  text += grant("INSERT", names.entries, columns_of(&Catalog::entries, inserts));
  text += grant("UPDATE", names.entries, columns_of(&Catalog::entries, updates));
  text +=
      "-- the sequence of a serial id, to create missing entries; an identity column needs none\n" +
      block(fmt::format(grant_sequence, in_quotes(names.entries.quoted(), '\'', '\''),
                        in_quotes(role, '\'', '\''))) +
      ";\n-- history, guaranteed delivery, and the deletion of what is too old\n";
  for (const Table& table : all_tables()) {
    if (!table.is_own()) continue;
    text += fmt::format("GRANT SELECT, INSERT{} ON {}{}", table.changes ? ", UPDATE, DELETE" : "",
                        names.of(table).quoted(), to);
  }
  return text;
}

}  // namespace tickstock::tables
