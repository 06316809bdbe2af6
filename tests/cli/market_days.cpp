#include "cli/market_days.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "process.hpp"
#include "support/catch.hpp"

namespace tickstock::test {

namespace {

namespace fs = std::filesystem;

/// Returns the files of the market in order of day; none if the folder does not exist.
std::vector<fs::path> market_days() {
  const char* const folder = std::getenv("TICKSTOCK_MARKET_DAYS");
  const fs::path days = folder != nullptr
                            ? fs::path(folder)
                            : fs::path(TICKSTOCK_SOURCE_DIR) / "../shared/market/days";
  std::vector<fs::path> files;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(days, absent)) {
    if (entry.path().string().ends_with(".csv.gz")) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Replaces `symbols` by those of the day and adds the day's prices, as the nightly import does.
void load_day(Database& database, const fs::path& file, const std::string& day) {
  const ProcessResult csv = run_process({"zcat", file.string()});
  REQUIRE(csv.status == 0);
  database.execute(
      "CREATE TEMPORARY TABLE IF NOT EXISTS feed (symbol text, company_name text, "
      "market_cap numeric, sector text, industry text, listing_date date, is_active boolean, "
      "delisted_date date, shares_outstanding bigint, close numeric, volume bigint)");
  database.execute("TRUNCATE feed");
  database.copy_in("feed", csv.out, "FORMAT csv, HEADER true");
  database.execute(
      "TRUNCATE symbols;"
      "INSERT INTO symbols (symbol, company_name, market_cap, sector, industry, listing_date, "
      "  is_active, delisted_date, shares_outstanding) SELECT symbol, company_name, market_cap, "
      "  sector, industry, listing_date, is_active, delisted_date, shares_outstanding FROM feed");
  database.execute(
      "INSERT INTO ohlcv_daily (symbol, date, close, volume) "
      "SELECT symbol, $1::date, close, volume FROM feed WHERE close IS NOT NULL",
      {day});
}

}  // namespace

void make_foreign_entries(Fixture& fixture) {
  fixture.database().execute(R"(
    INSERT INTO cache_entries (universe, cache_type, content)
    SELECT 'sector_' || lower(regexp_replace(sector, '\W+', '_', 'g')), 'sector',
           jsonb_build_object('symbols', jsonb_agg(symbol ORDER BY md5(symbol)),
                              'count', count(*), 'last_updated', '2026-01-02T03:04:05.678Z',
                              'metadata', jsonb_build_object('type', 'sector', 'name', sector))
      FROM (SELECT *, row_number() OVER (PARTITION BY sector, is_active ORDER BY symbol) AS place
              FROM symbols WHERE sector <> '') AS s
     WHERE is_active OR place % 10 = 1
     GROUP BY sector)");
  const std::string gone = fixture.database().value(
      "SELECT symbol FROM symbols WHERE NOT is_active ORDER BY md5(symbol) LIMIT 1");
  const std::string list = fmt::format(R"("symbols": ["TSLA", "{0}", "NOT/LISTED", "AAPL"])", gone);
  fixture.set_entry("theme_extra_keys", "theme",
                    "{" + list + R"(, "count": 4, "last_updated": "2026-01-02T03:04:05.678Z",
        "weight": 1.50, "big": 12345678901234567890.10, "note": "caf\u00e9 \"q\" \\ \u2028",
        "nested": [{"symbols": ["X"], "count": 9}, null, []]})");
  fixture.set_entry("theme_without_metadata", "theme", "{" + list + R"(, "count": 17})");
  fixture.set_entry("theme_nothing_delisted", "theme",
                    R"({"symbols": ["NOT/LISTED", "AAPL"], "count": 99, "last_updated": "never"})");
  fixture.set_entry("theme_malformed", "theme", R"({"symbols": ["TSLA", 1]})");
  fixture.set_entry("theme_text", "theme", R"("TSLA")");
  fixture.set_entry("other_type", "etf", "{" + list + "}");
  fixture.set_entry("other_ipos", "ipo", "{" + list + "}");
}

void over_sample_days(Fixture& fixture, int days,
                      const std::function<void(const std::string& day, bool is_first)>& night) {
  fixture.database().execute("DROP TABLE symbols, ohlcv_daily");
  for (int i = 0; i < days; ++i) {
    const std::string day = fmt::format("2026-{:02}-{:02}", 7 + i / 28, 1 + i % 28);
    INFO("day " << day);
    const std::string script = i == 0 ? "sample-market.sql" : "sample-day.sql";
    const ProcessResult made = run_process(
        {"psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-v", "symbols=500", "-v", "as_of=" + day, "-f",
         TICKSTOCK_SOURCE_DIR "/scripts/" + script, fixture.database().url()});
    INFO(made.err);
    REQUIRE(made.status == 0);
    night(day, i == 0);
  }
}

void over_market_days(Fixture& fixture,
                      const std::function<void(const std::string& day, bool is_first)>& night) {
  const auto files = market_days();
  if (files.empty()) {
    WARN("skipped: there is no folder of market days (TICKSTOCK_MARKET_DAYS)");
    return;
  }
  for (const fs::path& file : files) {
    const std::string day = file.filename().string().substr(0, 10);
    INFO("day " << day);
    load_day(fixture.database(), file, day);
    night(day, file == files.front());
  }
}

}  // namespace tickstock::test
