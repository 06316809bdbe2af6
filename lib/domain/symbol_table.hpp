#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tickstock {

/// The number of a symbol in a SymbolTable, counted from 0 in the order of first appearance.
using SymbolId = std::uint32_t;

/// Every symbol name of a run, stored once, and a hash table from name to number. Memberships are
/// lists of numbers, which are small, and comparing two names is comparing two integers.
///
/// A name of up to seven bytes, which nearly all are, is itself one integer: built, hashed and
/// compared in registers, and found with two memory accesses.
class SymbolTable {
 public:
  /// Reserves memory for about this many names.
  void reserve(std::size_t names);

  /// Returns the number of `name`, adding a copy of it if it is new.
  SymbolId intern(std::string_view name);

  /// Appends the number of each of `names` to `ids`, in order. Much faster than one by one in a
  /// large table, since it prefetches the slots of many names at once.
  void intern(std::span<const std::string_view> names, std::vector<SymbolId>& ids);

  [[nodiscard]] std::optional<SymbolId> find(std::string_view name) const;

  /// Returns a name, valid as long as the table lives.
  [[nodiscard]] std::string_view name(SymbolId id) const {
    const Name& name = name_at(id);
    return name.is_long() ? std::string_view(long_names_[name.place()]) : name.text();
  }

  /// Calls `take` with the name of each of `ids`, in order, prefetching the next ones.
  template <typename Take>
  void each_name(std::span<const SymbolId> ids, Take take) const {
    constexpr std::size_t ahead = 16;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + ahead < ids.size()) fetch(&name_at(ids[i + ahead]));
      take(name(ids[i]));
    }
  }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  /// A name of up to seven bytes with its length, or a mark with the position of a longer name.
  class Name {
   public:
    Name() = default;
    static bool is_short(std::string_view text) { return text.size() < sizeof(Word); }
    static Name of_short(std::string_view text) {
      Word word = at_byte(sizeof(Word) - 1, static_cast<unsigned char>(text.size()));
      for (std::size_t i = 0; i < text.size(); ++i) {
        word |= at_byte(i, static_cast<unsigned char>(text[i]));
      }
      return Name(word);
    }
    static Name of_long(std::size_t place) {
      return Name(at_byte(sizeof(Word) - 1, long_mark) | Word{place} << 8);
    }

    [[nodiscard]] bool is_long() const { return byte(sizeof(Word) - 1) == long_mark; }
    /// For a long name.
    [[nodiscard]] std::size_t place() const { return static_cast<std::uint32_t>(word_ >> 8); }
    /// For a short name; valid until the Name moves.
    [[nodiscard]] std::string_view text() const {
      return {reinterpret_cast<const char*>(&word_), byte(sizeof(Word) - 1)};
    }
    [[nodiscard]] std::uint32_t hash() const {
      // The multipliers of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number
      // Generators, 2014).
      constexpr Word odd_a = 0x9e3779b97f4a7c15;
      constexpr Word odd_b = 0xbf58476d1ce4e5b9;
      const Word mixed = word_ * odd_a;
      return static_cast<std::uint32_t>(((mixed ^ (mixed >> 29)) * odd_b) >> 32);
    }
    bool operator==(const Name&) const = default;

   private:
    using Word = std::uint64_t;
    static constexpr unsigned char long_mark = 0xff;

    explicit Name(Word word) : word_(word) {}
    static constexpr unsigned shift_of(std::size_t byte) {
      const std::size_t place = std::endian::native == std::endian::little ? byte : 7 - byte;
      return static_cast<unsigned>(8 * place);
    }
    /// Puts a byte at position `i` in memory, whatever the byte order of the machine.
    static Word at_byte(std::size_t i, unsigned char byte) { return Word{byte} << shift_of(i); }
    [[nodiscard]] unsigned char byte(std::size_t i) const {
      return static_cast<unsigned char>(word_ >> shift_of(i));
    }

    Word word_ = 0;
  };

  struct Slot {
    std::uint32_t hash;
    SymbolId id;
  };

  static constexpr std::size_t names_in_block = 4096;
  static constexpr SymbolId empty_slot = 0xffffffff;

  /// Prefetches a place into the cache.
  static void fetch(const void* place) { __builtin_prefetch(place); }

  [[nodiscard]] const Name& name_at(SymbolId id) const {
    return blocks_[id / names_in_block][id % names_in_block];
  }
  [[nodiscard]] std::size_t home_of(std::uint32_t hash) const { return hash & (slots_.size() - 1); }
  /// Returns the slot of the name with this hash that `is_it`, or the empty slot where it belongs.
  template <typename IsIt>
  [[nodiscard]] std::size_t slot_of(std::uint32_t hash, IsIt is_it) const;
  SymbolId intern_short(Name name, std::uint32_t hash);
  SymbolId intern_long(std::string_view name);
  SymbolId add(Slot& slot, std::uint32_t hash, Name name);
  void grow(std::size_t slots);

  std::size_t size_ = 0;
  std::vector<std::unique_ptr<Name[]>> blocks_;  ///< blocks never move
  std::vector<Slot> slots_;  ///< open addressing, a power of two, at most half full
  std::deque<std::string> long_names_;
};

}  // namespace tickstock
