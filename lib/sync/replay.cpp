#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "sync/questions.hpp"
#include "tables/market_reader.hpp"
#include "tables/schema.hpp"

namespace tickstock::sync {

namespace {

/// The progress of one policy through the days.
struct Side {
  PastMarket past;
  Replay replay;
};

}  // namespace

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
