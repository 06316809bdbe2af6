#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace tickstock {

/// The number of a symbol in a SymbolTable, counted from 0 in the order of first sight.
using SymbolId = std::uint32_t;

/// Every symbol name of a run, kept once, and a hash from name to number. Memberships are lists of
/// numbers, so that they are small and comparing two names is comparing two integers.
///
/// What costs is memory that is not in a cache: a known name is found by looking at two places, its
/// slot and the name itself, which stands in the table when it is short.
class SymbolTable {
 public:
  /// The number of `name`, which is added when it is new. The bytes are copied.
  SymbolId intern(std::string_view name);

  /// Appends the number of each of `names` to `ids`, in their order. Much faster than one by one in
  /// a large table: the places of many names are fetched at once.
  void intern(std::span<const std::string_view> names, std::vector<SymbolId>& ids);

  [[nodiscard]] std::optional<SymbolId> find(std::string_view name) const;

  /// Valid as long as the table lives.
  [[nodiscard]] std::string_view name(SymbolId id) const { return name_at(id).text(); }

  /// Hands over the name of each of `ids`, in their order; the next ones are fetched meanwhile.
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
  /// 16 bytes: a name of up to 15 bytes itself, or where a longer one is.
  class Name {
   public:
    static constexpr std::size_t longest_inside = 15;

    Name() = default;
    /// `text` must stay where it is when it is longer than `longest_inside`.
    explicit Name(std::string_view text);

    /// Valid as long as the name stays where it is.
    [[nodiscard]] std::string_view text() const {
      return is_outside()
                 ? text_outside()
                 : std::string_view(bytes_.data(), static_cast<unsigned char>(bytes_.back()));
    }
    [[nodiscard]] std::uint32_t hash() const;
    [[nodiscard]] bool operator==(const Name& other) const {
      const Words a = words();
      const Words b = other.words();
      if (a[0] == b[0] && a[1] == b[1]) return true;
      return is_outside() && other.is_outside() && text() == other.text();
    }

   private:
    static constexpr char outside = 16;
    using Words = std::array<std::uint64_t, 2>;

    [[nodiscard]] Words words() const { return std::bit_cast<Words>(bytes_); }
    [[nodiscard]] std::string_view text_outside() const;
    [[nodiscard]] bool is_outside() const { return bytes_.back() == outside; }

    alignas(8) std::array<char, 16> bytes_{};  ///< the last one is the size
  };

  struct Slot {
    std::uint32_t hash;
    SymbolId id;
  };

  static constexpr std::size_t names_in_block = 4096;
  static constexpr SymbolId empty_slot = 0xffffffff;

  /// Begins to bring a place into the cache.
  static void fetch(const void* place) { __builtin_prefetch(place); }

  [[nodiscard]] const Name& name_at(SymbolId id) const {
    return blocks_[id / names_in_block][id % names_in_block];
  }
  [[nodiscard]] std::size_t slot_of(const Name& name, std::uint32_t hash) const;
  SymbolId intern(const Name& name, std::uint32_t hash);
  void grow();
  void store(const Name& name);

  std::size_t size_ = 0;
  std::vector<std::unique_ptr<Name[]>> blocks_;  ///< they stay where they are
  std::vector<Slot> slots_;  ///< open addressing, a power of two, at most half full
  std::vector<std::unique_ptr<char[]>> long_names_;
};

}  // namespace tickstock
