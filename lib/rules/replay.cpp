#include "rules/replay.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace tickstock {

namespace {

constexpr std::size_t nights_to_undo = 5;
const std::vector<Task> all_tasks{Task::market_cap, Task::ipo, Task::themes};

bool active_on(const Listing& listing, Day day) {
  if (listing.listed && *listing.listed > day) return false;
  if (!listing.delisted) return listing.activity == Activity::active;
  const bool relisted = listing.listed && *listing.delisted < *listing.listed;
  return *listing.delisted > day || relisted;
}

/// Returns the policy as it would be without `[stability]`.
Policy without_stability(Policy policy) {
  policy.stability = {};
  for (Universe& universe : policy.declared) universe.stability = {};
  return policy;
}

}  // namespace

PastMarket::PastMarket(Market today, int max_price_age_days)
    : market_(std::move(today)), max_age_(max_price_age_days) {
  const std::size_t size = market_.symbols().size();
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  for (SymbolId id = 0; id < size; ++id) {
    listings_.push_back(market_.find(id).value_or(Listing{none, {}, {}}));
  }
  prices_.resize(size, {none, Day::min()});
}

const Market& PastMarket::on(Day day) {
  market_.turn_to(day, [&](SymbolId id) {
    Listing listing = listings_[id];
    listing.activity = active_on(listing, day) ? Activity::active : Activity::inactive;
    listing.delisted.reset();
    const Price& price = prices_[id];
    listing.market_cap =
        price.day + max_age_ >= day ? price.market_cap : std::numeric_limits<double>::quiet_NaN();
    return listing;
  });
  market_.rank();
  return market_;
}

ReplaySum sum_of(const std::vector<ReplayNight>& nights) {
  ReplaySum sum;
  std::vector<std::uint64_t> changes;
  for (const ReplayNight& night : nights) {
    sum.changes += night.changes;
    sum.undone += night.undone;
    sum.memberships += night.members;
    sum.off_rule += night.off_rule;
    changes.push_back(night.changes);
  }
  if (changes.empty()) return sum;
  sum.final_size = nights.back().members;
  changes.erase(changes.begin());
  if (changes.empty()) return sum;
  std::ranges::sort(changes);
  sum.largest = changes.back();
  sum.mean = static_cast<double>(sum.changes) / static_cast<double>(changes.size());
  const double place = 0.95 * static_cast<double>(changes.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, changes.size() - 1);
  const auto low = static_cast<double>(changes[below]);
  sum.p95 =
      low + (place - static_cast<double>(below)) * (static_cast<double>(changes[above]) - low);
  return sum;
}

Replay::Replay(const Policy& policy) : universes_(policy.universes()) {
  const bool is_stable = std::ranges::any_of(universes_, [](const auto& universe) {
    return universe->keeps_seats() || universe->stability.buffer > 0;
  });
  if (is_stable) without_stability_ = tickstock::without_stability(policy).universes();
}

std::vector<SymbolId> Replay::difference(const std::vector<SymbolId>& one,
                                         const std::vector<SymbolId>& other) {
  std::vector<SymbolId> found;
  ++mark_;
  for (const SymbolId id : one) marks_[id] = mark_;
  for (const SymbolId id : other) {
    if (marks_[id] != mark_) found.push_back(id);
    marks_[id] = 0;
  }
  std::ranges::copy_if(one, std::back_inserter(found),
                       [this](SymbolId id) { return marks_[id] == mark_; });
  return found;
}

void Replay::add(const Market& market) {
  marks_.resize(market.symbols().size());
  std::vector<Warning> unused;
  const Universes universes = expand(universes_, market, entries_, unused);
  const Universes plain = expand(without_stability_, market, entries_, unused);
  Selection selection(market, universes, entries_, waiting_, all_tasks);
  Selection plain_selection(market, plain, entries_, {}, all_tasks);
  order_.clear();
  Entries after = entries_;
  for (std::size_t i = 0; i < universes.size(); ++i) {
    const Universe& universe = *universes[i];
    order_.push_back(universe.name);
    std::vector<SymbolId> members = selection.members(universe);
    Kept& kept = kept_[universe.name];
    kept.nights.resize(nights_ + 1);
    ReplayNight& tonight = kept.nights[nights_];
    tonight.members = members.size();
    if (!plain.empty()) {
      tonight.off_rule = difference(members, plain_selection.members(*plain[i])).size();
    }
    const Entry* before = find_entry(entries_, universe.name);
    if (nights_ > 0) {
      const auto changes =
          difference(members, before == nullptr ? std::vector<SymbolId>() : before->members.list());
      tonight.changes = changes.size();
      for (const SymbolId id : changes) {
        const auto [last, is_first] = kept.last_change.try_emplace(id, nights_);
        if (!is_first && nights_ - last->second <= nights_to_undo) {
          ++kept.nights[last->second].undone;
        }
        last->second = nights_;
      }
    }
    if (before == nullptr && members.empty() && !universe.always_written) continue;
    Entry entry;
    entry.cache_type = universe.type;
    entry.metadata = universe.metadata;
    entry.members = std::move(members);
    after.insert_or_assign(universe.name, std::make_shared<const Entry>(std::move(entry)));
  }
  entries_ = std::move(after);
  waiting_ = selection.waiting();
  ++nights_;
}

std::vector<ReplayUniverse> Replay::universes() const {
  std::vector<ReplayUniverse> universes;
  for (const std::string& name : order_) universes.push_back({name, kept_.at(name).nights});
  return universes;
}

std::vector<ReplayNight> Replay::total() const {
  std::vector<ReplayNight> total(nights_);
  for (const auto& [name, kept] : kept_) {
    for (std::size_t i = 0; i < kept.nights.size(); ++i) {
      total[i].changes += kept.nights[i].changes;
      total[i].undone += kept.nights[i].undone;
      total[i].members += kept.nights[i].members;
      total[i].off_rule += kept.nights[i].off_rule;
    }
  }
  return total;
}

}  // namespace tickstock
