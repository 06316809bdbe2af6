#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.hpp"
#include "tables/table_names.hpp"

namespace tickstock::tables {

/// Events of one run that will never be published.
struct GivenUp {
  std::string run_id;
  std::int64_t events;
};

/// Gives up every event that has been pending for more than `days` days by PostgreSQL's clock, in a
/// READ COMMITTED transaction that holds the publish lock, and counts them in the records of their
/// runs. \return them by run, oldest first; nothing where another publisher is at work. \throws
/// Error.
std::optional<std::vector<GivenUp>> give_up_old(postgres::Connection& connection,
                                                const TableNames& names, std::int64_t publish_lock,
                                                const std::string& application_name, int days);

/// The same for exactly one event, a UUID. \return false where another publisher is at work.
/// \throws Error (failed) when the event is not pending, with the reason.
bool give_up_event(postgres::Connection& connection, const TableNames& names,
                   std::int64_t publish_lock, const std::string& application_name,
                   const std::string& event_id);

}  // namespace tickstock::tables
