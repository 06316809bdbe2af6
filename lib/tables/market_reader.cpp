#include "tables/market_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "domain/text.hpp"
#include "json/json.hpp"
#include "postgres/copy.hpp"

namespace tickstock::tables {

namespace {

// {cap} and {cap of price} stand for columns with the cast that preserves their type's precision,
// {priced} for the additions if caps come from prices, {labels} for the columns that declarations
// name.
constexpr std::string_view market_sql = R"(
COPY (SELECT symbol::text, {cap}, is_active, listing_date::date, delisted_date::date{priced}{labels}
        FROM {symbols} s) TO STDOUT (FORMAT binary))";

// One lookup in the key of the prices per symbol. COPY takes no parameters, so the days are in the
// text.
constexpr std::string_view priced_sql = R"(,
             (SELECT {cap of price} FROM {prices} p
               WHERE p.symbol = s.symbol AND p.close IS NOT NULL
                 AND p.date >= DATE '{first}' AND p.date < DATE '{last}' + 1
               ORDER BY p.date DESC LIMIT 1))";

// A price counts for its day even if the symbols table lacks the symbol.
constexpr std::string_view days_sql = R"(
COPY (SELECT p.symbol::text, p.date::date, {cap of price}
        FROM {prices} p LEFT JOIN {symbols} s ON s.symbol = p.symbol
       WHERE p.close IS NOT NULL AND p.date >= DATE '{first}' AND p.date < DATE '{last}' + 1
       ORDER BY p.date) TO STDOUT (FORMAT binary))";

// The parts that rules read, picked by the server: other keys of a content can have any size. So
// can these, since 30 bytes of a stored number are 131,000 digits. More than 64 MB of symbols are
// too many, and none are sent; a count or metadata of more than 4,096 characters is invalid anyway.
// OFFSET 0 prevents building the text twice. COPY takes no parameters, so settings of the
// transaction tell which entries are wanted; ARRAY makes it read them once.
constexpr std::string_view entries_sql = R"(
COPY (SELECT universe::text, coalesce(cache_type::text, ''),
             CASE WHEN octet_length(s.symbols) <= 67108864 THEN s.symbols
                  WHEN s.symbols IS NOT NULL THEN '' END,
             left(coalesce((content->'count')::text, ''), 4096),
             left(coalesce((content->'metadata')::text, ''), 4096)
        FROM {entries} e CROSS JOIN LATERAL
             (SELECT (e.content->'symbols')::text AS symbols OFFSET 0) s
       WHERE universe IS NOT NULL
         AND (cache_type = ANY (ARRAY(SELECT unnest(current_setting('tickstock_cache.types')::text[])))
              OR universe = ANY (
                   ARRAY(SELECT unnest(current_setting('tickstock_cache.universes')::text[])))
              OR universe::text LIKE ANY (
                   ARRAY(SELECT unnest(current_setting('tickstock_cache.families')::text[])))
              {known entries}))
  TO STDOUT (FORMAT binary))";

constexpr std::string_view known_entries_sql =
    "OR universe::text IN (SELECT s.universe FROM {states} s "
    "WHERE s.entries = {name of entries})";

constexpr std::string_view companies_sql =
    "SELECT symbol::text, company_name::text, sector::text FROM {symbols} "
    "WHERE symbol::text = ANY ($1::text[])";

// The bounds are dates, which an index can compare to date, timestamp and timestamptz alike. The
// GROUP BY limits it to one index lookup per symbol until one is found, as an inner LIMIT would.
// Citus refuses that LIMIT, and an EXISTS around it, between distributed tables.
constexpr std::string_view prices_sql = R"(
SELECT true
  FROM {symbols} s
 CROSS JOIN LATERAL (SELECT p.symbol FROM {prices} p
                      WHERE p.symbol = s.symbol
                        AND p.date >= $1::date - $2::int + 1 AND p.date < $1::date + 1
                      GROUP BY p.symbol) hit
 LIMIT 1)";

// For one symbol, so that it reads the end of an index, and only one shard.
constexpr std::string_view newest_price_sql =
    "SELECT max(date)::date::text FROM {prices} WHERE symbol = $1";
/// At least one of this many largest symbols should have a price for the last trading day.
constexpr std::size_t symbols_with_newest_price = 20;

/// Returns NaN for NULL. The types that are read as text hold nothing that doesn't fit a double.
double cap_of_text(const CopyField& field) {
  double cap = std::numeric_limits<double>::quiet_NaN();
  if (field) std::from_chars(field->data(), field->data() + field->size(), cap);
  return cap;
}

/// Returns a column cast to text or numeric. Casting directly would round: PostgreSQL shows the
/// `real` 199,999,995,904 as 2e+11, and takes 15 digits of a `double precision` for a numeric.
std::string cast_of(const Relation& relation, const std::string& column, const std::string& type) {
  const bool is_real = relation.has(column, "real");
  const bool is_float = is_real || relation.has(column, "double precision");
  return column + (is_real ? "::float8" : "") + (is_float ? "::text::" : "::") + type;
}

/// Returns the SQL for a close times the shares outstanding of its symbol.
std::string cap_of_price(const Catalog& catalog) {
  return "p." + cast_of(catalog.prices, "close", "numeric") + " * s." +
         cast_of(catalog.symbols, "shares_outstanding", "numeric");
}

/// Returns a market with room for the rows that the statistics expect.
Market empty_market(const Catalog& catalog, const SourceOptions& options) {
  Market market(options.as_of, options.columns);
  // Don't allocate all available memory, whatever the statistics say.
  constexpr std::int64_t most_rows = 10'000'000;
  market.reserve(static_cast<std::size_t>(std::min(catalog.symbols.rows, most_rows)));
  return market;
}

/// Returns the COPY that fills a market.
CopyOut copy_market(Database& database, const SourceOptions& options, Market& market,
                    Reading& reading) {
  const TableNames& names = database.names;
  const Catalog& catalog = database.catalog;
  const Relation& symbols = catalog.symbols;
  // Read anything but a numeric as text, in which every type shows its full precision.
  const bool numeric = symbols.has("market_cap", "numeric");
  const std::string cap = numeric ? "market_cap" : cast_of(symbols, "market_cap", "text");
  std::string doing = "reading " + symbols.name.shown();
  std::string labels;
  for (const std::string& column : options.columns) {
    labels += ", " + in_quotes(column, '"', '"') + "::text";
  }
  std::string priced;
  if (options.price_days) {
    doing += " and " + catalog.prices.name.shown();
    priced = names.in(priced_sql,
                      {{"cap of price", cap_of_price(catalog)},
                       {"first", to_string(options.as_of - std::chrono::days(*options.price_days))},
                       {"last", to_string(options.as_of)}});
  }
  const std::size_t first_label = options.price_days ? 6 : 5;
  BinaryCopyReader reader(
      first_label + options.columns.size(),
      [&market, &reading, numeric, first_label,
       labels = std::vector<std::string_view>(options.columns.size())](
          std::span<const CopyField> row) mutable {
        ++reading.rows;
        const double of_column = numeric ? copy_numeric(row[1]) : cap_of_text(row[1]);
        const double of_price = first_label == 6 ? copy_numeric(row[5]) : 0;
        const bool from_price = std::isfinite(of_price) && of_price > 0;
        const auto active = copy_boolean(row[2]);
        const Listing listing{from_price ? of_price : of_column, copy_day(row[3]), copy_day(row[4]),
                              !active   ? Activity::unknown
                              : *active ? Activity::active
                                        : Activity::inactive,
                              from_price};
        for (std::size_t i = 0; i < labels.size(); ++i) {
          labels[i] = row[first_label + i].value_or(std::string_view());
        }
        market.add(row[0].value_or(std::string_view()), listing, labels);
        if (row[1] && !std::isfinite(listing.market_cap)) market.count_not_finite();
      });
  return {database.connection,
          {doing, names.in(market_sql, {{"cap", cap}, {"priced", priced}, {"labels", labels}})},
          [reader = std::move(reader)](std::string_view bytes) mutable { reader.feed(bytes); }};
}

/// Returns a LIKE pattern for the names that a family may have created.
std::string like_pattern(const Universe& family) {
  const auto escaped = [](std::string text) {
    for (const std::string sign : {"\\", "%", "_"}) text = replaced(text, sign, "\\" + sign);
    return text;
  };
  return replaced(escaped(family.name), escaped("{" + family.each + "}"), "%");
}

/// Returns the COPY that fills the entries.
CopyOut copy_entries(Connection& connection, const TableNames& names, bool known_entries,
                     SymbolTable& symbols, Entries& entries, Reading& reading) {
  const std::string shown = names.entries.shown();
  const std::string known =
      known_entries
          ? names.in(known_entries_sql, {{"name of entries", in_quotes(shown, '\'', '\'')}})
          : "";
  BinaryCopyReader reader(5, [&entries, &symbols, &reading, members = json::StringArrayReader()](
                                 std::span<const CopyField> row) mutable {
    ++reading.rows;
    auto entry = std::make_shared<Entry>();
    entry->cache_type = *row[1];
    entry->count = *row[3];
    entry->metadata = *row[4];
    entry->too_large = row[2] && row[2]->empty();
    entry->readable = row[2] && members.read(*row[2]);
    Fingerprint fingerprint(*entry);
    if (entry->readable) {
      std::vector<SymbolId> ids;
      symbols.intern(members.strings(), ids);
      entry->members = std::move(ids);
      for (const std::string_view name : members.strings()) fingerprint.add(name);
    }
    entry->fingerprint = fingerprint.value();
    entries.emplace(std::string(*row[0]), std::move(entry));
  });
  return {connection,
          {"reading " + shown, names.in(entries_sql, {{"known entries", known}})},
          [reader = std::move(reader)](std::string_view bytes) mutable { reader.feed(bytes); }};
}

}  // namespace

std::vector<std::pair<std::string_view, std::string>> wanted_entries(
    const Policy& policy, const std::vector<std::string>& more) {
  std::vector<std::string> names = more;
  std::vector<std::string> families;
  for (const auto& universe : policy.universes()) {
    const bool is_family = !universe->each.empty();
    (is_family ? families : names).push_back(is_family ? like_pattern(*universe) : universe->name);
  }
  return {{"tickstock_cache.universes", array_literal(names)},
          {"tickstock_cache.families", array_literal(families)},
          {"tickstock_cache.types", array_literal(policy.cleaned_types)}};
}

Sources read_sources(Database& database, const Transaction& transaction,
                     const SourceOptions& options) {
  const Catalog& catalog = database.catalog;
  Sources read{empty_market(catalog, options), {}};
  Reading unseen;
  Reading& reading = options.progress == nullptr ? unseen : *options.progress;
  reading = {0, static_cast<std::uint64_t>(catalog.symbols.rows + catalog.entries.rows)};
  CopyOut market = copy_market(database, options, read.market, reading);
  const auto entries_of = [&](Connection& source) {
    return copy_entries(source, database.names, options.known_entries, read.market.symbols(),
                        read.entries, reading);
  };
  if (options.companion == nullptr) {
    CopyOut entries = entries_of(database.connection);
    CopyOut::finish_in_turn(market, entries, [&read] { read.market.rank(); });
    return read;
  }
  market.begin();
  bool has_entries = false;
  if (Transaction* beside = options.companion->join(transaction)) {
    CopyOut entries = entries_of(beside->connection());
    has_entries = !CopyOut::finish_both(market, entries, Companion::longest_silence);
  } else {
    market.finish();
  }
  read.market.rank();
  if (!has_entries) {
    read.entries.clear();
    entries_of(database.connection).finish();
  }
  return read;
}

Market read_market(Database& database, const SourceOptions& options) {
  Market market = empty_market(database.catalog, options);
  Reading unseen;
  copy_market(database, options, market, unseen).finish();
  market.rank();
  return market;
}

void read_prices(Database& database, Day first, Day last,
                 const std::function<void(const PastPrice&)>& take) {
  const TableNames& names = database.names;
  BinaryCopyReader reader(3, [&take](std::span<const CopyField> row) {
    const auto day = copy_day(row[1]);
    if (row[0] && day) take({*row[0], *day, copy_numeric(row[2])});
  });
  CopyOut(database.connection,
          {"reading " + names.prices.shown(),
           names.in(days_sql, {{"cap of price", cap_of_price(database.catalog)},
                               {"first", to_string(first)},
                               {"last", to_string(last)}})},
          [&reader](std::string_view bytes) { reader.feed(bytes); })
      .finish();
}

Statement ask_companies(Database& database, const Market& market,
                        const std::vector<SymbolId>& symbols) {
  std::vector<std::string_view> wanted;
  wanted.reserve(symbols.size());
  for (const SymbolId id : symbols) wanted.push_back(market.name(id));
  Statement asked = database.names.statement("reading companies from {symbols}", companies_sql,
                                             {array_literal(wanted)});
  database.connection.ask(asked);
  return asked;
}

void take_companies(Database& database, const Statement& asked, Market& market) {
  const Result rows = database.connection.answer(asked);
  std::string symbol;
  Company company;
  for (int row = 0; row < rows.rows(); ++row) {
    rows.read(row, symbol, company.name, company.sector);
    if (const auto id = market.symbols().find(symbol)) market.describe(*id, company);
  }
}

std::vector<std::string> midnight_columns(Database& database, bool with_prices) {
  struct Source {
    const Relation& relation;
    std::string_view column;
    std::string_view rows;  ///< which to look at: all prices would be too many
  };
  const Catalog& catalog = database.catalog;
  std::vector<Source> sources{{catalog.symbols, "listing_date", ""},
                              {catalog.symbols, "delisted_date", ""},
                              {catalog.prices, "date", " LIMIT 1000"}};
  if (!with_prices) sources.pop_back();
  std::vector<std::string> found;
  std::vector<Statement> statements;
  for (const auto& [relation, column, rows] : sources) {
    if (!relation.has(column, "timestamp with time zone")) continue;
    const std::string shown = relation.name.shown();
    found.push_back(fmt::format("{} of {}", column, shown));
    statements.push_back(
        {"reading the days of " + shown,
         fmt::format(
             "SELECT bool_and(date_trunc('day', d AT TIME ZONE 'UTC') = d AT TIME ZONE 'UTC') AND "
             "bool_or(d::date < (d AT TIME ZONE 'UTC')::date) FROM (SELECT {0} AS d FROM {1} WHERE "
             "{0} IS NOT NULL{2}) days",
             column, relation.name.quoted(), rows)});
  }
  if (found.empty()) return found;
  const std::vector<Result> results =
      std::move(database.connection.run_pipeline(std::move(statements)).value());
  std::size_t next = 0;
  std::erase_if(found, [&](const std::string&) { return !results[next++].boolean(0, 0); });
  return found;
}

std::vector<Statement> ask_newest_prices(const TableNames& names, const Market& market) {
  const std::vector<SymbolId>& ranking = market.ranking();
  std::vector<Statement> statements;
  for (std::size_t i = 0; i < std::min(ranking.size(), symbols_with_newest_price); ++i) {
    statements.push_back(names.statement("reading {prices}", newest_price_sql,
                                         {std::string(market.name(ranking[i]))}));
  }
  return statements;
}

std::optional<Day> newest_price_day(std::span<const Result> answers) {
  std::optional<Day> newest;
  for (const Result& result : answers) newest = std::max(newest, parse_day(result.view(0, 0)));
  return newest;
}

Statement ask_recent_prices(const TableNames& names, Day as_of, int days) {
  return names.statement("looking for recent rows in {prices}", prices_sql,
                         {to_string(as_of), std::to_string(days)});
}

}  // namespace tickstock::tables
