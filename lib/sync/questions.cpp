#include "sync/questions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "sync/planning.hpp"
#include "tables/entries.hpp"
#include "tables/past.hpp"
#include "tables/schema.hpp"

namespace tickstock::sync {

namespace {

using tables::Need;

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

/// The progress of one policy through the days.
struct Side {
  PastMarket past;
  Replay replay;
};

}  // namespace

ExplainReport explain(tables::Database& database, const std::string& symbol,
                      const std::optional<std::string>& universe, const Policy& policy,
                      const Environment& environment) {
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
    tables::Sources read = tables::read_sources(
        database, transaction, {database.catalog.today, policy.price_days(), policy.columns()});
    Market& market = read.market;
    // Until here it names what has a row or is in an entry.
    SymbolTable& symbols = market.symbols();
    if (!symbols.find(symbol)) {
      std::vector<std::string>& names = report.known_symbols.emplace();
      for (SymbolId id = 0; id < symbols.size(); ++id) names.emplace_back(symbols.name(id));
    }
    const SymbolId id = symbols.intern(symbol);

    std::vector<Waiting> waiting;
    std::vector<tables::Membership> arrivals;
    if (has_past) {
      waiting = tables::past_of(transaction.first_results(), symbols).waiting;
      arrivals = tables::read_arrivals(database, symbol, universe);
    }
    report.departure = departure_reason(market, id);
    report.rank = market.rank_of(id);
    report.ranked = market.ranking().size();
    if (report.rank > 0) report.market_cap = market.market_cap(id);
    explanations = tickstock::explain(market, read.entries, policy, waiting, id, universe);
    for (const Explanation& each : explanations) {
      const auto arrival = std::ranges::find_if(arrivals, [&each](const tables::Membership& past) {
        return past.why.universe == each.universe && past.why.member == each.member;
      });
      report.universes.push_back(arrival == arrivals.end()
                                     ? tables::Membership{each}
                                     : tables::Membership{each, arrival->since, arrival->run_id});
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
  const tables::Sources read =
      tables::read_sources(database, transaction, {today, price_days(policy, Mode::full)});
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

ReplayReport replay(const ReplayOptions& options, const Environment& environment,
                    Observer& observer, io::Patience& patience) {
  // Its single statement may take as long as the command.
  postgres::ConnectionSettings settings = environment.database;
  settings.statement_timeout = std::max(settings.statement_timeout, environment.timeout);
  tables::Database database{postgres::Connection::open(settings, patience), environment.tables};
  database.look_around(environment.timezone, environment.unknown_timezone);
  for (const Policy& policy : options.policies) {
    tables::require(database, {tables::Need::read_market, tables::Need::price_market},
                    policy.columns());
  }
  const postgres::Transaction transaction(database.connection,
                                          {.read_only = true, .timezone = environment.timezone});
  std::deque<Side> sides;
  int oldest = 0;
  for (const Policy& policy : options.policies) {
    Market market = tables::read_market(database, {options.last, {}, policy.columns()});
    sides.push_back({PastMarket(std::move(market), policy.max_price_age_days), Replay(policy)});
    oldest = std::max(oldest, policy.max_price_age_days);
  }
  const Day first =
      std::chrono::time_point_cast<Day::duration>(options.first - std::chrono::days(oldest));
  tables::Reading reading;
  observer.follow(reading);
  observer.tell("replaying", true);
  ReplayReport report{options.first, options.last, {}, {}};
  std::optional<Day> day;
  const auto days = static_cast<double>((options.last - first).count() + 1);
  const auto end_day = [&] {
    if (!day || *day < options.first) return;
    report.days.push_back(*day);
    for (Side& side : sides) side.replay.add(side.past.on(*day));
  };
  tables::read_prices(database, first, options.last, [&](const tables::PastPrice& price) {
    ++reading.rows;
    if (day != price.day) end_day();
    reading.day = day = price.day;
    reading.part = static_cast<double>((price.day - first).count()) / days;
    for (Side& side : sides) {
      const auto id = side.past.market().symbols().find(price.symbol);
      if (id) side.past.price(*id, price.day, price.market_cap);
    }
  });
  end_day();
  if (report.days.empty()) {
    throw Error(ErrorKind::failed,
                fmt::format("{} has no price from {} to {}", environment.tables.prices.shown(),
                            to_string(options.first), to_string(options.last)),
                {.object = environment.tables.prices.shown(), .hint = "Name days with prices."});
  }
  for (const Side& side : sides) {
    report.sides.push_back({side.replay.universes(), side.replay.total()});
  }
  return report;
}

}  // namespace tickstock::sync
