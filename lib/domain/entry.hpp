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

/// The content's `metadata` as PostgreSQL prints jsonb: shorter keys first, then by bytes; of two
/// pairs with one key the last counts.
std::string metadata_text(const std::vector<std::pair<std::string, std::string>>& pairs);

/// Whether the stored `count` is the number `size`: 2 and 2.0 are the same number.
bool count_is(std::string_view count, std::size_t size);

}  // namespace tickstock
