#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/plan.hpp"

namespace tickstock::tasks {

/// What an entry that a task owns should be.
struct Wanted {
  std::string_view universe;
  std::string_view cache_type;
  std::string metadata;
  std::vector<SymbolId> members;
  bool create = true;  ///< whether a missing row is made
};

/// The write that makes the entry what it should be, or nothing where it is so already: its
/// members, their order, `count`, type and metadata are compared.
std::optional<EntryWrite> write_if_different(const Entries& entries, Wanted wanted);

}  // namespace tickstock::tasks
