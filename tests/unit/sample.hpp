#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/day.hpp"
#include "domain/market.hpp"
#include "domain/members.hpp"
#include "rules/plan.hpp"

namespace tickstock::test {

/// A row of a small market, with what most tests want as defaults.
struct Row {
  std::string symbol;
  double market_cap = 1e9;
  std::optional<std::string> listed = {};
  std::optional<std::string> delisted = {};
  Activity activity = Activity::active;
};

inline std::optional<Day> day(const std::optional<std::string>& text) {
  return text ? parse_day(*text) : std::nullopt;
}

/// Returns a ranked market as of 2026-08-21.
inline Market market_of(const std::vector<Row>& rows, const std::string& as_of = "2026-08-21") {
  Market market(*parse_day(as_of));
  for (const Row& row : rows) {
    market.add(row.symbol, {row.market_cap, day(row.listed), day(row.delisted), row.activity});
  }
  market.rank();
  return market;
}

/// Returns an entry with these members and the right `count`.
inline std::shared_ptr<const Entry> entry_of(Market& market, const std::string& type,
                                             const std::vector<std::string>& members,
                                             const std::string& metadata = "{}") {
  Entry entry;
  entry.cache_type = type;
  std::vector<SymbolId> ids;
  for (const std::string& name : members) ids.push_back(market.symbols().intern(name));
  entry.members = std::move(ids);
  entry.count = std::to_string(members.size());
  entry.metadata = metadata;
  return std::make_shared<const Entry>(std::move(entry));
}

/// Returns the plan of a mode with one task.
inline TaskPlan plan_of(Mode mode, const Market& market, const Entries& entries,
                        const Policy& policy = {}) {
  return make_plan(mode, market, entries, policy).tasks.front();
}

inline std::vector<std::string> names(const Market& market, const std::vector<SymbolId>& ids) {
  std::vector<std::string> names;
  for (const SymbolId id : ids) names.emplace_back(market.name(id));
  return names;
}

}  // namespace tickstock::test
