#include "sync/lookup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "rules/reason.hpp"
#include "sync/planning.hpp"
#include "tables/entries.hpp"
#include "tables/journal.hpp"
#include "tables/market_reader.hpp"
#include "tables/schema.hpp"
#include "tables/waiting.hpp"

namespace tickstock::sync {

namespace {

using tables::Need;

/// Returns every symbol that has a row or is in an entry, by SymbolId.
std::vector<bool> known_symbols(const Market& market, const Entries& entries) {
  std::vector<bool> known(market.symbols().size());
  for (SymbolId id = 0; id < known.size(); ++id) known[id] = market.knows(id);
  for (const auto& [universe, entry] : entries) {
    entry->members.each([&known](SymbolId id) { known[id] = true; });
  }
  return known;
}

std::vector<std::string> names_of(const std::vector<bool>& symbols, const Market& market) {
  std::vector<std::string> names;
  for (SymbolId id = 0; id < symbols.size(); ++id) {
    if (symbols[id]) names.emplace_back(market.name(id));
  }
  return names;
}

/// Returns the universes that can be explained. \throws Error (failed) if there is an entry of this
/// name anyway.
std::vector<std::string> known_universes(tables::Database& database, const std::string& universe,
                                         const std::vector<Explanation>& explanations) {
  std::vector<std::string> names;
  for (const Explanation& each : explanations) names.push_back(each.universe);
  if (!tables::has(database, Need::list_entries)) return names;
  for (const tables::EntrySummary& entry : tables::list_entries(database)) {
    if (entry.universe != universe) continue;
    throw Error(ErrorKind::failed,
                fmt::format("entry '{}' can't be explained: no universe of that name is built in "
                            "or declared, and entries of type '{}' are not cleaned, so this "
                            "program never changes it",
                            universe, entry.type.value_or("")),
                {.object = "universe " + universe,
                 .hint = "Declare it, or name its type in [delisted] types."});
  }
  return names;
}

}  // namespace

ExplainReport explain_past(tables::Database& database, const std::string& symbol,
                           const std::optional<std::string>& universe, Day day) {
  ExplainReport report{.symbol = symbol, .past = day};
  for (const auto& each : tables::read_memberships(database, symbol, universe, day)) {
    Explanation why;
    why.universe = each.universe;
    why.member = each.member;
    report.universes.push_back({std::move(why), each.since, each.run_id});
  }
  if (universe && report.universes.empty()) {
    throw Error(
        ErrorKind::failed,
        fmt::format("universe '{}' is not known to have existed on {}", *universe, to_string(day)),
        {.object = "universe " + *universe,
         .hint =
             fmt::format("Run 'tickstock-cache history --universe {}' for what the journal knows.",
                         *universe)});
  }
  return report;
}

ExplainReport explain(const std::string& symbol, const std::optional<std::string>& universe,
                      const Policy& policy, const Environment& environment,
                      io::Patience& patience) {
  tables::Database database{postgres::Connection::open(environment.database, patience),
                            environment.tables};
  database.look_around(environment.timezone, environment.unknown_timezone);
  std::vector<Need> needs{Need::read_market, Need::read_entries};
  if (policy.price_days()) needs.push_back(Need::price_market);
  tables::require(database, needs, policy.columns());

  ExplainReport report{symbol};
  std::vector<Explanation> explanations;
  const bool has_past = tables::has(database, Need::read_own_tables);
  {
    postgres::Transaction transaction(
        database.connection,
        {.read_only = true,
         .timezone = environment.timezone,
         .settings = tables::wanted_entries(policy)},
        has_past ? tables::ask_past(environment.tables, environment.retention)
                 : std::vector<postgres::Statement>());
    tables::Reading reading;
    tables::Sources read = tables::read_sources(
        transaction, nullptr, environment.tables, database.catalog,
        {database.catalog.today, policy.price_days(), policy.columns()}, reading);
    Market& market = read.market;
    const std::vector<bool> known = known_symbols(market, read.entries);
    const SymbolId id = market.symbols().intern(symbol);
    if (id >= known.size() || !known[id]) report.known_symbols = names_of(known, market);

    std::vector<Waiting> waiting;
    std::map<std::string, tables::Arrival> arrivals;
    if (has_past) {
      waiting = tables::past_of(transaction.first_results(), market.symbols()).waiting;
      for (auto& each : tables::read_arrivals(transaction, environment.tables, symbol, universe)) {
        arrivals.emplace(each.universe, each);
      }
    }
    report.departure = departure_reason(market, id);
    report.rank = market.rank_of(id);
    report.ranked = market.ranking().size();
    if (report.rank > 0) report.market_cap = market.market_cap(id);
    explanations = tickstock::explain(market, read.entries, policy, waiting, id, universe);
    for (Explanation& each : explanations) {
      const auto arrival = arrivals.find(each.universe);
      ExplainReport::Universe explained{each};
      if (arrival != arrivals.end() && arrival->second.came == each.member) {
        explained.since = arrival->second.as_of;
        explained.run_id = arrival->second.run_id;
      }
      report.universes.push_back(std::move(explained));
    }
    if (explanations.empty()) {
      explanations = tickstock::explain(market, read.entries, policy, waiting, id);
    }
  }
  if (universe && report.universes.empty()) {
    report.known_universes = known_universes(database, *universe, explanations);
  }
  return report;
}

MembersReport members(tables::Database& database, const Environment& environment,
                      const Policy& policy, const std::string& universe, std::optional<Day> as_of) {
  MembersReport report{universe, {}, {}, {}};
  if (as_of) {
    tables::PastMembers past = tables::read_members(database, universe, *as_of);
    report.as_of = std::move(past.as_of);
    report.run_id = std::move(past.run_id);
    for (std::string& symbol : past.symbols) report.members.push_back({std::move(symbol)});
    return report;
  }
  const Day today = database.catalog.today;
  report.as_of = to_string(today);
  const Policy of_no_other{.builtin = false, .cleaned_types = {}};
  postgres::Transaction transaction(database.connection,
                                    {.read_only = true,
                                     .timezone = environment.timezone,
                                     .settings = tables::wanted_entries(of_no_other, {universe})});
  tables::Reading reading;
  const tables::Sources read =
      tables::read_sources(transaction, nullptr, database.names, database.catalog,
                           {today, price_days(policy, Mode::full)}, reading);
  const Entry* entry = find_entry(read.entries, universe);
  if (entry == nullptr) {
    throw Error(ErrorKind::failed, "there is no universe '" + universe + "'",
                {.object = "universe " + universe,
                 .hint = "Run 'tickstock-cache universes' for a list of the universes."});
  }
  if (!entry->readable) {
    throw Error(
        ErrorKind::failed,
        "the content of universe '" + universe + "' " + std::string(unreadable_because(*entry)),
        {.object = "universe " + universe,
         .hint = "Correct the entry, or show a past day with --as-of."});
  }
  const Market& market = read.market;
  entry->members.each([&](SymbolId id) {
    Member& member = report.members.emplace_back(Member{std::string(market.name(id))});
    if (market.rank_of(id) > 0) member.rank = market.rank_of(id);
    if (market.knows(id) && std::isfinite(market.market_cap(id))) {
      member.market_cap = market.market_cap(id);
    }
  });
  return report;
}

}  // namespace tickstock::sync
