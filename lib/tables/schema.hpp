#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

// What the database must provide: what a command needs (preflight.cpp), what could still make a
// write fail (entry_hazards.cpp), and what `init` creates and grants (schema.cpp).

/// Something a command needs from the database.
enum class Need {
  writable_server,
  read_market,   ///< symbols
  read_prices,   ///< prices
  price_market,  ///< symbols, and what market caps are computed from
  read_entries,
  list_entries,  ///< what `universes` shows of them; a view will do
  write_entries,
  own_tables,      ///< usable if they exist
  read_own_tables  ///< they must exist and be readable
};

/// Returns every obstacle, the most important first, each with its remedy for the role that is
/// logged in. \param labels the columns of the symbols table that declarations name; reading the
/// market needs them
std::vector<Error> find_problems(const Database& database, const std::vector<Need>& needs,
                                 const std::vector<std::string>& labels = {});

/// Returns whether this need is met.
inline bool has(const Database& database, Need need) {
  return find_problems(database, {need}).empty();
}

/// \throws Error the first problem, if any; for a missing privilege, all missing privileges in one.
void require(const Database& database, const std::vector<Need>& needs,
             const std::vector<std::string>& labels = {});

/// What could make a write fail even though tables, columns and privileges are right.
struct Hazards {
  std::vector<Error> problems;    ///< a write fails
  std::vector<Warning> warnings;  ///< a write may fail
};

/// Checks the surroundings of the written tables: columns that nothing fills, sequences, triggers,
/// publications. For `check` only: a run inserts nothing if all its entries exist, so it must not
/// fail on what only an INSERT would hit. \throws Error.
Hazards find_hazards(Database& database);

/// The version of the program's own tables.
inline constexpr int schema_version = 5;

/// Returns the version in the comment of an own table: the oldest if it has no comment, 0 if the
/// table is not this program's.
int version_of(const Relation& relation);

/// Returns the columns that a table lacks: of the program's own those of its version, of another
/// those that the program uses.
std::vector<std::string_view> missing_columns(const Table& table, const Relation& relation);

/// Returns the error for a table that is not this program's, or has a version that it doesn't know
/// yet. \param wanted what to add if the comment is not this program's
Error unknown_version(const Relation& relation, const std::string& wanted = "");

/// Returns the statements that `init` runs; each may run again.
std::vector<std::string> schema_sql(const TableNames& names);

/// Creates what is missing and upgrades older versions, in one transaction. \throws Error (failed)
/// for a newer version, and for a relation with another shape, naming the missing columns. \return
/// what was created and upgraded, in words.
std::vector<std::string> create_schema(Database& database);

/// Returns why a text cannot be the name of a role; empty if it can.
std::string role_problem(std::string_view role);

/// Returns a psql script that grants a role exactly what all commands except `init` need. \pre
/// role_problem is empty. \param priced whether market caps come from prices \param labels the
/// columns of the symbols table that declarations name
std::string grants_sql(const TableNames& names, const std::string& role, bool priced,
                       const std::vector<std::string>& labels);

}  // namespace tickstock::tables
