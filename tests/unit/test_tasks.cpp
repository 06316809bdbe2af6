#include "rules/plan.hpp"
#include "support/catch.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

const EntryWrite* write_of(const TaskPlan& plan, const std::string& universe) {
  for (const EntryWrite& write : plan.writes) {
    if (write.universe == universe) return &write;
  }
  return nullptr;
}

std::vector<std::string> written(const Market& market, const TaskPlan& plan,
                                 const std::string& universe) {
  const EntryWrite* write = write_of(plan, universe);
  REQUIRE(write != nullptr);
  return names(market, write->after->members.list());
}

using Names = std::vector<std::string>;
using List = std::vector<SymbolId>;

}  // namespace

TEST_CASE("each eligible symbol stands in the category with the highest bound that it reaches") {
  const Market market = market_of({{"MEGA", 200e9},
                                   {"LARGE_TOP", 199'999'999'999.99},
                                   {"LARGE", 10e9},
                                   {"MID", 2e9},
                                   {"SMALL", 300e6},
                                   {"MICRO", 50e6},
                                   {"BELOW", 49'999'999.99},
                                   {"GONE", 300e9, {}, "2026-08-01"}});
  const TaskPlan plan = plan_of(Mode::market_cap, market, {});
  CHECK(written(market, plan, "mega_cap") == Names{"MEGA"});
  CHECK(written(market, plan, "large_cap") == Names{"LARGE_TOP", "LARGE"});
  CHECK(written(market, plan, "mid_cap") == Names{"MID"});
  CHECK(written(market, plan, "small_cap") == Names{"SMALL"});
  CHECK(written(market, plan, "micro_cap") == Names{"MICRO"});
  CHECK(written(market, plan, "top_100").size() == 7);
  CHECK(write_of(plan, "mega_cap")->after->cache_type == "market_cap");
  CHECK(write_of(plan, "mega_cap")->after->metadata ==
        R"({"type": "market_cap_category", "market_cap_range": "mega_cap"})");
  CHECK(write_of(plan, "top_500")->after->metadata ==
        R"({"rank": "top_500", "type": "market_leader"})");
  CHECK(write_of(plan, "top_500")->after->cache_type == "market_leader");
}

TEST_CASE(
    "the leaders are the first of the ranking, and are written even when nobody is eligible") {
  std::vector<Row> rows;
  for (int i = 0; i < 150; ++i) rows.push_back({"S" + std::to_string(1000 + i), 1e6 * (1000 - i)});
  const Market market = market_of(rows);
  const TaskPlan plan = plan_of(Mode::market_cap, market, {});
  CHECK(written(market, plan, "top_100").front() == "S1000");
  CHECK(written(market, plan, "top_100").back() == "S1099");
  CHECK(written(market, plan, "top_500").size() == 150);

  const Market nobody = market_of({});
  const TaskPlan empty = plan_of(Mode::market_cap, nobody, {});
  CHECK(written(nobody, empty, "top_2000").empty());
  CHECK(write_of(empty, "mega_cap") == nullptr);
}

TEST_CASE("a category without members becomes empty where it exists") {
  Market market = market_of({{"A", 1e9}});
  const Entries entries{{"mega_cap", entry_of(market, "market_cap", {"A"})}};
  const TaskPlan plan = plan_of(Mode::market_cap, market, entries);
  CHECK(written(market, plan, "mega_cap").empty());
  CHECK(write_of(plan, "mega_cap")->after->count == "0");
  CHECK(write_of(plan, "large_cap") == nullptr);
}

TEST_CASE("an owned entry is written only when it is not what it should be") {
  const std::string metadata =
      R"({"type": "market_cap_category", "market_cap_range": "small_cap"})";
  const auto is_written = [&](const std::function<void(Entry&)>& spoil) {
    Market market = market_of({{"A", 1e9}, {"B", 9e8}});
    Entry entry = *entry_of(market, "market_cap", {"A", "B"}, metadata);
    spoil(entry);
    const Entries entries{{"small_cap", std::make_shared<const Entry>(entry)}};
    return write_of(plan_of(Mode::market_cap, market, entries), "small_cap") != nullptr;
  };
  CHECK_FALSE(is_written([](Entry&) {}));
  CHECK_FALSE(is_written([](Entry& entry) { entry.count = "2.0"; }));
  CHECK(is_written([](Entry& entry) { entry.count = "3"; }));
  CHECK(is_written([](Entry& entry) { entry.count = "\"2\""; }));
  CHECK(is_written([](Entry& entry) { entry.count = ""; }));
  CHECK(is_written([](Entry& entry) { entry.metadata = "{}"; }));
  CHECK(is_written([](Entry& entry) { entry.cache_type = "theme"; }));
  CHECK(is_written([](Entry& entry) { entry.members = List{1, 0}; }));
  CHECK(is_written([](Entry& entry) { entry.members = List{0}; }));
  CHECK(is_written([](Entry& entry) { entry.members = List{0, 1, 1}; }));
  CHECK(is_written([](Entry& entry) {
    entry.readable = false;
    entry.members = List();
  }));
}

TEST_CASE(
    "recent listings are the active ones of the days that end with the as-of day, newest first") {
  const Market market = market_of({{"FIRST_DAY", 0, "2026-07-23"},
                                   {"TOO_OLD", 0, "2026-07-22"},
                                   {"TODAY_B", 0, "2026-08-21"},
                                   {"TODAY_A", 0, "2026-08-21"},
                                   {"TOMORROW", 0, "2026-08-22"},
                                   {"NO_DATE", 0},
                                   {"GONE", 0, "2026-08-03", "2026-08-10"},
                                   {"UNKNOWN", 0, "2026-08-03", {}, Activity::unknown},
                                   {"LEAVES_LATER", 0, "2026-08-04", "2026-09-01"}});
  const TaskPlan plan = plan_of(Mode::ipos, market, {}, {});
  CHECK(written(market, plan, "recent_ipos") ==
        Names{"TODAY_A", "TODAY_B", "LEAVES_LATER", "FIRST_DAY"});
  CHECK(write_of(plan, "recent_ipos")->after->metadata ==
        R"({"type": "ipo", "period": "last_30_days"})");
}

TEST_CASE("the window of recent listings is a setting, and shows in the metadata") {
  const Market market = market_of({{"A", 0, "2026-08-15"}, {"B", 0, "2026-08-14"}});
  Policy policy;
  policy.ipo_days = 7;
  const TaskPlan plan = plan_of(Mode::ipos, market, {}, policy);
  CHECK(written(market, plan, "recent_ipos") == Names{"A"});
  CHECK(write_of(plan, "recent_ipos")->after->metadata ==
        R"({"type": "ipo", "period": "last_7_days"})");
}

TEST_CASE("without recent listings the entry is emptied where it exists, and not made") {
  Market market = market_of({{"OLD", 0, "2020-01-01"}});
  CHECK(plan_of(Mode::ipos, market, {}, {}).writes.empty());
  const Entries entries{{"recent_ipos", entry_of(market, "ipo", {"OLD"})}};
  CHECK(written(market, plan_of(Mode::ipos, market, entries, {}), "recent_ipos").empty());
}

TEST_CASE("delisted symbols leave every cleaned entry, and the rest keeps its order") {
  Market market = market_of({{"A"},
                             {"B", 1e9, {}, "2026-08-20"},
                             {"C"},
                             {"D", 1e9, {}, {}, Activity::inactive},
                             {"E", 1e9, {}, {}, Activity::unknown}});
  const Entries entries{
      {"ai", entry_of(market, "theme", {"C", "B", "STRANGER", "E", "D", "C", "A", "B"})},
      {"clean", entry_of(market, "theme", {"A", "A"})},
      {"watchlist", entry_of(market, "user", {"B"})},
      {"some_ipos", entry_of(market, "ipo", {"B"})},
      {"technology", entry_of(market, "sector", {"B"})},
      {"nano_cap", entry_of(market, "market_cap", {"A", "D"})}};
  const TaskPlan plan = plan_of(Mode::delisted, market, entries);
  REQUIRE(plan.writes.size() == 3);
  CHECK(plan.writes[0].universe == "ai");
  CHECK(written(market, plan, "ai") == Names{"C", "STRANGER", "E", "C", "A"});
  CHECK(write_of(plan, "ai")->after->count == "5");
  CHECK(write_of(plan, "ai")->diff.removed.size() == 2);
  CHECK(written(market, plan, "technology").empty());
  CHECK(written(market, plan, "nano_cap") == Names{"A"});
  REQUIRE(plan.warnings.size() == 1);
  CHECK_THAT(plan.warnings[0].sentence,
             starts_with("1 member of 1 entry is not in the symbols table"));
}

TEST_CASE("an entry that can't be read is left alone and named") {
  Market market = market_of({{"A", 1e9, {}, "2026-08-20"}});
  Entry broken;
  broken.cache_type = "theme";
  broken.readable = false;
  const TaskPlan plan =
      plan_of(Mode::delisted, market, {{"broken", std::make_shared<const Entry>(broken)}});
  CHECK(plan.writes.empty());
  REQUIRE(plan.warnings.size() == 1);
  CHECK_THAT(plan.warnings[0].sentence, contains("'broken'"));
}

TEST_CASE("the tasks of a run stand on each other's results") {
  Market market = market_of({{"A", 1e9}, {"B", 1e9, {}, "2026-08-20"}});
  const Entries entries{{"small_cap", entry_of(market, "market_cap", {"A", "B"})},
                        {"top_100", entry_of(market, "theme", {"B"})}};
  const Plan plan = make_plan(Mode::full, market, entries, {});
  REQUIRE(plan.tasks.size() == 3);
  CHECK(written(market, plan.tasks[0], "small_cap") == Names{"A"});
  CHECK(plan.tasks[2].writes.empty());
  REQUIRE(plan.tasks[0].warnings.size() == 1);
  CHECK_THAT(plan.tasks[0].warnings[0].sentence, contains("'top_100' of type 'theme'"));

  const Plan alone = make_plan(Mode::delisted, market, entries, {});
  REQUIRE(alone.tasks.size() == 1);
  CHECK(alone.tasks[0].writes.size() == 2);
}

TEST_CASE("a plan that was applied leaves nothing to do") {
  Market market = market_of({{"A", 1e9, "2026-08-20"}, {"B", 3e9}, {"C", 1e9, {}, "2026-08-20"}});
  Entries entries{{"ai", entry_of(market, "theme", {"C", "A"})},
                  {"mega_cap", entry_of(market, "theme", {"B"})}};
  for (const TaskPlan& task : make_plan(Mode::full, market, entries, {}).tasks) {
    for (const EntryWrite& write : task.writes)
      entries.insert_or_assign(write.universe, write.after);
  }
  CHECK(make_plan(Mode::full, market, entries, {}).empty());
}
