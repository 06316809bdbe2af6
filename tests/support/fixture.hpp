#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json.hpp"
#include "postgres.hpp"
#include "process.hpp"
#include "redis.hpp"

namespace tickstock::test {

/// One row of `symbols`; fields without a value are NULL.
struct SymbolRow {
  std::string symbol;
  std::optional<std::string> market_cap = std::nullopt;
  std::optional<bool> is_active = true;
  std::optional<std::string> listing_date = std::nullopt;
  std::optional<std::string> delisted_date = std::nullopt;
  std::optional<std::string> company_name = std::nullopt;
  std::optional<std::string> sector = std::nullopt;
};

struct FixtureOptions {
  std::string market_cap_type = "numeric";
  std::string date_type = "date";
  /// Whether to create the table `cache_entries`.
  bool entries = true;
};

/// Returns the program under test: the environment's TICKSTOCK_CACHE_PROGRAM (say, an installed
/// one), or else the one from the build.
std::string program_path();

/// A fresh database with empty tables `symbols`, `ohlcv_daily` and `cache_entries`, an emptied
/// Redis, and the built program to run on both.
class Fixture {
 public:
  explicit Fixture(const FixtureOptions& options = {}, Postgres& postgres = Postgres::shared(),
                   Redis& redis = Redis::shared());

  Database& database() { return database_; }
  Redis& redis() { return redis_; }

  /// Runs the program with these arguments to its end.
  ProcessResult run(const std::vector<std::string>& arguments, const Environment& extra = {}) const;
  /// Starts it in the background.
  Process start(const std::vector<std::string>& arguments, const Environment& extra = {}) const;

  /// For runs with special requirements: the program with its arguments, and options with
  /// DATABASE_URL, REDIS_URL and the extra variables.
  static std::vector<std::string> command(const std::vector<std::string>& arguments);
  RunOptions options(const Environment& extra = {}) const;

  void add_symbol(const SymbolRow& row);

  /// Inserts an entry, or replaces its type and content.
  void set_entry(const std::string& universe, const std::string& type, const std::string& content);

  /// Returns every row of cache_entries as text, with its xmin, in byte order of the universe: two
  /// equal dumps prove that nothing was written in between, not even the same values again.
  std::vector<std::string> entries_dump();

  /// Returns the names of the universes in byte order.
  std::vector<std::string> universes();
  std::string entry_type(const std::string& universe);
  Json content(const std::string& universe);
  std::vector<std::string> members(const std::string& universe);

 private:
  Database database_;
  Redis& redis_;
};

}  // namespace tickstock::test
