#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "domain/message.hpp"
#include "postgres/connection.hpp"
#include "tables/table_names.hpp"

namespace tickstock::tables {

/// What one batch came to.
struct BatchOutcome {
  bool locked = false;  ///< another publisher was at work; nothing was read
  std::size_t read = 0;
  std::size_t sent = 0;
  bool more = false;  ///< behind what was read
};

/// Publishes one batch, oldest first, in a READ COMMITTED transaction that holds the publish lock:
/// read, hand over to `send`, mark what it took, COMMIT. `send` returns how many of them, from the
/// front, were sent; it may take `time`. \throws Error.
BatchOutcome publish_batch(postgres::Connection& connection, const TableNames& names,
                           std::int64_t publish_lock, const std::string& application_name,
                           std::chrono::milliseconds time,
                           const std::function<std::size_t(const std::vector<Message>&)>& send);

/// How many events are not published yet: all, or those of one run.
std::int64_t count_pending(postgres::Connection& connection, const TableNames& names,
                           const std::optional<std::string>& run_id = {});

/// What waits in the outbox.
struct Backlog {
  std::int64_t events = 0;
  double oldest_seconds = 0;  ///< age of the oldest by PostgreSQL's clock
};

Backlog read_backlog(postgres::Connection& connection, const TableNames& names);

}  // namespace tickstock::tables
