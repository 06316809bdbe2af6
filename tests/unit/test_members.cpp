#include <algorithm>
#include <random>

#include "domain/members.hpp"
#include "support/catch.hpp"

using namespace tickstock;

namespace {

using List = std::vector<SymbolId>;

List gathered(const Members& members) {
  List list;
  members.each([&list](SymbolId id) { list.push_back(id); });
  return list;
}

}  // namespace

TEST_CASE("members are their list, repeated names included") {
  CHECK(Members().size() == 0);
  CHECK(Members().list().empty());
  const List list{3, 1, 3, 2};
  const Members members(list);
  CHECK(members.size() == 4);
  CHECK(members.list() == list);
  CHECK(gathered(members) == list);
}

TEST_CASE("whoever leaves, once and again, is left out of what is left, and of nothing else") {
  std::mt19937 random(1);
  const auto below = [&random](SymbolId end) { return static_cast<SymbolId>(random() % end); };
  for (int round = 0; round < 200; ++round) {
    List list(below(40));
    for (SymbolId& id : list) id = below(12);
    Members members(list);
    for (int times = 0; times < 3; ++times) {
      const SymbolId divisor = 2 + below(5);
      const auto leaves = [divisor](SymbolId id) { return id % divisor == 0; };
      const List before = list;
      const Members left = members.without(leaves);
      CHECK(members.list() == before);
      std::erase_if(list, leaves);
      CHECK(left.list() == list);
      CHECK(gathered(left) == list);
      CHECK(left.size() == list.size());
      members = left;
    }
  }
}
