#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tables/schema.hpp"

namespace tickstock::tables {

namespace {

using Names = std::vector<std::string>;

/// The types that a column may have, by the type in its definition. The first is the recommended
/// one.
const std::map<std::string_view, Names> readable_types{
    {"text", {"text", "character varying", "character", "name"}},
    {"date", {"date", "timestamp with time zone", "timestamp without time zone"}},
    {"timestamptz", {"timestamp with time zone", "timestamp without time zone"}},
    {"numeric", {"numeric", "bigint", "double precision", "integer", "real"}},
    {"boolean", {"boolean"}},
    {"jsonb", {"jsonb"}}};

/// PostgreSQL's insufficient_privilege
constexpr const char* denied_state = "42501";

/// Collects the problems.
class Inspection {
 public:
  explicit Inspection(const Database& database)
      : catalog_(database.catalog), role_(database.connection.user()) {
    if (catalog_.server_encoding == "UTF8") return;
    fail("", "Use a database with the encoding UTF8.", "the database is encoded in {}, not in UTF8",
         catalog_.server_encoding);
  }

  [[nodiscard]] const std::vector<Error>& problems() const { return problems_; }

  void server() {
    if (catalog_.in_recovery) {
      problems_.emplace_back(ErrorKind::unavailable,
                             "this PostgreSQL server is a standby, which is read-only",
                             ErrorDetails{.hint = "Connect to the primary."});
    } else if (catalog_.read_only) {
      problems_.emplace_back(
          ErrorKind::unavailable, "this login is read-only (default_transaction_read_only is on)",
          ErrorDetails{.hint = fmt::format(
                           "Switch it off for the role, the database or in postgresql.conf, such "
                           "as with 'ALTER ROLE {} SET default_transaction_read_only = off'.",
                           role_)});
    }
  }

  /// Checks only the columns used in one of these ways: a grant on columns is enough.
  void source(Relation Catalog::*source, unsigned uses) {
    const std::string_view key = table_of(source).key;
    if (!exists(catalog_.*source, fmt::format("Name the right table or view in [tables] {}.", key)))
      return;
    has_columns(source, uses);
    may("SELECT", catalog_.*source, columns_of(source, uses));
  }

  /// Checks the columns that declarations name, which may have any type.
  void labels(const Names& labels) {
    const Relation& symbols = catalog_.symbols;
    if (!symbols.exists() || labels.empty()) return;
    for (const std::string& label : labels) {
      if (symbols.columns.contains(label)) continue;
      fail(fmt::format("column {} of {}", label, symbols.name.shown()),
           "Correct the name, or add the column.",
           "the table {} has no column '{}', which a declared universe names", symbols.name.shown(),
           label);
    }
    may("SELECT", symbols, labels);
  }

  void entries(bool writes) {
    const Relation& entries = catalog_.entries;
    const std::string shown = entries.name.shown();
    if (!exists(entries,
                "Run 'tickstock-cache init', or name the right table in [tables] entries."))
      return;
    has_columns(&Catalog::entries, reads | inserts | updates);
    may("SELECT", entries, columns_of(&Catalog::entries, reads));
    if (!writes) return;
    // PostgreSQL also requires it for what ON CONFLICT overwrites.
    may("SELECT", entries, columns_of(&Catalog::entries, updates));
    if (!entries.is_table())
      fail(shown, "Name a table in [tables] entries.",
           "{} is not a table, so entries can't be written to it", shown);
    may("INSERT", entries, columns_of(&Catalog::entries, inserts));
    may("UPDATE", entries, columns_of(&Catalog::entries, updates));
    if (entries.is_table() && !entries.unique_universe) {
      fail(shown, fmt::format("Run 'CREATE UNIQUE INDEX ON {} (universe)'.", shown),
           "{} has no unique index on universe", shown);
    }
  }

  void own_tables(bool writes) {
    for (const Table& table : all_tables()) {
      const Relation& relation = catalog_.*table.relation;
      if (!table.is_own() || !exists(relation, "Run 'tickstock-cache init'.")) continue;
      const int version = version_of(relation);
      if (version == 0 || version > schema_version) {
        problems_.push_back(unknown_version(relation));
      } else if (version < schema_version) {
        fail(relation.name.shown(), "Run 'tickstock-cache init'.",
             "the table {} belongs to an older version of this program", relation.name.shown());
      } else {
        may("SELECT", relation);
        if (writes) may("INSERT", relation);
        if (writes && table.changes) may("UPDATE", relation);
        if (writes && table.changes && !relation.can_delete) grant("DELETE", relation);
      }
    }
  }

 private:
  bool exists(const Relation& relation, const std::string& hint) {
    const std::string& schema = relation.name.schema;
    if (!relation.exists()) {
      fail(relation.name.shown(), hint, "the table {} does not exist", relation.name.shown());
    } else if (!relation.schema_usage) {
      denied("schema " + schema, "no privilege on schema " + schema,
             "GRANT USAGE ON SCHEMA " + schema);
    }
    return relation.exists();
  }

  void has_columns(Relation Catalog::*source, unsigned uses) {
    const Relation& relation = catalog_.*source;
    Names missing;
    for (const Column& column : table_of(source).columns) {
      if ((column.uses & uses) == 0) continue;
      const auto found = relation.columns.find(column.name);
      if (found == relation.columns.end()) {
        missing.emplace_back(column.name);
        continue;
      }
      const std::string_view type = column.definition.substr(0, column.definition.find(' '));
      const Names& types = readable_types.at(type);
      if (std::count(types.begin(), types.end(), found->second.type) > 0) continue;
      fail(fmt::format("column {} of {}", column.name, relation.name.shown()),
           "Change its type, or name a view in [tables].",
           "column {} of {} is of type {}, which can't be read as {}", column.name,
           relation.name.shown(), found->second.type_name, types.front());
    }
    if (missing.empty()) return;
    fail(fmt::format("column {} of {}", fmt::join(missing, ", "), relation.name.shown()),
         "Add what is missing, or name another table or view in [tables].",
         "the table {} has no column {}", relation.name.shown(), fmt::join(missing, ", "));
  }

  /// \param columns those that matter; empty for all
  void may(std::string_view privilege, const Relation& relation, const Names& columns = {}) {
    for (const auto& [name, column] : relation.columns) {
      const bool matters =
          columns.empty() || std::find(columns.begin(), columns.end(), name) != columns.end();
      const bool is_granted = privilege == "SELECT"   ? column.can_select
                              : privilege == "INSERT" ? column.can_insert
                                                      : column.can_update;
      if (matters && !is_granted) return grant(privilege, relation);
    }
  }

  void grant(std::string_view privilege, const Relation& relation) {
    const std::string shown = relation.name.shown();
    denied(shown, fmt::format("no {} privilege on {}", privilege, shown),
           fmt::format("GRANT {} ON {}", privilege, shown));
  }

  void denied(const std::string& object, const std::string& problem, const std::string& grant) {
    const bool is_known =
        std::any_of(problems_.begin(), problems_.end(),
                    [&problem](const Error& known) { return known.problem() == problem; });
    if (is_known) return;
    problems_.emplace_back(
        ErrorKind::failed, problem,
        ErrorDetails{.object = object,
                     .hint = fmt::format("Run '{} TO {}' as its owner.", grant, role_),
                     .sqlstate = denied_state});
  }

  template <typename... Values>
  void fail(const std::string& object, const std::string& hint, fmt::format_string<Values...> words,
            Values&&... values) {
    problems_.emplace_back(ErrorKind::failed, fmt::format(words, std::forward<Values>(values)...),
                           ErrorDetails{.object = object, .hint = hint});
  }

  const Catalog& catalog_;
  const std::string& role_;
  std::vector<Error> problems_;
};

}  // namespace

std::vector<Error> find_problems(const Database& database, const std::vector<Need>& needs,
                                 const std::vector<std::string>& labels) {
  Inspection inspection(database);
  for (const Need need : needs) {
    switch (need) {
      case Need::writable_server: inspection.server(); break;
      case Need::read_market:
        inspection.source(&Catalog::symbols, reads);
        inspection.labels(labels);
        break;
      case Need::read_prices: inspection.source(&Catalog::prices, reads); break;
      case Need::price_market:
        inspection.source(&Catalog::symbols, makes_caps);
        inspection.source(&Catalog::prices, reads | makes_caps);
        break;
      case Need::list_entries: inspection.source(&Catalog::entries, reads | updates); break;
      case Need::read_entries: inspection.entries(false); break;
      case Need::write_entries: inspection.entries(true); break;
      case Need::own_tables:
        if (database.catalog.has_any_own_table()) inspection.own_tables(true);
        break;
      case Need::read_own_tables: inspection.own_tables(false); break;
    }
  }
  return inspection.problems();
}

void require(const Database& database, const std::vector<Need>& needs,
             const std::vector<std::string>& labels) {
  const std::vector<Error> problems = find_problems(database, needs, labels);
  if (problems.empty()) return;
  const Error& first = problems.front();
  if (first.sqlstate() != denied_state) throw Error(first);
  // Granted one at a time, they would take as many attempts.
  std::vector<std::string> lacks;
  for (const Error& problem : problems) {
    if (problem.sqlstate() == denied_state) lacks.push_back(problem.problem());
  }
  const std::string& role = database.connection.user();
  const std::string all = fmt::format("'tickstock-cache init --print-grants {}'", role);
  if (lacks.size() == 1) throw first.advised(all + " prints every grant that a run needs.");
  throw Error(ErrorKind::failed, fmt::format("{}", fmt::join(lacks, ", ")),
              {.object = first.object(),
               .hint = fmt::format("Run what {} prints, as the owner of the tables.", all),
               .sqlstate = denied_state});
}

}  // namespace tickstock::tables
