#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/symbol_table.hpp"

namespace tickstock {

/// The position of a member in its list, counted from 0. A list of 2^32 members can't be read.
using Place = std::uint32_t;

/// The members of an entry, in stored order, including repeated names. A copy without some of them
/// shares the list and stores only their positions: a plan that removes the delisted symbols from
/// ten thousand entries is hardly larger than what was read.
class Members {
 public:
  Members() : Members(std::vector<SymbolId>()) {}
  // A list is members: NOLINTNEXTLINE(google-explicit-constructor)
  Members(std::vector<SymbolId> list)
      : list_(std::make_shared<const std::vector<SymbolId>>(std::move(list))) {}

  /// Returns the members for which `leaves` is false.
  template <typename Leaves>
  [[nodiscard]] Members without(Leaves leaves) const {
    Members left(*this);
    left.gaps_.clear();
    visit([&](Place place, SymbolId id, bool is_gap) {
      if (is_gap || leaves(id)) left.gaps_.push_back(place);
    });
    left.gaps_.shrink_to_fit();
    return left;
  }

  [[nodiscard]] std::size_t size() const { return list_->size() - gaps_.size(); }

  template <typename Take>
  void each(Take take) const {
    visit([&take](Place /*place*/, SymbolId id, bool is_gap) {
      if (!is_gap) take(id);
    });
  }

  /// Returns a list of its own.
  [[nodiscard]] std::vector<SymbolId> list() const {
    if (gaps_.empty()) return *list_;
    std::vector<SymbolId> list;
    list.reserve(size());
    each([&list](SymbolId id) { list.push_back(id); });
    return list;
  }

 private:
  template <typename Take>
  void visit(Take take) const {
    auto gap = gaps_.begin();
    for (Place place = 0; place < list_->size(); ++place) {
      const bool is_gap = gap != gaps_.end() && *gap == place;
      take(place, (*list_)[place], is_gap);
      if (is_gap) ++gap;
    }
  }

  std::shared_ptr<const std::vector<SymbolId>> list_;
  std::vector<Place> gaps_;  ///< ascending positions in the list of those who left
};

/// A member and its positions. A name repeated in a list counts once, at its first position.
struct Placement {
  SymbolId symbol;
  Place from;  ///< in the old list; unused for an added member
  Place to;    ///< in the new list; unused for a removed member
};

/// What turns one list of members into another.
struct MembershipDiff {
  std::vector<Placement> added;    ///< in the order of the new list
  std::vector<Placement> removed;  ///< in the order of the old list
  /// In the order of the new list; the fewest that must change place.
  std::vector<Placement> moved;
  std::size_t before = 0;  ///< how many distinct members the old list has

  /// Returns how many distinct members the new list has.
  [[nodiscard]] std::size_t after() const { return before - removed.size() + added.size(); }
  [[nodiscard]] bool empty() const { return added.empty() && removed.empty() && moved.empty(); }
};

/// Returns the structure of the new list, as a code of zeros and ones for each of its positions:
/// `0` the next member that keeps its order, `10` the next that moved, `11` the next that is new.
std::string places_of(const MembershipDiff& diff);

/// A change of members by name, as the journal stores it.
struct NamedChange {
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<std::string> moved;
  /// As from places_of(); nothing if the rest of the old list stays as it is.
  std::optional<std::string> places;
};

/// Applies a change to the old list, and returns the new one. \throws Error (failed) if the change
/// does not fit the list.
std::vector<std::string> after_change(const std::vector<std::string>& before,
                                      const NamedChange& change);

/// Returns `list` with each name once, at its first position.
std::vector<SymbolId> distinct(const std::vector<SymbolId>& list);

/// Returns the difference of two lists. Added and removed are the differences of the two sets.
/// Moved are the kept members that are not on a longest increasing subsequence of old positions, so
/// no smaller set exists. O(n log n).
MembershipDiff diff_memberships(const std::vector<SymbolId>& before,
                                const std::vector<SymbolId>& after);

/// One row of `cache_entries`, as far as rules read it.
struct Entry {
  std::string cache_type;

  /// Whether `content` is an object with an array of strings under `symbols`.
  bool readable = true;
  bool too_large = false;  ///< has more symbols than are read; not readable either

  Members members;

  /// `count` and `metadata` of the content as PostgreSQL prints jsonb; empty if the key is missing.
  std::string count;
  std::string metadata;

  /// Covers all of the above, as computed by Fingerprint: type, count, metadata and the members in
  /// order.
  std::uint64_t fingerprint = 0;
};

/// A 64-bit number that distinguishes contents. It is stored, so the same content must always give
/// the same one. It does not protect against deliberate collisions.
class Fingerprint {
 public:
  /// Starts with an entry's own text; add its members afterwards.
  explicit Fingerprint(const Entry& entry);

  void add(std::string_view text) {
    std::size_t at = 0;
    for (; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t)) {
      mix(word(text.substr(at, sizeof(std::uint64_t))));
    }
    // Including the length keeps "a" "bc" apart from "ab" "c".
    mix(word(text.substr(at)) ^ std::uint64_t{text.size()} << 56);
  }
  [[nodiscard]] std::uint64_t value() const { return state_ ^ state_ >> 32; }

 private:
  /// Returns four bytes as a little-endian number on any machine.
  static std::uint64_t four(const char* bytes) {
    std::uint32_t number = 0;
    std::memcpy(&number, bytes, sizeof(number));
    return std::endian::native == std::endian::little ? number : __builtin_bswap32(number);
  }
  /// Returns up to eight bytes as a number: from four bytes on, the first four and the last four,
  /// which may overlap.
  static std::uint64_t word(std::string_view bytes) {
    const std::size_t size = bytes.size();
    if (size >= 4) return four(bytes.data()) | four(bytes.data() + size - 4) << (8 * (size - 4));
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < size; ++i) {
      word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return word;
  }
  void mix(std::uint64_t word) {
    // A multiplier of SplitMix64; the shift brings its high bits back to the low ones.
    state_ = (state_ ^ word) * 0xbf58476d1ce4e5b9;
    state_ ^= state_ >> 29;
  }

  std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

/// Entries by name in byte order. A task passes its changes on as new entries, so that a plan holds
/// both sides without copying them.
using Entries = std::map<std::string, std::shared_ptr<const Entry>, std::less<>>;

/// Returns why the content of an entry can't be read, as the rest of a sentence about it. \pre not
/// readable.
std::string_view unreadable_because(const Entry& entry);

/// Returns the entry of that name, or null.
const Entry* find_entry(const Entries& entries, std::string_view universe);

/// Returns the content's `metadata` as PostgreSQL prints jsonb: shorter keys first, then by bytes;
/// of two pairs with the same key, the last one counts.
std::string metadata_text(const std::vector<std::pair<std::string, std::string>>& pairs);

/// Returns whether the stored `count` equals `size` as a number: 2 and 2.0 are equal.
bool count_is(std::string_view count, std::size_t size);

}  // namespace tickstock
