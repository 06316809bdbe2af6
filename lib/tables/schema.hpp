#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

// What must stand in the database: what a command needs of it (preflight.cpp), what would make a
// write fail all the same (entry_hazards.cpp), and what `init` makes and grants (schema.cpp).

/// What a command needs of the database.
enum class Need {
  writable_server,
  read_market,   ///< symbols
  read_prices,   ///< prices
  price_market,  ///< the same, and what a market cap is made from
  read_entries,
  list_entries,  ///< what `universes` shows of them, of a view as well
  write_entries,
  own_tables,      ///< usable where they exist
  read_own_tables  ///< they must exist and be readable
};

/// Everything that stands in the way, each with its remedy for the role that is logged in; the
/// first that matters first. \param labels the columns of the symbols that declarations name, which
/// belong to reading the market
std::vector<Error> find_problems(const Database& database, const std::vector<Need>& needs,
                                 const std::vector<std::string>& labels = {});

/// Whether nothing stands in the way.
inline bool has(const Database& database, Need need) {
  return find_problems(database, {need}).empty();
}

/// \throws the first problem.
void require(const Database& database, const std::vector<Need>& needs,
             const std::vector<std::string>& labels = {});

/// What would make a write fail although tables, columns and privileges are as they should be.
struct Hazards {
  std::vector<Error> problems;    ///< a write fails
  std::vector<Warning> warnings;  ///< a write may fail
};

/// Looks at what stands around the written tables: columns that nobody fills, sequences, triggers,
/// publications. For `check`: a run whose entries are all there inserts none, so it is not held up
/// by what only an INSERT meets. \throws Error.
Hazards find_hazards(Database& database);

/// The version of the program's own tables.
inline constexpr int schema_version = 5;

/// The version that the comment of an own table tells: the oldest without one, 0 where it is not
/// this program's.
int version_of(const Relation& relation);

/// What is said of a table that is not this program's, or of a version that it doesn't know yet.
/// \param wanted what to add to a comment that is not this program's
Error unknown_version(const Relation& relation, const std::string& wanted = "");

/// What `init` runs, statement by statement; each may be run again.
std::vector<std::string> schema_sql(const TableNames& names);

/// Creates what is missing and upgrades what is of an older version, in one transaction. \throws
/// Error (failed) naming the missing columns where a relation of that name has another shape, and
/// for a newer version. \return what was created and upgraded, in words.
std::vector<std::string> create_schema(Database& database);

/// Why a text can't be the name of a role; empty where it can.
std::string role_problem(std::string_view role);

/// A script for psql that grants a role what every command but `init` needs, and no more. \pre
/// role_problem is empty. \param priced whether market caps are made from prices \param labels the
/// columns of the symbols that declarations name
std::string grants_sql(const TableNames& names, const std::string& role, bool priced,
                       const std::vector<std::string>& labels);

}  // namespace tickstock::tables
