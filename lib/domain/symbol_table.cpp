#include "domain/symbol_table.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

namespace tickstock {

SymbolTable::Name::Name(std::string_view text) {
  if (text.size() <= longest_inside) {
    std::copy(text.begin(), text.end(), bytes_.begin());
    bytes_.back() = static_cast<char>(text.size());
    return;
  }
  const char* bytes = text.data();
  const auto size = static_cast<std::uint32_t>(text.size());
  std::memcpy(bytes_.data(), &bytes, sizeof bytes);
  std::memcpy(bytes_.data() + sizeof bytes, &size, sizeof size);
  bytes_.back() = outside;
}

std::string_view SymbolTable::Name::text_outside() const {
  const char* bytes = nullptr;
  std::uint32_t size = 0;
  std::memcpy(&bytes, bytes_.data(), sizeof bytes);
  std::memcpy(&size, bytes_.data() + sizeof bytes, sizeof size);
  return {bytes, size};
}

std::uint32_t SymbolTable::Name::hash() const {
  if (is_outside()) return static_cast<std::uint32_t>(std::hash<std::string_view>{}(text()));
  // Two odd multipliers spread each byte over the upper half.
  const auto [front, back] = words();
  const std::uint64_t mixed = (front * 0x9e3779b97f4a7c15ULL) ^ (back * 0xc2b2ae3d27d4eb4fULL);
  return static_cast<std::uint32_t>((mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9ULL >> 32);
}

SymbolId SymbolTable::intern(std::string_view name) {
  const Name wanted(name);
  return intern(wanted, wanted.hash());
}

void SymbolTable::intern(std::span<const std::string_view> names, std::vector<SymbolId>& ids) {
  constexpr std::size_t batch = 32;
  std::array<Name, batch> wanted;
  std::array<std::uint32_t, batch> hashes{};
  while (!names.empty()) {
    const auto some = names.first(std::min(batch, names.size()));
    // All can be new, and the slots must stay where they are meanwhile.
    while ((size_ + batch) * 2 > slots_.size()) grow();
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = 0; i < some.size(); ++i) {
      wanted[i] = Name(some[i]);
      hashes[i] = wanted[i].hash();
      fetch(&slots_[hashes[i] & mask]);
    }
    for (std::size_t i = 0; i < some.size(); ++i) {
      const Slot& slot = slots_[hashes[i] & mask];
      if (slot.id != empty_slot) fetch(&name_at(slot.id));
    }
    for (std::size_t i = 0; i < some.size(); ++i) ids.push_back(intern(wanted[i], hashes[i]));
    names = names.subspan(some.size());
  }
}

std::optional<SymbolId> SymbolTable::find(std::string_view name) const {
  if (slots_.empty()) return std::nullopt;
  const Name wanted(name);
  const SymbolId id = slots_[slot_of(wanted, wanted.hash())].id;
  if (id == empty_slot) return std::nullopt;
  return id;
}

SymbolId SymbolTable::intern(const Name& name, std::uint32_t hash) {
  if (size_ * 2 >= slots_.size()) grow();
  Slot& slot = slots_[slot_of(name, hash)];
  if (slot.id == empty_slot) {
    slot = {hash, static_cast<SymbolId>(size_)};
    store(name);
  }
  return slot.id;
}

std::size_t SymbolTable::slot_of(const Name& name, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id == empty_slot || (slot.hash == hash && name_at(slot.id) == name)) return at;
  }
}

void SymbolTable::grow() {
  std::vector<Slot> old(std::max<std::size_t>(1024, slots_.size() * 2), Slot{0, empty_slot});
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.id == empty_slot) continue;
    std::size_t at = slot.hash & mask;
    while (slots_[at].id != empty_slot) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

void SymbolTable::store(const Name& name) {
  if (size_ % names_in_block == 0) {
    blocks_.push_back(std::make_unique<Name[]>(names_in_block));
  }
  Name& place = blocks_.back()[size_ % names_in_block];
  place = name;
  if (const std::string_view text = name.text(); text.size() > Name::longest_inside) {
    long_names_.push_back(std::make_unique<char[]>(text.size()));
    std::copy(text.begin(), text.end(), long_names_.back().get());
    place = Name({long_names_.back().get(), text.size()});
  }
  ++size_;
}

}  // namespace tickstock
