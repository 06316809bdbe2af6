#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace tickstock {

/// The number of a symbol in a SymbolTable, counted from 0 in the order of first sight.
using SymbolId = std::uint32_t;

/// Every symbol name of a run, kept once: one arena of bytes, and a hash from name to number.
/// Memberships are lists of numbers, so that they are small and comparing two names is comparing
/// two integers.
class SymbolTable {
 public:
  /// The number of `name`, which is added when it is new. The bytes are copied.
  SymbolId intern(std::string_view name);

  [[nodiscard]] std::optional<SymbolId> find(std::string_view name) const;

  /// Valid as long as the table lives.
  [[nodiscard]] std::string_view name(SymbolId id) const { return names_[id]; }

  [[nodiscard]] std::size_t size() const { return names_.size(); }

 private:
  [[nodiscard]] std::size_t slot_of(std::string_view name) const;
  void grow();
  std::string_view store(std::string_view name);

  static constexpr SymbolId empty_slot = 0xffffffff;

  std::vector<std::string_view> names_;
  std::vector<SymbolId> slots_;  ///< open addressing, a power of two, at most half full
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_left_ = 0;
  char* block_next_ = nullptr;
};

}  // namespace tickstock
