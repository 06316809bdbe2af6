#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// The version of the program's own tables.
inline constexpr int schema_version = 3;

/// The comment that marks a table as this program's, in this version.
std::string version_comment();

/// The version that such a comment tells; nothing where it is not one of this program's.
std::optional<int> schema_version_in(std::string_view comment);

/// What is said of a table of a version that this program doesn't know yet.
Error newer_version(const Relation& relation);

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
