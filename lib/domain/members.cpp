#include "domain/members.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <unordered_set>

#include "domain/error.hpp"
#include "domain/text.hpp"

namespace tickstock {

namespace {

/// Returns a number above every symbol of a list.
std::size_t bound_of(const std::vector<SymbolId>& list) {
  return list.empty() ? 0 : std::size_t{*std::ranges::max_element(list)} + 1;
}

constexpr Place none = std::numeric_limits<Place>::max();

/// Returns which members are on one longest increasing subsequence of old positions (all
/// different).
std::vector<bool> on_longest_increase(const std::vector<Placement>& kept) {
  // For each length, the index of the smallest last value of an increasing sequence.
  std::vector<Place> tails;
  std::vector<Place> previous(kept.size(), none);
  for (Place i = 0; i < kept.size(); ++i) {
    const auto at =
        std::lower_bound(tails.begin(), tails.end(), kept[i].from,
                         [&kept](Place tail, Place value) { return kept[tail].from < value; });
    if (at != tails.begin()) previous[i] = *(at - 1);
    if (at == tails.end()) {
      tails.push_back(i);
    } else {
      *at = i;
    }
  }
  std::vector<bool> stays(kept.size(), false);
  for (Place i = tails.empty() ? none : tails.back(); i != none; i = previous[i]) {
    stays[i] = true;
  }
  return stays;
}

}  // namespace

std::vector<SymbolId> distinct(const std::vector<SymbolId>& list) {
  std::vector<bool> seen(bound_of(list));
  std::vector<SymbolId> once;
  once.reserve(list.size());
  for (const SymbolId id : list) {
    if (!seen[id]) once.push_back(id);
    seen[id] = true;
  }
  return once;
}

MembershipDiff diff_memberships(const std::vector<SymbolId>& before,
                                const std::vector<SymbolId>& after) {
  const std::vector<SymbolId> old_list = distinct(before);
  const std::vector<SymbolId> new_list = distinct(after);
  std::vector<Place> old_places(bound_of(old_list), none);
  for (Place i = 0; i < old_list.size(); ++i) old_places[old_list[i]] = i;

  MembershipDiff diff;
  diff.before = old_list.size();
  std::vector<Placement> kept;
  std::vector<bool> is_kept(old_list.size(), false);
  for (Place i = 0; i < new_list.size(); ++i) {
    const SymbolId id = new_list[i];
    if (const Place old_place = id < old_places.size() ? old_places[id] : none; old_place != none) {
      kept.push_back({id, old_place, i});
      is_kept[old_place] = true;
    } else {
      diff.added.push_back({id, 0, i});
    }
  }
  for (Place i = 0; i < old_list.size(); ++i) {
    if (!is_kept[i]) diff.removed.push_back({old_list[i], i, 0});
  }
  const std::vector<bool> stays = on_longest_increase(kept);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!stays[i]) diff.moved.push_back(kept[i]);
  }
  // They live as long as the plan.
  for (auto* members : {&diff.added, &diff.removed, &diff.moved}) members->shrink_to_fit();
  return diff;
}

std::string places_of(const MembershipDiff& diff) {
  const std::size_t size = diff.after();
  std::string places;
  places.reserve(size + diff.moved.size() + diff.added.size());
  auto moved = diff.moved.begin();
  auto added = diff.added.begin();
  for (Place place = 0; place < size; ++place) {
    if (moved != diff.moved.end() && moved->to == place) {
      places += "10";
      ++moved;
    } else if (added != diff.added.end() && added->to == place) {
      places += "11";
      ++added;
    } else {
      places += '0';
    }
  }
  return places;
}

std::vector<std::string> after_change(const std::vector<std::string>& before,
                                      const NamedChange& change) {
  std::unordered_set<std::string_view> left(change.removed.begin(), change.removed.end());
  if (change.places) left.insert(change.moved.begin(), change.moved.end());
  std::vector<std::string> rest;
  for (const std::string& name : before) {
    // With `places`, a repeated name counts once.
    const bool stays = change.places ? left.insert(name).second : !left.contains(name);
    if (stays) rest.push_back(name);
  }
  if (!change.places) return rest;
  std::array<std::span<const std::string>, 3> sources{rest, change.moved, change.added};
  std::vector<std::string> after;
  const auto require = [](bool fits) {
    if (fits) return;
    throw Error(ErrorKind::failed, "the ranks of a change in the journal don't match its members",
                {.object = "the journal", .hint = "Ask for a later day."});
  };
  const std::string& places = *change.places;
  for (std::size_t at = 0; at < places.size(); ++at) {
    std::size_t source = 0;
    if (places[at] == '1') source = ++at < places.size() && places[at] == '1' ? 2 : 1;
    std::span<const std::string>& next = sources.at(source);
    require(!next.empty());
    after.push_back(next.front());
    next = next.subspan(1);
  }
  for (const auto& source : sources) require(source.empty());
  return after;
}

Fingerprint::Fingerprint(const Entry& entry) {
  for (const std::string* text : {&entry.cache_type, &entry.count, &entry.metadata}) add(*text);
  if (!entry.readable) add("unreadable");
}

std::string_view unreadable_because(const Entry& entry) {
  return entry.too_large ? "holds more than 64 MB of symbols"
                         : "is not an object with an array of strings under symbols";
}

const Entry* find_entry(const Entries& entries, std::string_view universe) {
  const auto found = entries.find(universe);
  return found == entries.end() ? nullptr : found->second.get();
}

std::string metadata_text(const std::vector<std::pair<std::string, std::string>>& pairs) {
  const auto shorter = [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  };
  std::map<std::string, std::string, decltype(shorter)> sorted(shorter);
  for (const auto& [key, value] : pairs) sorted.insert_or_assign(key, value);
  std::string text = "{";
  for (const auto& [key, value] : sorted) {
    text.append(text.size() > 1 ? ", " : "").append(json_quoted(key)).append(": ");
    text += json_quoted(value);
  }
  return text + "}";
}

bool count_is(std::string_view count, std::size_t size) {
  return number_of<double>(count) == static_cast<double>(size);
}

}  // namespace tickstock
