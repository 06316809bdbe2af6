#include "domain/market.hpp"

#include <algorithm>
#include <cmath>

#include "domain/error.hpp"

namespace tickstock {

void Market::add(std::string_view name, const Listing& listing) {
  if (name.empty()) {
    throw Error(ErrorKind::failed,
                "the symbols table holds a row whose symbol is NULL or empty; remove or name it, "
                "then run again");
  }
  const SymbolId id = symbols_.intern(name);
  if (id != listings_.size()) {
    throw Error(ErrorKind::failed, "the symbols table holds two rows of symbol '" +
                                       std::string(name) + "'; remove one of them, then run again");
  }
  if (listing.activity == Activity::unknown) ++unknown_activity_;
  listings_.push_back(listing);
}

void Market::rank() {
  ranking_.clear();
  for (SymbolId id = 0; id < listings_.size(); ++id) {
    if (eligible(id)) ranking_.push_back(id);
  }
  std::sort(ranking_.begin(), ranking_.end(), [this](SymbolId a, SymbolId b) {
    const double cap_a = listings_[a].market_cap;
    const double cap_b = listings_[b].market_cap;
    return cap_a != cap_b ? cap_a > cap_b : symbols_.name(a) < symbols_.name(b);
  });
  rank_of_.assign(listings_.size(), 0);
  std::uint32_t rank = 0;
  for (const SymbolId id : ranking_) rank_of_[id] = ++rank;
}

bool Market::delisted(SymbolId id) const {
  const Listing* listing = find(id);
  if (listing == nullptr) return false;
  return listing->activity == Activity::inactive ||
         (listing->delisted && *listing->delisted <= as_of_);
}

bool Market::active(SymbolId id) const {
  const Listing* listing = find(id);
  return listing != nullptr && listing->activity == Activity::active && !delisted(id);
}

bool Market::eligible(SymbolId id) const {
  if (!active(id)) return false;
  const double cap = listings_[id].market_cap;
  return std::isfinite(cap) && cap > 0;
}

const Company& Market::company(SymbolId id) const {
  static const Company unknown;
  const auto found = companies_.find(id);
  return found == companies_.end() ? unknown : found->second;
}

}  // namespace tickstock
