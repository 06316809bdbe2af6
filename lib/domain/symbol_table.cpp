#include "domain/symbol_table.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace tickstock {

namespace {

std::uint32_t hash_of_long(std::string_view name) {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(name));
}

}  // namespace

template <typename IsIt>
std::size_t SymbolTable::slot_of(std::uint32_t hash, IsIt is_it) const {
  for (std::size_t at = home_of(hash);; at = home_of(static_cast<std::uint32_t>(at + 1))) {
    const Slot& slot = slots_[at];
    if (slot.id == empty_slot || (slot.hash == hash && is_it(name_at(slot.id)))) return at;
  }
}

void SymbolTable::reserve(std::size_t names) {
  const std::size_t slots = std::bit_ceil(2 * names + 1);
  if (slots > slots_.size()) grow(slots);
}

SymbolId SymbolTable::intern(std::string_view name) {
  if (size_ * 2 >= slots_.size()) grow(slots_.size() * 2);
  if (!Name::is_short(name)) return intern_long(name);
  const Name wanted = Name::of_short(name);
  return intern_short(wanted, wanted.hash());
}

void SymbolTable::intern(std::span<const std::string_view> names, std::vector<SymbolId>& ids) {
  ids.reserve(ids.size() + names.size());
  constexpr std::size_t batch = 32;
  std::array<Name, batch> wanted;
  std::array<std::uint32_t, batch> hashes{};
  while (!names.empty()) {
    const auto some = names.first(std::min(batch, names.size()));
    names = names.subspan(some.size());
    // All of them can be new, and slots must not move meanwhile.
    while ((size_ + batch) * 2 > slots_.size()) grow(slots_.size() * 2);
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (!Name::is_short(some[i])) continue;
      wanted[i] = Name::of_short(some[i]);
      hashes[i] = wanted[i].hash();
      fetch(&slots_[home_of(hashes[i])]);
    }
    for (std::size_t i = 0; i < some.size(); ++i) {
      const Slot& slot = slots_[home_of(hashes[i])];
      if (slot.id != empty_slot) fetch(&name_at(slot.id));
    }
    for (std::size_t i = 0; i < some.size(); ++i) {
      ids.push_back(Name::is_short(some[i]) ? intern_short(wanted[i], hashes[i])
                                            : intern_long(some[i]));
    }
  }
}

std::optional<SymbolId> SymbolTable::find(std::string_view name) const {
  if (slots_.empty()) return std::nullopt;
  SymbolId id = empty_slot;
  if (Name::is_short(name)) {
    const Name wanted = Name::of_short(name);
    id = slots_[slot_of(wanted.hash(), [wanted](Name each) { return each == wanted; })].id;
  } else {
    id = slots_[slot_of(hash_of_long(name), [this, name](Name each) {
           return each.is_long() && long_names_[each.place()] == name;
         })].id;
  }
  return id == empty_slot ? std::nullopt : std::optional(id);
}

SymbolId SymbolTable::intern_short(Name name, std::uint32_t hash) {
  Slot& slot = slots_[slot_of(hash, [name](Name each) { return each == name; })];
  return slot.id == empty_slot ? add(slot, hash, name) : slot.id;
}

SymbolId SymbolTable::intern_long(std::string_view name) {
  const std::uint32_t hash = hash_of_long(name);
  Slot& slot = slots_[slot_of(hash, [this, name](Name each) {
    return each.is_long() && long_names_[each.place()] == name;
  })];
  if (slot.id != empty_slot) return slot.id;
  long_names_.emplace_back(name);
  return add(slot, hash, Name::of_long(long_names_.size() - 1));
}

SymbolId SymbolTable::add(Slot& slot, std::uint32_t hash, Name name) {
  if (size_ % names_in_block == 0) blocks_.push_back(std::make_unique<Name[]>(names_in_block));
  blocks_.back()[size_ % names_in_block] = name;
  slot = {hash, static_cast<SymbolId>(size_)};
  ++size_;
  return slot.id;
}

void SymbolTable::grow(std::size_t slots) {
  std::vector<Slot> old(std::max<std::size_t>(1024, slots), Slot{0, empty_slot});
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id == empty_slot) continue;
    slots_[slot_of(slot.hash, [](Name /*each*/) { return false; })] = slot;
  }
}

}  // namespace tickstock
