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

/// The privileges that are missing on one object.
struct Lack {
  std::string object;
  std::string on;  ///< the object as GRANT names it
  Names privileges;
  std::size_t problem;  ///< its place among the problems
};

/// Collects the problems.
class Inspection {
 public:
  explicit Inspection(const Database& database)
      : catalog_(database.catalog), server_(database.connection.server()) {
    if (catalog_.server_encoding == "UTF8") return;
    fail(server_, "Use a database with the encoding UTF8.",
         "the database is encoded in {}, not in UTF8", catalog_.server_encoding);
  }

  [[nodiscard]] const std::vector<Error>& problems() const { return problems_; }

  /// Returns the first problem; if that is a missing privilege, all missing privileges as one,
  /// since otherwise each attempt would show only the next one.
  [[nodiscard]] Error summary() const {
    if (problems_.front().sqlstate() != postgres::insufficient_privilege) return problems_.front();
    // Not every installation needs the prices.
    const bool lacks_prices = std::any_of(lacks_.begin(), lacks_.end(), [this](const Lack& lack) {
      return lack.on == catalog_.prices.typed;
    });
    const std::string script =
        fmt::format("Or run what 'tickstock-cache init --print-grants {}' prints{}.",
                    catalog_.role_name, lacks_prices ? ", with its comments about prices" : "");
    if (lacks_.size() == 1) return problems_.front().advised(script);
    Names words;
    Names grants;
    for (const Lack& lack : lacks_) {
      words.push_back(problems_[lack.problem].problem());
      grants.push_back(grant_of(lack));
    }
    return {ErrorKind::failed,
            fmt::format("{}", fmt::join(words, ", ")),
            {.object = problems_.front().object(),
             .hint = fmt::format("Run as the owner of the tables: {}. {}", fmt::join(grants, "; "),
                                 script),
             .sqlstate = postgres::insufficient_privilege}};
  }

  void server() {
    if (catalog_.in_recovery) {
      problems_.emplace_back(
          ErrorKind::unavailable, "this PostgreSQL server is a standby, which is read-only",
          ErrorDetails{.object = server_,
                       .hint = "Connect to the primary. With several hosts in the URL, "
                               "target_session_attrs=primary finds it."});
    } else if (catalog_.read_only) {
      problems_.emplace_back(
          ErrorKind::unavailable, "this login is read-only (default_transaction_read_only is on)",
          ErrorDetails{.object = server_,
                       .hint = fmt::format(
                           "Switch it off for the role, the database or in postgresql.conf, such "
                           "as with 'ALTER ROLE {} SET default_transaction_read_only = off'.",
                           catalog_.login)});
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
      fail(shown, fmt::format("Run 'CREATE UNIQUE INDEX ON {} (universe)'.", entries.typed),
           "{} has no unique index on universe", shown);
    }
  }

  void own_tables(bool writes) {
    for (const Table& table : all_tables()) {
      const Relation& relation = catalog_.*table.relation;
      if (!table.is_own() || !exists(relation, "Run 'tickstock-cache init'.")) continue;
      const int version = version_of(relation);
      if (!relation.is_table()) {
        fail(relation.name.shown(), "Rename it and run 'tickstock-cache init'.",
             "{} is not a table", relation.name.shown());
      } else if (version == 0 || version > schema_version) {
        problems_.push_back(unknown_version(relation));
      } else if (const auto missing = missing_columns(table, relation); !missing.empty()) {
        fail(relation.name.shown(),
             "Restore it from a backup, or rename it and run 'tickstock-cache init'.",
             "the table {} lacks the columns {}", relation.name.shown(), fmt::join(missing, ", "));
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
      denied("USAGE", "schema " + schema, "SCHEMA " + relation.typed_schema);
    } else if (relation.hides_rows) {
      fail(relation.name.shown(), postgres::row_security_hint,
           "row-level security would hide rows of {} from the role {}", relation.name.shown(),
           catalog_.role);
    }
    return relation.exists();
  }

  void has_columns(Relation Catalog::*source, unsigned uses) {
    const Relation& relation = catalog_.*source;
    const bool can_be_view = source != &Catalog::entries;
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
           can_be_view ? "Change its type, or name a view in [tables]." : "Change its type.",
           "column {} of {} is of type {}, which can't be read as {}", column.name,
           relation.name.shown(), found->second.type_name, types.front());
    }
    if (missing.empty()) return;
    fail(fmt::format("column {} of {}", fmt::join(missing, ", "), relation.name.shown()),
         can_be_view ? "Add what is missing, or name another table or view in [tables]."
                     : "Add what is missing, or name another table in [tables] entries.",
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
    denied(privilege, relation.name.shown(), relation.typed);
  }

  /// Adds a privilege to those that are missing on an object. \param on the object as GRANT names
  /// it
  void denied(std::string_view privilege, const std::string& object, const std::string& on) {
    auto lack = std::find_if(lacks_.begin(), lacks_.end(),
                             [&on](const Lack& each) { return each.on == on; });
    if (lack == lacks_.end()) {
      lack = lacks_.insert(lack, {object, on, {}, problems_.size()});
      problems_.emplace_back(ErrorKind::failed, "");
    }
    if (std::count(lack->privileges.begin(), lack->privileges.end(), privilege) > 0) return;
    lack->privileges.emplace_back(privilege);
    const std::string privileges = fmt::format("{}", fmt::join(lack->privileges, ", "));
    problems_[lack->problem] =
        Error(ErrorKind::failed,
              fmt::format("no {} privilege{} on {}", privileges,
                          lack->privileges.size() == 1 ? "" : "s", object),
              {.object = object,
               .hint = fmt::format("Run '{}' as its owner.", grant_of(*lack)),
               .sqlstate = postgres::insufficient_privilege});
  }

  [[nodiscard]] std::string grant_of(const Lack& lack) const {
    return fmt::format("GRANT {} ON {} TO {}", fmt::join(lack.privileges, ", "), lack.on,
                       catalog_.role);
  }

  template <typename... Values>
  void fail(const std::string& object, const std::string& hint, fmt::format_string<Values...> words,
            Values&&... values) {
    problems_.emplace_back(ErrorKind::failed, fmt::format(words, std::forward<Values>(values)...),
                           ErrorDetails{.object = object, .hint = hint});
  }

  const Catalog& catalog_;
  const std::string server_;
  std::vector<Error> problems_;
  std::vector<Lack> lacks_;
};

Inspection inspect(const Database& database, const std::vector<Need>& needs,
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
  return inspection;
}

}  // namespace

std::vector<Error> find_problems(const Database& database, const std::vector<Need>& needs,
                                 const std::vector<std::string>& labels) {
  return inspect(database, needs, labels).problems();
}

void require(const Database& database, const std::vector<Need>& needs,
             const std::vector<std::string>& labels) {
  const Inspection inspection = inspect(database, needs, labels);
  if (!inspection.problems().empty()) throw inspection.summary();
}

}  // namespace tickstock::tables
