// The journal knows the content of every entry on every day of a real market, whatever happened in
// between: a second run, an undo, an undo of the undo, edits by others, deleted old records.

#include <fmt/format.h>

#include <map>

#include "cli/market_days.hpp"
#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// The lists of all entries that the program maintains; nothing for unreadable content.
using Lists = std::map<std::string, Names>;

Lists lists_of(Fixture& fixture) {
  Lists lists;
  for (const auto& row : fixture.database().rows(
           "SELECT universe, content -> 'symbols' FROM cache_entries "
           "WHERE cache_type NOT IN ('etf') AND universe <> 'other_ipos' "
           "AND jsonb_typeof(content -> 'symbols') = 'array' AND universe <> 'theme_malformed'")) {
    lists[row[0]] = Json::parse(row[1]).strings();
  }
  return lists;
}

/// Returns everything in the entries except when they were written.
Names contents_of(Fixture& fixture) {
  return fixture.database().column(
      "SELECT concat_ws(' ', universe, cache_type, CASE WHEN jsonb_typeof(content) = 'object' "
      "THEN content - 'last_updated' ELSE content END) FROM cache_entries ORDER BY 1");
}

constexpr const char* settings = R"(
[guards]
max_vanished_percent = 100
max_appeared_percent = 100
max_removed_percent = 100
[[universe]]
name = "leaders_{sector}"
each = "sector"
first = 10
)";

struct Past {
  Fixture fixture;
  TemporaryDirectory directory;
  std::string config = directory.write("c.toml", settings);
  std::map<std::string, Lists> days;  ///< what stood after the last run of each day
  bool is_quick = false;              ///< two days of three are looked at

  Past() { REQUIRE(fixture.run({"init"}).status == 0); }

  void run(const Names& arguments) {
    const ProcessResult result = fixture.run(with(arguments, {"--config", config, "-q"}));
    INFO(fmt::format("{}: {}", arguments[0], result.err));
    REQUIRE(result.status == 0);
  }

  ProcessResult members(const std::string& universe, const std::string& day) {
    return fixture.run({"members", universe, "--as-of", day, "--format", "json"});
  }

  /// Checks that every list of every day from `first` on is reported as it was, and that earlier
  /// days are not.
  void check(const std::string& first) {
    if (is_quick) {
      std::erase_if(days, [n = 0](const auto&) mutable { return n++ % 3 == 1; });
    }
    std::set<std::string> universes;
    for (const auto& [day, lists] : days) {
      for (const auto& [universe, list] : lists) universes.insert(universe);
    }
    std::size_t told = 0;
    for (const auto& [day, lists] : days) {
      for (const std::string& universe : universes) {
        if (day < first && universe != "large_cap") continue;
        const ProcessResult result = members(universe, day);
        INFO(day << " " << universe << ": " << result.err);
        const auto stood = lists.find(universe);
        if (day < first || stood == lists.end()) {
          CHECK(result.status == 1);
          continue;
        }
        CHECK(symbols_of(result) == stood->second);
        ++told;
      }
    }
    CHECK(told > 0);
    for (const auto& [day, lists] : days) {
      if (day >= first) check_symbols(day, lists);
    }
  }

  /// Checks for some symbols that what is explained about today agrees with the entries, including
  /// conditions.
  void check_today() {
    run({"sync"});
    const Lists lists = lists_of(fixture);
    for (const std::string& symbol : fixture.database().column(
             "SELECT symbol FROM symbols ORDER BY is_active, md5(symbol) LIMIT 15")) {
      const ProcessResult result =
          fixture.run({"explain", symbol, "--format", "json", "--config", config});
      INFO(symbol << ": " << result.err);
      REQUIRE(result.status == 0);
      std::size_t told = 0;
      for (const Json& each : Json::parse(result.out).at("universes").items()) {
        const auto stands = lists.find(each.at("universe").str());
        // A symbol is in no list that can't be read.
        if (stands == lists.end()) continue;
        ++told;
        INFO(each.text());
        const std::vector<Json> conditions = each.at("conditions").items();
        const bool is_member = std::count(stands->second.begin(), stands->second.end(), symbol) > 0;
        CHECK(each.at("member").boolean() == is_member);
        CHECK(std::all_of(conditions.begin(), conditions.end(), [](const Json& condition) {
                return condition.at("holds").boolean();
              }) == is_member);
      }
      CHECK(told == lists.size());
    }
  }

  /// Checks for some symbols that each universe of a day is reported.
  void check_symbols(const std::string& day, const Lists& lists) {
    for (const std::string& symbol :
         {lists.at("mid_cap").front(), lists.at("micro_cap").back(), lists.at("top_100").back()}) {
      const ProcessResult result =
          fixture.run({"explain", symbol, "--as-of", day, "--format", "json"});
      INFO(day << " " << symbol << ": " << result.err);
      REQUIRE(result.status == 0);
      std::map<std::string, bool> told;
      for (const Json& each : Json::parse(result.out).at("universes").items()) {
        told[each.at("universe").str()] = each.at("member").boolean();
      }
      std::erase_if(told, [&lists](const auto& each) {
        return each.first.starts_with("theme_text") || each.first.starts_with("theme_malf") ||
               (each.first == "theme_broken" && !lists.contains(each.first));
      });
      std::map<std::string, bool> stood;
      for (const auto& [universe, list] : lists) {
        stood[universe] = std::count(list.begin(), list.end(), symbol) > 0;
      }
      CHECK(told == stood);
    }
  }
};

using Night = std::function<void(const std::string& day, bool is_first)>;

/// \param over goes through the days
template <typename Over>
void check_days(Over over, bool is_quick = false) {
  Past past;
  past.is_quick = is_quick;
  Fixture& fixture = past.fixture;
  Database& database = fixture.database();
  int number = 0;
  std::string last;
  over(fixture, [&](const std::string& day, bool is_first) {
    if (is_first) make_foreign_entries(fixture);
    last = day;
    past.run({"sync", "--as-of", day, "--run-id", "night-" + day});
    past.days[day] = lists_of(fixture);
    switch (++number) {
      case 4:
        database.execute("UPDATE symbols SET market_cap = market_cap / 3 WHERE symbol < 'D'");
        past.run({"sync", "--as-of", day});
        past.days[day] = lists_of(fixture);
        break;
      case 7: {
        const Names before = contents_of(fixture);
        past.run({"undo", "night-" + day, "--run-id", "first-undo"});
        CHECK(lists_of(fixture) == std::prev(past.days.find(day))->second);
        past.run({"undo", "first-undo"});
        CHECK(contents_of(fixture) == before);
        break;
      }
      case 9: past.run({"undo", "night-" + day}); break;
      case 12:
        fixture.set_entry("large_cap", "market_cap", R"({"symbols": ["ZZZ", "AAPL"], "count": 2})");
        fixture.set_entry("sector_energy", "sector", R"({"symbols": ["XOM", "ZZZ"], "count": 2})");
        fixture.set_entry("theme_late", "theme", R"({"symbols": ["B", "A", "B"], "count": 3})");
        fixture.set_entry("theme_broken", "theme", R"({"symbols": ["A", "B"]})");
        break;
      case 13:
        fixture.set_entry("theme_late", "theme", R"({"symbols": ["A", "B", "A"], "count": 3})");
        break;
      case 15:
        fixture.set_entry("theme_late", "theme", R"({"symbols": ["A", "C"], "count": 3})");
        fixture.set_entry("theme_broken", "theme", R"({"symbols": 7})");
        database.execute("DELETE FROM cache_entries WHERE universe = 'theme_without_metadata'");
        break;
      case 18:
        fixture.set_entry("theme_without_metadata", "theme", R"({"symbols": ["AAPL", "A"]})");
        database.execute("DELETE FROM cache_entries WHERE universe = 'theme_late'");
        break;
      default: break;
    }
  });
  if (past.days.empty()) return;
  past.check("");

  // Only the newest records are left, and the last changes of most universes are not among them.
  past.config =
      past.directory.write("d.toml", std::string(settings) + "[journal]\nkeep_runs = 8\n");
  const auto first_kept = [&database] {
    return database.value("SELECT min(as_of)::text FROM cache_sync_runs");
  };
  past.run({"sync", "--as-of", last, "--run-id", "last"});
  REQUIRE(first_kept() > past.days.begin()->first);
  past.check(first_kept());
  // An edit is found nevertheless.
  fixture.set_entry("theme_nothing_delisted", "theme", R"({"symbols": ["A"]})");
  past.run({"sync", "--as-of", last});
  CHECK(database.value("SELECT content_before -> 'symbols' FROM cache_sync_changes "
                       "WHERE universe = 'theme_nothing_delisted'") == R"(["NOT/LISTED", "AAPL"])");
  past.days = {{last, lists_of(fixture)}};
  past.check(first_kept());
  past.check_today();
}

}  // namespace

TEST_CASE("the journal tells every list of every day of a real market", "[postgres][redis]") {
  check_days([](Fixture& fixture, const Night& night) { over_market_days(fixture, night); });
}

TEST_CASE("the journal tells every list of every day of a sample market", "[postgres][redis]") {
  check_days([](Fixture& fixture, const Night& night) { over_sample_days(fixture, 19, night); },
             true);
}
