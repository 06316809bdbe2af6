#pragma once

#include <string>
#include <vector>

#include "store/connection.hpp"
#include "store/table_names.hpp"

namespace tickstock::store {

/// The comment that marks a table as this program's, in this version.
std::string version_comment();

/// What `init` runs, statement by statement; each may be run again.
std::vector<std::string> schema_sql(const TableNames& names);

/// Creates what is missing, in one transaction. \throws Error (failed) naming the missing columns
/// where a relation of that name has another shape. \return what was created, in words.
std::vector<std::string> create_schema(Connection& connection, const TableNames& names);

}  // namespace tickstock::store
