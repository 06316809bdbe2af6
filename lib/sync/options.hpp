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

/// The surroundings of every command.
struct Environment {
  postgres::ConnectionSettings database;
  redis::RedisSettings redis;
  redis::StreamSettings stream;
  tables::TableNames tables;
  tables::Retention retention;
  std::string timezone = "America/New_York";
  /// The kind of error for a time zone that PostgreSQL doesn't know; depends on where it was given.
  ErrorKind unknown_timezone = ErrorKind::config;
  std::string program_version;
  std::chrono::milliseconds timeout{900'000};  ///< for the whole command
};

/// Whether a run waits until the import of its day is complete.
struct EodOptions {
  std::chrono::milliseconds wait{0};  ///< at most; 0 to not wait
  bool required = false;              ///< whether to end the run if the day is still incomplete
  /// The Redis lists where the import puts its signal.
  std::vector<std::string> lists{"eod_complete", "tickstock.eod.complete",
                                 "market_data.eod_complete"};
};

/// The options of one run.
struct RunOptions {
  Mode mode = Mode::full;
  bool dry_run = false;
  std::optional<Day> as_of;  ///< nothing for today by PostgreSQL's clock in the time zone
  std::string run_id;
  std::string triggered_by = "manual";
  std::optional<std::string> approve_plan;
  /// Flags that the plan depends on besides the as-of day, each after a space and quoted for a
  /// shell, for the command that approves it.
  std::string plan_flags = {};
  std::optional<std::string> undo;  ///< the run to undo, by the beginning of its id
  std::chrono::milliseconds lock_wait{0};
  bool events = true;
  std::size_t max_universe_events = 10;  ///< per task; 0 for all
  Policy policy;
  EodOptions eod;
  bool measure = false;  ///< also determine what only monitoring needs
};

}  // namespace tickstock::sync
