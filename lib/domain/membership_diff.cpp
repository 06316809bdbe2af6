#include "domain/membership_diff.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace tickstock {

namespace {

using Places = std::unordered_map<SymbolId, std::size_t>;

Places places_of(const std::vector<SymbolId>& list) {
  Places places;
  places.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) places.emplace(list[i], i);
  return places;
}

/// Which elements stand on one longest increasing subsequence of `values` (all different).
std::vector<bool> on_longest_increase(const std::vector<std::size_t>& values) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::vector<std::size_t> tails;  // index of the smallest last value of an increase of each length
  std::vector<std::size_t> previous(values.size(), none);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto at = std::lower_bound(
        tails.begin(), tails.end(), values[i],
        [&values](std::size_t tail, std::size_t value) { return values[tail] < value; });
    if (at != tails.begin()) previous[i] = *(at - 1);
    if (at == tails.end()) {
      tails.push_back(i);
    } else {
      *at = i;
    }
  }
  std::vector<bool> stays(values.size(), false);
  for (std::size_t i = tails.empty() ? none : tails.back(); i != none; i = previous[i]) {
    stays[i] = true;
  }
  return stays;
}

}  // namespace

std::vector<SymbolId> distinct(const std::vector<SymbolId>& list) {
  std::unordered_set<SymbolId> seen;
  seen.reserve(list.size());
  std::vector<SymbolId> once;
  once.reserve(list.size());
  for (const SymbolId id : list) {
    if (seen.insert(id).second) once.push_back(id);
  }
  return once;
}

MembershipDiff diff_memberships(const std::vector<SymbolId>& before,
                                const std::vector<SymbolId>& after) {
  const std::vector<SymbolId> old_list = distinct(before);
  const std::vector<SymbolId> new_list = distinct(after);
  const Places old_places = places_of(old_list);
  const Places new_places = places_of(new_list);

  MembershipDiff diff;
  for (std::size_t i = 0; i < old_list.size(); ++i) {
    if (!new_places.contains(old_list[i])) diff.removed.push_back({old_list[i], i, 0});
  }
  std::vector<Placement> kept;
  std::vector<std::size_t> kept_from;
  for (std::size_t i = 0; i < new_list.size(); ++i) {
    const auto old_place = old_places.find(new_list[i]);
    if (old_place == old_places.end()) {
      diff.added.push_back({new_list[i], 0, i});
    } else {
      kept.push_back({new_list[i], old_place->second, i});
      kept_from.push_back(old_place->second);
    }
  }
  const std::vector<bool> stays = on_longest_increase(kept_from);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!stays[i]) diff.moved.push_back(kept[i]);
  }
  return diff;
}

}  // namespace tickstock
