#include "tables/preflight.hpp"

#include <algorithm>
#include <span>

#include "tables/schema.hpp"

namespace tickstock::tables {

namespace {

/// The types that a column may have, and what the first of them is called.
struct Types {
  std::string_view name;
  std::vector<std::uint32_t> oids;
};

struct WantedColumn {
  std::string_view name;
  const Types& types;
};

const Types text_types{
    "text", {type_oid::text, type_oid::character_varying, type_oid::character, type_oid::name}};
const Types day_types{"date", {type_oid::date, type_oid::timestamptz, type_oid::timestamp}};
const Types time_types{"timestamp with time zone", {type_oid::timestamptz, type_oid::timestamp}};
const Types number_types{"numeric",
                         {type_oid::numeric, type_oid::bigint, type_oid::double_precision,
                          type_oid::integer, type_oid::real}};
const Types boolean_type{"boolean", {type_oid::boolean}};
const Types jsonb_type{"jsonb", {type_oid::jsonb}};

const std::vector<WantedColumn> symbols_columns{
    {"symbol", text_types},       {"company_name", text_types}, {"market_cap", number_types},
    {"sector", text_types},       {"listing_date", day_types},  {"is_active", boolean_type},
    {"delisted_date", day_types},
};
const std::vector<WantedColumn> prices_columns{{"symbol", text_types}, {"date", day_types}};
const std::vector<WantedColumn> symbols_priced_columns{{"shares_outstanding", number_types}};
const std::vector<WantedColumn> prices_priced_columns{
    {"symbol", text_types}, {"date", day_types}, {"close", number_types}};
const std::vector<WantedColumn> entries_columns{
    {"universe", text_types},   {"content", jsonb_type},    {"cache_type", text_types},
    {"created_at", time_types}, {"updated_at", time_types},
};

const std::vector<WantedColumn> listed_columns{
    {"universe", text_types},
    {"content", jsonb_type},
    {"cache_type", text_types},
    {"updated_at", time_types},
};

/// Gathers what is wrong with one relation.
class Inspector {
 public:
  Inspector(const Relation& relation, const std::string& role, std::vector<Error>& problems)
      : relation_(relation), role_(role), problems_(problems) {}

  bool exists(const std::string& remedy) {
    if (!relation_.exists()) {
      fail("the table " + shown() + " does not exist; " + remedy);
      return false;
    }
    if (!relation_.schema_usage) {
      denied("no privilege on schema " + relation_.name.schema,
             "GRANT USAGE ON SCHEMA " + relation_.name.schema);
      return false;
    }
    return true;
  }

  void has_columns(const std::vector<WantedColumn>& wanted) {
    std::string missing;
    for (const WantedColumn& column : wanted) {
      const auto found = relation_.columns.find(column.name);
      if (found == relation_.columns.end()) {
        missing += (missing.empty() ? "" : ", ") + std::string(column.name);
      } else if (std::count(column.types.oids.begin(), column.types.oids.end(),
                            found->second.type) == 0) {
        fail("column " + std::string(column.name) + " of " + shown() + " is of type " +
             found->second.type_name + ", which can't be read as " +
             std::string(column.types.name) + "; change it, or name a view in [tables]");
      }
    }
    if (!missing.empty()) {
      fail("the table " + shown() + " has no column " + missing +
           "; add what is missing, or name another table or view in [tables]");
    }
  }

  /// \param columns those that matter; all where empty
  void may_select(std::span<const std::string_view> columns = {}) {
    if (!may(&Relation::Column::can_select, columns)) grant("SELECT");
  }
  void may_insert(std::span<const std::string_view> columns = {}) {
    if (!may(&Relation::Column::can_insert, columns)) grant("INSERT");
  }
  void may_update(std::span<const std::string_view> columns = {}) {
    if (!may(&Relation::Column::can_update, columns)) grant("UPDATE");
  }

  void may_delete() {
    if (!relation_.can_delete) grant("DELETE");
  }

  void fail(const std::string& message) { problems_.emplace_back(ErrorKind::failed, message); }

 private:
  [[nodiscard]] std::string shown() const { return relation_.name.shown(); }

  bool may(bool Relation::Column::*privilege, std::span<const std::string_view> columns) {
    return std::all_of(relation_.columns.begin(), relation_.columns.end(), [&](const auto& column) {
      const bool matters = columns.empty() ||
                           std::find(columns.begin(), columns.end(), column.first) != columns.end();
      return !matters || column.second.*privilege;
    });
  }

  void grant(const std::string& privilege) {
    denied("no " + privilege + " privilege on " + shown(), "GRANT " + privilege + " ON " + shown());
  }

  void denied(const std::string& what, const std::string& remedy) {
    problems_.emplace_back(ErrorKind::failed,
                           what + "; run as its owner: " + remedy + " TO " + role_, "42501");
  }

  const Relation& relation_;
  const std::string& role_;
  std::vector<Error>& problems_;
};

void inspect_server(const Catalog& catalog, const std::string& role, std::vector<Error>& problems) {
  if (catalog.in_recovery) {
    problems.emplace_back(ErrorKind::unavailable,
                          "this PostgreSQL server only reads (a standby); connect to the primary");
  } else if (catalog.read_only) {
    problems.emplace_back(ErrorKind::unavailable,
                          "this login only reads (default_transaction_read_only is on); switch it "
                          "off for the role, the database or in postgresql.conf, "
                          "such as: ALTER ROLE " +
                              role + " SET default_transaction_read_only = off");
  }
}

/// Only the named columns count for symbols and prices: a grant on columns is enough.
Relation only(const Relation& relation, const std::vector<WantedColumn>& columns) {
  Relation part = relation;
  std::erase_if(part.columns, [&columns](const auto& column) {
    return std::none_of(columns.begin(), columns.end(), [&column](const WantedColumn& wanted) {
      return wanted.name == column.first;
    });
  });
  return part;
}

void inspect_source(const Relation& relation, const std::vector<WantedColumn>& columns,
                    const std::string& key, const std::string& role, std::vector<Error>& problems) {
  const Relation part = only(relation, columns);
  Inspector inspector(part, role, problems);
  if (!inspector.exists("name the right table or view in [tables] " + key)) return;
  inspector.has_columns(columns);
  inspector.may_select();
}

/// The columns that declarations name, which may be of any type.
void inspect_labels(const Relation& relation, const std::vector<std::string>& labels,
                    const std::string& role, std::vector<Error>& problems) {
  if (!relation.exists()) return;
  Inspector inspector(relation, role, problems);
  for (const std::string& label : labels) {
    if (relation.columns.contains(label)) continue;
    inspector.fail("the table " + relation.name.shown() + " has no column '" + label +
                   "', which a declared universe names; correct the name, or add the column");
  }
  const std::vector<std::string_view> columns(labels.begin(), labels.end());
  if (!columns.empty()) inspector.may_select(columns);
}

void inspect_entries(const Catalog& catalog, bool write, const std::string& role,
                     std::vector<Error>& problems) {
  const Relation part = only(catalog.entries, entries_columns);
  Inspector inspector(part, role, problems);
  if (!inspector.exists(
          "run 'tickstock-cache init', or name the right table in [tables] entries")) {
    return;
  }
  inspector.has_columns(entries_columns);
  inspector.may_select(entries_read);
  if (!write) return;
  inspector.may_select(entries_updated);
  if (!part.is_table())
    inspector.fail(part.name.shown() + " is not a table; entries can't be written to it");
  inspector.may_insert(entries_inserted);
  inspector.may_update(entries_updated);
  if (part.is_table() && !part.unique_universe) {
    inspector.fail(part.name.shown() +
                   " has no unique index on universe; run: CREATE UNIQUE INDEX ON " +
                   part.name.shown() + " (universe)");
  }
}

void inspect_own(const Catalog& catalog, bool write, const std::string& role,
                 std::vector<Error>& problems) {
  struct Own {
    const Relation* relation;
    bool changes;  ///< rows are updated, and deleted when they are old
  };
  const std::array<Own, 4> own{{{&catalog.runs, true},
                                {&catalog.changes, false},
                                {&catalog.outbox, true},
                                {&catalog.waiting, true}}};
  for (const auto& [relation, changes] : own) {
    Inspector inspector(*relation, role, problems);
    if (!inspector.exists("run 'tickstock-cache init'")) continue;
    if (relation->comment != version_comment()) {
      const auto version = schema_version_in(relation->comment);
      if (version.value_or(1) > schema_version) {
        problems.push_back(newer_version(*relation));
      } else if (!version && !relation->comment.empty()) {
        inspector.fail("the table " + relation->name.shown() +
                       " is not marked as one of this program (its comment says '" +
                       relation->comment + "'); rename it, or name other tables in [tables]");
      } else {
        inspector.fail("the table " + relation->name.shown() +
                       " belongs to an older version of this program; run 'tickstock-cache init'");
      }
      continue;
    }
    inspector.may_select();
    if (!write) continue;
    inspector.may_insert();
    if (!changes) continue;
    inspector.may_update();
    inspector.may_delete();
  }
}

}  // namespace

std::vector<Error> find_problems(const Database& database, const std::vector<Need>& needs,
                                 const std::vector<std::string>& labels) {
  const Catalog& catalog = database.catalog;
  const std::string& role = database.connection.user();
  std::vector<Error> problems;
  if (catalog.server_encoding != "UTF8") {
    problems.emplace_back(ErrorKind::failed, "the database is encoded in " +
                                                 catalog.server_encoding + "; it must be UTF8");
  }
  for (const Need need : needs) {
    switch (need) {
      case Need::read_market:
        inspect_source(catalog.symbols, symbols_columns, "symbols", role, problems);
        inspect_labels(catalog.symbols, labels, role, problems);
        break;
      case Need::read_prices:
        inspect_source(catalog.prices, prices_columns, "prices", role, problems);
        break;
      case Need::price_market:
        inspect_source(catalog.symbols, symbols_priced_columns, "symbols", role, problems);
        inspect_source(catalog.prices, prices_priced_columns, "prices", role, problems);
        break;
      case Need::read_entries: inspect_entries(catalog, false, role, problems); break;
      case Need::list_entries:
        inspect_source(catalog.entries, listed_columns, "entries", role, problems);
        break;
      case Need::writable_server: inspect_server(catalog, role, problems); break;
      case Need::write_entries: inspect_entries(catalog, true, role, problems); break;
      case Need::own_tables:
        if (catalog.has_any_own_table()) inspect_own(catalog, true, role, problems);
        break;
      case Need::read_own_tables: inspect_own(catalog, false, role, problems); break;
    }
  }
  return problems;
}

void require(const Database& database, const std::vector<Need>& needs,
             const std::vector<std::string>& labels) {
  const std::vector<Error> problems = find_problems(database, needs, labels);
  if (!problems.empty()) throw Error(problems.front());
}

}  // namespace tickstock::tables
