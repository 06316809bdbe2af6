// Some weeks of a real market, day after day, through the built program: each day a dry run, the
// run, and the run again. What should come out of it is computed in SQL (expectation.hpp).

#include <fmt/format.h>

#include <algorithm>
#include "support/catch.hpp"
#include <cstdlib>
#include <filesystem>
#include <set>

#include "expectation.hpp"
#include "fixture.hpp"
#include "json.hpp"
#include "process.hpp"
#include "redis.hpp"

using namespace tickstock::test;

namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

/// The files of the market in the order of their days; none where the folder is absent.
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

/// Replaces `symbols` by those of the day and adds the day's prices, as the import does at night.
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

/// Entries that others keep: a list per sector, with some members that have left the market, and
/// a few that show what the program must not do.
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

/// The universes that were announced, in order.
Names announced(const std::vector<Event>& events) {
  Names universes;
  for (const Event& event : events) {
    if (event.channel == "tickstock:universe:updated") {
      universes.push_back(Json::parse(event.message).at("payload.universe").str());
    }
  }
  return universes;
}

/// The payloads of one channel.
std::vector<Json> payloads(const std::vector<Event>& events, const std::string& channel) {
  std::vector<Json> found;
  for (const Event& event : events) {
    if (event.channel == channel) {
      found.push_back(Json::parse(event.message).at("payload"));
    }
  }
  return found;
}

void check_events(const std::vector<Event>& events, const Expectation& expectation) {
  CHECK(announced(events) == expectation.announced());
  Names ipos;
  Names expected_ipos;
  std::set<std::string> delisted;
  std::size_t removed = 0;
  std::size_t cleaned = 0;
  for (const auto& write : expectation.writes()) {
    if (write.task == 2) {
      expected_ipos = write.added;
    } else if (write.task == 3) {
      delisted.insert(write.removed.begin(), write.removed.end());
      removed += write.removed.size();
      ++cleaned;
    }
  }
  for (const Json& payload : payloads(events, "tickstock:cache:ipo_assignment")) {
    ipos.push_back(payload.at("symbol").str());
  }
  std::sort(ipos.begin(), ipos.end());
  std::sort(expected_ipos.begin(), expected_ipos.end());
  CHECK(ipos == expected_ipos);

  const auto cleanups = payloads(events, "tickstock:cache:delisting_cleanup");
  CHECK(cleanups.size() == (cleaned == 0 ? 0 : 1));
  for (const Json& payload : cleanups) {
    CHECK(payload.at("removed_count").num() == static_cast<double>(removed));
    CHECK(payload.at("universes").size() == cleaned);
    Names symbols = payload.at("symbols").strings();
    std::sort(symbols.begin(), symbols.end());
    CHECK(symbols == Names(delisted.begin(), delisted.end()));
  }
  for (const Json& payload : payloads(events, "tickstock:universe:updated")) {
    const auto write =
        std::find_if(expectation.writes().begin(), expectation.writes().end(),
                     [&](const auto& w) { return w.universe == payload.at("universe").str(); });
    REQUIRE(write != expectation.writes().end());
    const Json metadata = payload.at("metadata");
    CHECK(fmt::format("{} {} {} {} {}", metadata.at("previous_count").integer(),
                      metadata.at("count").integer(), metadata.at("added").integer(),
                      metadata.at("removed").integer(), metadata.at("moved").integer()) ==
          fmt::format("{} {} {} {} {}", write->old_list.size(), write->new_list.size(),
                      write->added.size(), write->removed.size(), write->moved));
  }
}

/// Runs the program for a day; the status has to be the expected one.
Json run(const Fixture& fixture, const std::string& command, const std::string& day, int status) {
  const ProcessResult result =
      fixture.run({command, "--as-of", day, "--detailed-exitcode", "--format", "json"});
  INFO(command << ", standard error: " << result.err);
  INFO("standard output: " << result.out.substr(0, 2000));
  REQUIRE(result.status == status);
  return Json::parse(result.out);
}

void check_day(Fixture& fixture, Subscriber& subscriber, const std::string& day) {
  Expectation expectation(fixture.database(), day);
  const Names expected = expectation.changes();
  const int status = expected.empty() ? 0 : 2;
  const auto before = fixture.entries_dump();
  subscriber.drain();

  const Json foretold = run(fixture, "dry-run", day, status);
  CHECK(fixture.entries_dump() == before);
  CHECK(subscriber.drain().empty());

  const Json done = run(fixture, "sync", day, status);
  CHECK_THAT(expectation.mismatches(), Catch::Equals(Names()));
  CHECK(Expectation::changes_of(done) == expected);
  CHECK(done.at("total_changes").num() == static_cast<double>(expected.size()));
  check_events(subscriber.drain(), expectation);

  for (const char* key : {"task_results", "total_changes", "plan_digest", "guards", "as_of"}) {
    CHECK(foretold.at(key).text_without({"timestamp"}) == done.at(key).text_without({"timestamp"}));
  }

  const auto after = fixture.entries_dump();
  const Json again = run(fixture, "sync", day, 0);
  CHECK(again.at("total_changes").integer() == 0);
  CHECK(Expectation::changes_of(again) == Names());
  CHECK(fixture.entries_dump() == after);
  const auto events = subscriber.drain();
  CHECK(announced(events) == Names());
  CHECK(payloads(events, "tickstock:cache:ipo_assignment").empty());
  CHECK(payloads(events, "tickstock:cache:delisting_cleanup").empty());
}

}  // namespace

TEST_CASE("every day of a real market is as expected, foretold, and done once",
          "[postgres][redis]") {
  const auto files = market_days();
  if (files.empty()) {
    WARN("skipped: there is no folder of market days (TICKSTOCK_MARKET_DAYS)");
    return;
  }
  Fixture fixture;
  Subscriber subscriber(fixture.redis());
  REQUIRE(fixture.run({"init"}).status == 0);
  for (const fs::path& file : files) {
    const std::string day = file.filename().string().substr(0, 10);
    INFO("day " << day);
    load_day(fixture.database(), file, day);
    if (file == files.front()) {
      make_foreign_entries(fixture);
    }
    check_day(fixture, subscriber, day);
  }
}
