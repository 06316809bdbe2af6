#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::tables {

/// Which changes of the journal are asked for: those of a universe, those in which a symbol came,
/// went or moved, or both, and of how many days. Names are matched exactly.
struct ChangeFilter {
  std::optional<std::string> universe;
  std::optional<std::string> symbol;
  std::optional<std::int64_t> days = {};  ///< the last so many, by the server's clock
};

/// What a reader sees of one universe that a run changed.
struct ChangeView {
  std::string run_id;
  std::string as_of;
  std::string changed_at;  ///< ISO 8601 in UTC
  std::string task;
  std::string universe;
  std::string action;
  std::string reason;
  std::int64_t added = 0;
  std::int64_t removed = 0;
  std::int64_t moved = 0;
  /// Of the symbol that was asked for: `added`, `removed` or `moved`, and why it came or went where
  /// it has a reason of its own.
  std::string change;
  std::optional<std::string> why;
};

struct Changes {
  std::vector<ChangeView> changes;  ///< latest run first, within a run in its order
  std::int64_t total = 0;
};

Changes read_changes(postgres::Connection& connection, const TableNames& names,
                     const ChangeFilter& filter, std::int64_t limit, std::int64_t offset);

}  // namespace tickstock::tables
