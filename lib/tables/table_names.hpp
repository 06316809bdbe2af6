#pragma once

#include <string>
#include <string_view>

#include "domain/day.hpp"

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

  /// `sql` with `{symbols}`, `{prices}`, `{entries}`, `{runs}`, `{changes}` and `{outbox}` replaced
  /// by the quoted names: besides the days below the only thing that is ever put into a statement's
  /// text.
  [[nodiscard]] std::string in(std::string_view sql) const;
  /// The same with `{first}` and `{last}` replaced by two days, for COPY, which takes no
  /// parameters.
  [[nodiscard]] std::string in(std::string_view sql, Day first, Day last) const;
};

}  // namespace tickstock::tables
