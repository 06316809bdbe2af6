#include "fixture.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>

namespace tickstock::test {

std::string program_path() {
  if (const char* path = std::getenv("TICKSTOCK_CACHE_PROGRAM")) {
    return path;
  }
#ifdef TICKSTOCK_CACHE_PROGRAM
  return TICKSTOCK_CACHE_PROGRAM;
#else
  throw std::runtime_error("TICKSTOCK_CACHE_PROGRAM is not set");
#endif
}

Fixture::Fixture(const FixtureOptions& options, Postgres& postgres, Redis& redis)
    : database_(postgres), redis_(redis) {
  redis_.command({"FLUSHALL"});
  database_.execute(fmt::format(R"(
    CREATE TABLE symbols (
      symbol text,
      company_name text,
      market_cap {0},
      sector text,
      industry text,
      listing_date {1},
      is_active boolean,
      delisted_date {1},
      shares_outstanding bigint
    );
    CREATE TABLE ohlcv_daily (
      symbol text NOT NULL,
      date {1} NOT NULL,
      open numeric,
      high numeric,
      low numeric,
      close numeric,
      volume bigint,
      PRIMARY KEY (symbol, date)
    );
    CREATE INDEX ON ohlcv_daily (date);)",
                                options.market_cap_type, options.date_type));
  if (options.entries) {
    database_.execute(R"(
      CREATE TABLE cache_entries (
        id serial PRIMARY KEY,
        universe text NOT NULL UNIQUE,
        content jsonb NOT NULL,
        cache_type text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      ))");
  }
}

std::vector<std::string> Fixture::command(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {program_path()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

RunOptions Fixture::options(const Environment& extra) const {
  RunOptions options;
  options.environment = {{"DATABASE_URL", database_.url()}, {"REDIS_URL", redis_.url()}};
  for (const auto& [name, value] : extra) {
    options.environment[name] = value;
  }
  return options;
}

ProcessResult Fixture::run(const std::vector<std::string>& arguments,
                           const Environment& extra) const {
  return run_process(command(arguments), options(extra));
}

Process Fixture::start(const std::vector<std::string>& arguments, const Environment& extra) const {
  return Process(command(arguments), options(extra));
}

void Fixture::add_symbol(const SymbolRow& row) {
  std::optional<std::string> is_active;
  if (row.is_active) {
    is_active = *row.is_active ? "t" : "f";
  }
  database_.execute(
      "INSERT INTO symbols (symbol, market_cap, is_active, listing_date, delisted_date, "
      "company_name, sector) VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {row.symbol, row.market_cap, is_active, row.listing_date, row.delisted_date, row.company_name,
       row.sector});
}

void Fixture::set_entry(const std::string& universe, const std::string& type,
                        const std::string& content) {
  database_.execute(
      "INSERT INTO cache_entries (universe, cache_type, content) VALUES ($1, $2, $3) "
      "ON CONFLICT (universe) DO UPDATE SET cache_type = EXCLUDED.cache_type, "
      "content = EXCLUDED.content, updated_at = now()",
      {universe, type, content});
}

std::vector<std::string> Fixture::entries_dump() {
  return database_.column(
      "SELECT e.xmin::text || ' ' || e::text FROM cache_entries e ORDER BY universe COLLATE \"C\"");
}

std::vector<std::string> Fixture::universes() {
  return database_.column("SELECT universe FROM cache_entries ORDER BY universe COLLATE \"C\"");
}

std::string Fixture::entry_type(const std::string& universe) {
  return database_.value("SELECT cache_type FROM cache_entries WHERE universe = $1", {universe});
}

Json Fixture::content(const std::string& universe) {
  return Json::parse(
      database_.value("SELECT content FROM cache_entries WHERE universe = $1", {universe}));
}

std::vector<std::string> Fixture::members(const std::string& universe) {
  return content(universe).at("symbols").strings();
}

}  // namespace tickstock::test
