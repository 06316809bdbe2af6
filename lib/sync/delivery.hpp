#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "domain/error.hpp"
#include "events/publisher.hpp"
#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::sync {

/// What a delivery came to.
struct Delivery {
  std::uint64_t sent = 0;
  /// Of the run that was asked for, or of all; nothing where PostgreSQL could not be asked.
  std::optional<std::uint64_t> pending = {};
  std::optional<Error> failure;  ///< why events are still pending
};

/// Publishes what is pending in the outbox under the name `application_name`, oldest first, until
/// nothing is left, Redis fails, or the time that the settings give is over. Another publisher at
/// work is waited for. With `run_id`, it is done as soon as the events of that run are published,
/// whoever sent them. Never throws.
Delivery deliver(postgres::Connection& connection, const tables::TableNames& names,
                 const tables::Catalog& catalog, const std::string& application_name,
                 events::Publisher& publisher, std::chrono::milliseconds time,
                 io::Patience& patience, const std::optional<std::string>& run_id);

}  // namespace tickstock::sync
