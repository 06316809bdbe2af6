#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tables/table_names.hpp"

namespace tickstock::tables {

/// Why a text can't be the name of a role; empty where it can.
std::string role_problem(std::string_view role);

/// A script for psql that grants a role what every command but `init` needs, and no more. \pre
/// role_problem is empty. \param priced whether market caps are made from prices \param labels the
/// columns of the symbols that declarations name
std::string grants_sql(const TableNames& names, const std::string& role, bool priced,
                       const std::vector<std::string>& labels);

}  // namespace tickstock::tables
