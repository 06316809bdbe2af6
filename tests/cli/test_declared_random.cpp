// Random declarations over random markets, night after night. The expected result is computed here
// again, as plainly as the manual describes it and without any of the program's code.

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

constexpr unsigned rounds = 40;
constexpr int nights = 4;
const std::string as_of = "2026-03-02";

using Set = std::set<std::string>;

struct Row {
  std::string symbol;
  double cap = 0;  ///< 0 for none
  bool active = true;
  std::optional<int> age;  ///< days since the listing, negative for the future
  std::map<std::string, std::string> labels;
};

struct Declaration {
  std::string name;
  std::string type = "theme";
  std::string each;
  std::string group;
  std::map<std::string, Set> match;
  std::map<std::string, Set> except;
  double cap_from = 0;
  double cap_below = 0;
  int listed_within = 0;
  Set include;
  Set exclude;
  std::size_t first = 0;
  std::string order = "market_cap";
  bool additions = false;
  bool primary = false;

  [[nodiscard]] bool has_condition() const {
    return !each.empty() || !match.empty() || !except.empty() || cap_from > 0 || cap_below > 0 ||
           listed_within > 0 || first > 0;
  }
};

struct Held {
  std::string type;
  Names symbols;
  std::string metadata;  ///< compact, as the server prints it
  bool operator==(const Held&) const = default;
};

using Lists = std::map<std::string, Held>;

std::string trim(const std::string& text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::string slug(const std::string& label) {
  std::string result;
  for (const char c : label) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool keep = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (keep) {
      result += upper ? static_cast<char>(c + 32) : c;
    } else if (!result.empty() && result.back() != '_') {
      result += '_';
    }
  }
  if (!result.empty() && result.back() == '_') result.pop_back();
  return result;
}

/// One universe, after families have been expanded.
struct One {
  const Declaration* of = nullptr;
  std::string name;
  Set labels;  ///< of the family's column; empty for none
  std::string metadata;
  double below = 0;
};

class Model {
 public:
  Model(const std::vector<Declaration>& declarations, const std::vector<Row>& rows,
        const Lists& before)
      : declarations_(declarations), before_(before) {
    for (const Row& row : rows) rows_[row.symbol] = row;
    make_universes();
    seat_all();
  }

  /// Returns the contents of the entries after the task of declared universes, and then the
  /// cleanup.
  [[nodiscard]] Lists after(bool cleans) const {
    Lists after = before_;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const One& one = all_[i];
      Names list = members(i);
      const auto old = before_.find(one.name);
      if (old == before_.end() && list.empty()) continue;
      std::string metadata = one.metadata;
      if (one.of->additions && old != before_.end()) metadata = old->second.metadata;
      after[one.name] = {one.of->type, list, metadata};
    }
    if (!cleans) return after;
    for (auto& [name, held] : after) {
      if (!Set{"market_cap", "market_leader", "sector", "theme"}.contains(held.type)) continue;
      std::erase_if(held.symbols, [this](const std::string& symbol) {
        return rows_.contains(symbol) && !rows_.at(symbol).active;
      });
    }
    return after;
  }

 private:
  static std::string json_pairs(const std::string& type, const std::string& column,
                                const std::string& label) {
    // Shorter keys first.
    if (column.empty()) return fmt::format(R"({{"type": "{}"}})", type);
    return fmt::format(R"({{"type": "{}", "{}": "{}"}})", type, column, label);
  }

  [[nodiscard]] std::string label(const std::string& symbol, const std::string& column) const {
    const auto& labels = rows_.at(symbol).labels;
    const auto found = labels.find(column);
    return found == labels.end() ? "" : trim(found->second);
  }

  void make_universes() {
    std::map<std::string, double> lowest;
    for (const Declaration& declaration : declarations_) {
      const std::string group = group_of(declaration);
      double below = declaration.cap_below;
      if (!group.empty() && below == 0 && declaration.has_condition() && lowest.contains(group)) {
        below = lowest.at(group);
      }
      if (!group.empty() && declaration.cap_from > 0) {
        lowest[group] = lowest.contains(group) ? std::min(lowest[group], declaration.cap_from)
                                               : declaration.cap_from;
      }
      if (declaration.each.empty()) {
        all_.push_back(
            {&declaration, declaration.name, {}, json_pairs(declaration.type, "", ""), below});
        continue;
      }
      std::map<std::string, Set> by_name;
      for (const auto& [symbol, row] : rows_) {
        const std::string text = row.active ? label(symbol, declaration.each) : "";
        if (!slug(text).empty()) by_name[named(declaration, text)].insert(text);
      }
      for (const auto& [name, held] : before_) {
        for (const std::string& text : all_labels()) {
          const bool made = held.type == declaration.type && name == named(declaration, text) &&
                            held.metadata == json_pairs(declaration.type, declaration.each, text);
          if (made && !by_name.contains(name)) by_name[name].insert(text);
        }
      }
      for (const auto& [name, labels] : by_name) {
        all_.push_back({&declaration, name, labels,
                        json_pairs(declaration.type, declaration.each, *labels.begin()), below});
      }
    }
  }

  static std::string group_of(const Declaration& declaration) {
    return declaration.group.empty() && !declaration.each.empty() ? declaration.name
                                                                  : declaration.group;
  }
  static std::string named(const Declaration& declaration, const std::string& label) {
    std::string name = declaration.name;
    const std::string braces = "{" + declaration.each + "}";
    return name.replace(name.find(braces), braces.size(), slug(label));
  }
  static const Set& all_labels() {
    static const Set labels{"Energy", "Health Care", "health-care", "Ünï", "Tech", "X"};
    return labels;
  }

  [[nodiscard]] bool stands(const One& one, const std::string& symbol) const {
    const auto found = before_.find(one.name);
    return found != before_.end() &&
           std::count(found->second.symbols.begin(), found->second.symbols.end(), symbol) > 0;
  }

  [[nodiscard]] bool holds(const One& one, const std::string& symbol) const {
    const Declaration& of = *one.of;
    const Row& row = rows_.at(symbol);
    if (!row.active || of.exclude.contains(symbol)) return false;
    if (!of.has_condition()) return of.include.contains(symbol);
    if (!of.each.empty()) {
      const std::string text = label(symbol, of.each);
      const bool stays = text.empty() && of.first == 0 && stands(one, symbol);
      if (!one.labels.contains(text) && !stays) return false;
    }
    for (const auto& [column, values] : of.match) {
      if (!values.contains(label(symbol, column))) return false;
    }
    for (const auto& [column, values] : of.except) {
      if (values.contains(label(symbol, column))) return false;
    }
    if (of.cap_from > 0 && !(row.cap >= of.cap_from)) return false;
    if (one.below > 0 && !(row.cap > 0 && row.cap < one.below)) return false;
    if (of.first > 0 && row.cap <= 0) return false;
    return of.listed_within == 0 || (row.age && *row.age >= 0 && *row.age < of.listed_within);
  }

  [[nodiscard]] bool includes(const One& one, const std::string& symbol) const {
    const Row* row = rows_.contains(symbol) ? &rows_.at(symbol) : nullptr;
    return row != nullptr && row->active && one.of->include.contains(symbol) &&
           (one.of->first == 0 || row->cap > 0);
  }

  void seat_all() {
    for (const auto& [symbol, row] : rows_) {
      for (std::size_t i = 0; i < all_.size(); ++i) {
        if (includes(all_[i], symbol)) seats_[{group_of(*all_[i].of), symbol}] = i;
      }
      for (std::size_t i = 0; i < all_.size(); ++i) {
        if (holds(all_[i], symbol)) seats_.try_emplace({group_of(*all_[i].of), symbol}, i);
      }
    }
  }

  [[nodiscard]] bool precedes(const std::string& order, const std::string& a,
                              const std::string& b) const {
    const Row& left = rows_.at(a);
    const Row& right = rows_.at(b);
    if (order == "market_cap" && left.cap != right.cap) return left.cap > right.cap;
    if (order == "newest" && left.age != right.age) {
      if (!left.age || !right.age) return left.age.has_value();
      return *left.age < *right.age;
    }
    return a < b;
  }

  [[nodiscard]] Names members(std::size_t i) const {
    const One& one = all_[i];
    const Declaration& of = *one.of;
    const std::string group = group_of(of);
    Names list;
    std::map<std::string, Names> lines;
    for (const auto& [symbol, row] : rows_) {
      if (!holds(one, symbol)) continue;
      if (!group.empty() && seats_.at({group, symbol}) != i) continue;
      const std::string issuer = of.primary ? label(symbol, "issuer") : "";
      if (issuer.empty()) {
        list.push_back(symbol);
      } else {
        lines[issuer].push_back(symbol);
      }
    }
    for (auto& [issuer, symbols] : lines) {
      std::sort(symbols.begin(), symbols.end(),
                [&](const auto& a, const auto& b) { return precedes("market_cap", a, b); });
      std::string counts = symbols.front();
      for (const std::string& symbol : symbols) {
        if (!stands(one, symbol)) continue;
        if (rows_.at(symbols.front()).cap <= rows_.at(symbol).cap) counts = symbol;
        break;
      }
      list.push_back(counts);
    }
    const auto sort = [&](Names& names) {
      std::sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
        return precedes(of.order, a, b);
      });
    };
    Names chosen;
    for (const std::string& symbol : of.include) {
      if (includes(one, symbol)) chosen.push_back(symbol);
    }
    std::erase_if(list, [&](const std::string& symbol) {
      return std::count(chosen.begin(), chosen.end(), symbol) > 0;
    });
    sort(list);
    sort(chosen);
    if (of.first > 0) {
      if (chosen.size() > of.first) chosen.resize(of.first);
      if (list.size() > of.first - chosen.size()) list.resize(of.first - chosen.size());
    }
    list.insert(list.end(), chosen.begin(), chosen.end());
    sort(list);
    const auto old = before_.find(one.name);
    if (!of.additions || old == before_.end()) return list;
    Names kept;
    for (const std::string& symbol : old->second.symbols) {
      const bool left = rows_.contains(symbol) && !rows_.at(symbol).active;
      const bool excluded = of.exclude.contains(symbol);
      if (!left && !excluded) kept.push_back(symbol);
    }
    for (const std::string& symbol : list) {
      if (!stands(one, symbol)) kept.push_back(symbol);
    }
    return kept;
  }

  const std::vector<Declaration>& declarations_;
  const Lists& before_;
  std::map<std::string, Row> rows_;
  std::vector<One> all_;
  std::map<std::pair<std::string, std::string>, std::size_t> seats_;
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    fixture.database().execute("ALTER TABLE symbols ADD COLUMN issuer text");
    for (int i = 0; i < 30; ++i) {
      rows_.push_back({.symbol = std::string(1, static_cast<char>('A' + i % 26)) +
                                 (i < 26 ? "" : std::to_string(i)),
                       .cap = 0,
                       .active = true,
                       .age = std::nullopt,
                       .labels = {}});
      change(rows_.back());
    }
    const std::size_t count = 1 + random_() % 6;
    for (std::size_t i = 0; i < count; ++i) declarations_.push_back(declare(i));
  }

  /// Changes some rows, and writes all of them.
  void next_night() {
    for (Row& row : rows_) {
      if (one_in(4)) change(row);
    }
    std::string values;
    const auto text = [](const std::string& value) { return "'" + value + "'"; };
    for (const Row& row : rows_) {
      values +=
          fmt::format("{}({}, {}, {}, {}, {}, {}, {})", values.empty() ? "" : ", ",
                      text(row.symbol), row.cap > 0 ? fmt::format("{:.0f}", row.cap) : "NULL",
                      row.active, row.age ? fmt::format("DATE '{}' - {}", as_of, *row.age) : "NULL",
                      text(row.labels.at("sector")), text(row.labels.at("industry")),
                      text(row.labels.at("issuer")));
    }
    fixture.database().execute("TRUNCATE symbols");
    fixture.database().execute(
        "INSERT INTO symbols (symbol, market_cap, is_active, listing_date, sector, industry, "
        "issuer) SELECT v.s, v.c::numeric, v.a, v.l::date, v.x, nullif(v.y, ''), nullif(v.z, '') "
        "FROM (VALUES " +
        values + ") v(s, c, a, l, x, y, z)");
  }

  Lists lists() {
    Lists lists;
    for (const std::string& name : fixture.universes()) {
      lists[name] = {
          fixture.entry_type(name), fixture.members(name),
          fixture.database().value(
              "SELECT content->'metadata' FROM cache_entries WHERE universe = $1", {name})};
    }
    return lists;
  }

  [[nodiscard]] std::string toml() const {
    std::string text =
        "[universes]\nbuiltin = false\n[market]\nissuer = \"issuer\"\n[guards]\n"
        "max_removed_percent = 100\n";
    const auto list = [](const Set& values) {
      return fmt::format("[\"{}\"]", fmt::join(values, "\", \""));
    };
    const auto table = [&list](const std::map<std::string, Set>& columns) {
      std::string inner;
      for (const auto& [column, values] : columns) {
        inner += (inner.empty() ? "" : ", ") + column + " = " + list(values);
      }
      return "{ " + inner + " }";
    };
    for (const Declaration& each : declarations_) {
      text += "[[universe]]\nname = \"" + each.name + "\"\ntype = \"" + each.type + "\"\n";
      if (!each.each.empty()) text += "each = \"" + each.each + "\"\n";
      if (!each.group.empty()) text += "group = \"" + each.group + "\"\n";
      if (!each.match.empty()) text += "match = " + table(each.match) + "\n";
      if (!each.except.empty()) text += "except = " + table(each.except) + "\n";
      if (each.cap_from > 0) text += fmt::format("cap_from = {:.0f}\n", each.cap_from);
      if (each.cap_below > 0) text += fmt::format("cap_below = {:.0f}.0\n", each.cap_below);
      if (each.listed_within > 0) text += fmt::format("listed_within = {}\n", each.listed_within);
      if (!each.include.empty()) text += "include = " + list(each.include) + "\n";
      if (!each.exclude.empty()) text += "exclude = " + list(each.exclude) + "\n";
      if (each.first > 0) text += fmt::format("first = {}\n", each.first);
      text += "order = \"" + each.order + "\"\n";
      if (each.additions) text += "maintain = \"additions\"\n";
      if (each.primary) text += "lines = \"primary\"\n";
    }
    return text;
  }

  [[nodiscard]] Lists expected(const Lists& before, bool cleans) const {
    return Model(declarations_, rows_, before).after(cleans);
  }

  bool one_in(unsigned n) { return random_() % n == 0; }

  Fixture fixture;

 private:
  template <typename Value>
  Value pick(const std::vector<Value>& values) {
    return values[random_() % values.size()];
  }

  void change(Row& row) {
    row.cap = pick<double>({0, 1, 5e8, 1e9, 1e9, 2e9, 3e9, 5e9, 1e10});
    row.active = !one_in(6);
    row.age = one_in(3) ? std::nullopt : std::optional(pick<int>({-1, 0, 1, 4, 5, 6, 29, 30, 900}));
    row.labels["sector"] = pick<std::string>(
        {"", " ", "Tech", " Tech ", "Energy", "Health Care", "health-care", "***"});
    row.labels["industry"] = pick<std::string>({"", "Tech", "X", "Ünï", "Energy"});
    row.labels["issuer"] = pick<std::string>({"", "one", "two", " two", "three"});
  }

  Set symbols(std::size_t most) {
    Set chosen;
    for (std::size_t i = 0; i <= random_() % most; ++i) chosen.insert(pick(rows_).symbol);
    return chosen;
  }

  Declaration declare(std::size_t number) {
    Declaration made;
    made.name = fmt::format("u{}", number);
    made.type = pick<std::string>({"theme", "sector", "etf"});
    made.additions = one_in(4);
    if (one_in(3)) {
      made.each = pick<std::string>({"sector", "industry"});
      made.name += "%{" + made.each + "}_x";
    }
    if (one_in(2)) made.match["industry"] = {"Tech", "X", pick<std::string>({"Energy", "none"})};
    if (one_in(4)) made.match["sector"] = {"Tech", "Health Care"};
    if (one_in(4)) made.except["sector"] = {"Energy"};
    if (one_in(3)) made.cap_from = pick<double>({1, 1e9, 3e9});
    if (one_in(4)) made.cap_below = pick<double>({5e9, 1e10});
    if (one_in(4)) made.listed_within = pick<int>({1, 5, 30});
    if (one_in(3)) made.exclude = symbols(3);
    if (!made.additions && one_in(3)) made.first = pick<std::size_t>({1, 3, 8});
    if (!made.additions && one_in(2)) made.group = pick<std::string>({"g", "h"});
    made.order = pick<std::string>({"market_cap", "newest", "symbol"});
    made.primary = one_in(4);
    if (made.each.empty() && (one_in(3) || !made.has_condition())) {
      made.include = symbols(3);
      for (const std::string& symbol : made.exclude) made.include.erase(symbol);
      for (const Declaration& other : declarations_) {
        if (made.group.empty() || other.group != made.group) continue;
        for (const std::string& symbol : other.include) made.include.erase(symbol);
      }
      if (made.include.empty()) made.include = {"NOBODY" + std::to_string(number)};
    }
    return made;
  }

  std::mt19937 random_;
  std::vector<Row> rows_;
  std::vector<Declaration> declarations_;
};

Names shown(const Lists& lists) {
  Names lines;
  for (const auto& [name, held] : lists) {
    lines.push_back(
        fmt::format("{} {} {} {}", name, held.type, fmt::join(held.symbols, ","), held.metadata));
  }
  return lines;
}

}  // namespace

TEST_CASE("random declarations over random markets make the lists that the manual says") {
  const TemporaryDirectory directory;
  for (unsigned round = 0; round < rounds; ++round) {
    World world(round);
    const std::string config = directory.write("config.toml", world.toml());
    INFO("round " << round << "\n" << world.toml());
    for (int night = 0; night < nights; ++night) {
      world.next_night();
      const Lists before = world.lists();
      const bool full = world.one_in(2);
      const Names command{full ? "sync" : "themes", "--config", config, "--as-of", as_of};
      const Lists expected = world.expected(before, full);
      const Names unchanged = world.fixture.entries_dump();
      const ProcessResult dry = world.fixture.run(with(command, {"--dry-run"}));
      REQUIRE(world.fixture.entries_dump() == unchanged);
      const ProcessResult done = world.fixture.run(command);
      INFO("night " << night << ", standard error: " << done.err);
      // A full run over a market without eligible symbols is refused.
      REQUIRE(done.status == 0);
      CHECK(dry.status == 0);
      REQUIRE_THAT(shown(world.lists()), Catch::Matchers::Equals(shown(expected)));
      const Names after = world.fixture.entries_dump();
      REQUIRE(world.fixture.run(command).status == 0);
      REQUIRE(world.fixture.entries_dump() == after);
    }
  }
}
