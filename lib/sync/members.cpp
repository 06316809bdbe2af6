#include "sync/members.hpp"

#include "sync/planning.hpp"
#include "tables/journal.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::sync {

MembersReport members(tables::Database& database, const Environment& environment,
                      const Policy& policy, const std::string& universe, std::optional<Day> as_of) {
  MembersReport report{universe, {}, {}, {}};
  if (as_of) {
    tables::PastMembers past = tables::read_members(database, universe, *as_of);
    report.as_of = std::move(past.as_of);
    report.run_id = std::move(past.run_id);
    for (std::string& symbol : past.symbols) report.members.push_back({std::move(symbol), 0, {}});
    return report;
  }
  const Day today = database.catalog.today;
  report.as_of = to_string(today);
  postgres::Transaction transaction(database.connection,
                                    {.read_only = true,
                                     .timezone = environment.timezone,
                                     .settings = tables::wanted_entries({universe})});
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
    Member& member = report.members.emplace_back();
    member.symbol = market.name(id);
    member.rank = market.rank_of(id);
    if (market.knows(id)) member.market_cap = market.market_cap(id);
  });
  return report;
}

}  // namespace tickstock::sync
