#include "expectation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace tickstock::test {

namespace {

using Names = Expectation::Names;

/// Creates the tables `before`, the current entries, and `expected`, what the tasks should leave;
/// its `other_keys` are the content without symbols, count and last_updated. An entry that is not
/// in `expected` belongs to nobody and must stay unchanged.
constexpr const char* expectation_sql = R"(
DROP TABLE IF EXISTS before, expected;
CREATE TABLE before AS
SELECT *, CASE WHEN readable THEN content->'symbols' ELSE '[]' END AS list FROM (
  SELECT universe, cache_type, content, created_at, updated_at, xmin::text AS version,
         e::text AS line,
         coalesce(jsonb_typeof(content->'symbols') = 'array' AND
                  NOT content @? 'strict $.symbols[*] ? (@.type() != "string")', false) AS readable
    FROM cache_entries e) AS entries;
CREATE TABLE expected AS
WITH trading AS (
  SELECT * FROM symbols
   WHERE is_active AND (delisted_date IS NULL OR delisted_date > DATE '{0}'
                        OR listing_date > delisted_date)
), delisted AS (
  SELECT symbol FROM symbols
   WHERE NOT is_active
      OR delisted_date <= DATE '{0}'
         AND (is_active AND listing_date > delisted_date) IS NOT TRUE
), ranked AS (
  SELECT symbol, market_cap::float8 AS cap,
         row_number() OVER (ORDER BY market_cap::float8 DESC, symbol COLLATE "C") AS rank
    FROM trading WHERE market_cap::float8 > 0 AND market_cap::float8 < 'infinity'
), bands (universe, lowest, below) AS (
  VALUES ('mega_cap', 200e9::float8, 'infinity'::float8), ('large_cap', 10e9, 200e9),
         ('mid_cap', 2e9, 10e9), ('small_cap', 300e6, 2e9), ('micro_cap', 50e6, 300e6)
), desired AS (
  SELECT 1 AS task, universe, 'market_cap' AS cache_type, false AS always,
         jsonb_build_object('type', 'market_cap_category', 'market_cap_range', universe)
           AS metadata,
         ARRAY(SELECT symbol FROM ranked WHERE cap >= lowest AND cap < below ORDER BY rank)
           AS symbols
    FROM bands
  UNION ALL
  SELECT 1, 'top_' || n, 'market_leader', true,
         jsonb_build_object('type', 'market_leader', 'rank', 'top_' || n),
         ARRAY(SELECT symbol FROM ranked WHERE rank <= n ORDER BY rank)
    FROM unnest(ARRAY[100, 500, 1000, 2000]) AS n
  UNION ALL
  SELECT 2, 'recent_ipos', 'ipo', false, '{{"type": "ipo", "period": "last_30_days"}}'::jsonb,
         ARRAY(SELECT symbol FROM trading
                WHERE listing_date BETWEEN DATE '{0}' - 29 AND DATE '{0}'
                ORDER BY listing_date DESC, symbol COLLATE "C")
), cleaned AS (
  SELECT *, ARRAY(SELECT member
                    FROM jsonb_array_elements_text(list) WITH ORDINALITY AS m (member, place)
                   WHERE member NOT IN (SELECT symbol FROM delisted)
                   ORDER BY place) AS symbols
    FROM before
   WHERE readable AND cache_type IN ('market_cap', 'market_leader', 'sector', 'theme')
     AND universe NOT IN (SELECT universe FROM desired)
)
SELECT d.task, d.universe, d.cache_type, d.symbols,
       jsonb_build_object('metadata', d.metadata) AS other_keys,
       (b.cache_type, b.content->'symbols', b.content->'count', b.content->'metadata')
         IS DISTINCT FROM (d.cache_type, to_jsonb(d.symbols), to_jsonb(cardinality(d.symbols)),
                           d.metadata) AS written
  FROM desired d LEFT JOIN before b USING (universe)
 WHERE b.universe IS NOT NULL OR d.always OR d.symbols <> ARRAY[]::text[]
UNION ALL
SELECT 3, universe, cache_type, symbols, content - ARRAY['symbols', 'count', 'last_updated'],
       cardinality(symbols) < jsonb_array_length(list)
  FROM cleaned;
)";

constexpr const char* mismatch_sql = R"(
SELECT universe || ': ' || problem FROM (
  SELECT universe, CASE
    WHEN e.id IS NULL THEN 'missing'
    WHEN b.line IS NULL AND x.task IS NULL THEN 'nobody asked for it'
    WHEN x.written IS NOT TRUE AND (e.xmin::text, e::text) IS DISTINCT FROM (b.version, b.line)
      THEN 'written though it should not be'
    WHEN x.written IS NOT TRUE THEN NULL
    WHEN e.cache_type IS DISTINCT FROM x.cache_type THEN 'its type is ' || e.cache_type
    WHEN e.content->'symbols' IS DISTINCT FROM to_jsonb(x.symbols) THEN 'wrong members'
    WHEN e.content->'count' IS DISTINCT FROM to_jsonb(cardinality(x.symbols)) THEN 'wrong count'
    WHEN (e.content - ARRAY['symbols', 'count', 'last_updated'])::text <> x.other_keys::text
      THEN 'other keys: ' || (e.content - 'symbols')::text
    WHEN coalesce(e.content->>'last_updated', '')
         !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$' THEN 'wrong last_updated'
    WHEN b.line IS NOT NULL AND (e.created_at <> b.created_at OR e.updated_at <= b.updated_at OR
         e.content->>'last_updated' = b.content->>'last_updated') THEN 'its times did not move'
    END AS problem
  FROM cache_entries e FULL JOIN expected x USING (universe) FULL JOIN before b USING (universe)
) AS checked WHERE problem IS NOT NULL ORDER BY 1)";

constexpr const char* writes_sql = R"(
SELECT task, universe, x.cache_type = 'market_leader', coalesce(b.list, '[]'), to_jsonb(x.symbols)
  FROM expected x LEFT JOIN before b USING (universe) WHERE written
 ORDER BY task, CASE task WHEN 1 THEN array_position(ARRAY['mega_cap', 'large_cap', 'mid_cap',
            'small_cap', 'micro_cap', 'top_100', 'top_500', 'top_1000', 'top_2000'], universe) END,
          universe COLLATE "C")";

Names minus(const Names& list, const Names& other) {
  const std::set<std::string> out(other.begin(), other.end());
  Names rest;
  std::copy_if(list.begin(), list.end(), std::back_inserter(rest),
               [&out](const std::string& name) { return !out.contains(name); });
  return rest;
}

/// Returns the list without repetitions.
Names once(const Names& list) {
  std::set<std::string> seen;
  Names rest;
  std::copy_if(list.begin(), list.end(), std::back_inserter(rest),
               [&seen](const std::string& name) { return seen.insert(name).second; });
  return rest;
}

/// Returns how many of the remaining members must change position at least: all but a longest
/// increasing subsequence of their old positions, whose length is the number of piles of a patience
/// sort.
std::size_t fewest_moves(const Names& old_list, const Names& new_list) {
  std::map<std::string, std::size_t> position;
  for (std::size_t i = 0; i < old_list.size(); ++i) {
    position.emplace(old_list[i], i);
  }
  std::size_t kept = 0;
  std::vector<std::size_t> piles;
  for (const std::string& name : new_list) {
    const auto found = position.find(name);
    if (found == position.end()) {
      continue;
    }
    ++kept;
    const auto pile = std::lower_bound(piles.begin(), piles.end(), found->second);
    if (pile == piles.end()) {
      piles.push_back(found->second);
    } else {
      *pile = found->second;
    }
  }
  return kept - piles.size();
}

std::string sorted_text(Names names) {
  std::sort(names.begin(), names.end());
  return fmt::format("[{}]", fmt::join(names, " "));
}

/// Returns one change of a document in the words that Expectation::changes uses too.
std::string describe(const Json& change) {
  const std::string type = change.at("change_type").str();
  const Json symbol = change.at("symbol");
  const Json metadata = change.at("metadata");
  std::string line = fmt::format("{} {} {} {}", type, change.at("universe").str(),
                                 change.at("action").str(), symbol.is_null() ? "-" : symbol.str());
  if (type == "delisted_cleanup") {
    line += fmt::format(" {} {}", metadata.at("removed_count").integer(),
                        sorted_text(metadata.at("removed_symbols").strings()));
  } else if (type != "ipo_assignment") {
    line += fmt::format(
        " {} {} {} {} {}", metadata.at("previous_count").integer(), metadata.at("count").integer(),
        sorted_text(metadata.at("added_symbols").strings()),
        sorted_text(metadata.at("removed_symbols").strings()), metadata.at("moved").integer());
  }
  return line;
}

}  // namespace

Expectation::Expectation(Database& database, const std::string& day) : database_(database) {
  database_.execute(fmt::format(fmt::runtime(expectation_sql), day));
  for (const auto& row : database_.rows(writes_sql)) {
    Write write{std::stoi(row[0]), row[1], row[2] == "t", once(Json::parse(row[3]).strings()),
                Json::parse(row[4]).strings()};
    write.added = minus(write.new_list, write.old_list);
    write.removed = minus(write.old_list, write.new_list);
    write.moved = fewest_moves(write.old_list, once(write.new_list));
    writes_.push_back(std::move(write));
  }
}

Names Expectation::changes() const {
  Names lines;
  for (const Write& write : writes_) {
    if (write.task == 1) {
      lines.push_back(fmt::format(
          "market_{}_update {} updated - {} {} {} {} {}", write.leader ? "leader" : "cap",
          write.universe, write.old_list.size(), write.new_list.size(), sorted_text(write.added),
          sorted_text(write.removed), write.moved));
    } else if (write.task == 3) {
      lines.push_back(fmt::format("delisted_cleanup {} cleaned - {} {}", write.universe,
                                  write.removed.size(), sorted_text(write.removed)));
    } else {
      for (const std::string& symbol : write.added) {
        lines.push_back("ipo_assignment recent_ipos added " + symbol);
      }
      for (const std::string& symbol : write.removed) {
        lines.push_back("ipo_assignment recent_ipos removed " + symbol);
      }
      if (write.added.empty() && write.removed.empty()) {
        lines.emplace_back("ipo_assignment recent_ipos updated -");
      }
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

Names Expectation::announced(std::size_t limit) const {
  Names universes;
  std::map<int, std::size_t> of_task;
  for (const Write& write : writes_) {
    if (++of_task[write.task] <= limit) {
      universes.push_back(write.universe);
    }
  }
  return universes;
}

Names Expectation::mismatches() { return database_.column(mismatch_sql); }

Names Expectation::changes_of(const Json& document) {
  Names lines;
  const Json tasks = document.at("task_results");
  for (const std::string& task : tasks.keys()) {
    for (const Json& change : tasks.member(task).at("changes").items()) {
      lines.push_back(describe(change));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace tickstock::test
