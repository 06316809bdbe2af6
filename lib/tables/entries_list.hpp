#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.hpp"
#include "tables/table_names.hpp"

namespace tickstock::tables {

/// What a reader sees of one entry.
struct EntrySummary {
  std::optional<std::string> universe;
  std::optional<std::string> type;
  /// How long its list of symbols is; nothing where the content has none.
  std::optional<std::int64_t> symbols;
  std::optional<std::string> updated_at;  ///< ISO 8601 in UTC
};

/// Every entry of whatever type, by name in byte order. The server counts: no content is read.
std::vector<EntrySummary> list_entries(postgres::Connection& connection, const TableNames& names);

}  // namespace tickstock::tables
