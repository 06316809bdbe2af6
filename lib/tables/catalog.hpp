#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/day.hpp"
#include "postgres/connection.hpp"

namespace tickstock::tables {

// This namespace is all statements and results, so it uses their names unqualified.
using namespace postgres;

/// A relation by schema and name, both literal. The search path is never used.
struct TableName {
  std::string schema;
  std::string name;

  /// Returns `"public"."symbols"`, for SQL.
  [[nodiscard]] std::string quoted() const { return '"' + schema + "\".\"" + name + '"'; }
  /// Returns `public.symbols`, for people.
  [[nodiscard]] std::string shown() const { return schema + "." + name; }
};

/// Returns whether a text can be the name of a table or schema in the settings: 1 to 63 letters,
/// digits, _ and $, not beginning with a digit or pg_.
bool is_identifier(std::string_view text);

/// Reads `name` or `schema.name`. Each part has 1 to 63 letters, digits, `_` and `$`, and doesn't
/// begin with a digit or `pg_`, so quoting it needs no escapes. \throws Error (config) naming
/// `setting`.
TableName parse_table_name(std::string_view text, const std::string& default_schema,
                           const std::string& setting);

struct Table;

/// Pairs of a key and its replacement for `{key}` in a text.
using Replacements = std::vector<std::pair<std::string_view, std::string>>;

/// The relations of one installation (`[tables]` of the configuration).
struct TableNames {
  TableName symbols{"public", "symbols"};
  TableName prices{"public", "ohlcv_daily"};
  TableName entries{"public", "cache_entries"};

  /// Returns the name of one of all_tables(). The program's own tables are in the schema of the
  /// entries.
  [[nodiscard]] TableName of(const Table& table) const;

  /// Returns `sql` with the keys of all_tables(), as in `{symbols}`, replaced by quoted names, and
  /// then the keys of `more` by their values. Only days for COPY, which takes no parameters, casts,
  /// and quoted columns may be put into SQL this way.
  [[nodiscard]] std::string in(std::string_view sql, const Replacements& more = {}) const;

  /// Returns a statement with the names in its SQL, and in `doing` as people read them.
  [[nodiscard]] Statement statement(std::string_view doing, std::string_view sql,
                                    Params params = {}) const;
};

/// What the catalog says about a relation, and what this role may do with it.
struct Relation {
  struct Column {
    std::string type_name;  ///< as the server prints it, which depends on a setting
    std::string type;       ///< the same without quotes
    bool can_select = false;
    bool can_insert = false;
    bool can_update = false;
    std::int64_t most_characters = 0;  ///< 0 if there is no limit
  };

  TableName name;
  // As a person types them in SQL: quoted only where they must be.
  std::string typed;
  std::string typed_schema;
  std::int64_t oid = 0;  ///< 0 if it does not exist
  std::string kind;      ///< pg_class.relkind
  bool schema_usage = false;
  bool hides_rows = false;  ///< row-level security applies to this role
  /// Size at the last VACUUM or ANALYZE in 8 KB pages, including out-of-line storage; 0 if it is
  /// not a plain table.
  std::int64_t pages = 0;
  /// Row count at that time; 0 if unknown.
  std::int64_t rows = 0;
  std::string comment;
  bool can_delete = false;
  bool unique_universe = false;  ///< has a unique index on exactly `universe`, for ON CONFLICT
  std::map<std::string, Column, std::less<>> columns;

  [[nodiscard]] bool exists() const { return oid != 0; }
  /// Returns whether it has a column of this name and type.
  [[nodiscard]] bool has(std::string_view column, std::string_view type) const {
    const auto found = columns.find(column);
    return found != columns.end() && found->second.type == type;
  }
  [[nodiscard]] bool is_table() const { return kind == "r" || kind == "p"; }
};

/// What a run needs to know about the server before it begins.
struct Catalog {
  Relation symbols;
  Relation prices;
  Relation entries;
  Relation runs;
  Relation changes;
  Relation outbox;
  Relation waiting;
  Relation states;

  // As a person types them in SQL. They differ if the role that logged in is set to act as another.
  std::string login;
  std::string role;
  std::string role_name;     ///< the same as `role`, without quotes
  Day today;                 ///< by the server's clock in the requested time zone
  double clock = 0;          ///< seconds since 1970 by the server's clock
  bool in_recovery = false;  ///< a standby
  bool read_only = false;    ///< sessions are read-only by default
  std::string server_version;
  std::string server_encoding;

  /// Returns whether all of the program's own tables exist.
  [[nodiscard]] bool has_own_tables() const;
  /// Returns whether any of them exists.
  [[nodiscard]] bool has_any_own_table() const;
};

/// How the program uses a column of a table that is not its own.
enum Use : unsigned { reads = 1, makes_caps = 2, inserts = 4, updates = 8 };

struct Column {
  std::string_view name;
  std::string_view definition;  ///< begins with its type
  unsigned uses = 0;            ///< flags of Use
  int since = 1;                ///< the version of the own tables that added it
};

/// One of the relations the program works with. Reading the catalog, checking what a run needs,
/// `init` and grants are all derived from these descriptions.
struct Table {
  std::string_view key;  ///< stands for its name in statements, in braces
  Relation Catalog::*relation;
  /// Where its name is configured; null for the program's own tables.
  TableName TableNames::*configured;
  std::vector<Column> columns;
  /// Statements to run once it exists, such as for its indexes. They may run again.
  std::vector<std::string_view> further = {};
  std::string_view retired_index = {};  ///< an index of an older version
  bool changes = true;                  ///< rows of an own table are updated, and deleted when old

  [[nodiscard]] bool is_own() const { return configured == nullptr; }
  [[nodiscard]] bool is_created() const { return is_own() || relation == &Catalog::entries; }
};

/// Returns all of them, in the order of their members in Catalog.
const std::vector<Table>& all_tables();
const Table& table_of(Relation Catalog::*relation);
/// Returns the columns that the program uses in at least one of these ways.
std::vector<std::string> columns_of(Relation Catalog::*relation, unsigned uses);

/// One installation as a command works with it: a connection, the names of its tables, and its
/// catalog.
struct Database {
  Connection connection;
  TableNames names;
  Catalog catalog = {};

  /// Reads the catalog in one round trip, in its own transaction. \throws Error, of kind
  /// `unknown_timezone` if the time zone is not in pg_timezone_names.
  void look_around(const std::string& timezone, ErrorKind unknown_timezone = ErrorKind::config);

  /// The keys of the advisory locks: a program tag plus an oid. A run uses the oid of the entries.
  /// Publishing and storing events use that of the outbox, which several entries tables may share.
  [[nodiscard]] std::int64_t run_lock() const;
  [[nodiscard]] std::int64_t publish_lock() const;
  [[nodiscard]] std::int64_t outbox_lock() const;

  /// Runs one read-only statement, built as by TableNames, in its own READ COMMITTED transaction.
  Result read(std::string_view doing, std::string_view sql, const Params& params = {});

  /// Does the same in the transaction that is open.
  Result run(std::string_view doing, std::string_view sql, const Params& params = {}) {
    return connection.run(names.statement(doing, sql, params));
  }
};

}  // namespace tickstock::tables
