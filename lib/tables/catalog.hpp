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

// Tables are made of statements and results: their names are at home here.
using namespace postgres;

/// A relation by schema and name, both taken literally. The search path is never consulted.
struct TableName {
  std::string schema;
  std::string name;

  /// `"public"."symbols"`, for SQL.
  [[nodiscard]] std::string quoted() const { return '"' + schema + "\".\"" + name + '"'; }
  /// `public.symbols`, for people.
  [[nodiscard]] std::string shown() const { return schema + "." + name; }
};

/// Reads `name` or `schema.name`. Each part has 1 to 63 letters, digits, `_` and `$`, and doesn't
/// begin with a digit or `pg_`: so it needs no escape within quotes. \throws Error (config) naming
/// `setting`.
TableName parse_table_name(std::string_view text, const std::string& default_schema,
                           const std::string& setting);

struct Table;

/// What to put in the place of `{key}` in a text.
using Replacements = std::vector<std::pair<std::string_view, std::string>>;

/// The relations of one installation (`[tables]` of the configuration).
struct TableNames {
  TableName symbols{"public", "symbols"};
  TableName prices{"public", "ohlcv_daily"};
  TableName entries{"public", "cache_entries"};

  /// Returns the name of one of all_tables(). The program's own stand beside the entries.
  [[nodiscard]] TableName of(const Table& table) const;

  /// Returns `sql` with the keys of all_tables(), as in `{symbols}`, replaced by the quoted names,
  /// and then those of `more` by what stands with them: besides days for COPY, which takes no
  /// parameters, casts, and quoted columns nothing is ever put into a statement's text.
  [[nodiscard]] std::string in(std::string_view sql, const Replacements& more = {}) const;

  /// Returns a statement with the names in its SQL, and in what it does as people read them.
  [[nodiscard]] Statement statement(std::string_view doing, std::string_view sql,
                                    Params params = {}) const;
};

/// What the catalog says of one relation, and what this login may do with it.
struct Relation {
  struct Column {
    std::string type_name;  ///< how the server prints it, which a setting changes
    std::string type;       ///< the same without quotes
    bool can_select = false;
    bool can_insert = false;
    bool can_update = false;
    std::int64_t most_characters = 0;  ///< 0 where it takes any number
  };

  TableName name;
  std::int64_t oid = 0;  ///< 0 where it does not exist
  std::string kind;      ///< pg_class.relkind
  bool schema_usage = false;
  /// How large the last VACUUM or ANALYZE found it, in pages of 8 KB, with what is stored out of
  /// line; 0 for what is no plain table.
  std::int64_t pages = 0;
  /// How many rows it found; 0 where it did not look.
  std::int64_t rows = 0;
  std::string comment;
  bool can_delete = false;
  bool unique_universe = false;  ///< a unique index on exactly `universe` stands behind ON CONFLICT
  std::map<std::string, Column, std::less<>> columns;

  [[nodiscard]] bool exists() const { return oid != 0; }
  /// Whether a column is there, and of this type.
  [[nodiscard]] bool has(std::string_view column, std::string_view type) const {
    const auto found = columns.find(column);
    return found != columns.end() && found->second.type == type;
  }
  [[nodiscard]] bool is_table() const { return kind == "r" || kind == "p"; }
};

/// What a run needs to know of the server before it begins.
struct Catalog {
  Relation symbols;
  Relation prices;
  Relation entries;
  Relation runs;
  Relation changes;
  Relation outbox;
  Relation waiting;
  Relation states;

  Day today;                 ///< the calendar day of the server's clock in the asked zone
  double clock = 0;          ///< seconds since 1970 by the server's clock
  bool in_recovery = false;  ///< a standby
  bool read_only = false;    ///< sessions only read by default
  std::string server_version;
  std::string server_encoding;

  /// All of the program's own tables exist.
  [[nodiscard]] bool has_own_tables() const;
  /// Any of those exists that keep records of runs.
  [[nodiscard]] bool has_any_own_table() const;
};

/// What the program does with a column of a table that is not its own.
enum Use : unsigned { reads = 1, makes_caps = 2, inserts = 4, updates = 8 };

struct Column {
  std::string_view name;
  std::string_view definition;  ///< begins with its type
  unsigned uses = 0;            ///< of Use
  int since = 1;                ///< the version of the own tables that brought it
};

/// One of the relations that the program works with. What is looked for in the catalog, what a run
/// needs, what `init` creates and what a role is granted all come from these descriptions.
struct Table {
  std::string_view key;  ///< in braces it stands for its name in statements
  Relation Catalog::*relation;
  TableName TableNames::*configured;  ///< where its name is told; null for the program's own
  std::vector<Column> columns;
  /// What is run once it is there, and may be run again: its indexes.
  std::vector<std::string_view> further = {};
  std::string_view retired_index = {};  ///< of an older version
  bool changes = true;  ///< rows of an own table are updated, and deleted when they are old

  [[nodiscard]] bool is_own() const { return configured == nullptr; }
  [[nodiscard]] bool is_created() const { return is_own() || relation == &Catalog::entries; }
};

/// All of them, in the order of their declaration in Catalog.
const std::vector<Table>& all_tables();
const Table& table_of(Relation Catalog::*relation);
/// Returns the names of the columns that the program uses in one of these ways.
std::vector<std::string> columns_of(Relation Catalog::*relation, unsigned uses);

/// One installation as a command works with it: a connection, the names of its tables, and what its
/// catalog says.
struct Database {
  Connection connection;
  TableNames names;
  Catalog catalog = {};

  /// Reads the catalog in one round trip, in a transaction of its own. \throws Error; of the kind
  /// `unknown_timezone` for a zone that is not a name of pg_timezone_names.
  void look_around(const std::string& timezone, ErrorKind unknown_timezone = ErrorKind::config);

  /// The keys of the advisory locks: a tag of the program, and the oid of the entries for a run, of
  /// the outbox for a publisher and for who stores events, since several tables of entries may
  /// share one.
  [[nodiscard]] std::int64_t run_lock() const;
  [[nodiscard]] std::int64_t publish_lock() const;
  [[nodiscard]] std::int64_t outbox_lock() const;

  /// Runs one statement, made as by TableNames, that only reads in a transaction of its own, READ
  /// COMMITTED.
  Result read(std::string_view doing, std::string_view sql, const Params& params = {});
};

}  // namespace tickstock::tables
