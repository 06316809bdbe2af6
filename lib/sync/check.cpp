#include <fmt/format.h>

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "domain/text.hpp"
#include "events/publisher.hpp"
#include "rules/select.hpp"
#include "sync/planning.hpp"
#include "sync/questions.hpp"
#include "tables/market_reader.hpp"
#include "tables/outbox.hpp"
#include "tables/runs.hpp"
#include "tables/schema.hpp"

namespace tickstock::sync {

namespace {

/// A weekend and a holiday.
constexpr std::chrono::days stale_after{4};
/// A night, and the hours that a late one may take.
constexpr std::chrono::seconds late_after{26 * 3600};
constexpr std::size_t names_of_a_finding = 10;

/// Formats an age: `less than an hour`, `5 hours`, `3 days`.
std::string age_words(double seconds) {
  const auto hours = static_cast<std::int64_t>(seconds / 3600);
  if (hours < 1) return "less than an hour";
  return hours < 48 ? counted(hours, "hour", "hours") : std::to_string(hours / 24) + " days";
}

/// Collects findings; a step that throws is a finding too.
class Preflight {
 public:
  Preflight(const Environment& environment, const RunOptions& options, io::Patience& patience)
      : environment_(environment), options_(options), patience_(patience) {}

  std::vector<Finding> look() {
    guarded([this] { look_at_database(); });
    if (options_.events) {
      guarded([this] { look_at_redis(); });
    } else {
      good("events are switched off, so Redis is not asked");
    }
    return std::move(findings_);
  }

 private:
  template <typename Step>
  void guarded(Step step) {
    try {
      step();
    } catch (const Error& error) {
      // After a signal, every step fails.
      const bool is_interrupted = error.kind() == ErrorKind::interrupted;
      if (is_interrupted && std::exchange(interrupted_, true)) return;
      fail(error);
    }
  }

  void say(bool is_good, const std::string& sentence, const std::string& hint = {}) {
    findings_.push_back({is_good ? Finding::Level::good : Finding::Level::warning, sentence, hint});
  }
  void good(const std::string& sentence) { say(true, sentence); }
  /// Warns, unless the sentence is empty.
  void warn(const std::string& sentence, const std::string& hint = {}) {
    if (!sentence.empty()) say(false, sentence, hint);
  }
  void warn(const Warning& warning) {
    say(false, Warning(warning.sentence, {}, warning.names).words(names_of_a_finding),
        warning.hint);
  }
  void fail(const Error& error) {
    findings_.push_back({Finding::Level::failure, error.problem(), error.hint(), error.kind()});
  }

  void look_at_database() {
    tables::Database& database = database_.emplace(tables::Database{
        postgres::Connection::open(environment_.database, patience_), environment_.tables});
    database.look_around(environment_.timezone, environment_.unknown_timezone);
    const postgres::Connection& connection = database.connection;
    const tables::Catalog& catalog = database.catalog;
    good(fmt::format("connected to PostgreSQL {} at {} as {}; today is {} in {}",
                     catalog.server_version, connection.target().shown(), connection.user(),
                     to_string(catalog.today), environment_.timezone));
    warn(connection.target().transport_weakness(), postgres::transport_hint);
    for (const std::string& warning : connection.login_warnings()) {
      warn("PostgreSQL warned at the login: " + warning);
    }
    using tables::Need;
    std::vector<Need> needs{Need::writable_server, Need::read_market, Need::write_entries,
                            Need::own_tables};
    if (policy_.guards.max_data_age_days) needs.push_back(Need::read_prices);
    if (policy_.price_days()) needs.push_back(Need::price_market);
    if (lets_wait(policy_.universes()) && !catalog.has_any_own_table()) {
      needs.push_back(Need::read_own_tables);
    }
    const std::vector<Error> problems = tables::find_problems(database, needs, policy_.columns());
    for (const Error& problem : problems) fail(problem);
    bool sound = problems.empty();
    if (catalog.entries.exists()) {
      guarded([&] {
        const tables::Hazards hazards = tables::find_hazards(database);
        for (const Error& problem : hazards.problems) fail(problem);
        for (const Warning& warning : hazards.warnings) warn(warning);
        sound = sound && hazards.problems.empty();
      });
    }
    if (sound) good("tables, columns and privileges are as a run needs them");

    std::vector<Need> sources{Need::read_market, Need::read_entries};
    if (policy_.price_days()) sources.push_back(Need::price_market);
    if (tables::find_problems(database, sources, policy_.columns()).empty()) {
      guarded([&] { look_at_data(database); });
    }
    // The reason for a lost connection was already reported.
    if (connection.usable()) guarded([&] { look_at_own_tables(database); });
  }

  void look_at_data(tables::Database& database) {
    const tables::Catalog& catalog = database.catalog;
    postgres::Transaction transaction(database.connection,
                                      {.read_only = true,
                                       .timezone = environment_.timezone,
                                       .settings = tables::wanted_entries(policy_)});
    const bool has_past = tables::has(database, tables::Need::read_own_tables);
    tables::Sources read = tables::read_sources(
        database, transaction,
        {catalog.today, policy_.price_days(), columns_with_decay(policy_, catalog), has_past});
    const Market& market = read.market;
    const Entries& entries = read.entries;
    const std::size_t eligible = market.ranking().size();
    say(eligible > 0, fmt::format("{} symbols, of which {} are eligible{}", market.size(), eligible,
                                  eligible > 0 ? "" : ", so a run would be refused"));
    for (const Warning& warning :
         data_warnings(database, environment_.timezone, policy_, Mode::full, market, entries)) {
      warn(warning);
    }
    std::set<std::string> kept;
    guarded([&] { kept = look_at_universes(market, entries, catalog); });
    for (const auto& [universe, entry] : entries) {
      const bool is_ours = kept.contains(universe) || policy_.cleans(entry->cache_type);
      if (is_ours && !entry->readable) {
        warn("the content of entry '" + universe + "' " + std::string(unreadable_because(*entry)));
      }
    }
    if (has_past) look_for_edits(database, read);
    if (!tables::has(database, tables::Need::read_prices)) {
      warn("the age of the data is not known: " + environment_.tables.prices.shown() +
           " can't be read");
      return;
    }
    const std::string prices = environment_.tables.prices.shown();
    const auto most_days = policy_.guards.max_data_age_days;
    if (most_days &&
        transaction.run(tables::ask_recent_prices(environment_.tables, catalog.today, *most_days))
                .rows() == 0) {
      warn(fmt::format("no symbol has a row of the last {} in {}, so a run would be refused",
                       counted(*most_days, "day", "days"), prices),
           "Import the prices, or change [guards] max_data_age_days.");
    }
    std::optional<Day> newest;
    try {
      newest = tables::newest_price_day(
          transaction.run_pipeline(tables::ask_newest_prices(environment_.tables, market)).value());
    } catch (const Error& error) {
      const bool needs_prices = most_days || policy_.price_days();
      if (needs_prices || error.kind() == ErrorKind::interrupted || !database.connection.usable()) {
        throw;
      }
      return warn("the age of the data is not known: " + error.problem(), error.hint());
    }
    if (!newest) {
      warn(prices + " has no row for the largest symbols");
      return;
    }
    const bool is_fresh = *newest + stale_after >= catalog.today;
    const auto days = (catalog.today - *newest).count();
    say(is_fresh, fmt::format("newest prices: {}{}", to_string(*newest),
                              is_fresh ? "" : fmt::format(", {} days ago", days)));
  }

  /// Names the universes that another writer changed.
  void look_for_edits(tables::Database& database, tables::Sources& read) {
    const auto states = tables::states_of(
        database.connection.run(tables::ask_states(database.names, environment_.retention)));
    const tables::Standing standing =
        tables::compare_states(database, states, read.entries, read.market.symbols());
    for (const tables::Edit& edit : standing.edits) {
      const MembershipDiff& diff = edit.write.diff;
      warn(fmt::format("another writer {} universe '{}' since the last run: +{} −{} ~{}",
                       edit.is_gone ? "deleted" : "changed", edit.write.universe, diff.added.size(),
                       diff.removed.size(), diff.moved.size()));
    }
  }

  /// Reports what the declarations make of the data, and what looks wrong with them. \return the
  /// names of all universes
  std::set<std::string> look_at_universes(const Market& market, const Entries& entries,
                                          const tables::Catalog& catalog) {
    std::vector<Warning> warnings;
    const Universes universes = expand(policy_.universes(), market, entries, warnings);
    for (const Warning& warning : warnings) warn(warning);
    std::set<std::string> names;
    for (const auto& universe : universes) names.insert(universe->name);
    std::set<std::string> types;
    for (const auto& universe : universes) {
      require_room(catalog.entries, "universe", universe->name);
      types.insert(universe->type);
    }
    for (const std::string& type : types) require_room(catalog.entries, "cache_type", type);
    if (policy_.declared.empty()) return names;
    struct Made {
      std::size_t universes = 0;
      std::size_t members = 0;
    };
    std::map<std::string, Made> made;
    Selection selection(market, universes, entries, {}, tasks_of(Mode::full, policy_));
    for (const auto& universe : universes) {
      Made& of_declared = made[universe->family.empty() ? universe->name : universe->family];
      ++of_declared.universes;
      of_declared.members += selection.members(*universe).size();
    }
    for (const Universe& universe : policy_.declared) {
      const auto& [count, members] = made[universe.name];
      say(members > 0,
          fmt::format("declared universe '{}': {}{}", universe.name,
                      universe.each.empty() ? "" : counted(count, "universe", "universes") + ", ",
                      counted(members, "member", "members")),
          members > 0 ? "" : "Check its conditions.");
      look_for_values(universe, market);
      for (const std::string& symbol : universe.include) {
        const auto id = market.symbols().find(symbol);
        if (id && market.knows(*id)) continue;
        warn(fmt::format("declared universe '{}' includes '{}', which is not in the symbols table",
                         universe.name, symbol));
      }
    }
    return names;
  }

  void look_for_values(const Universe& universe, const Market& market) {
    for (const Condition& condition : universe.conditions) {
      const auto* match = std::get_if<Matches>(&condition);
      if (match == nullptr) continue;
      for (const std::string& value : match->values) {
        if (market.find_label(match->column, value)) continue;
        warn(fmt::format("declared universe '{}': no symbol has '{}' in column {}", universe.name,
                         value, match->column),
             "Check its spelling.");
      }
    }
  }

  /// Checks that a name or type of a universe fits into its column.
  void require_room(const tables::Relation& entries, const std::string& column,
                    const std::string& text) {
    const auto found = entries.columns.find(column);
    std::int64_t most = found == entries.columns.end() ? 0 : found->second.most_characters;
    constexpr std::int64_t most_of_name = 63;  // the type "name" cuts silently
    if (entries.has(column, "name")) most = most_of_name;
    const auto size = static_cast<std::int64_t>(characters_of(text));
    if (most == 0 || size <= most) return;
    fail(Error(ErrorKind::failed,
               fmt::format("'{}' has {} characters, and column {} of {} takes {}", text, size,
                           column, entries.name.shown(), most),
               {.object = fmt::format("column {} of {}", column, entries.name.shown()),
                .hint = "Shorten it, or widen the column."}));
  }

  void look_at_own_tables(tables::Database& database) {
    if (!database.catalog.has_any_own_table()) {
      warn("the tables cache_sync_* do not exist: no history, and events are not guaranteed",
           "Run 'tickstock-cache init'.");
      return;
    }
    if (!tables::has(database, tables::Need::read_own_tables)) return;
    look_at_runs(database);
    const tables::Backlog& backlog = stored_.emplace(tables::read_backlog(database));
    if (backlog.events == 0) return good("no event is pending");
    const int most = environment_.retention.outbox_max_age;
    const bool is_old = most > 0 && backlog.oldest_seconds > most * 86'400.0;
    warn(fmt::format("{} pending, the oldest for {}",
                     counted(backlog.events, "event is", "events are"),
                     age_words(backlog.oldest_seconds)),
         is_old ? fmt::format("Raise [outbox] max_age, or the next run drops those older than {}.",
                              counted(most, "day", "days"))
                : "Run 'tickstock-cache deliver'.");
  }

  void look_at_runs(tables::Database& database) {
    const auto last = tables::read_run(database, std::nullopt);
    if (!last) return good("no run is on record yet");
    const RunRecord& run = last->record;
    const auto success = tables::last_success(database);
    const std::string since =
        success ? fmt::format("the last success is {} at {}, {} ago", success->run_id,
                              success->finished_at, age_words(success->age_seconds))
                : "no run has succeeded yet";
    const bool is_well = run.status == RunStatus::completed || run.status == RunStatus::running;
    const std::string why = fmt::format(", at {}: {}; {}", run.finished_at.value_or(run.started_at),
                                        run.error.value_or("it recorded no error"), since);
    say(is_well, fmt::format("the last run, {}, is {}, as of {}{}", run.run_id,
                             to_string(run.status), to_string(run.as_of), is_well ? "" : why));
    if (success && success->age_seconds > late_after.count()) warn(since);
  }

  void look_at_redis() {
    events::Publisher publisher(environment_.redis, environment_.stream, "checking Redis");
    publisher.connect(io::Deadline::after(environment_.redis.connect_timeout), patience_);
    warn(publisher.warning());
    // Do this before the rehearsal: a user who may not discard its transaction stays in it.
    if (publisher.stream() != nullptr) guarded([&] { look_at_stream(*publisher.stream()); });
    const EodOptions& eod = options_.eod;
    const auto refusal =
        publisher.rehearse(eod.wait.count() > 0 ? eod.lists : std::vector<std::string>(),
                           io::Deadline::after(environment_.redis.connect_timeout), patience_);
    if (refusal && !refusal->empty()) {
      fail(Error(
          ErrorKind::redis, publisher.server().object() + " refuses what a run sends: " + *refusal,
          {.object = publisher.server().object(),
           .hint = refusal->find("NOPERM") != std::string::npos ? redis::permissions_hint : ""}));
    } else if (publisher.warning().empty()) {
      good("connected to " + publisher.server().object() +
           (publisher.in_cluster() ? ", a replica in a Cluster" : ", a primary"));
    }
    if (!refusal) {
      warn(
          "it is not known whether Redis takes this user's events, since asking requires the "
          "permission +multi");
    }
    warn(publisher.server().transport_weakness(), publisher.server().transport_hint());
  }

  void look_at_stream(redis::Stream& stream) {
    const auto deadline = io::Deadline::after(environment_.redis.connect_timeout);
    const std::int64_t last = stream.last_id(deadline, patience_);
    if (!stored_) {
      warn("the stream " + stream.key() +
           " gets no events: only those that the tables of 'tickstock-cache init' store go there");
      return;
    }
    // A run may have stored and sent some in the meantime.
    if (last > stored_->last_id) stored_ = tables::read_backlog(*database_);
    if (last > stored_->last_id && stored_->last_id > 0) {
      fail(Error(ErrorKind::redis,
                 fmt::format("the stream {} is at {}, ahead of the last stored event, {}, so it "
                             "would refuse the next: the database was restored, or another outbox "
                             "writes there",
                             stream.key(), last, stored_->last_id),
                 {.object = "stream " + stream.key(),
                  .hint = "Run 'tickstock-cache deliver --renumber', or name another stream."}));
      return;
    }
    const Message& first = stored_->first;
    if (first.id > 0 && first.id <= last) {
      stream.require_held({&first, 1}, last, deadline, patience_);
    }
    good(fmt::format("the stream {} holds the events up to {}", stream.key(), last));
  }

  const Environment& environment_;
  const RunOptions& options_;
  const Policy& policy_ = options_.policy;
  io::Patience& patience_;
  std::optional<tables::Database> database_;
  std::optional<tables::Backlog> stored_;  ///< if the outbox exists
  std::vector<Finding> findings_;
  bool interrupted_ = false;
};

}  // namespace

std::vector<Finding> check(const Environment& environment, const RunOptions& options,
                           io::Patience& patience) {
  return Preflight(environment, options, patience).look();
}

}  // namespace tickstock::sync
