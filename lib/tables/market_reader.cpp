#include "tables/market_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "json/json.hpp"
#include "postgres/copy.hpp"

namespace tickstock::tables {

namespace {

// {cap}, {close} and {shares} stand for a column with the cast that loses nothing of its type,
// {priced} for what follows where caps come from prices, {labels} for the columns that declarations
// name.
constexpr std::string_view market_sql = R"(
COPY (SELECT symbol::text, {cap}, is_active, listing_date::date, delisted_date::date{priced}{labels}
        FROM {symbols} s) TO STDOUT (FORMAT binary))";

// One look into the key of the prices for each symbol. COPY takes no parameters, so the days are in
// the text.
constexpr std::string_view priced_sql = R"(,
             (SELECT {cap of price} FROM {prices} p
               WHERE p.symbol = s.symbol AND p.close IS NOT NULL
                 AND p.date >= DATE '{first}' AND p.date < DATE '{last}' + 1
               ORDER BY p.date DESC LIMIT 1))";

// The parts that a rule reads, picked by the server: other keys of a content can be of any size,
// and so can these, since 30 bytes of a stored number are 131,000 digits. Of symbols, more than 64
// MB are too many, and none are sent; a count or metadata of more than 4,096 letters is not what it
// should be anyway. OFFSET 0 keeps the text from being made twice. COPY takes no parameters, so
// which entries are wanted stands in settings of the transaction; ARRAY has them read once.
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
                   ARRAY(SELECT unnest(current_setting('tickstock_cache.families')::text[])))))
  TO STDOUT (FORMAT binary))";

constexpr std::string_view companies_sql =
    "SELECT symbol::text, company_name::text, sector::text FROM {symbols} "
    "WHERE symbol::text = ANY ($1::text[])";

// The bounds are dates, which compare to date, timestamp and timestamptz alike through an index.
// The GROUP BY keeps it to one look into that index for each symbol until one is found, as a LIMIT
// within would; that one, and an EXISTS around it, Citus refuses between distributed tables.
constexpr std::string_view prices_sql = R"(
SELECT true
  FROM {symbols} s
 CROSS JOIN LATERAL (SELECT p.symbol FROM {prices} p
                      WHERE p.symbol = s.symbol
                        AND p.date >= $1::date - $2::int + 1 AND p.date < $1::date + 1
                      GROUP BY p.symbol) hit
 LIMIT 1)";

// Of one symbol, so that it is the end of an index, and a matter of one shard.
constexpr std::string_view newest_price_sql =
    "SELECT max(date)::date::text FROM {prices} WHERE symbol = $1";
/// Of so many symbols, the largest, one at least should have a price of the last trading day.
constexpr std::size_t symbols_with_newest_price = 20;

/// NaN for NULL. The types that are read as text hold nothing that no double can.
double cap_of_text(const postgres::CopyField& field) {
  double cap = std::numeric_limits<double>::quiet_NaN();
  if (field) std::from_chars(field->data(), field->data() + field->size(), cap);
  return cap;
}

Activity activity_of(const postgres::CopyField& field) {
  const auto active = postgres::copy_boolean(field);
  if (!active) return Activity::unknown;
  return *active ? Activity::active : Activity::inactive;
}

/// A column as text or numeric. What PostgreSQL shows of a `real`, or makes a numeric of, is a
/// rounded value: 199,999,995,904 is shown as 2e+11.
std::string cast_of(const Relation& relation, const std::string& column, const std::string& type) {
  return column + (relation.has(column, type_oid::real) ? "::float8::" : "::") + type;
}

/// The SELECT of the market. \param has_numeric_cap what is no numeric is read as text, in which
/// every type says all it knows
std::string market_select(const TableNames& names, const Catalog& catalog,
                          const SourceOptions& options, bool has_numeric_cap) {
  std::string labels;
  for (const std::string& column : options.columns) {
    labels += ", " + quoted_identifier(column) + "::text";
  }
  const int days = options.price_days.value_or(0);
  std::string sql = names.in(market_sql);
  const auto replace = [&sql](std::string_view token, const std::string& by) {
    const std::size_t at = sql.find(token);
    if (at != std::string::npos) sql.replace(at, token.size(), by);
  };
  replace("{cap}", has_numeric_cap ? "market_cap" : cast_of(catalog.symbols, "market_cap", "text"));
  replace("{priced}",
          options.price_days
              ? names.in(priced_sql, options.as_of - std::chrono::days(days), options.as_of)
              : "");
  replace("{cap of price}", priced_cap(catalog));
  replace("{labels}", labels);
  return sql;
}

/// The COPY that fills a market.
postgres::CopyOut copy_market(postgres::Transaction& transaction, const TableNames& names,
                              const Catalog& catalog, const SourceOptions& options, Market& market,
                              Reading& reading) {
  const bool numeric = catalog.symbols.has("market_cap", type_oid::numeric);
  const bool priced = options.price_days.has_value();
  const std::size_t first_label = priced ? 6 : 5;
  postgres::BinaryCopyReader reader(
      first_label + options.columns.size(),
      [&market, &reading, numeric, priced, first_label,
       labels = std::vector<std::string_view>(options.columns.size())](
          std::span<const postgres::CopyField> row) mutable {
        ++reading.rows;
        const double of_column = numeric ? postgres::copy_numeric(row[1]) : cap_of_text(row[1]);
        const double of_price = priced ? postgres::copy_numeric(row[5]) : 0;
        const bool from_price = std::isfinite(of_price) && of_price > 0;
        const Listing listing{from_price ? of_price : of_column, postgres::copy_day(row[3]),
                              postgres::copy_day(row[4]), activity_of(row[2]), from_price};
        for (std::size_t i = 0; i < labels.size(); ++i) {
          labels[i] = row[first_label + i].value_or(std::string_view());
        }
        market.add(row[0].value_or(std::string_view()), listing, labels);
        if (row[1] && !std::isfinite(listing.market_cap)) market.count_not_finite();
      });
  const std::string doing = "reading " + names.symbols.shown() +
                            (priced ? " and " + names.prices.shown() : std::string());
  return {transaction.connection(),
          {doing, market_select(names, catalog, options, numeric)},
          [reader = std::move(reader)](std::string_view bytes) mutable { reader.feed(bytes); }};
}

/// A market with room for what the statistics expect.
Market empty_market(const Catalog& catalog, const SourceOptions& options) {
  Market market(options.as_of, options.columns);
  // Whatever they say, it is no reason to ask for all the memory there is.
  constexpr std::int64_t most_rows = 10'000'000;
  market.reserve(static_cast<std::size_t>(std::min(catalog.symbols.rows, most_rows)));
  return market;
}

/// The names that a family may have made, as a pattern of LIKE.
std::string like_pattern(const Universe& family) {
  std::string pattern;
  const std::string braces = "{" + family.each + "}";
  for (std::size_t at = 0; at < family.name.size();) {
    if (family.name.compare(at, braces.size(), braces) == 0) {
      pattern += '%';
      at += braces.size();
      continue;
    }
    if (std::string_view("%_\\").find(family.name[at]) != std::string_view::npos) pattern += '\\';
    pattern += family.name[at++];
  }
  return pattern;
}

/// The COPY that fills the entries.
postgres::CopyOut copy_entries(postgres::Transaction& transaction, const TableNames& names,
                               SymbolTable& symbols, Entries& entries, Reading& reading) {
  postgres::BinaryCopyReader reader(
      5, [&entries, &symbols, &reading,
          members = json::StringArrayReader()](std::span<const postgres::CopyField> row) mutable {
        ++reading.rows;
        auto entry = std::make_shared<Entry>();
        entry->cache_type = *row[1];
        entry->count = *row[3];
        entry->metadata = *row[4];
        entry->too_large = row[2] && row[2]->empty();
        entry->readable = row[2] && members.read(*row[2]);
        if (entry->readable) {
          std::vector<SymbolId> ids;
          symbols.intern(members.strings(), ids);
          entry->members = std::move(ids);
        }
        entries.emplace(std::string(*row[0]), std::move(entry));
      });
  return {transaction.connection(),
          {"reading " + names.entries.shown(), names.in(entries_sql)},
          [reader = std::move(reader)](std::string_view bytes) mutable { reader.feed(bytes); }};
}

}  // namespace

std::vector<std::pair<std::string_view, std::string>> wanted_entries(const Policy& policy) {
  std::vector<std::string> names;
  std::vector<std::string> families;
  for (const auto& universe : policy.universes()) {
    if (universe->each.empty()) {
      names.push_back(universe->name);
    } else {
      families.push_back(like_pattern(*universe));
    }
  }
  return {{"tickstock_cache.universes", postgres::array_literal(names)},
          {"tickstock_cache.families", postgres::array_literal(families)},
          {"tickstock_cache.types", postgres::array_literal(policy.cleaned_types)}};
}

std::string priced_cap(const Catalog& catalog) {
  return "p." + cast_of(catalog.prices, "close", "numeric") + " * s." +
         cast_of(catalog.symbols, "shares_outstanding", "numeric");
}

Market read_market(postgres::Transaction& transaction, const TableNames& names,
                   const Catalog& catalog, const SourceOptions& options, Reading& reading) {
  Market market = empty_market(catalog, options);
  reading = {0, static_cast<std::uint64_t>(catalog.symbols.rows)};
  copy_market(transaction, names, catalog, options, market, reading).finish();
  market.rank();
  return market;
}

Sources read_sources(postgres::Transaction& transaction, postgres::Companion* companion,
                     const TableNames& names, const Catalog& catalog, const SourceOptions& options,
                     Reading& reading) {
  Sources read{empty_market(catalog, options), {}};
  reading = {0, static_cast<std::uint64_t>(catalog.symbols.rows + catalog.entries.rows)};
  postgres::CopyOut market =
      copy_market(transaction, names, catalog, options, read.market, reading);
  market.begin();
  bool has_entries = false;
  if (postgres::Transaction* beside =
          companion == nullptr ? nullptr : companion->join(transaction)) {
    postgres::CopyOut entries =
        copy_entries(*beside, names, read.market.symbols(), read.entries, reading);
    has_entries =
        !postgres::CopyOut::finish_both(market, entries, postgres::Companion::longest_silence);
  } else {
    market.finish();
  }
  read.market.rank();
  if (!has_entries) {
    read.entries.clear();
    copy_entries(transaction, names, read.market.symbols(), read.entries, reading).finish();
  }
  return read;
}

CompanyReader::CompanyReader(postgres::Transaction& transaction, const TableNames& names,
                             const Market& market, const std::vector<SymbolId>& symbols)
    : transaction_(transaction) {
  if (symbols.empty()) return;
  std::vector<std::string_view> wanted;
  wanted.reserve(symbols.size());
  for (const SymbolId id : symbols) wanted.push_back(market.name(id));
  asked_ = {"reading companies from " + names.symbols.shown(),
            names.in(companies_sql),
            {postgres::array_literal(wanted)}};
  transaction_.connection().ask(*asked_);
}

void CompanyReader::take(Market& market) {
  if (!asked_) return;
  const postgres::Result rows = transaction_.connection().answer(*asked_);
  for (int row = 0; row < rows.rows(); ++row) {
    if (const auto id = market.symbols().find(rows.view(row, 0))) {
      market.describe(*id, {rows.optional_text(row, 1), rows.optional_text(row, 2)});
    }
  }
}

std::vector<std::string> midnight_columns(postgres::Transaction& transaction,
                                          const TableNames& names, const Catalog& catalog,
                                          bool with_prices) {
  struct Source {
    const Relation& relation;
    std::string_view table;
    std::string_view rows;  ///< of the prices a few tell, and all would be too many
    std::vector<std::string_view> columns;
  };
  const std::array<Source, 2> sources{
      {{catalog.symbols, "{symbols}", "", {"listing_date", "delisted_date"}},
       {catalog.prices, "{prices}", " LIMIT 1000", {"date"}}}};
  std::vector<std::string> asked;
  std::vector<postgres::Statement> statements;
  for (const Source& source : sources) {
    if (&source.relation == &catalog.prices && !with_prices) continue;
    for (const std::string_view column : source.columns) {
      if (!source.relation.has(column, type_oid::timestamptz)) continue;
      asked.push_back(std::string(column) + " of " + source.relation.name.shown());
      std::string sql =
          "SELECT bool_and(date_trunc('day', d AT TIME ZONE 'UTC') = d AT TIME ZONE "
          "'UTC') AND bool_or(d::date < (d AT TIME ZONE 'UTC')::date) FROM (SELECT ";
      sql.append(column).append(" AS d FROM ").append(source.table).append(" WHERE ");
      sql.append(column).append(" IS NOT NULL").append(source.rows).append(") days");
      statements.push_back({"reading the days of " + source.relation.name.shown(), names.in(sql)});
    }
  }
  std::vector<std::string> found;
  if (statements.empty()) return found;
  postgres::PipelineOutcome outcome = transaction.run_pipeline(std::move(statements));
  const std::vector<postgres::Result>& results = outcome.value();
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].is_null(0, 0) && results[i].boolean(0, 0)) found.push_back(asked[i]);
  }
  return found;
}

std::optional<Day> newest_price_day(postgres::Transaction& transaction, const TableNames& names,
                                    const Market& market) {
  const std::vector<SymbolId>& ranking = market.ranking();
  std::vector<postgres::Statement> statements;
  for (std::size_t i = 0; i < std::min(ranking.size(), symbols_with_newest_price); ++i) {
    statements.push_back({"reading " + names.prices.shown(),
                          names.in(newest_price_sql),
                          {std::string(market.name(ranking[i]))}});
  }
  postgres::PipelineOutcome outcome = transaction.run_pipeline(statements);
  std::optional<Day> newest;
  for (const postgres::Result& result : outcome.value()) {
    if (!result.is_null(0, 0)) newest = std::max(newest, parse_day(result.view(0, 0)));
  }
  return newest;
}

bool has_recent_prices(postgres::Transaction& transaction, const TableNames& names, Day as_of,
                       int days) {
  return transaction
             .run({"looking for recent rows in " + names.prices.shown(),
                   names.in(prices_sql),
                   {to_string(as_of), std::to_string(days)}})
             .rows() > 0;
}

}  // namespace tickstock::tables
