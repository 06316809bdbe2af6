#include <algorithm>
#include <random>
#include <set>
#include <unordered_set>

#include "domain/error.hpp"
#include "domain/members.hpp"
#include "support/catch.hpp"

using namespace tickstock;

namespace {

using List = std::vector<SymbolId>;

/// Applies a diff to the list that it was made from.
List apply(const List& before, const MembershipDiff& diff) {
  std::unordered_set<SymbolId> leaves;
  for (const Placement& member : diff.removed) leaves.insert(member.symbol);
  for (const Placement& member : diff.moved) leaves.insert(member.symbol);

  std::vector<Placement> arrivals = diff.added;
  arrivals.insert(arrivals.end(), diff.moved.begin(), diff.moved.end());
  std::sort(arrivals.begin(), arrivals.end(),
            [](const Placement& a, const Placement& b) { return a.to < b.to; });

  List after;
  auto arrival = arrivals.begin();
  const auto take_arrivals = [&] {
    for (; arrival != arrivals.end() && arrival->to == after.size(); ++arrival) {
      after.push_back(arrival->symbol);
    }
  };
  for (const SymbolId id : distinct(before)) {
    if (leaves.contains(id)) continue;
    take_arrivals();
    after.push_back(id);
  }
  take_arrivals();
  return after;
}

/// Returns how many must move at least, found by trying all subsets of the kept members that may
/// stay.
std::size_t fewest_moves(const List& before, const List& after) {
  const List old_list = distinct(before);
  List kept;
  for (const SymbolId id : distinct(after)) {
    if (std::find(old_list.begin(), old_list.end(), id) != old_list.end()) kept.push_back(id);
  }
  std::size_t most_stay = 0;
  for (unsigned subset = 0; subset < (1U << kept.size()); ++subset) {
    List stay;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if ((subset >> i) & 1U) stay.push_back(kept[i]);
    }
    const bool in_order = std::is_sorted(stay.begin(), stay.end(), [&](SymbolId a, SymbolId b) {
      return std::find(old_list.begin(), old_list.end(), a) <
             std::find(old_list.begin(), old_list.end(), b);
    });
    if (in_order) most_stay = std::max(most_stay, stay.size());
  }
  return kept.size() - most_stay;
}

List random_list(std::mt19937& random, std::size_t most, SymbolId names) {
  List list(random() % (most + 1));
  for (SymbolId& id : list) id = static_cast<SymbolId>(random() % names);
  return list;
}

std::set<SymbolId> symbols(const std::vector<Placement>& members) {
  std::set<SymbolId> ids;
  for (const Placement& member : members) ids.insert(member.symbol);
  return ids;
}

}  // namespace

TEST_CASE("a diff says who came, who went, and who must change place") {
  const MembershipDiff diff = diff_memberships({1, 2, 3, 4, 5}, {5, 1, 6, 2, 4});
  CHECK(symbols(diff.added) == std::set<SymbolId>{6});
  CHECK(symbols(diff.removed) == std::set<SymbolId>{3});
  REQUIRE(diff.moved.size() == 1);
  CHECK(diff.moved[0].symbol == 5);
  CHECK(diff.moved[0].from == 4);
  CHECK(diff.moved[0].to == 0);
}

TEST_CASE("equal lists differ in nothing") {
  CHECK(diff_memberships({}, {}).empty());
  CHECK(diff_memberships({3, 1, 2}, {3, 1, 2}).empty());
}

TEST_CASE("a name repeated in the old list counts once, at its first place") {
  const MembershipDiff diff = diff_memberships({7, 8, 7, 9, 7}, {8, 9});
  REQUIRE(diff.removed.size() == 1);
  CHECK(diff.removed[0].symbol == 7);
  CHECK(diff.moved.empty());
  CHECK(diff_memberships({7, 8, 7}, {7, 8}).empty());
}

TEST_CASE("applying a diff to the old list gives the new one, for random lists") {
  std::mt19937 random(20260821);
  for (int round = 0; round < 5000; ++round) {
    const List before = random_list(random, 60, 40);
    const List after = distinct(random_list(random, 60, 40));
    const MembershipDiff diff = diff_memberships(before, after);
    REQUIRE(apply(before, diff) == after);

    const std::set<SymbolId> old_set(before.begin(), before.end());
    const std::set<SymbolId> new_set(after.begin(), after.end());
    std::set<SymbolId> gone;
    std::set<SymbolId> come;
    std::set_difference(old_set.begin(), old_set.end(), new_set.begin(), new_set.end(),
                        std::inserter(gone, gone.end()));
    std::set_difference(new_set.begin(), new_set.end(), old_set.begin(), old_set.end(),
                        std::inserter(come, come.end()));
    REQUIRE(symbols(diff.removed) == gone);
    REQUIRE(symbols(diff.added) == come);
  }
}

TEST_CASE("no smaller set of moves exists, for random short lists") {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const List before = random_list(random, 9, 10);
    const List after = distinct(random_list(random, 9, 10));
    REQUIRE(diff_memberships(before, after).moved.size() == fewest_moves(before, after));
  }
}

TEST_CASE("a reversed list keeps one member in place") {
  List before(2000);
  for (SymbolId i = 0; i < before.size(); ++i) before[i] = i;
  const List after(before.rbegin(), before.rend());
  CHECK(diff_memberships(before, after).moved.size() == before.size() - 1);
}

TEST_CASE("by name and place the journal's change makes the new list out of the old one") {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    const List before = random_list(random, 12, 9);
    const List after = distinct(random_list(random, 12, 9));
    const MembershipDiff diff = diff_memberships(before, after);
    const auto named = [](const auto& list) {
      std::vector<std::string> names;
      for (const auto& each : list) {
        if constexpr (requires { each.symbol; }) {
          names.push_back(std::to_string(each.symbol));
        } else {
          names.push_back(std::to_string(each));
        }
      }
      return names;
    };
    const NamedChange change{named(diff.added), named(diff.removed), named(diff.moved),
                             places_of(diff)};
    CHECK(after_change(named(before), change) == named(after));
  }
}

TEST_CASE("without places a change only takes out, and one that does not fit is an error") {
  const std::vector<std::string> before{"A", "B", "A", "C"};
  CHECK(after_change(before, {{}, {"B"}, {}, {}}) == std::vector<std::string>{"A", "A", "C"});
  CHECK(after_change(before, {{"D"}, {"B"}, {"C"}, "10110"}) ==
        std::vector<std::string>{"C", "D", "A"});
  for (const std::string places : {"", "0", "000", "1", "101100", "11101010"}) {
    CHECK_THROWS_AS(after_change(before, {{"D"}, {"B"}, {"C"}, places}), Error);
  }
}

TEST_CASE("a fingerprint is of every part of a content, and stays what it is") {
  const auto of = [](const Entry& entry, const std::vector<std::string>& names) {
    Fingerprint fingerprint(entry);
    for (const std::string& name : names) fingerprint.add(name);
    return fingerprint.value();
  };
  Entry entry;
  entry.cache_type = "theme";
  entry.count = "2";
  entry.metadata = R"({"type": "theme"})";
  // This number is stored in databases.
  CHECK(of(entry, {"AAPL", "BRK/B"}) == 0x747f4070aaf293ac);
  std::set<std::uint64_t> seen{of(entry, {"AAPL", "BRK/B"})};
  const auto is_new = [&seen](std::uint64_t value) { return seen.insert(value).second; };
  CHECK(is_new(of(entry, {"BRK/B", "AAPL"})));
  CHECK(is_new(of(entry, {"AAPLB", "RK/B"})));
  CHECK(is_new(of(entry, {"AAPL", "BRK/B", ""})));
  CHECK(is_new(of(entry, {"AAPL", std::string("BRK/B\0", 6)})));
  CHECK(is_new(of(entry, {"AAPLBRK/B"})));
  CHECK(is_new(of(entry, {})));
  for (const auto part : {&Entry::cache_type, &Entry::count, &Entry::metadata}) {
    Entry other = entry;
    (other.*part) += "x";
    CHECK(is_new(of(other, {"AAPL", "BRK/B"})));
  }
  entry.readable = false;
  CHECK(is_new(of(entry, {"AAPL", "BRK/B"})));
}
