#include <fmt/format.h>

#include "postgres/transaction.hpp"
#include "tables/schema.hpp"

namespace tickstock::tables {

namespace {

// Columns that an INSERT of an entry must fill but doesn't, and whether a trigger could; and those
// that it fills but can't, being generated.
constexpr const char* unfilled_sql = R"(
SELECT a.attname,
       EXISTS (SELECT FROM pg_trigger t
                WHERE t.tgrelid = a.attrelid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
                  AND t.tgtype & 7 = 7), a.attname = ANY ($2::name[])
  FROM pg_attribute a
 CROSS JOIN LATERAL (
       WITH RECURSIVE types AS (
         SELECT t.typnotnull, t.typdefault, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid
          UNION ALL
         SELECT t.typnotnull, t.typdefault, t.typbasetype
           FROM pg_type t JOIN types d ON t.oid = d.typbasetype)
       SELECT bool_or(typnotnull) AS takes_no_null, max(typdefault) AS fallback FROM types) t
 WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
   AND CASE WHEN a.attname = ANY ($2::name[]) THEN a.attgenerated <> '' OR a.attidentity = 'a'
            ELSE (a.attnotnull OR t.takes_no_null) AND NOT a.atthasdef AND t.fallback IS NULL
                 AND a.attidentity = '' AND a.attgenerated = '' END
 ORDER BY a.attnum)";

// Sequences of defaults that an INSERT of an entry uses without permission for this role. CASE
// keeps the check away from relations that are not sequences.
constexpr const char* sequences_sql = R"(
SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_attrdef f
  JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                  AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class c ON c.oid = d.refobjid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE f.adrelid = $1::oid AND a.attname <> ALL ($2::name[])
   AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE, UPDATE') END
 ORDER BY 1)";

// Tables that publish updated or deleted rows that a subscriber can't identify.
constexpr const char* publications_sql = R"(
SELECT DISTINCT ON (c.oid) format('%I.%I', n.nspname, c.relname), p.pubname
  FROM unnest($1::oid[]) AS wanted(oid)
  JOIN pg_class c ON c.oid = wanted.oid
                  OR c.oid IN (SELECT p.relid FROM pg_partition_tree(wanted.oid) p)
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
  JOIN pg_publication p ON p.pubname = t.pubname AND (p.pubupdate OR p.pubdelete)
 WHERE c.relreplident = 'n'
    OR c.relreplident = 'd'
       AND NOT EXISTS (SELECT FROM pg_index i
                        WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate)
    OR c.relreplident = 'i'
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)
 ORDER BY c.oid, p.pubname)";

// 2 and 3 are UPDATE and INSERT.
constexpr const char* rules_sql =
    "SELECT rulename FROM pg_rewrite WHERE ev_class = $1::oid AND ev_type IN ('2', '3') "
    "AND ev_enabled IN ('O', 'A') ORDER BY rulename";

// Trigger functions that set no search_path and use the bare name of something outside pg_catalog.
// Searches their text without strings and comments. A word counts as a name if no dot is before or
// after it, and something of that name exists.
constexpr const char* triggers_sql = R"(
SELECT DISTINCT ON (trigger) trigger, function, word[1], thing.nspname
  FROM (SELECT t.tgname AS trigger, format('%I.%I', n.nspname, p.proname) AS function,
               lower(regexp_replace(p.prosrc, '''(?:[^'']|'''')*''|--[^' || chr(10) ||
                                              ']*|/[*].*?[*]/', ' ', 'g')) AS body
          FROM pg_trigger t
          JOIN pg_proc p ON p.oid = t.tgfoid
          JOIN pg_namespace n ON n.oid = p.pronamespace
          JOIN pg_language l ON l.oid = p.prolang
         WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
           AND t.tgtype & 20 <> 0 AND l.lanname IN ('plpgsql', 'sql')
           AND p.prosrc !~* 'search_path'
           AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%')) f
 CROSS JOIN LATERAL
       regexp_matches(body, '(?<![[:alnum:]_$])(?<![.][[:space:]]*"?)([a-z_][[:alnum:]_$]*)' ||
                            '(?![[:alnum:]_$])(?!"?[[:space:]]*[.])([[:space:]]*[(])?', 'g') AS word
  JOIN LATERAL (
       SELECT c.relnamespace FROM pg_class c
        WHERE lower(c.relname) = word[1] AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
       SELECT y.typnamespace FROM pg_type y
        WHERE lower(y.typname) = word[1] AND y.typtype IN ('e', 'd', 'r')
        UNION ALL
       SELECT p.pronamespace FROM pg_proc p
        WHERE lower(p.proname) = word[1] AND word[2] IS NOT NULL
          AND NOT EXISTS (SELECT FROM pg_proc b WHERE b.proname = word[1]
                             AND b.pronamespace = 'pg_catalog'::regnamespace)) found ON true
  JOIN pg_namespace thing ON thing.oid = found.relnamespace
   AND thing.nspname !~ '^pg_' AND thing.nspname <> 'information_schema'
 ORDER BY trigger, word[1], thing.nspname)";

/// Adds columns that no run fills or can fill: problems, or warnings where a trigger could.
void add_unfilled(const Result& columns, const std::string& entries, Hazards& hazards) {
  for (int row = 0; row < columns.rows(); ++row) {
    const std::string column = fmt::format("column {} of {}", columns.view(row, 0), entries);
    const std::string sentence =
        column + " is NOT NULL, has no default, and is not filled by a run that creates an entry";
    if (columns.boolean(row, 2)) {
      hazards.problems.emplace_back(
          ErrorKind::failed, column + " is generated, so a run can't write it",
          ErrorDetails{.object = column, .hint = "Make it a plain column."});
    } else if (columns.boolean(row, 1)) {
      hazards.warnings.emplace_back(sentence, "Give it a default, unless its trigger fills it.");
    } else {
      hazards.problems.emplace_back(ErrorKind::failed, sentence,
                                    ErrorDetails{.object = column, .hint = "Give it a default."});
    }
  }
}

Error denied_sequence(std::string_view sequence, const Catalog& catalog) {
  return {ErrorKind::failed,
          fmt::format("no USAGE privilege on sequence {}, which numbers {}", sequence,
                      catalog.entries.name.shown()),
          {.object = fmt::format("sequence {}", sequence),
           .hint = fmt::format("Run 'GRANT USAGE ON SEQUENCE {} TO {}' as its owner.", sequence,
                               catalog.role),
           .sqlstate = postgres::insufficient_privilege}};
}

Error unidentified_rows(std::string_view table, std::string_view publication) {
  return {ErrorKind::failed,
          fmt::format("the table {} is published by '{}' without a replica identity, so its rows "
                      "can't be changed",
                      table, publication),
          {.object = std::string(table),
           .hint = fmt::format(
               "Give it a primary key, or run 'ALTER TABLE {} REPLICA IDENTITY FULL'.", table)}};
}

}  // namespace

Hazards find_hazards(Database& database) {
  const Catalog& catalog = database.catalog;
  const std::string entries = catalog.entries.name.shown();
  const std::string oid = std::to_string(catalog.entries.oid);
  const std::string filled = array_literal(columns_of(&Catalog::entries, inserts));
  std::vector<std::string> changed{oid};
  for (const Table& table : all_tables()) {
    if (!table.is_own() || !table.changes || !catalog.has_own_tables()) continue;
    changed.push_back(std::to_string((catalog.*table.relation).oid));
  }
  const std::string doing = "checking columns, triggers and publications of " + entries;
  const std::vector<Result> results =
      read_at_once(database.connection, {},
                   {{doing, unfilled_sql, {oid, filled}},
                    {doing, sequences_sql, {oid, filled}},
                    {doing, publications_sql, {array_literal(changed)}},
                    {doing, triggers_sql, {oid}},
                    {doing, rules_sql, {oid}}});
  const Result& sequences = results[1];
  const Result& published = results[2];
  const Result& triggers = results[3];
  const Result& rules = results[4];
  Hazards hazards;
  add_unfilled(results[0], entries, hazards);
  for (int row = 0; row < sequences.rows(); ++row) {
    hazards.problems.push_back(denied_sequence(sequences.view(row, 0), catalog));
  }
  for (int row = 0; row < published.rows(); ++row) {
    hazards.problems.push_back(unidentified_rows(published.view(row, 0), published.view(row, 1)));
  }
  for (int row = 0; row < triggers.rows(); ++row) {
    hazards.warnings.emplace_back(
        fmt::format("the trigger '{}' on {} calls {}(), which names '{}' without its schema, so "
                    "the writes of a run, with search_path = pg_catalog, fail",
                    triggers.view(row, 0), entries, triggers.view(row, 1), triggers.view(row, 2)),
        fmt::format("Give the function its own search_path: "
                    "'ALTER FUNCTION {}() SET search_path = {}'.",
                    triggers.view(row, 1), triggers.view(row, 3)));
  }
  for (int row = 0; row < rules.rows(); ++row) {
    hazards.warnings.emplace_back(
        fmt::format("the rule '{}' on {} keeps runs from creating entries, and may change what "
                    "they write",
                    rules.view(row, 0), entries),
        "Make a trigger of it.");
  }
  return hazards;
}

}  // namespace tickstock::tables
