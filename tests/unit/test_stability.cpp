#include <map>
#include <random>
#include <set>

#include "rules/reason.hpp"
#include "support/catch.hpp"
#include "support/stability.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

using Names = std::vector<std::string>;

/// Consecutive nights: the contents of the entries, and who waits.
class Nights {
 public:
  explicit Nights(Policy policy) : policy_(std::move(policy)) {}

  void to(const std::string& as_of, const std::vector<Row>& rows, Mode mode = Mode::full) {
    market_.emplace(market_of(rows, as_of));
    Entries entries;
    for (const auto& [universe, members] : lists_) {
      entries[universe] = entry_of(*market_, types_[universe], members, metadata_[universe]);
    }
    std::vector<Waiting> waiting;
    for (const auto& [where, row] : rows_) {
      waiting.push_back({where.first, market_->symbols().intern(where.second), row.universe,
                         row.nights, row.as_of});
    }
    plan_ = make_plan(mode, *market_, entries, policy_, waiting);
    for (const TaskPlan& task : plan_.tasks) {
      for (const EntryWrite& write : task.writes) {
        lists_[write.universe] = names(*market_, write.after->members.list());
        types_[write.universe] = write.after->cache_type;
        metadata_[write.universe] = write.after->metadata;
      }
    }
    for (const Waiting& gone : plan_.waited) rows_.erase({gone.group, name(gone)});
    for (const Waiting& each : plan_.waiting) rows_[{each.group, name(each)}] = each;
  }

  Names in(const std::string& universe) { return lists_[universe]; }
  /// Adds a member, as another writer would.
  void put(const std::string& universe, const std::string& symbol) {
    lists_[universe].push_back(symbol);
  }
  /// Returns how many nights a symbol has waited; 0 if it does not wait.
  int waits(const std::string& symbol, const std::string& group = "categories") const {
    const auto found = rows_.find({group, symbol});
    return found == rows_.end() ? 0 : found->second.nights;
  }
  [[nodiscard]] std::size_t waiting() const { return rows_.size(); }
  Policy& policy() { return policy_; }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] const Market& market() const { return *market_; }

 private:
  [[nodiscard]] std::string name(const Waiting& each) const {
    return std::string(market_->name(each.symbol));
  }

  Policy policy_;
  std::optional<Market> market_;
  Plan plan_;
  std::map<std::string, Names> lists_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::string> metadata_;
  std::map<std::pair<std::string, std::string>, Waiting> rows_;
};

Policy stable(Stability stability) {
  Policy policy;
  policy.stability = stability;
  return policy;
}

}  // namespace

TEST_CASE("a member stays within the band, and its edge belongs to it below but not above") {
  Nights nights(stable({.band = 10}));
  nights.to("2026-08-03", {{"LOW", 10e9}, {"HIGH", 9e9}, {"EDGE", 10e9}, {"TOP", 9.99e9}});
  REQUIRE(nights.in("large_cap") == Names{"EDGE", "LOW"});
  nights.to("2026-08-04", {{"LOW", 9e9}, {"HIGH", 10.999e9}, {"EDGE", 8.999e9}, {"TOP", 11e9}});
  CHECK(nights.in("large_cap") == Names{"TOP", "LOW"});
  CHECK(nights.in("mid_cap") == Names{"HIGH", "EDGE"});
  CHECK(nights.waiting() == 0);
}

TEST_CASE("exactly on a bound a symbol without a seat takes the upper one") {
  Nights nights(stable({.band = 10, .nights = 3}));
  nights.to("2026-08-03", {{"ON", 10e9}, {"UNDER", 9'999'999'999.99}});
  CHECK(nights.in("large_cap") == Names{"ON"});
  CHECK(nights.in("mid_cap") == Names{"UNDER"});
}

TEST_CASE("a member leaves on the last of its nights, by the conditions of that day") {
  Nights nights(stable({.band = 10, .nights = 3}));
  nights.to("2026-08-03", {{"A", 20e9}});
  nights.to("2026-08-04", {{"A", 8.9e9}});
  CHECK(nights.in("large_cap") == Names{"A"});
  CHECK(nights.waits("A") == 1);
  nights.to("2026-08-05", {{"A", 1e9}});
  CHECK(nights.waits("A") == 2);
  // Two bands in one jump.
  nights.to("2026-08-06", {{"A", 1e9}});
  CHECK(nights.in("large_cap").empty());
  CHECK(nights.in("mid_cap").empty());
  CHECK(nights.in("small_cap") == Names{"A"});
  CHECK(nights.waiting() == 0);
}

TEST_CASE("a day on which the universe holds again ends the count, within the band too") {
  Nights nights(stable({.band = 10, .nights = 2}));
  nights.to("2026-08-03", {{"A", 20e9}});
  nights.to("2026-08-04", {{"A", 8e9}});
  nights.to("2026-08-05", {{"A", 9.1e9}});
  CHECK(nights.waits("A") == 0);
  nights.to("2026-08-06", {{"A", 8e9}});
  CHECK(nights.waits("A") == 1);
  CHECK(nights.in("large_cap") == Names{"A"});
}

TEST_CASE("a repeated day, and one that goes back, count nothing") {
  Nights nights(stable({.nights = 3}));
  nights.to("2026-08-03", {{"A", 20e9}});
  nights.to("2026-08-10", {{"A", 8e9}});
  nights.to("2026-08-10", {{"A", 8e9}});
  nights.to("2026-08-04", {{"A", 8e9}});
  CHECK(nights.waits("A") == 1);
  nights.to("2026-08-10", {{"A", 8e9}});
  CHECK(nights.waits("A") == 1);
  // A skipped day is not one of them.
  nights.to("2026-08-12", {{"A", 8e9}});
  CHECK(nights.waits("A") == 2);
}

TEST_CASE("who is inactive or without a market cap leaves at once") {
  Nights nights(stable({.band = 10, .nights = 5}));
  nights.to("2026-08-03", {{"GONE", 20e9}, {"NONE", 20e9}, {"SMALL", 20e9}});
  nights.to("2026-08-04", {{"GONE", 20e9, {}, "2026-08-04"}, {"NONE", 0}, {"SMALL", 1e9}});
  CHECK(nights.in("large_cap") == Names{"SMALL"});
  CHECK(nights.waiting() == 1);
  // In a night without a cap it loses its seat, and returns by the conditions alone.
  nights.to("2026-08-05", {{"GONE", 20e9, {}, "2026-08-04"}, {"NONE", 9.5e9}, {"SMALL", 1e9}});
  CHECK(nights.in("mid_cap") == Names{"NONE"});
}

TEST_CASE("runs of other tasks count nothing, and keep who waits") {
  Nights nights(stable({.nights = 2}));
  nights.policy().declared.push_back({.name = "theme_big", .conditions = {CapFrom{15e9}}});
  nights.policy().declared.back().type = "theme";
  nights.policy().declared.back().task = Task::themes;
  nights.policy().declared.back().stability = {.nights = 3};
  nights.to("2026-08-03", {{"A", 20e9}});
  nights.to("2026-08-04", {{"A", 8e9}});
  REQUIRE(nights.waits("A") == 1);
  REQUIRE(nights.waits("A", "theme_big") == 1);
  nights.to("2026-08-05", {{"A", 8e9}}, Mode::themes);
  nights.to("2026-08-05", {{"A", 8e9}}, Mode::ipos);
  nights.to("2026-08-05", {{"A", 8e9}}, Mode::delisted);
  CHECK(nights.waits("A") == 1);
  CHECK(nights.waits("A", "theme_big") == 2);
  nights.to("2026-08-06", {{"A", 8e9}}, Mode::market_cap);
  CHECK(nights.in("mid_cap") == Names{"A"});
  CHECK(nights.waits("A", "theme_big") == 2);
  nights.to("2026-08-06", {{"A", 8e9}}, Mode::full);
  CHECK(nights.in("theme_big").empty());
}

TEST_CASE("a universe of a group that the run does not write keeps its members") {
  Nights nights(stable({.nights = 2}));
  Universe nano{.name = "nano_cap",
                .type = "theme",
                .task = Task::themes,
                .group = "categories",
                .conditions = {CapFrom{1e6}}};
  nano.stability = {.nights = 2};
  nights.policy().declared.push_back(nano);
  nights.to("2026-08-03", {{"A", 60e6}});
  nights.to("2026-08-04", {{"A", 10e6}});
  nights.to("2026-08-05", {{"A", 10e6}}, Mode::themes);
  CHECK(nights.in("micro_cap") == Names{"A"});
  CHECK(nights.in("nano_cap").empty());
  CHECK(nights.waits("A") == 1);
  nights.to("2026-08-05", {{"A", 10e6}});
  CHECK(nights.in("micro_cap").empty());
  CHECK(nights.in("nano_cap") == Names{"A"});
}

TEST_CASE(
    "who stands in two universes of a group sits where the run may not write, else where it "
    "belongs") {
  Nights nights(stable({.nights = 2}));
  nights.policy().declared.push_back({.name = "nano_cap",
                                      .type = "theme",
                                      .task = Task::themes,
                                      .conditions = {CapFrom{1e5}},
                                      .stability = {.nights = 2}});
  nights.to("2026-08-03", {{"A", 100e6}, {"B", 1e9}});
  CHECK(nights.in("micro_cap") == Names{"A"});
  CHECK(nights.in("nano_cap") == Names{"B", "A"});
  SECTION("a group grows while one of its universes is left alone") {
    nights.policy().declared.back().group = "categories";
    nights.to("2026-08-04", {{"A", 100e6}, {"B", 1e9}}, Mode::market_cap);
    CHECK(nights.in("micro_cap").empty());
    CHECK(nights.in("small_cap").empty());
    CHECK(nights.in("nano_cap") == Names{"B", "A"});
  }
  SECTION("all are written") {
    nights.policy().declared.back().group = "categories";
    nights.to("2026-08-04", {{"A", 10e6}, {"B", 1e9}});
    CHECK(nights.in("micro_cap").empty());
    CHECK(nights.in("nano_cap") == Names{"A"});
    CHECK(nights.in("small_cap") == Names{"B"});
    CHECK(nights.waiting() == 0);
  }
  SECTION("the band of one still holds") {
    nights.policy().stability.band = 10;
    nights.put("mega_cap", "A");
    nights.to("2026-08-04", {{"A", 320e6}, {"B", 1e9}}, Mode::market_cap);
    CHECK(nights.in("mega_cap").empty());
    CHECK(nights.in("micro_cap") == Names{"A"});
    CHECK(nights.waiting() == 0);
  }
}

TEST_CASE("who waits for a universe that is gone is forgotten; a new one changes no count") {
  Nights nights(stable({}));
  const Universe big{.name = "big",
                     .type = "theme",
                     .task = Task::themes,
                     .conditions = {CapFrom{10e9}},
                     .stability = {.nights = 3}};
  const Universe huge{.name = "huge",
                      .type = "theme",
                      .task = Task::themes,
                      .conditions = {CapFrom{15e9}},
                      .stability = {.nights = 3}};
  nights.policy().declared = {big};
  nights.to("2026-08-03", {{"A", 20e9}});
  nights.to("2026-08-04", {{"A", 8e9}});
  nights.policy().declared = {huge, big};
  nights.to("2026-08-05", {{"A", 8e9}});
  CHECK(nights.waits("A", "big") == 2);
  CHECK(nights.in("huge").empty());
  nights.policy().declared = {huge};
  nights.to("2026-08-06", {{"A", 8e9}});
  CHECK(nights.waiting() == 0);
}

TEST_CASE("switched on over entries that are right nothing changes, switched off it ends at once") {
  Nights nights(stable({}));
  const std::vector<Row> rows{{"A", 20e9}, {"B", 8e9}, {"C", 1e9}};
  nights.to("2026-08-03", rows);
  nights.policy().stability = {.band = 10, .nights = 2, .buffer = 10};
  nights.to("2026-08-04", rows);
  CHECK(nights.plan().empty());
  CHECK(nights.waiting() == 0);
  nights.to("2026-08-05", {{"A", 5e9}, {"B", 8e9}, {"C", 1e9}});
  CHECK(nights.waits("A") == 1);
  nights.policy().stability = {};
  nights.to("2026-08-05", {{"A", 5e9}, {"B", 8e9}, {"C", 1e9}});
  CHECK(nights.in("mid_cap") == Names{"B", "A"});
  CHECK(nights.waiting() == 0);
}

TEST_CASE("a changed band counts from the night on which it is changed") {
  Nights nights(stable({.band = 20, .nights = 2}));
  nights.to("2026-08-03", {{"A", 20e9}});
  nights.to("2026-08-04", {{"A", 8.5e9}});
  CHECK(nights.waits("A") == 0);
  nights.policy().stability.band = 10;
  nights.to("2026-08-05", {{"A", 8.5e9}});
  CHECK(nights.waits("A") == 1);
  nights.policy().stability.band = 30;
  nights.to("2026-08-06", {{"A", 8.5e9}});
  CHECK(nights.waits("A") == 0);
}

TEST_CASE("the buffer lets members stay in while it holds, and always as many as there should be") {
  Policy policy = stable({});
  policy.builtin = false;
  policy.declared = {{.name = "ten",
                      .type = "theme",
                      .task = Task::themes,
                      .first = 10,
                      .stability = {.buffer = 20}}};
  Nights nights(policy);
  const auto ranked = [](const Names& order) {
    std::vector<Row> rows;
    for (const std::string& symbol : order) {
      rows.push_back({symbol, 1e9 - 1e6 * static_cast<double>(rows.size())});
    }
    return rows;
  };
  nights.to("2026-08-03", ranked({"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"}));
  REQUIRE(nights.in("ten") == Names{"A", "B", "C", "D", "E", "F", "G", "H", "I", "J"});
  // At rank 9 a new one does not get in while there is a member within rank 12.
  nights.to("2026-08-04", ranked({"A", "B", "C", "D", "E", "F", "G", "H", "K", "L", "I", "J"}));
  CHECK(nights.in("ten") == Names{"A", "B", "C", "D", "E", "F", "G", "H", "I", "J"});
  // At rank 8 it does, and the last one within the buffer makes room.
  nights.to("2026-08-05", ranked({"A", "B", "C", "D", "E", "F", "G", "K", "H", "L", "I", "J"}));
  CHECK(nights.in("ten") == Names{"A", "B", "C", "D", "E", "F", "G", "K", "H", "I"});
  // Beyond rank 12 a member leaves, and the rest fill up by rank.
  nights.to("2026-08-06",
            ranked({"A", "B", "C", "D", "E", "F", "G", "K", "M", "L", "N", "J", "H", "I"}));
  CHECK(nights.in("ten") == Names{"A", "B", "C", "D", "E", "F", "G", "K", "M", "L"});
  // Larger than the market.
  nights.to("2026-08-07", ranked({"A", "Z"}));
  CHECK(nights.in("ten") == Names{"A", "Z"});
}

TEST_CASE("who is kept is ranked with the others, and waits only while it is in") {
  Policy policy = stable({});
  policy.builtin = false;
  policy.declared = {{.name = "two",
                      .type = "theme",
                      .task = Task::themes,
                      .conditions = {CapFrom{10e9}},
                      .first = 2,
                      .stability = {.nights = 3}}};
  Nights nights(policy);
  nights.to("2026-08-03", {{"A", 50e9}, {"B", 20e9}, {"C", 15e9}});
  REQUIRE(nights.in("two") == Names{"A", "B"});
  nights.to("2026-08-04", {{"A", 50e9}, {"B", 8e9}, {"C", 1e9}});
  CHECK(nights.in("two") == Names{"A", "B"});
  CHECK(nights.waits("B", "two") == 1);
  nights.to("2026-08-05", {{"A", 50e9}, {"B", 8e9}, {"C", 15e9}});
  CHECK(nights.in("two") == Names{"A", "C"});
  CHECK(nights.waiting() == 0);
}

TEST_CASE("an included member does not wait, in a group and outside of one") {
  for (const std::string group : {"", "sizes"}) {
    Policy policy = stable({});
    policy.builtin = false;
    policy.declared = {{.name = "big",
                        .type = "theme",
                        .task = Task::themes,
                        .group = group,
                        .conditions = {CapFrom{10e9}},
                        .include = {"A"},
                        .stability = {.nights = 2}}};
    Nights nights(policy);
    nights.to("2026-08-03", {{"A", 50e9}, {"B", 20e9}});
    nights.to("2026-08-04", {{"A", 1e9}, {"B", 2e9}});
    CHECK(nights.in("big") == Names{"B", "A"});
    CHECK(nights.waiting() == 1);
    nights.to("2026-08-05", {{"A", 1e9}, {"B", 2e9}});
    CHECK(nights.in("big") == Names{"A"});
    CHECK(nights.waiting() == 0);
  }
}

TEST_CASE("a line of a company gives way to one that is larger by more than the band") {
  const std::vector<std::string_view> one{"acme"};
  Universe primary{.name = "big",
                   .type = "theme",
                   .task = Task::themes,
                   .conditions = {CapFrom{1e9}},
                   .issuer = "issuer",
                   .stability = {.band = 10}};
  Policy policy;
  policy.builtin = false;
  policy.declared = {primary};
  for (const auto& [cap, stays] : {std::pair(11e9, true), std::pair(11.01e9, false)}) {
    Market lines(*parse_day("2026-08-04"), {"issuer"});
    lines.add("OLD", {10e9, {}, {}, Activity::active}, one);
    lines.add("NEW", {cap, {}, {}, Activity::active}, one);
    lines.rank();
    const Entries entries{{"big", entry_of(lines, "theme", {"OLD"}, R"({"type": "theme"})")}};
    const Plan plan = make_plan(Mode::themes, lines, entries, policy);
    CHECK(plan.empty() == stays);
  }
}

TEST_CASE("an included line of a company does not stand in the way of the one that counts") {
  const std::vector<std::string_view> one{"acme"};
  Policy policy;
  policy.builtin = false;
  policy.declared = {{.name = "big",
                      .type = "theme",
                      .task = Task::themes,
                      .conditions = {CapFrom{1e9}},
                      .include = {"NAMED"},
                      .issuer = "issuer",
                      .stability = {.band = 5}}};
  Names names{"OTHER"};
  const auto next = [&](double cap) -> const Names& {
    Market lines(*parse_day("2026-08-04"), {"issuer"});
    lines.add("NAMED", {cap, {}, {}, Activity::active}, one);
    lines.add("OTHER", {100e9, {}, {}, Activity::active}, one);
    lines.rank();
    const Entries entries{{"big", entry_of(lines, "theme", names, R"({"type": "theme"})")}};
    const Plan plan = make_plan(Mode::themes, lines, entries, policy);
    if (plan.empty()) return names;
    names.clear();
    for (const SymbolId id : plan.tasks.front().writes.front().after->members.list()) {
      names.emplace_back(lines.name(id));
    }
    return names;
  };
  for (int night = 0; night < 3; ++night) CHECK(next(104e9) == Names{"NAMED", "OTHER"});
  CHECK(next(90e9) == Names{"OTHER", "NAMED"});
  CHECK(next(101e9) == Names{"NAMED", "OTHER"});
  for (int night = 0; night < 2; ++night) CHECK(next(106e9) == Names{"NAMED"});
  for (int night = 0; night < 2; ++night) CHECK(next(96e9) == Names{"NAMED"});
  for (int night = 0; night < 2; ++night) CHECK(next(95e9) == Names{"OTHER", "NAMED"});
}

TEST_CASE("reasons say which rule let a member go, and why one waits") {
  Nights nights(stable({.band = 10, .nights = 2}));
  nights.to("2026-08-03", {{"A", 20e9}, {"B", 3e9}});
  nights.to("2026-08-04", {{"A", 8e9}, {"B", 12e9}});
  const Waiting& waiting = nights.plan().waiting.front();
  const auto rule_of = [&nights](const std::string& name) {
    for (const auto& universe : nights.plan().universes) {
      if (universe->name == name) return *universe;
    }
    return Universe{};
  };
  CHECK(waiting_reason(rule_of(waiting.universe), nights.market(), waiting) ==
        "below $10 B, night 1 of 2");
  nights.to("2026-08-05", {{"A", 8e9}, {"B", 12e9}});
  const MemberReasons reasons(nights.market(), {}, nights.plan().universes, 30);
  std::map<std::string, std::string> why;
  for (const EntryWrite& write : nights.plan().tasks.front().writes) {
    for (const Placement& member : write.diff.removed) {
      why[std::string(nights.market().name(member.symbol))] = reasons.removed(write, member.symbol);
    }
  }
  CHECK(why["A"] == "below $10 B for 2 nights, beyond the band of 10 %");
  CHECK(why["B"] == "not below $10 B for 2 nights, beyond the band of 10 %");
}

TEST_CASE("a label that turned blank is no reason to leave a family that keeps such members") {
  Policy policy;
  policy.builtin = false;
  policy.declared = {{.name = "sector_{sector}",
                      .type = "sector",
                      .task = Task::themes,
                      .each = "sector",
                      .conditions = {CapFrom{1e9}}}};
  Market market(*parse_day("2026-08-04"), {"sector"});
  const auto add = [&market](const char* symbol, double cap, std::string_view sector) {
    market.add(symbol, {cap, {}, {}, Activity::active}, std::vector{sector});
  };
  add("BIG", 2e9, "Energy");
  add("BLANK", 2e9, "");
  add("SMALL", 0.9e9, "");
  market.rank();
  const std::string metadata = R"({"type": "sector", "sector": "Energy"})";
  const Entries entries{
      {"sector_energy", entry_of(market, "sector", {"BIG", "BLANK", "SMALL"}, metadata)}};
  const Plan plan = make_plan(Mode::themes, market, entries, policy);
  const EntryWrite& write = plan.tasks.front().writes.front();
  REQUIRE(write.diff.removed.size() == 1);
  const SymbolId small = write.diff.removed.front().symbol;
  CHECK(market.name(small) == "SMALL");
  const MemberReasons reasons(market, entries, plan.universes, 30);
  CHECK(reasons.removed(write, small) == "crossed $1 B downward");
}

TEST_CASE("over random nights the categories and leaders are what the manual says") {
  std::mt19937 random(20260821);
  const auto one_of = [&random](const std::vector<long>& values) {
    return values[random() % values.size()];
  };
  for (int round = 0; round < 60; ++round) {
    const auto band = static_cast<int>(one_of({0, 1, 10, 25, 99}));
    const auto waits = static_cast<int>(one_of({1, 2, 3, 5}));
    const auto buffer = static_cast<int>(one_of({0, 10, 34, 99}));
    const auto first = static_cast<std::size_t>(one_of({1, 7, 20, 90}));
    CAPTURE(round, band, waits, buffer, first);
    Policy policy = stable({.band = band, .nights = waits, .buffer = buffer});
    policy.declared = {{.name = "leaders",
                        .type = "theme",
                        .task = Task::themes,
                        .first = first,
                        .stability = policy.stability}};
    Nights nights(policy);
    CategoryStatement categories(band, waits);
    LeaderStatement leaders(first, buffer);
    std::map<std::string, long> caps;
    for (int i = 0; i < 60; ++i) {
      caps["S" + std::to_string(i)] =
          one_of({50'000'000, 300'000'000, 2'000'000'000, 10'000'000'000, 200'000'000'000});
    }
    int day = 0;
    for (int night = 0; night < 25; ++night) {
      day += static_cast<int>(one_of({0, 1, 1, 1, 1, 4, -2}));
      std::vector<Row> rows;
      for (auto& [symbol, cap] : caps) {
        // Mostly small steps around a bound, sometimes a jump, a loss or an exact edge.
        const long bound =
            one_of({50'000'000, 300'000'000, 2'000'000'000, 10'000'000'000, 200'000'000'000});
        switch (random() % 12) {
          case 0: cap = 0; break;
          case 1: cap = bound * (100 + one_of({-band, 0, band})) / 100; break;
          case 2: cap = bound * one_of({5, 9, 11, 30}) / 10; break;
          case 3:
          case 4: cap = cap * one_of({88, 95, 106, 112}) / 100; break;
          default: break;
        }
        rows.push_back({symbol, static_cast<double>(cap)});
      }
      const Day as_of = *parse_day("2026-03-02") + std::chrono::days(day);
      nights.to(to_string(as_of), rows);
      Facts facts;
      for (const auto& [symbol, cap] : caps) facts[symbol] = {cap, ""};
      categories.night(day + 100, facts);
      leaders.night(facts);
      CAPTURE(night, day);
      std::map<std::string, int> waiting;
      for (const Waiting& each : nights.plan().waiting) {
        waiting[std::string(nights.market().name(each.symbol))] = each.nights;
      }
      REQUIRE(waiting == categories.waiting());
      for (const char* universe : {"mega_cap", "large_cap", "mid_cap", "small_cap", "micro_cap"}) {
        const Names is = nights.in(universe);
        CAPTURE(universe);
        REQUIRE(std::set<std::string>(is.begin(), is.end()) == categories.in(universe));
      }
      const Names is = nights.in("leaders");
      REQUIRE(std::set<std::string>(is.begin(), is.end()) == leaders.members());
    }
  }
}
