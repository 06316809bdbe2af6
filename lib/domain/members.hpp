#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "domain/symbol_table.hpp"

namespace tickstock {

/// Where a member stands in its list, counted from 0. A list of 2^32 members can't be read.
using Place = std::uint32_t;

/// The members of an entry, in stored order, repeated names included. What is left when some leave
/// shares the list, and holds no more than their places: a plan that takes the delisted out of ten
/// thousand entries is hardly larger than what was read.
class Members {
 public:
  Members() : Members(std::vector<SymbolId>()) {}
  // It is one: NOLINTNEXTLINE(google-explicit-constructor)
  Members(std::vector<SymbolId> list)
      : list_(std::make_shared<const std::vector<SymbolId>>(std::move(list))) {}

  /// Those of which `leaves` is not true.
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

  /// A list of its own.
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
  std::vector<Place> gaps_;  ///< ascending places in the list of those who left
};

}  // namespace tickstock
