#include "domain/symbol_table.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

namespace tickstock {

SymbolId SymbolTable::intern(std::string_view name) {
  if (names_.size() * 2 >= slots_.size()) grow();
  const std::size_t slot = slot_of(name);
  if (slots_[slot] == empty_slot) {
    slots_[slot] = static_cast<SymbolId>(names_.size());
    names_.push_back(store(name));
  }
  return slots_[slot];
}

std::optional<SymbolId> SymbolTable::find(std::string_view name) const {
  if (slots_.empty()) return std::nullopt;
  const SymbolId id = slots_[slot_of(name)];
  if (id == empty_slot) return std::nullopt;
  return id;
}

std::size_t SymbolTable::slot_of(std::string_view name) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(name)&mask;
  while (slots_[slot] != empty_slot && names_[slots_[slot]] != name) slot = (slot + 1) & mask;
  return slot;
}

void SymbolTable::grow() {
  slots_.assign(std::max<std::size_t>(1024, slots_.size() * 2), empty_slot);
  const std::size_t mask = slots_.size() - 1;
  for (SymbolId id = 0; id < names_.size(); ++id) {
    std::size_t slot = std::hash<std::string_view>{}(names_[id]) & mask;
    while (slots_[slot] != empty_slot) slot = (slot + 1) & mask;
    slots_[slot] = id;
  }
}

std::string_view SymbolTable::store(std::string_view name) {
  constexpr std::size_t block_size = std::size_t{64} * 1024;
  if (name.size() > block_left_) {
    block_left_ = std::max(block_size, name.size());
    blocks_.push_back(std::make_unique<char[]>(block_left_));
    block_next_ = blocks_.back().get();
  }
  if (!name.empty()) std::memcpy(block_next_, name.data(), name.size());
  const std::string_view stored(block_next_, name.size());
  block_next_ += name.size();
  block_left_ -= name.size();
  return stored;
}

}  // namespace tickstock
