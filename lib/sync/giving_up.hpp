#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "domain/error.hpp"
#include "io/wait.hpp"
#include "postgres/connection.hpp"
#include "tables/catalog.hpp"

namespace tickstock::sync {

/// What the beginning of a delivery came to.
struct OldEvents {
  std::uint64_t given_up = 0;
  std::string warning;  ///< counts them and names their runs; empty where there is nothing to say
  std::optional<Error> failure;  ///< why it could not be looked for any
};

/// Gives up the events that are pending for more than `max_age` days (0: none is too old), as every
/// delivery does before it begins. Another publisher at work has done so itself. Never throws.
OldEvents give_up_old_events(postgres::Connection& connection, const tables::TableNames& names,
                             const tables::Catalog& catalog, const std::string& application_name,
                             int max_age);

/// Gives up exactly one pending event; another publisher at work is waited for. \throws Error,
/// (failed) when the event is not pending.
void discard_event(postgres::Connection& connection, const tables::TableNames& names,
                   const tables::Catalog& catalog, const std::string& application_name,
                   const std::string& event_id, std::chrono::milliseconds time,
                   io::Patience& patience);

}  // namespace tickstock::sync
