#include "soak/market.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace tickstock::soak {

namespace {

namespace fs = std::filesystem;

constexpr const char* first_day = "2020-01-02";

// What the sample's days lack, once every few nights, derived from the day itself: a symbol that
// comes back, caps that become unknown and known again, a renamed symbol.
constexpr const char* disturbances_sql = R"(
UPDATE symbols SET is_active = true, delisted_date = NULL, listing_date = DATE '{0}'
 WHERE {1} % 3 = 0 AND symbol = (SELECT symbol FROM symbols WHERE NOT is_active
                                  ORDER BY md5(symbol || '{0}') LIMIT 1);
UPDATE symbols SET market_cap = NULL
 WHERE {1} % 4 = 0 AND symbol IN (SELECT symbol FROM symbols WHERE is_active AND market_cap > 0
                                   ORDER BY md5(symbol || '{0}') LIMIT 2);
UPDATE symbols SET market_cap = 1000000.0 * (1 + length(company_name)) * (1 + {1} % 1000)
 WHERE {1} % 4 = 2 AND symbol IN (SELECT symbol FROM symbols WHERE is_active AND market_cap IS NULL
                                   ORDER BY md5(symbol || '{0}') LIMIT 2);
WITH renamed AS (
  SELECT symbol AS old_name, symbol || '.N' AS new_name FROM symbols
   WHERE {1} % 5 = 0 AND is_active AND symbol NOT LIKE '%.N' ORDER BY md5(symbol || '{0}') LIMIT 1
), priced AS (
  UPDATE ohlcv_daily SET symbol = new_name FROM renamed WHERE symbol = old_name
)
UPDATE symbols SET symbol = new_name FROM renamed WHERE symbol = old_name;
DELETE FROM ohlcv_daily WHERE date < DATE '{0}' - 2)";

constexpr const char* real_tables_sql = R"(
CREATE TABLE symbols (symbol text PRIMARY KEY, company_name text, market_cap numeric, sector text,
  industry text, listing_date date, is_active boolean, delisted_date date,
  shares_outstanding bigint);
CREATE TABLE ohlcv_daily (symbol text NOT NULL, date date NOT NULL, open numeric, high numeric,
  low numeric, close numeric, volume bigint, PRIMARY KEY (symbol, date));
CREATE TABLE feed (LIKE symbols, close numeric, volume bigint))";

std::vector<fs::path> files_of(const std::string& folder) {
  std::vector<fs::path> files;
  if (folder.empty()) return files;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().string().ends_with(".csv.gz")) files.push_back(file.path());
  }
  if (files.empty()) throw std::runtime_error("there are no days in " + folder);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Market::Market(test::Database& database, int symbols, unsigned seed, const std::string& folder)
    : database_(database),
      symbols_(symbols),
      seed_(fmt::format("soak-{}", seed)),
      files_(files_of(folder)),
      day_(first_day) {}

void Market::begin() {
  if (!files_.empty()) {
    database_.execute(real_tables_sql);
    load(files_.front());
    return;
  }
  run_script("sample-market.sql", {"symbols=" + std::to_string(symbols_)});
}

void Market::add_universes() { run_script("sample-universes.sql", {"themes=12"}); }

void Market::move() {
  ++night_;
  if (!files_.empty()) {
    // Back and forth, so that consecutive nights differ by one day.
    const std::size_t turn = std::max<std::size_t>(files_.size() - 1, 1);
    const std::size_t place = night_ % (2 * turn);
    load(files_[std::min(place <= turn ? place : 2 * turn - place, files_.size() - 1)]);
    return;
  }
  day_ = database_.value("SELECT ($1::date + $2::int)::text", {first_day, std::to_string(night_)});
  run_script("sample-day.sql", {});
  database_.execute(fmt::format(fmt::runtime(disturbances_sql), day_, night_));
}

void Market::run_script(const std::string& name, const std::vector<std::string>& variables) {
  std::vector<std::string> command{"psql",          "-Xq", database_.url(), "-v",
                                   "as_of=" + day_, "-v",  "seed=" + seed_};
  for (const std::string& variable : variables) {
    command.insert(command.end(), {"-v", variable});
  }
  command.insert(command.end(), {"-f", std::string(TICKSTOCK_SOURCE_DIR) + "/scripts/" + name});
  const test::ProcessResult result = test::run_process(command);
  if (result.status != 0) throw std::runtime_error(name + ": " + result.err);
}

void Market::load(const fs::path& file) {
  day_ = file.filename().string().substr(0, 10);
  const test::ProcessResult csv = test::run_process({"zcat", file.string()});
  if (csv.status != 0) throw std::runtime_error(file.string() + ": " + csv.err);
  database_.execute("TRUNCATE feed, symbols, ohlcv_daily");
  database_.copy_in("feed", csv.out, "FORMAT csv, HEADER true");
  database_.execute(
      "INSERT INTO symbols SELECT symbol, company_name, market_cap, sector, industry, "
      "  listing_date, is_active, delisted_date, shares_outstanding FROM feed");
  database_.execute(
      "INSERT INTO ohlcv_daily (symbol, date, close, volume) "
      "SELECT symbol, $1::date, close, volume FROM feed WHERE close IS NOT NULL",
      {day_});
}

}  // namespace tickstock::soak
