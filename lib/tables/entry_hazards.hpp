#pragma once

#include <string>
#include <vector>

#include "domain/error.hpp"
#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// What would make a write fail although tables, columns and privileges are as they should be.
struct Hazards {
  std::vector<Error> problems;        ///< a write fails
  std::vector<std::string> warnings;  ///< a write may fail
};

/// Looks at what stands around the written tables: columns that nobody fills, sequences, triggers,
/// publications. `role` is who must be granted what. For `check`: a run whose entries are all there
/// inserts none, so it is not held up by what only an INSERT meets. \throws Error.
Hazards find_hazards(Database& database);

}  // namespace tickstock::tables
