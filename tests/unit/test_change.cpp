#include "rules/plan.hpp"
#include "rules/reason.hpp"
#include "support/catch.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

/// Returns each change as one line.
std::vector<std::string> lines(const std::vector<Change>& changes, const Market& market) {
  std::vector<std::string> lines;
  for (const Change& change : changes) {
    lines.push_back(std::string(change.change_type) + " " + change.universe + " " +
                    (change.symbol ? std::string(market.name(*change.symbol)) : "-") + " " +
                    std::string(change.action) + ": " + change.reason);
  }
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("market-cap has one change per written universe") {
  const Market market = market_of({{"A", 300e9}, {"B", 1e9}});
  const TaskPlan plan = plan_of(Mode::market_cap, market, {});
  CHECK(lines(changes_of(plan, market), market) ==
        Lines{"market_cap_update mega_cap - updated: Market cap recalculation: 1 symbols",
              "market_cap_update small_cap - updated: Market cap recalculation: 1 symbols",
              "market_leader_update top_100 - updated: Top 100 by market cap",
              "market_leader_update top_500 - updated: Top 500 by market cap",
              "market_leader_update top_1000 - updated: Top 1000 by market cap",
              "market_leader_update top_2000 - updated: Top 2000 by market cap"});
}

TEST_CASE("ipo has one change per symbol that came or went, and says why") {
  Market market = market_of({{"NEW", 1, "2026-08-20"},
                             {"NAMELESS", 1, "2026-08-19"},
                             {"AGED", 1, "2026-07-01"},
                             {"GONE", 1, "2026-08-10", "2026-08-20"},
                             {"HALTED", 1, "2026-08-10", {}, Activity::inactive},
                             {"LATER", 1, "2026-09-01"},
                             {"UNDATED"},
                             {"VAGUE", 1, "2026-08-10", {}, Activity::unknown}});
  market.describe(0, {"Acme Corp", "Technology"});
  const Entries entries{{"recent_ipos", entry_of(market, "ipo",
                                                 {"AGED", "GONE", "HALTED", "LATER", "UNDATED",
                                                  "VAGUE", "STRANGER"})}};
  const TaskPlan plan = plan_of(Mode::ipos, market, entries, {});
  CHECK(lines(changes_of(plan, market), market) ==
        Lines{"ipo_assignment recent_ipos NEW added: New IPO: Acme Corp",
              "ipo_assignment recent_ipos NAMELESS added: New IPO: NAMELESS",
              "ipo_assignment recent_ipos AGED removed: Listed more than 30 days ago",
              "ipo_assignment recent_ipos GONE removed: Delisted 2026-08-20",
              "ipo_assignment recent_ipos HALTED removed: No longer active",
              "ipo_assignment recent_ipos LATER removed: Not listed before 2026-09-01",
              "ipo_assignment recent_ipos UNDATED removed: Without a listing date",
              "ipo_assignment recent_ipos VAGUE removed: Not known to be active",
              "ipo_assignment recent_ipos STRANGER removed: Not in the symbols table"});
}

TEST_CASE("a written entry is at least one change") {
  Market market = market_of({{"A", 1, "2026-08-20"}});
  const Entries entries{{"recent_ipos", entry_of(market, "ipo", {"A"}, "{}")}};
  const TaskPlan plan = plan_of(Mode::ipos, market, entries, {});
  CHECK(lines(changes_of(plan, market), market) ==
        Lines{"ipo_assignment recent_ipos - updated: Recent IPOs: 0 added, 0 removed"});
}

TEST_CASE("delisted has one change per cleaned universe") {
  Market market = market_of({{"A", 1, {}, "2026-08-20"}, {"B", 1, {}, "2026-08-20"}});
  const Entries entries{{"ai", entry_of(market, "theme", {"A", "B", "A"})}};
  const TaskPlan plan = plan_of(Mode::delisted, market, entries);
  CHECK(lines(changes_of(plan, market), market) ==
        Lines{"delisted_cleanup ai - cleaned: Removed 2 delisted symbols"});
}

TEST_CASE("every member that came or went has a reason of its own") {
  Market market = market_of({{"ROSE", 11e9},
                             {"FELL", 9e9},
                             {"JUMPED", 60e6},
                             {"LISTED", 12e9, "2026-08-03"},
                             {"GONE", 15e9, {}, "2026-08-20"},
                             {"HALTED", 15e9, {}, {}, Activity::inactive},
                             {"CAPLESS", 0},
                             {"OTHER", 13e9},
                             {"SANK", 40e6}});
  const Entries before{
      {"large_cap",
       entry_of(market, "market_cap", {"FELL", "JUMPED", "GONE", "HALTED", "CAPLESS", "STRANGER"})},
      {"mid_cap", entry_of(market, "market_cap", {"ROSE"})},
      {"micro_cap", entry_of(market, "market_cap", {"SANK"})},
      {"top_100", entry_of(market, "market_leader", {"FELL"})}};
  const TaskPlan plan = plan_of(Mode::market_cap, market, before);
  const MemberReasons reasons(market, before, Policy().universes(), 30);
  const auto find = [&plan](const std::string& universe) -> const EntryWrite& {
    for (const EntryWrite& write : plan.writes) {
      if (write.universe == universe) return write;
    }
    FAIL(universe + " is not written");
    return plan.writes.front();
  };
  const auto id = [&market](const std::string& name) { return *market.symbols().find(name); };
  const auto added = [&](const std::string& universe, const std::string& name) {
    return reasons.added(find(universe), id(name));
  };
  const auto removed = [&](const std::string& universe, const std::string& name) {
    return reasons.removed(find(universe), id(name));
  };
  CHECK(added("large_cap", "ROSE") == "crossed $10 B upward");
  CHECK(added("mid_cap", "FELL") == "crossed $10 B downward");
  CHECK(added("micro_cap", "JUMPED") == "crossed $300 M downward");
  CHECK(added("large_cap", "LISTED") == "listed 2026-08-03");
  CHECK(added("large_cap", "OTHER") == "was in no category");
  CHECK(added("top_100", "OTHER") == "rose to rank 1");
  CHECK(removed("large_cap", "FELL") == "crossed $10 B downward");
  CHECK(dollars_text(1) == "$1");
  CHECK(dollars_text(1234567890) == "$1.23456789 B");
  CHECK(dollars_text(2e15) == "$2000000 B");
  CHECK(removed("mid_cap", "ROSE") == "crossed $10 B upward");
  CHECK(removed("micro_cap", "SANK") == "crossed $50 M downward");
  CHECK(removed("large_cap", "GONE") == "delisted 2026-08-20");
  CHECK(removed("large_cap", "HALTED") == "no longer active");
  CHECK(removed("large_cap", "CAPLESS") == "no market cap");
  CHECK(removed("large_cap", "STRANGER") == "not in the symbols table");
  CHECK(MemberReasons::moved({0, 6, 4}) == "rank 5, was 7");
}
