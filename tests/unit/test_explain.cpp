// Random declarations over random markets, night after night: runs do what explain() says, and what
// it names is decisive.

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "rules/reason.hpp"
#include "support/catch.hpp"
#include "unit/sample.hpp"

using namespace tickstock;
using namespace tickstock::test;

namespace {

using Names = std::vector<std::string>;

struct Stock {
  double cap = 1e9;
  Activity activity = Activity::active;
  std::optional<Day> listed = {};
  std::optional<Day> delisted = {};
  std::string sector = {};
  std::string issuer = {};
};

/// The contents of the tables.
struct World {
  Policy policy;
  Day as_of = *parse_day("2026-03-02");
  std::map<std::string, Stock> stocks = {};
  struct List {
    std::string type;
    Names members;
    std::string metadata = "{}";
  };
  std::map<std::string, List> lists = {};
  std::map<std::pair<std::string, std::string>, Waiting> waiting = {};
};

/// The same as rules read it.
struct View {
  explicit View(const World& world)
      : policy(world.policy), market(world.as_of, {"issuer", "sector"}) {
    for (const auto& [symbol, stock] : world.stocks) {
      market.add(symbol, {stock.cap, stock.listed, stock.delisted, stock.activity},
                 std::vector<std::string_view>{stock.issuer, stock.sector});
    }
    market.rank();
    for (const auto& [universe, list] : world.lists) {
      entries[universe] = entry_of(market, list.type, list.members, list.metadata);
    }
    for (const auto& [where, row] : world.waiting) {
      waiting.push_back(row);
      waiting.back().symbol = market.symbols().intern(where.second);
    }
  }

  std::vector<Explanation> explain(const std::string& symbol) {
    return tickstock::explain(market, entries, policy, waiting, market.symbols().intern(symbol));
  }
  Explanation explain(const std::string& symbol, const std::string& universe) {
    const auto found = tickstock::explain(market, entries, policy, waiting,
                                          market.symbols().intern(symbol), universe);
    REQUIRE(found.size() == 1);
    return found.front();
  }

  const Policy& policy;
  Market market;
  Entries entries = {};
  std::vector<Waiting> waiting = {};
};

void sync(World& world) {
  View view(world);
  const Plan plan = make_plan(Mode::full, view.market, view.entries, world.policy, view.waiting);
  for (const TaskPlan& task : plan.tasks) {
    for (const EntryWrite& write : task.writes) {
      world.lists[write.universe] = {write.after->cache_type,
                                     names(view.market, write.after->members.list()),
                                     write.after->metadata};
    }
  }
  const auto key = [&view](const Waiting& each) {
    return std::pair(each.universe, std::string(view.market.name(each.symbol)));
  };
  for (const Waiting& gone : plan.waited) world.waiting.erase(key(gone));
  for (const Waiting& each : plan.waiting) world.waiting.insert_or_assign(key(each), each);
}

bool is_member(const World& world, const std::string& universe, const std::string& symbol) {
  const auto list = world.lists.find(universe);
  return list != world.lists.end() &&
         std::count(list->second.members.begin(), list->second.members.end(), symbol) > 0;
}

std::string shown(const Explanation& explanation) {
  std::string text = fmt::format("{}: member {}\n", explanation.universe, explanation.member);
  for (const Decision& each : explanation.decisions) {
    text += fmt::format("  {} {}: {}\n", each.holds ? "yes" : "no ", each.condition, each.value);
  }
  return text + "  " + explanation.outlook;
}

/// Generates a random world.
class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}

  int of(int sides) { return std::uniform_int_distribution(0, sides - 1)(random_); }
  bool once_in(int sides) { return of(sides) == 0; }
  template <typename Value>
  Value one_of(const std::vector<Value>& values) {
    return values[static_cast<std::size_t>(of(static_cast<int>(values.size())))];
  }
  std::string symbol() { return fmt::format("S{:02}", of(24)); }

  void shake(Stock& stock, Day as_of) {
    if (once_in(2)) stock.cap = std::pow(10, 7.5 + of(500) / 100.0);
    if (once_in(8)) stock.cap = one_of<double>({0, -1, NAN, 10e9, 1e9, 9e9, 200e9});
    if (once_in(3)) stock.sector = one_of<std::string>({"Tech", "Energy", "Care", "", " Tech "});
    if (once_in(6)) stock.issuer = one_of<std::string>({"X", "Y", "", "Z"});
    stock.activity = once_in(12)   ? Activity::inactive
                     : once_in(20) ? Activity::unknown
                                   : Activity::active;
    if (once_in(6)) stock.listed = as_of - std::chrono::days{of(40) - 4};
    stock.delisted = std::nullopt;
    if (once_in(15)) stock.delisted = as_of - std::chrono::days{of(4) - 2};
  }

  Policy policy() {
    Policy policy;
    policy.issuer = "issuer";
    policy.builtin = once_in(2);
    policy.stability = stability();
    add(policy, {.name = "sector_{sector}", .type = "sector", .each = "sector"});
    add(policy, {.name = "first_{sector}", .type = "leader", .each = "sector", .first = 2});
    add(policy, {.name = "low", .group = "g", .conditions = {CapFrom{1e9}}});
    add(policy, {.name = "tech",
                 .group = "g",
                 .conditions = {Matches{"sector", {"Energy", "Tech"}, false}}});
    add(policy, {.name = "rest", .group = "g", .first = 3});
    add(policy, {.name = "first", .first = 6});
    add(policy, {.name = "few", .first = 2});
    add(policy, {.name = "lines", .first = 8, .issuer = "issuer"});
    add(policy, {.name = "all_lines", .conditions = {CapFrom{1e8}}, .issuer = "issuer"});
    add(policy, {.name = "companies",
                 .conditions = {Matches{"sector", {"Energy", "Tech"}, false}},
                 .issuer = "issuer"});
    add(policy, {.name = "theme",
                 .conditions = {Matches{"sector", {"Care"}, true}, CapFrom{1e9}, CapBelow{1e11}}});
    add(policy, {.name = "fresh", .conditions = {ListedWithin{20}}, .order = Order::newest});
    add(policy, {.name = "kept", .conditions = {CapFrom{1e10}}, .additions = true});
    return policy;
  }

 private:
  Stability stability() {
    if (once_in(3)) return {};
    return {one_of<int>({0, 10, 30}), one_of<int>({1, 2, 4}), one_of<int>({0, 20, 50})};
  }

  void add(Policy& policy, Universe universe) {
    universe.type = universe.type.empty() ? "theme" : universe.type;
    universe.task = Task::themes;
    universe.stability = stability();
    if (once_in(4)) universe.order = one_of<Order>({Order::newest, Order::symbol});
    const std::string excluded = symbol();
    if (once_in(3)) universe.conditions.emplace_back(Named{{excluded}, true});
    if (universe.each.empty() && universe.group.empty() && once_in(2)) {
      std::set<std::string> include{symbol(), symbol(), symbol()};
      include.erase(excluded);
      universe.include = {include.begin(), include.end()};
    }
    if (universe.group == "g" && included_.empty()) {
      included_ = symbol();
      if (included_ != excluded) universe.include = {included_};
    }
    policy.declared.push_back(std::move(universe));
  }

  std::mt19937 random_;
  std::string included_;
};

World world_of(Dice& dice) {
  World world{dice.policy()};
  for (int i = 0; i < 24; ++i) dice.shake(world.stocks[fmt::format("S{:02}", i)], world.as_of);
  // Lists written by others.
  world.lists["cleaned"] = {"theme", {"S00", "S01", "S02", "GHOST"}};
  world.lists["kept"] = {"theme", {"S03", "GHOST"}};
  world.lists["low"] = {"theme", {"S04", "S05", "S05"}};
  world.lists["tech"] = {"theme", {"S05", "S06"}};
  return world;
}

const Universe* declared(Policy& policy, const std::string& name) {
  for (const Universe& each : policy.declared) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

/// Changes the world so that a condition holds. \return false if the test knows no way
bool meet(World& world, const std::string& symbol, const Explanation& why, const Decision& met) {
  Stock& stock = world.stocks[symbol];
  const std::string& words = met.condition;
  const auto bound = [&words] {
    const std::size_t dollar = words.find('$');
    const double unit = words.find(" B", dollar) < words.find(" M", dollar) ? 1e9 : 1e6;
    return std::stod(words.substr(dollar + 1)) * unit;
  };
  if (words == "active" || words == "not delisted") {
    stock.activity = Activity::active;
    stock.delisted = std::nullopt;
  } else if (words == "has a market cap") {
    stock.cap = 5e9;
  } else if (words.starts_with("market cap of at least ")) {
    stock.cap = bound();
  } else if (words.starts_with("market cap below ")) {
    stock.cap = bound() * 0.999;
  } else if (words.starts_with("listed within ")) {
    stock.listed = world.as_of;
  } else if (words.starts_with("sector is not ")) {
    stock.sector = "Tech";
  } else if (words.starts_with("sector is ")) {
    stock.sector = words.substr(10, words.find_first_of(" ,", 10) - 10);
  } else if (words == "the line of its issuer that counts") {
    stock.issuer = "of its own";
  } else if (words.starts_with("rank ") && words.find(" by ") == std::string::npos) {
    stock.cap = 9e14;
  } else if (words.starts_with("one of the first ")) {
    if (declared(world.policy, why.universe)->order != Order::market_cap) return false;
    stock.cap = 9e14;
  } else if (words == "not excluded by name") {
    for (Universe& each : world.policy.declared) {
      if (each.name == why.universe)
        std::erase_if(each.conditions, [](const Condition& condition) {
          return std::holds_alternative<Named>(condition);
        });
    }
    return declared(world.policy, why.universe) != nullptr;
  } else {
    return false;
  }
  return true;
}

/// Changes the world so that a condition no longer holds.
bool break_it(World& world, const std::string& symbol, const Explanation& why,
              const Decision& broken) {
  Stock& stock = world.stocks[symbol];
  const std::string& words = broken.condition;
  if (words == "active" || words == "not delisted") {
    stock.activity = Activity::inactive;
  } else if (words == "has a market cap" || words.starts_with("market cap of at least ")) {
    stock.cap = 0;
  } else if (words.starts_with("market cap below ")) {
    stock.cap = 9e14;
  } else if (words.starts_with("listed within ")) {
    stock.listed = world.as_of - std::chrono::days{1000};
  } else if (words.starts_with("sector is not ")) {
    stock.sector = "Care";
  } else if (words.starts_with("sector is ")) {
    stock.sector = "Elsewhere";
  } else if (words == "not excluded by name") {
    for (Universe& each : world.policy.declared) {
      if (each.name == why.universe) each.conditions.emplace_back(Named{{symbol}, true});
    }
    const Universe* const universe = declared(world.policy, why.universe);
    return universe != nullptr &&
           std::count(universe->include.begin(), universe->include.end(), symbol) == 0;
  } else {
    return false;
  }
  return true;
}

/// Meets the conditions that do not hold, until all do. \return whether that worked
bool meet_all(World& world, const std::string& symbol, const std::string& universe) {
  for (int i = 0; i < 8; ++i) {
    const Explanation why = View(world).explain(symbol, universe);
    if (why.belongs()) return true;
    for (const Decision& each : why.decisions) {
      if (!each.holds && !meet(world, symbol, why, each)) return false;
      if (!each.holds) break;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("a member that waits is told for how long, and what it needs to stay") {
  World world{.policy = {}};
  world.policy.stability = {10, 3, 0};
  world.stocks["A"].cap = 20e9;
  sync(world);
  CHECK(shown(View(world).explain("A", "large_cap")) ==
        "large_cap: member true\n"
        "  yes active: active\n"
        "  yes market cap of at least $9 B ($10 B with a band of 10 %): $20.00 B\n"
        "  yes market cap below $220 B ($200 B with a band of 10 %): $20.00 B\n"
        "  yes not taken by another universe of group categories: this one holds it\n"
        "  It leaves below $9 B or at $220 B or more for 3 nights.");
  world.stocks["A"].cap = 8e9;
  world.as_of += std::chrono::days{1};
  sync(world);
  const std::string waits = shown(View(world).explain("A", "large_cap"));
  CHECK_THAT(waits,
             contains("  yes market cap of at least $9 B ($10 B with a band of 10 %), or "
                      "outside for fewer than 3 nights: $8.00 B, outside for 1 of 3 nights\n") &&
                 contains("  It leaves after 2 more nights; to stay, it needs $1 B more."));
  CHECK_THAT(
      shown(View(world).explain("A", "mid_cap")),
      contains("  no  not taken by another universe of group categories: taken by large_cap\n"
               "  It needs to leave large_cap."));
  // The next run is that of the third night.
  world.as_of += std::chrono::days{1};
  sync(world);
  world.as_of += std::chrono::days{1};
  CHECK_THAT(shown(View(world).explain("A", "large_cap")),
             contains("outside for 2 of 3 nights\n") &&
                 contains("  The next run removes it; to stay, it needs $1 B more."));
}

TEST_CASE("of more included symbols than there are places, the first are members") {
  World world{.policy = {}};
  world.policy.builtin = false;
  world.policy.declared = {
      {.name = "u", .type = "theme", .task = Task::themes, .include = {"A", "B", "C"}, .first = 1}};
  world.stocks["A"] = {.cap = 3e9, .activity = Activity::inactive};
  world.stocks["B"].cap = 2e9;
  world.stocks["C"].cap = 1e9;
  sync(world);
  // Once it is active, it comes before the one that is chosen now.
  CHECK(shown(View(world).explain("A", "u")) ==
        "u: member false\n"
        "  no  active: no longer active\n"
        "  yes included by name: included\n"
        "  yes has a market cap: $3.00 B\n"
        "  yes one of the first 1 included by name: one of them\n"
        "  It needs to be listed again.");
  CHECK_THAT(shown(View(world).explain("B", "u")),
             contains("member true") &&
                 contains("  yes one of the first 1 included by name: one of them\n"));
  CHECK_THAT(shown(View(world).explain("C", "u")),
             contains("member false") &&
                 contains("  no  one of the first 1 included by name: behind them\n"));
}

TEST_CASE("with a buffer the rank that is good enough depends on who is a member") {
  World world{.policy = {}};
  world.policy.builtin = false;
  world.policy.declared = {
      {.name = "ten", .type = "theme", .task = Task::themes, .first = 10, .stability = {0, 1, 20}}};
  for (int i = 0; i < 20; ++i) world.stocks[fmt::format("S{:02}", i)].cap = 1e9 * (100 - i);
  sync(world);
  // The tenth and the eleventh swap places.
  world.stocks["S09"].cap = 89.5e9;
  CHECK_THAT(shown(View(world).explain("S09", "ten")),
             contains("  yes rank 12 or better (10 with a buffer of 20 %): rank 11\n"
                      "  It leaves with $1.5 B less, or 2 ranks down."));
  CHECK_THAT(shown(View(world).explain("S10", "ten")),
             contains("  no  rank 8 or better (10 with a buffer of 20 %): rank 10\n"
                      "  It needs $3 B more, or 2 ranks."));
}

TEST_CASE("after a sync a symbol is a member exactly where all conditions hold") {
  std::size_t checked = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    Dice dice(seed);
    World world = world_of(dice);
    for (int night = 0; night < 5; ++night) {
      Names symbols{"GHOST"};
      for (const auto& [symbol, stock] : world.stocks) symbols.push_back(symbol);
      Names wrong;
      // The next run does what it says, and so does the one after it.
      for (int run = 0; run < 2; ++run) {
        std::map<std::string, std::vector<Explanation>> said;
        View view(world);
        for (const std::string& symbol : symbols) said[symbol] = view.explain(symbol);
        const World before = world;
        sync(world);
        for (const auto& [symbol, explanations] : said) {
          for (const Explanation& each : explanations) {
            const bool was_member = is_member(before, each.universe, symbol);
            const bool is_right = each.member == was_member && each.outlook.size() > 12 &&
                                  each.outlook.find(" .") == std::string::npos &&
                                  each.outlook.find("nan") == std::string::npos &&
                                  each.belongs() == is_member(world, each.universe, symbol);
            if (!is_right) wrong.push_back(fmt::format("{} in {}", symbol, shown(each)));
            ++checked;
            // A run on the same data changes nothing.
            const bool is_steady = run == 0 || each.belongs() == each.member;
            if (!is_steady) wrong.push_back(fmt::format("{} in {}", symbol, shown(each)));
          }
        }
      }
      INFO("seed " << seed << ", night " << night);
      REQUIRE(wrong == Names{});
      world.as_of += std::chrono::days{1};
      for (auto& [symbol, stock] : world.stocks) {
        if (dice.once_in(3)) dice.shake(stock, world.as_of);
      }
    }
  }
  CHECK(checked > 50'000);
}

TEST_CASE("who meets the conditions that are named comes in, and who breaks one leaves") {
  std::map<std::string, int> met;
  std::map<std::string, int> broken;
  for (unsigned seed = 0; seed < 12; ++seed) {
    Dice dice(seed);
    World world = world_of(dice);
    sync(world);
    for (const auto& [symbol, stock] : world.stocks) {
      for (const Explanation& why : View(world).explain(symbol)) {
        INFO("seed " << seed << ", " << symbol << " in " << shown(why));
        World other = world;
        if (!why.member) {
          if (!meet_all(other, symbol, why.universe)) continue;
          sync(other);
          REQUIRE(is_member(other, why.universe, symbol));
          for (const Decision& each : why.decisions) {
            if (!each.holds) ++met[each.condition.substr(0, 8)];
          }
          continue;
        }
        const Decision decision = dice.one_of(why.decisions);
        if (!break_it(other, symbol, why, decision)) continue;
        // A waiting member waits at most this long.
        for (int night = 0; night < 4; ++night) {
          sync(other);
          other.as_of += std::chrono::days{1};
        }
        INFO("broken: " << decision.condition);
        if (is_member(other, why.universe, symbol)) {
          INFO(shown(View(other).explain(symbol, why.universe)));
          REQUIRE(false);
        }
        ++broken[decision.condition.substr(0, 8)];
      }
    }
  }
  for (const char* const kind : {"active", "has a ma", "market c", "listed w", "sector i",
                                 "the line", "rank 6 o", "one of t", "not excl"}) {
    INFO(kind);
    CHECK(met[kind] > 0);
  }
  for (const char* const kind :
       {"active", "has a ma", "market c", "listed w", "sector i", "not excl"}) {
    INFO(kind);
    CHECK(broken[kind] > 0);
  }
}
