#include <algorithm>
#include <chrono>

#include "rules/guards.hpp"
#include "rules/plan.hpp"
#include "support/catch.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

/// A market of `eligible` symbols with a small cap, of which the first `old` are in small_cap, with
/// `vanished` that are no longer eligible.
struct Scene {
  std::size_t eligible = 0;
  std::size_t old = 0;
  std::size_t vanished = 0;
  Mode mode = Mode::full;
  GuardLimits limits = {};
  bool fresh = true;
  int days_ahead = 0;  ///< from today to the as-of day
};

std::vector<GuardResult> evaluate(const Scene& scene) {
  std::vector<Row> rows;
  std::vector<std::string> members;
  for (std::size_t i = 0; i < scene.eligible; ++i) {
    rows.push_back({"E" + std::to_string(i), 1e9});
    if (i < scene.old) members.push_back(rows.back().symbol);
  }
  for (std::size_t i = 0; i < scene.vanished; ++i) {
    rows.push_back({"V" + std::to_string(i), 0});
    members.push_back(rows.back().symbol);
  }
  Market market = market_of(rows);
  const Entries entries{{"small_cap", entry_of(market, "market_cap", members)}};
  const Plan plan = make_plan(scene.mode, market, entries, {});
  return evaluate_guards({scene.mode, market, entries, plan, scene.limits,
                          market.as_of() - std::chrono::days(scene.days_ahead), scene.fresh});
}

bool refuses(const Scene& scene, const std::string& name) {
  const auto results = evaluate(scene);
  return std::any_of(results.begin(), results.end(), [&name](const GuardResult& each) {
    return each.name == name && each.refused;
  });
}

bool has(const Scene& scene, const std::string& name) {
  const auto results = evaluate(scene);
  return std::any_of(results.begin(), results.end(),
                     [&name](const GuardResult& each) { return each.name == name; });
}

}  // namespace

TEST_CASE("a market without an eligible symbol is refused") {
  CHECK(refuses({.eligible = 0}, "no_eligible_symbols"));
  CHECK_FALSE(refuses({.eligible = 1}, "no_eligible_symbols"));
  CHECK(refuses({.eligible = 0, .mode = Mode::delisted}, "no_eligible_symbols"));
  CHECK_FALSE(has({.eligible = 0, .mode = Mode::ipos}, "no_eligible_symbols"));
}

TEST_CASE("more than two percent and at least twenty may not vanish at once") {
  CHECK_FALSE(refuses({.eligible = 980, .old = 980, .vanished = 20}, "vanished"));
  CHECK(refuses({.eligible = 979, .old = 979, .vanished = 21}, "vanished"));
  CHECK_FALSE(refuses({.eligible = 30, .old = 30, .vanished = 19}, "vanished"));
  CHECK(refuses({.eligible = 30, .old = 30, .vanished = 20}, "vanished"));
  CHECK(refuses({.eligible = 30, .old = 30, .vanished = 20, .mode = Mode::delisted}, "vanished"));
  CHECK_FALSE(has({.eligible = 30, .old = 30, .vanished = 20, .mode = Mode::ipos}, "vanished"));
  CHECK_FALSE(
      refuses({.eligible = 30, .old = 30, .vanished = 20, .limits = {.max_vanished_percent = 50}},
              "vanished"));
}

TEST_CASE("more than five percent may not appear at once, where a thousand stood") {
  CHECK_FALSE(refuses({.eligible = 1050, .old = 1000}, "appeared"));
  CHECK(refuses({.eligible = 1051, .old = 1000}, "appeared"));
  CHECK_FALSE(refuses({.eligible = 5000, .old = 999}, "appeared"));
  CHECK_FALSE(refuses({.eligible = 1051, .old = 1000, .mode = Mode::delisted}, "appeared"));
}

TEST_CASE("an entry of twenty or more may not lose over thirty percent") {
  const auto loses = [](std::size_t members, std::size_t gone) {
    std::vector<Row> rows;
    std::vector<std::string> theme;
    for (std::size_t i = 0; i < members; ++i) {
      rows.push_back({"S" + std::to_string(i), 1e3});
      theme.push_back(rows.back().symbol);
      if (i < gone) rows.back().delisted = "2026-08-20";
    }
    Market market = market_of(rows);
    const Entries entries{{"ai", entry_of(market, "theme", theme)}};
    const Plan plan = make_plan(Mode::delisted, market, entries, {});
    const auto results =
        evaluate_guards({Mode::delisted, market, entries, plan, {}, market.as_of(), true});
    const auto found = std::find_if(results.begin(), results.end(),
                                    [](const GuardResult& each) { return each.name == "removed"; });
    REQUIRE(found != results.end());
    CHECK(found->universe == "ai");
    CHECK(found->limit == 30);
    CHECK(found->setting == "max_removed_percent");
    return found->refused;
  };
  CHECK_FALSE(loses(20, 6));
  CHECK(loses(20, 7));
  CHECK_FALSE(loses(19, 18));
}

TEST_CASE("a refusal shows what is more than its limit") {
  const auto sentence = [](double limit) {
    Scene scene{.eligible = 2000, .old = 2000, .vanished = 1000};
    scene.limits.max_vanished_percent = limit;
    const auto results = evaluate(scene);
    return std::ranges::find(results, "vanished", &GuardResult::name)->sentence;
  };
  CHECK_THAT(sentence(2), contains(": 33.33 % is more than max_vanished_percent = 2"));
  CHECK_THAT(sentence(33.333), contains("% is more than max_vanished_percent = 33.333"));
  CHECK_THAT(sentence(33.333), contains(": 33.33333"));
}

TEST_CASE("in recent_ipos those that leave by age don't count") {
  const auto refused = [](std::size_t aged, std::size_t gone) {
    std::vector<Row> rows;
    std::vector<std::string> members;
    for (std::size_t i = 0; i < 40; ++i) {
      rows.push_back({"S" + std::to_string(i), 1e9, "2026-08-10"});
      if (i < aged) rows.back().listed = "2026-07-22";
      if (i >= aged && i < aged + gone) rows.back().delisted = "2026-08-20";
      members.push_back(rows.back().symbol);
    }
    Market market = market_of(rows);
    const Entries entries{{"recent_ipos", entry_of(market, "ipo", members)}};
    const Plan plan = make_plan(Mode::ipos, market, entries, {});
    const auto results =
        evaluate_guards({Mode::ipos, market, entries, plan, {}, market.as_of(), true});
    return std::any_of(results.begin(), results.end(),
                       [](const GuardResult& each) { return each.refused; });
  };
  CHECK_FALSE(refused(40, 0));
  CHECK_FALSE(refused(20, 12));
  CHECK(refused(20, 13));
}

TEST_CASE("an as-of day after today refuses a run, whatever its mode") {
  CHECK_FALSE(refuses({.eligible = 5}, "future_as_of"));
  CHECK_FALSE(refuses({.eligible = 5, .days_ahead = -400}, "future_as_of"));
  CHECK(refuses({.eligible = 5, .days_ahead = 1}, "future_as_of"));
  CHECK(refuses({.eligible = 5, .mode = Mode::delisted, .days_ahead = 1}, "future_as_of"));
}

TEST_CASE("old prices refuse a run only where the setting is there") {
  CHECK_FALSE(has({.eligible = 5, .fresh = false}, "data_age"));
  CHECK(refuses({.eligible = 5, .limits = {.max_data_age_days = 3}, .fresh = false}, "data_age"));
  CHECK_FALSE(refuses({.eligible = 5, .limits = {.max_data_age_days = 3}}, "data_age"));
  CHECK(refuses(
      {.eligible = 5, .mode = Mode::ipos, .limits = {.max_data_age_days = 3}, .fresh = false},
      "data_age"));
}
