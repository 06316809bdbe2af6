#include "rules/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "domain/text.hpp"

namespace tickstock {

namespace {

/// Fills in what the declaration of a universe leaves to be derived.
void complete(Universe& universe) {
  if (universe.metadata.empty()) universe.metadata = metadata_text({{"type", universe.type}});
  if (!universe.each.empty() && universe.group.empty()) universe.group = universe.name;
  if (universe.first) universe.conditions.emplace_back(HasCap{});
  // A window moves on by itself, and additions stay anyway.
  if (universe.listed_within() || universe.additions) {
    universe.stability.band = 0;
    universe.stability.nights = 1;
  }
}

/// Returns a universe with a built-in name as a replacement for that one.
Universe in_place_of(const Universe& replaced, Universe universe) {
  universe.type = replaced.type;
  universe.metadata = replaced.metadata;
  universe.task = replaced.task;
  universe.group = replaced.group;
  universe.always_written = replaced.always_written;
  return universe;
}

/// Gives a universe without an upper bound the lowest lower bound of those before it in its group.
void bound_groups(std::vector<Universe>& universes) {
  std::map<std::string, double> lowest;
  for (Universe& universe : universes) {
    if (universe.group.empty()) continue;
    const auto bound = lowest.find(universe.group);
    const auto* named = find_condition<Named>(universe);
    const bool is_list = named != nullptr && !named->negated;
    if (bound != lowest.end() && !is_list && find_condition<CapBelow>(universe) == nullptr) {
      universe.conditions.emplace_back(CapBelow{bound->second});
    }
    if (const auto from = universe.cap_from()) {
      const auto [place, is_new] = lowest.try_emplace(universe.group, *from);
      place->second = std::min(place->second, *from);
    }
  }
}

/// Returns the key of the label in the metadata of a family: its column, unless that is the key of
/// the type.
std::string label_key(const Universe& family) {
  return family.each == "type" ? "label" : family.each;
}

std::string metadata_of(const Universe& family, const std::string& label) {
  return metadata_text({{"type", family.type}, {label_key(family), label}});
}

/// Returns the label for which a family created an entry, by its metadata; nothing if it did not
/// create it.
std::optional<std::string> label_of(const Universe& family, const std::string& name,
                                    const Entry& entry) {
  if (entry.cache_type != family.type) return std::nullopt;
  const std::string key = json_quoted(label_key(family)) + ": ";
  const std::size_t at = entry.metadata.find(key);
  if (at == std::string::npos) return std::nullopt;
  auto label = json_unquoted(std::string_view(entry.metadata).substr(at + key.size()));
  const bool made = label && name == name_in_family(family, slug_of(*label)) &&
                    entry.metadata == metadata_of(family, *label);
  return made ? std::move(label) : std::nullopt;
}

using Labels = std::set<std::string, std::less<>>;

/// The maximum length of a label, in characters. JSON may take six for each of them, and metadata
/// is read up to 4,096 characters.
constexpr std::size_t longest_label = 600;

/// Returns the labels that active symbols have in the column of a family. \throws Error for too
/// many.
Labels labels_of(const Universe& family, const Market& market) {
  const std::vector<LabelId>& label_ids = market.label_ids(family.each);
  std::vector<bool> seen(market.labels(family.each) + 1);
  for (SymbolId id = 0; id < label_ids.size(); ++id) {
    if (market.active(id)) seen[label_ids[id]] = true;
  }
  Labels labels;
  for (LabelId label = 1; label < seen.size(); ++label) {
    if (seen[label]) labels.emplace(market.label_name(family.each, label));
  }
  if (labels.size() <= most_labels) return labels;
  throw Error(
      ErrorKind::failed,
      fmt::format("universe '{}' would be made for each of {} labels of column {}, more "
                  "than {}",
                  family.name, labels.size(), family.each, most_labels),
      {.object = "universe " + family.name, .hint = "Declare it for a column with fewer labels."});
}

/// Returns the universes of a family by name.
std::map<std::string, Universe> members_of(const Universe& family, const Market& market,
                                           const Entries& entries, std::vector<Warning>& warnings) {
  std::map<std::string, Labels> labels_by_name;
  std::vector<std::string> without_slug;
  for (const std::string& label : labels_of(family, market)) {
    const std::string slug = slug_of(label);
    const std::string name = name_in_family(family, slug);
    const bool fits = characters_of(label) <= longest_label && characters_of(name) <= longest_name;
    if (!slug.empty() && fits) {
      labels_by_name[name].insert(label);
    } else {
      without_slug.push_back(label);
    }
  }
  if (!without_slug.empty()) {
    warnings.emplace_back(fmt::format("universe '{}' leaves out labels of column {} that have "
                                      "neither a letter nor a digit of ASCII, or are too long",
                                      family.name, family.each),
                          "", std::move(without_slug));
  }
  for (const auto& [name, entry] : entries) {
    if (labels_by_name.contains(name)) continue;
    if (const auto label = label_of(family, name, *entry)) labels_by_name[name].insert(*label);
  }
  std::map<std::string, Universe> universes;
  for (const auto& [name, labels] : labels_by_name) {
    Universe universe = family;
    universe.name = name;
    universe.family = family.name;
    universe.each.clear();
    universe.metadata = metadata_of(family, *labels.begin());
    universe.conditions.insert(
        universe.conditions.begin(),
        Matches{family.each, {labels.begin(), labels.end()}, false, !family.first});
    universes.emplace(name, std::move(universe));
  }
  return universes;
}

}  // namespace

Universes Policy::universes() const {
  std::vector<Universe> all = builtin ? builtin_universes(ipo_days) : std::vector<Universe>();
  for (Universe& universe : all) universe.stability = stability;
  const auto reserved = static_cast<std::ptrdiff_t>(all.size());
  for (const Universe& universe : declared) {
    const auto replaced =
        std::ranges::find(all.begin(), all.begin() + reserved, universe.name, &Universe::name);
    if (replaced != all.begin() + reserved) {
      *replaced = in_place_of(*replaced, universe);
    } else {
      all.push_back(universe);
    }
  }
  for (Universe& universe : all) complete(universe);
  bound_groups(all);
  Universes universes;
  universes.reserve(all.size());
  for (Universe& universe : all) {
    universes.push_back(std::make_shared<const Universe>(std::move(universe)));
  }
  return universes;
}

std::vector<std::string> Policy::columns() const {
  std::set<std::string> columns;
  for (const Universe& universe : declared) {
    if (!universe.each.empty()) columns.insert(universe.each);
    if (!universe.issuer.empty()) columns.insert(universe.issuer);
    for (const Condition& condition : universe.conditions) {
      if (const auto* match = std::get_if<Matches>(&condition)) columns.insert(match->column);
    }
  }
  return {columns.begin(), columns.end()};
}

bool Policy::cleans(const std::string& type) const {
  return std::ranges::find(cleaned_types, type) != cleaned_types.end();
}

std::string name_in_family(const Universe& family, std::string_view slug) {
  return replaced(family.name, "{" + family.each + "}", slug);
}

Universes expand(const Universes& declared, const Market& market, const Entries& entries,
                 std::vector<Warning>& warnings) {
  std::map<std::string, std::string> made_by;  // the family that makes each name
  std::set<std::string> literal;
  for (const auto& universe : declared) {
    if (universe->each.empty()) literal.insert(universe->name);
  }
  Universes universes;
  for (const auto& universe : declared) {
    if (universe->each.empty()) {
      universes.push_back(universe);
      continue;
    }
    for (auto& [name, member] : members_of(*universe, market, entries, warnings)) {
      if (literal.contains(name)) continue;
      const auto [other, is_new] = made_by.try_emplace(name, universe->name);
      if (!is_new) {
        throw Error(ErrorKind::failed,
                    fmt::format("'{}' and '{}' both make the universe '{}'", other->second,
                                universe->name, name),
                    {.object = "universe " + name, .hint = "Give one of them another name."});
      }
      universes.push_back(std::make_shared<const Universe>(std::move(member)));
    }
  }
  return universes;
}

}  // namespace tickstock
