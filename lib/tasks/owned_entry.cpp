#include "tasks/owned_entry.hpp"

#include <utility>

namespace tickstock::tasks {

std::optional<EntryWrite> write_if_different(const Entries& entries, Wanted wanted) {
  const auto found = entries.find(wanted.universe);
  const auto before = found == entries.end() ? nullptr : found->second;
  if (!before && !wanted.create) return std::nullopt;
  const std::vector<SymbolId> members = before ? before->members.list() : std::vector<SymbolId>();
  if (before && before->readable && members == wanted.members &&
      before->cache_type == wanted.cache_type && before->metadata == wanted.metadata &&
      count_is(before->count, wanted.members.size())) {
    return std::nullopt;
  }
  Entry after;
  after.cache_type = wanted.cache_type;
  after.count = std::to_string(wanted.members.size());
  after.metadata = std::move(wanted.metadata);
  MembershipDiff diff = diff_memberships(members, wanted.members);
  after.members = std::move(wanted.members);
  return EntryWrite{std::string(wanted.universe), before,
                    std::make_shared<const Entry>(std::move(after)), std::move(diff)};
}

}  // namespace tickstock::tasks
