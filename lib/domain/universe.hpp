#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/members.hpp"

namespace tickstock {

/// The values of `cache_type` that the tasks know.
namespace cache_type {
inline constexpr std::string_view market_cap = "market_cap";
inline constexpr std::string_view market_leader = "market_leader";
inline constexpr std::string_view ipo = "ipo";
inline constexpr std::string_view sector = "sector";
inline constexpr std::string_view theme = "theme";
}  // namespace cache_type

/// A universe by market cap: each eligible symbol stands in the one with the highest bound that it
/// reaches.
struct Category {
  std::string_view universe;
  double bound;  ///< US dollars, inclusive
};

/// A universe of the first `size` symbols in rank order.
struct Leader {
  std::string_view universe;
  std::size_t size;
};

inline constexpr std::array<Category, 5> categories{{{"mega_cap", 200e9},
                                                     {"large_cap", 10e9},
                                                     {"mid_cap", 2e9},
                                                     {"small_cap", 300e6},
                                                     {"micro_cap", 50e6}}};

inline constexpr std::array<Leader, 4> leaders{
    {{"top_100", 100}, {"top_500", 500}, {"top_1000", 1000}, {"top_2000", 2000}}};

inline constexpr std::string_view recent_ipos = "recent_ipos";

/// The types whose entries the delisted task cleans.
inline constexpr std::array<std::string_view, 4> cleaned_types{
    cache_type::market_cap, cache_type::market_leader, cache_type::sector, cache_type::theme};

/// Whether a task writes this universe whole: the ten reserved names.
bool is_owned(std::string_view universe);

/// The ten reserved names, in the order in which their tasks write and announce them.
std::vector<std::string_view> owned_universes();

/// Whether the delisted task cleans entries of this type.
bool is_cleaned_type(std::string_view type);

/// One row of `cache_entries`, as far as a rule reads it.
struct Entry {
  std::string cache_type;

  /// `content` is an object with an array of strings under `symbols`.
  bool readable = true;
  bool too_large = false;  ///< it has more symbols than are read; not readable either

  Members members;

  /// `count` and `metadata` of the content as PostgreSQL prints jsonb; empty where the key is
  /// missing.
  std::string count;
  std::string metadata;
};

/// Entries by name in byte order. A task hands on what it changed as new entries, so that a plan
/// holds both sides without copying them.
using Entries = std::map<std::string, std::shared_ptr<const Entry>, std::less<>>;

/// Why the content of an entry can't be read, as the rest of a sentence about it. \pre not
/// readable.
std::string_view unreadable_because(const Entry& entry);

/// The entry of that name, or null.
const Entry* find_entry(const Entries& entries, std::string_view universe);

/// The content's `metadata` as PostgreSQL prints jsonb: pairs of plain ASCII words, in the order of
/// jsonb (shorter keys first, then by bytes).
std::string metadata_text(std::vector<std::pair<std::string, std::string>> pairs);

/// Whether the stored `count` is the number `size`: 2 and 2.0 are the same number.
bool count_is(std::string_view count, std::size_t size);

}  // namespace tickstock
