#include "domain/market.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "domain/error.hpp"
#include "domain/text.hpp"

namespace tickstock {

namespace {

constexpr std::size_t names_of_an_error = 5;

/// A symbol and the upper half of its cap's bits: caps above zero sort like their bits.
struct Ranked {
  std::uint32_t cap;
  SymbolId id;
};

/// Sorts largest first. A radix sort, whose time does not depend on the order of the table; a
/// comparison sort takes several times as long for a million symbols.
void sort_roughly(std::vector<Ranked>& ranked) {
  constexpr std::size_t digits = 3;
  constexpr unsigned bits = 11;
  constexpr std::size_t buckets = std::size_t{1} << bits;
  const auto bucket = [](const Ranked& each, std::size_t digit) {
    return ~(each.cap >> (digit * bits)) & (buckets - 1);
  };
  std::vector<std::array<std::uint32_t, buckets>> counts(digits);
  for (const Ranked& each : ranked) {
    for (std::size_t digit = 0; digit < digits; ++digit) ++counts[digit][bucket(each, digit)];
  }
  std::vector<Ranked> sorted(ranked.size());
  for (std::size_t digit = 0; digit < digits; ++digit) {
    std::array<std::uint32_t, buckets>& next = counts[digit];
    std::exclusive_scan(next.begin(), next.end(), next.begin(), 0U);
    for (const Ranked& each : ranked) sorted[next[bucket(each, digit)]++] = each;
    ranked.swap(sorted);
  }
}

}  // namespace

Market::Market(Day as_of, const std::vector<std::string>& columns)
    : as_of_(as_of), columns_(columns.size()) {
  for (std::size_t i = 0; i < columns.size(); ++i) columns_[i].name = columns[i];
}

void Market::reserve(std::size_t rows) {
  symbols_.reserve(rows);
  rows_.reserve(rows);
  states_.reserve(rows);
}

void Market::add(std::string_view name, const Listing& listing,
                 std::span<const std::string_view> labels) {
  if (name.empty()) {
    ++nameless_;
    return;
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string_view label = i < labels.size() ? trimmed(labels[i]) : std::string_view();
    pending_.labels.push_back(label.empty() ? 0 : columns_[i].labels.intern(label) + 1);
  }
  pending_.names += name;
  pending_.ends.push_back(pending_.names.size());
  pending_.listings.push_back(listing);
  constexpr std::size_t many = 256;
  if (pending_.listings.size() == many) take_in_pending();
}

void Market::take_in_pending() {
  std::vector<std::string_view> names;
  std::size_t begin = 0;
  for (const std::size_t end : pending_.ends) {
    names.push_back(std::string_view(pending_.names).substr(begin, end - begin));
    begin = end;
  }
  std::vector<SymbolId> ids;
  symbols_.intern(names, ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    take_in(ids[i], pending_.listings[i],
            std::span(pending_.labels).subspan(i * columns_.size(), columns_.size()));
  }
  pending_.names.clear();
  pending_.ends.clear();
  pending_.listings.clear();
  pending_.labels.clear();
}

void Market::take_in(SymbolId id, const Listing& listing, std::span<const LabelId> labels) {
  if (knows(id)) {
    doubled_.insert(id);
    return;
  }
  if (id >= rows_.size()) {
    rows_.resize(id + 1);
    states_.resize(id + 1);
  }
  put(id, listing);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (labels[i] == 0) continue;
    columns_[i].label_of.resize(std::max<std::size_t>(columns_[i].label_of.size(), id + 1));
    columns_[i].label_of[id] = labels[i];
  }
  ++size_;
  if (listing.activity == Activity::unknown && !delisted(id)) ++unknown_activity_;
}

void Market::put(SymbolId id, const Listing& listing) {
  rows_[id] = {listing.market_cap, listing.listed.value_or(Day()),
               listing.delisted.value_or(Day())};
  states_[id] = state_of(listing);
}

unsigned char Market::state_of(const Listing& listing) const {
  unsigned state = known;
  if (listing.listed) state |= has_listing_day;
  if (listing.delisted) state |= has_delisting_day;
  if (listing.activity == Activity::inactive) state |= is_inactive;
  if (listing.cap_from_price) state |= has_price;
  const bool relisted = listing.activity == Activity::active && listing.listed &&
                        listing.delisted && *listing.listed > *listing.delisted;
  if (listing.activity == Activity::inactive ||
      (listing.delisted && *listing.delisted <= as_of_ && !relisted)) {
    state |= is_delisted;
  } else if (listing.activity == Activity::active) {
    state |= is_active;
    if (std::isfinite(listing.market_cap) && listing.market_cap > 0) state |= is_eligible;
  }
  return static_cast<unsigned char>(state);
}

std::optional<Listing> Market::find(SymbolId id) const {
  if (!knows(id)) return std::nullopt;
  const Row& row = rows_[id];
  Listing listing{row.market_cap, {}, {}, Activity::unknown, is(id, has_price)};
  if (is(id, has_listing_day)) listing.listed = row.listed;
  if (is(id, has_delisting_day)) listing.delisted = row.delisted;
  if (is(id, is_inactive)) listing.activity = Activity::inactive;
  if (is(id, is_active)) listing.activity = Activity::active;
  return listing;
}

void Market::require_one_row_each() const {
  if (nameless_ > 0) {
    throw Error(ErrorKind::failed,
                "the symbols table holds " +
                    (nameless_ == 1 ? "a row" : std::to_string(nameless_) + " rows") +
                    " whose symbol is NULL or empty",
                {.object = "the symbols table",
                 .hint = std::string("Name or remove ") + (nameless_ == 1 ? "it" : "them") +
                         ", then run again."});
  }
  if (doubled_.empty()) return;
  std::vector<std::string> names;
  for (const SymbolId id : doubled_) names.emplace_back(name(id));
  const std::string which =
      (names.size() == 1 ? "two rows of symbol "
                         : "more than one row of " + std::to_string(names.size()) + " symbols: ") +
      listed_names(names, names_of_an_error);
  throw Error(ErrorKind::failed, "the symbols table holds " + which,
              {.object = "the symbols table",
               .hint = "Name a view with one row for each in [tables] symbols, such as 'SELECT "
                       "DISTINCT ON (symbol) * FROM … ORDER BY symbol, market_cap DESC NULLS "
                       "LAST'."});
}

void Market::rank() {
  take_in_pending();
  require_one_row_each();
  std::vector<Ranked> ranked;
  ranked.reserve(size_);
  caps_from_prices_ = 0;
  for (SymbolId id = 0; id < states_.size(); ++id) {
    if (!eligible(id)) continue;
    if (is(id, has_price)) ++caps_from_prices_;
    const auto bits = std::bit_cast<std::uint64_t>(rows_[id].market_cap);
    ranked.push_back({static_cast<std::uint32_t>(bits >> 32), id});
  }
  sort_roughly(ranked);
  // Caps that agree to about a millionth still need a comparison sort.
  for (auto first = ranked.begin(); first != ranked.end();) {
    const auto last = std::find_if(first, ranked.end(),
                                   [first](const Ranked& each) { return each.cap != first->cap; });
    if (last - first > 1) {
      std::sort(first, last, [this](const Ranked& a, const Ranked& b) {
        const double cap_a = rows_[a.id].market_cap;
        const double cap_b = rows_[b.id].market_cap;
        return cap_a != cap_b ? cap_a > cap_b : symbols_.name(a.id) < symbols_.name(b.id);
      });
    }
    first = last;
  }
  ranking_.clear();
  ranking_.reserve(ranked.size());
  rank_of_.assign(states_.size(), 0);
  for (const Ranked& each : ranked) {
    ranking_.push_back(each.id);
    rank_of_[each.id] = static_cast<std::uint32_t>(ranking_.size());
  }
}

std::span<const SymbolId> Market::ranked_from(double bound) const {
  const auto end = std::ranges::partition_point(
      ranking_, [this, bound](SymbolId id) { return rows_[id].market_cap >= bound; });
  return {ranking_.begin(), end};
}

const Market::Column& Market::column(std::string_view name) const {
  return *std::ranges::find(columns_, name, &Column::name);
}

std::string_view Market::label(std::string_view column, SymbolId id) const {
  const LabelId label = label_id(column, id);
  return label == 0 ? std::string_view() : label_name(column, label);
}

std::optional<LabelId> Market::find_label(std::string_view column, std::string_view label) const {
  const auto found = this->column(column).labels.find(label);
  return found ? std::optional(*found + 1) : std::nullopt;
}

const Company& Market::company(SymbolId id) const {
  static const Company unknown;
  const auto found = companies_.find(id);
  return found == companies_.end() ? unknown : found->second;
}

std::uint64_t fingerprint_of(const Entry& entry, const Market& market) {
  Fingerprint fingerprint(entry);
  market.symbols().each_name(entry.members.list(),
                             [&fingerprint](std::string_view name) { fingerprint.add(name); });
  return fingerprint.value();
}

}  // namespace tickstock
