#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"
#include "postgres/connection.hpp"

namespace tickstock::tables {

/// A name of PostgreSQL between double quotes, with those within doubled.
std::string quoted_identifier(std::string_view name);

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

/// The relations of one installation (`[tables]` of the configuration).
struct TableNames {
  TableName symbols{"public", "symbols"};
  TableName prices{"public", "ohlcv_daily"};
  TableName entries{"public", "cache_entries"};

  // The program's own, beside the entries.
  [[nodiscard]] TableName runs() const { return {entries.schema, "cache_sync_runs"}; }
  [[nodiscard]] TableName changes() const { return {entries.schema, "cache_sync_changes"}; }
  [[nodiscard]] TableName outbox() const { return {entries.schema, "cache_sync_outbox"}; }
  [[nodiscard]] TableName waiting() const { return {entries.schema, "cache_sync_waiting"}; }

  /// `sql` with `{symbols}`, `{prices}`, `{entries}`, `{runs}`, `{changes}`, `{outbox}` and
  /// `{waiting}` replaced by the quoted names: besides the days below the only thing that is ever
  /// put into a statement's text.
  [[nodiscard]] std::string in(std::string_view sql) const;
  /// The same with `{first}` and `{last}` replaced by two days, for COPY, which takes no
  /// parameters.
  [[nodiscard]] std::string in(std::string_view sql, Day first, Day last) const;
};

/// The oids of the types that the program reads; PostgreSQL never changes them.
namespace type_oid {
inline constexpr std::uint32_t boolean = 16;
inline constexpr std::uint32_t name = 19;
inline constexpr std::uint32_t bigint = 20;
inline constexpr std::uint32_t integer = 23;
inline constexpr std::uint32_t text = 25;
inline constexpr std::uint32_t real = 700;
inline constexpr std::uint32_t double_precision = 701;
inline constexpr std::uint32_t character = 1042;
inline constexpr std::uint32_t character_varying = 1043;
inline constexpr std::uint32_t date = 1082;
inline constexpr std::uint32_t timestamp = 1114;
inline constexpr std::uint32_t timestamptz = 1184;
inline constexpr std::uint32_t numeric = 1700;
inline constexpr std::uint32_t jsonb = 3802;
}  // namespace type_oid

/// What the catalog says of one relation, and what this login may do with it.
struct Relation {
  struct Column {
    std::uint32_t type = 0;  ///< the oid of its type, which no setting changes
    std::string type_name;   ///< how the server prints it
    bool can_select = false;
    bool can_insert = false;
    bool can_update = false;
    std::size_t most_characters = 0;  ///< 0 where it takes any number
  };

  TableName name;
  std::uint32_t oid = 0;  ///< 0 where it does not exist
  char kind = ' ';        ///< pg_class.relkind
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
  [[nodiscard]] bool has(std::string_view column, std::uint32_t type) const {
    const auto found = columns.find(column);
    return found != columns.end() && found->second.type == type;
  }
  [[nodiscard]] bool is_table() const { return kind == 'r' || kind == 'p'; }
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

  Day today;                 ///< the calendar day of the server's clock in the asked zone
  double clock = 0;          ///< seconds since 1970 by the server's clock
  bool in_recovery = false;  ///< a standby
  bool read_only = false;    ///< sessions only read by default
  std::string server_version;
  std::string server_encoding;

  /// All of the program's own tables exist.
  [[nodiscard]] bool has_own_tables() const {
    return runs.exists() && changes.exists() && outbox.exists() && waiting.exists();
  }
  [[nodiscard]] bool has_any_own_table() const {
    return runs.exists() || changes.exists() || outbox.exists() || waiting.exists();
  }
};

/// One installation as a command works with it: a connection, the names of its tables, and what its
/// catalog says.
struct Database {
  postgres::Connection connection;
  TableNames names;
  Catalog catalog = {};

  /// Reads the catalog in one round trip, in a transaction of its own. \throws Error; of the kind
  /// `unknown_timezone` for a zone that is not a name of pg_timezone_names.
  void look_around(const std::string& timezone, ErrorKind unknown_timezone = ErrorKind::config);

  /// The keys of the two advisory locks: a tag of the program, and the oid of the entries for a
  /// run, of the outbox for a publisher, since several tables of entries may share one.
  [[nodiscard]] std::int64_t run_lock() const;
  [[nodiscard]] std::int64_t publish_lock() const;

  /// Runs one statement that only reads in a transaction of its own, READ COMMITTED.
  postgres::Result read(const std::string& doing, std::string_view sql,
                        const postgres::Params& params = {});
};

}  // namespace tickstock::tables
