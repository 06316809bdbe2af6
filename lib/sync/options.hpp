#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "domain/day.hpp"
#include "domain/error.hpp"
#include "postgres/connection.hpp"
#include "redis/stream.hpp"
#include "rules/plan.hpp"
#include "rules/policy.hpp"
#include "tables/catalog.hpp"
#include "tables/journal.hpp"

namespace tickstock::sync {

/// Where everything is: the same for every command.
struct Environment {
  postgres::ConnectionSettings database;
  redis::RedisSettings redis;
  redis::StreamSettings stream;
  tables::TableNames tables;
  tables::Retention retention;
  std::string timezone = "America/New_York";
  /// What a zone is that PostgreSQL doesn't know: a problem of whatever gave it.
  ErrorKind unknown_timezone = ErrorKind::config;
  std::string program_version;
  std::chrono::milliseconds timeout{900'000};  ///< for a command as a whole
};

/// Whether a run waits until the import of its day is complete.
struct EodOptions {
  std::chrono::milliseconds wait{0};  ///< at most so long; 0 for not at all
  bool required = false;              ///< whether a day that is not complete then ends the run
  /// Where the import puts its signal.
  std::vector<std::string> lists{"eod_complete", "tickstock.eod.complete",
                                 "market_data.eod_complete"};
};

/// One run.
struct RunOptions {
  Mode mode = Mode::full;
  bool dry_run = false;
  std::optional<Day> as_of;  ///< the day of PostgreSQL's clock in the zone where not given
  std::string run_id;
  std::string triggered_by = "manual";
  std::optional<std::string> approve_plan;
  std::optional<std::string> undo;  ///< how the id of the run to undo begins
  std::chrono::milliseconds lock_wait{0};
  bool events = true;
  std::size_t max_universe_events = 10;  ///< a task; 0 for all
  Policy policy;
  EodOptions eod;
  bool measure = false;  ///< find out, besides, what only monitoring asks for
};

}  // namespace tickstock::sync
