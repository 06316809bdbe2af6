#include "tables/journal.hpp"

#include <fmt/format.h>

#include <array>
#include <set>

#include "json/json.hpp"

namespace tickstock::tables {

namespace {

// The start time of the oldest records to keep: N days ago, or when the oldest of the last N runs
// began. Uses the index on started_at, whatever the number of records.
constexpr std::string_view kept_since_sql = R"(greatest(
         CASE WHEN $2::int > 0 THEN now() - make_interval(days => $2::int) END,
         (SELECT started_at FROM {runs} WHERE entries = $1 AND $3::int > 0
           ORDER BY started_at DESC LIMIT 1 OFFSET greatest($3::int - 1, 0))))";

// Of the committed runs only the first are deleted, so that the journal has no gap: what keeps one
// keeps those after it.
constexpr std::string_view delete_runs_sql = R"(
WITH old AS (
  SELECT run_id FROM {runs} r
   WHERE entries = $1 AND status <> 'running' AND started_at < {kept since}
     AND run_id IS DISTINCT FROM (
           SELECT run_id FROM {runs}
            WHERE entries = $1 AND status IN ('completed', 'completed_with_errors')
            ORDER BY position DESC, started_at DESC LIMIT 1)
     AND NOT EXISTS (
           SELECT FROM {outbox} o
            WHERE o.run_id = r.run_id AND o.published_at IS NULL AND o.given_up_at IS NULL)
     AND NOT EXISTS (
           SELECT FROM {states} s JOIN {changes} c ON c.id = s.change
            WHERE c.run_id = r.run_id AND s.content IS NULL AND s.fingerprint <> 0))
DELETE FROM {runs} WHERE run_id IN (
  SELECT run_id FROM {runs}
   WHERE run_id IN (SELECT run_id FROM old)
     AND (position = 0 OR position < (SELECT min(position) FROM {runs}
                                       WHERE entries = $1 AND position > 0
                                         AND run_id NOT IN (SELECT run_id FROM old)))
   ORDER BY position, started_at LIMIT 1000 FOR UPDATE SKIP LOCKED))";

constexpr std::string_view delete_events_sql = R"(
DELETE FROM {outbox} WHERE id IN (
  SELECT id FROM {outbox}
   WHERE published_at < now() - make_interval(days => $1::int)
      OR given_up_at < now() - make_interval(days => $1::int)
   ORDER BY id LIMIT 20000 FOR UPDATE SKIP LOCKED))";

constexpr std::string_view delete_states_sql = R"(
DELETE FROM {states} s
 WHERE s.entries = $1 AND s.fingerprint = 0
   AND NOT EXISTS (SELECT FROM {changes} c WHERE c.id = s.change))";

constexpr std::string_view states_sql = R"(
SELECT s.universe, s.fingerprint,
       s.content IS NULL AND s.fingerprint <> 0
       AND coalesce(r.started_at < {kept since}, c.id IS NULL)
  FROM {states} s
  LEFT JOIN {changes} c ON c.id = s.change
  LEFT JOIN {runs} r ON r.run_id = c.run_id
 WHERE s.entries = $1)";

// Each half has its own index. Moves and contents are not read: they are most of the journal.
constexpr std::string_view arrivals_sql = R"(
WITH found AS (
  SELECT * FROM {changes}
   WHERE added || removed @> ARRAY[$2::text] AND cardinality(added) + cardinality(removed) <= 200
   UNION ALL
  SELECT * FROM {changes}
   WHERE $2::text = ANY (added || removed) AND cardinality(added) + cardinality(removed) > 200)
SELECT DISTINCT ON (c.universe) c.universe, $2 = ANY (c.added), r.as_of::text, c.run_id
  FROM found c JOIN {runs} r USING (run_id)
 WHERE r.entries = $1 AND ($3::text IS NULL OR c.universe = $3)
 ORDER BY c.universe, c.id DESC)";

/// What a change left: parts of the content, and what rebuilds the symbol list after it. The second
/// list yields only those that are gone.
constexpr std::string_view left_sql = R"(
SELECT s.universe,
       (coalesce(s.content, c.content_before) -> 'symbols')::text, to_jsonb(c.added)::text,
       to_jsonb(c.removed)::text, to_jsonb(c.moved)::text, c.places::text,
       coalesce(s.cache_type, c.cache_type_after, c.cache_type_before, '')
  FROM {states} s
  LEFT JOIN {changes} c ON c.id = s.change AND s.content IS NULL
 WHERE s.entries = $1
   AND (s.universe = ANY ($2::text[])
        OR s.universe = ANY ($3::text[])
           AND NOT EXISTS (SELECT FROM {entries} e WHERE e.universe::text = s.universe)))";

// For universes that the run changed (fingerprint 0), refers to its last change; for the others,
// keeps the current content. A universe changed before states were stored counts as known from the
// beginning.
constexpr std::string_view store_states_sql = R"(
WITH last AS (SELECT universe, max(id) AS id FROM {changes} WHERE run_id = $2 GROUP BY universe)
INSERT INTO {states} (entries, universe, since, fingerprint, change, content, cache_type)
SELECT $1, w.universe,
       CASE WHEN EXISTS (SELECT FROM {changes} o JOIN {runs} b USING (run_id)
                          WHERE o.universe = w.universe AND b.entries = $1 AND o.run_id <> $2)
            THEN 0 ELSE r.position END,
       coalesce(c.fingerprint, w.fingerprint), c.id,
       CASE WHEN c.id IS NULL OR w.fingerprint <> 0 THEN e.content END,
       CASE WHEN c.id IS NULL OR w.fingerprint <> 0 THEN e.cache_type END
  FROM unnest($3::text[], $4::bigint[]) AS w(universe, fingerprint)
  JOIN {runs} r ON r.run_id = $2
  LEFT JOIN last ON last.universe = w.universe
  LEFT JOIN {changes} c ON c.id = last.id
  LEFT JOIN (SELECT universe::text, coalesce(content, 'null') AS content, cache_type
               FROM {entries}) e ON e.universe = w.universe
ON CONFLICT (entries, universe) DO UPDATE
   SET fingerprint = EXCLUDED.fingerprint, change = EXCLUDED.change, content = EXCLUDED.content,
       cache_type = EXCLUDED.cache_type)";

// Committed runs are numbered consecutively, so that a gap shows deleted records: only what comes
// after the last gap can be answered. Runs of older versions have number 0, and are ordered by
// time.
constexpr std::string_view run_of_day_sql = R"(
WITH kept AS (
  SELECT run_id, as_of, position, finished_at, max(position) OVER () AS top,
         row_number() OVER (ORDER BY position DESC) AS place
    FROM {runs} WHERE entries = $1 AND status IN ('completed', 'completed_with_errors')),
whole AS (SELECT * FROM kept WHERE position > 0 AND position = top - place + 1),
usable AS (
  SELECT * FROM whole
   UNION ALL
  SELECT * FROM kept
   WHERE position = 0 AND (top = 0 OR EXISTS (SELECT FROM whole WHERE position = 1)))
SELECT (SELECT min(as_of)::text FROM usable), u.run_id, u.as_of::text, u.position,
       u.finished_at::text
  FROM (VALUES (1)) one
  LEFT JOIN LATERAL (
       SELECT * FROM usable WHERE as_of <= $2::date
        ORDER BY as_of DESC, position DESC, finished_at DESC LIMIT 1) u ON true)";

constexpr std::string_view members_sql = R"(
WITH mine AS (
  SELECT c.id, (r.position, r.finished_at) > ($3::bigint, $4::timestamptz) AS later
    FROM {changes} c JOIN {runs} r USING (run_id)
   WHERE c.universe = $2 AND r.entries = $1),
ends AS (SELECT (SELECT max(id) FROM mine WHERE NOT later) AS last,
                (SELECT min(id) FROM mine WHERE later) AS next)
SELECT ends.last IS NOT NULL OR n.id IS NOT NULL AND n.content_before IS NULL
       OR CASE WHEN s.universe IS NULL THEN n.id IS NOT NULL ELSE s.since <= $3::bigint END,
       CASE WHEN n.id IS NOT NULL THEN n.content_before IS NOT NULL
            WHEN s.universe IS NOT NULL THEN s.fingerprint <> 0
            ELSE e.content IS NOT NULL END,
       (CASE WHEN n.id IS NOT NULL THEN n.content_before
             WHEN s.content IS NOT NULL THEN s.content
             WHEN c.id IS NOT NULL THEN c.content_before
             ELSE e.content END -> 'symbols')::text,
       to_jsonb(c.added)::text, to_jsonb(c.removed)::text, to_jsonb(c.moved)::text, c.places::text
  FROM ends
  LEFT JOIN {changes} n ON n.id = ends.next
  LEFT JOIN {states} s ON s.entries = $1 AND s.universe = $2
  LEFT JOIN {changes} c ON c.id = s.change AND s.content IS NULL AND ends.next IS NULL
  LEFT JOIN {entries} e ON e.universe::text = $2 AND s.universe IS NULL AND ends.next IS NULL)";

// As above for the list of each universe, but only for one symbol.
constexpr std::string_view memberships_sql = R"(
WITH mine AS (
  SELECT c.universe, c.id, (r.position, r.finished_at) > ($4::bigint, $5::timestamptz) AS later,
         $2 = ANY (c.added) AS came, $2 = ANY (c.removed) AS went
    FROM {changes} c JOIN {runs} r USING (run_id)
   WHERE r.entries = $1 AND ($3::text IS NULL OR c.universe = $3)),
ends AS (
  SELECT universe, max(id) FILTER (WHERE NOT later) AS last, min(id) FILTER (WHERE later) AS next,
         max(id) FILTER (WHERE NOT later AND came) AS came,
         max(id) FILTER (WHERE NOT later AND went) AS went
    FROM mine GROUP BY universe),
lists AS (
  SELECT coalesce(ends.universe, s.universe) AS universe, ends.last, ends.came, ends.went, s.since,
         CASE WHEN n.id IS NOT NULL THEN n.content_before IS NOT NULL
              ELSE s.fingerprint <> 0 OR s.universe IS NULL END AS stood,
         CASE WHEN n.id IS NOT NULL THEN n.content_before -> 'symbols' ? $2
              WHEN s.content IS NOT NULL THEN s.content -> 'symbols' ? $2
              WHEN $2 = ANY (c.added) THEN true
              WHEN $2 = ANY (c.removed) THEN false
              WHEN c.id IS NOT NULL THEN c.content_before -> 'symbols' ? $2
              ELSE (SELECT e.content -> 'symbols' ? $2 FROM {entries} e
                     WHERE e.universe::text = ends.universe) END AS member
    FROM ends
    FULL JOIN (SELECT * FROM {states}
                WHERE entries = $1 AND ($3::text IS NULL OR universe = $3)) s
           ON s.universe = ends.universe
    LEFT JOIN {changes} n ON n.id = ends.next
    LEFT JOIN {changes} c ON c.id = s.change AND s.content IS NULL AND ends.next IS NULL)
SELECT l.universe, coalesce(l.member, false), r.as_of::text, r.run_id
  FROM lists l
  LEFT JOIN {changes} c ON c.id = CASE WHEN l.member THEN l.came ELSE l.went END
  LEFT JOIN {runs} r ON r.run_id = c.run_id
 WHERE l.stood AND (l.last IS NOT NULL OR l.since <= $4::bigint)
 ORDER BY l.universe COLLATE "C")";

std::string sql_since(std::string_view sql, const TableNames& names) {
  return names.in(sql, {{"kept since", names.in(kept_since_sql)}});
}

/// Returns the strings of a JSON array; nothing for anything else.
std::optional<std::vector<std::string>> strings_of(const std::optional<std::string>& json) {
  json::StringArrayReader reader;
  if (!json || !reader.read(*json)) return std::nullopt;
  return std::vector<std::string>(reader.strings().begin(), reader.strings().end());
}

/// Rebuilds the list that a change left from five columns: the list before, the added, removed and
/// moved members, and the places. \return nothing if the content can't be read.
std::optional<std::vector<std::string>> list_of(const Result& rows, int row, int column) {
  std::array<std::optional<std::string>, 4> lists;
  for (std::size_t i = 0; i < lists.size(); ++i)
    rows.get(row, column + static_cast<int>(i), lists[i]);
  auto before = strings_of(lists[0]);
  if (!lists[1]) return before;
  NamedChange change{
      strings_of(lists[1]).value(), strings_of(lists[2]).value(), strings_of(lists[3]).value(), {}};
  rows.get(row, column + 4, change.places);
  // A list that could not be read was replaced as a whole.
  return after_change(before.value_or(std::vector<std::string>()), change);
}

[[noreturn]] void fail_unknown(const std::string& universe, const std::string& why) {
  throw Error(ErrorKind::failed, fmt::format("universe '{}' {}", universe, why),
              {.object = "universe " + universe,
               .hint = fmt::format("Run 'tickstock-cache history --universe {}' for what the "
                                   "journal knows.",
                                   universe)});
}

std::vector<Membership> memberships_of(const Result& rows) {
  std::vector<Membership> memberships;
  for (int row = 0; row < rows.rows(); ++row) {
    Membership& each = memberships.emplace_back();
    rows.read(row, each.why.universe, each.why.member, each.since, each.run_id);
  }
  return memberships;
}

/// The last run of a past day, in a transaction that stays open.
struct PastRun {
  Database& database;
  Transaction transaction;
  std::string horizon;  ///< the first day that the journal can answer for
  std::string run_id;
  std::string as_of;
  std::string position;
  std::string finished_at;

  /// \throws Error (failed) if the journal does not reach back that far.
  PastRun(Database& of, Day day)
      : database(of),
        transaction(of.connection, {.read_only = true},
                    {of.names.statement("reading {runs}", run_of_day_sql,
                                        {of.names.entries.shown(), to_string(day)})}) {
    const Result& rows = transaction.first_results().front();
    if (rows.is_null(0, 0)) {
      throw Error(ErrorKind::failed, "no run is on record yet, so no past day is known",
                  {.object = "the journal", .hint = "Run 'tickstock-cache sync' first."});
    }
    rows.get(0, 0, horizon);
    if (rows.is_null(0, 1)) {
      throw Error(ErrorKind::failed,
                  fmt::format("the journal does not reach back to {}: it begins with {}",
                              to_string(day), horizon),
                  {.object = "the journal", .hint = "Name a day from then on."});
    }
    rows.read(0, horizon, run_id, as_of, position, finished_at);
  }

  [[nodiscard]] std::string beginning() const { return "the journal begins with " + horizon; }

  /// Runs a statement whose first parameter is the name of the entries.
  Result ask(std::string_view sql, const Params& more) {
    Params params{database.names.entries.shown()};
    params.insert(params.end(), more.begin(), more.end());
    return database.run("reading {changes}", sql, params);
  }
};

}  // namespace

std::string signed_text(std::uint64_t fingerprint) {
  return std::to_string(static_cast<std::int64_t>(fingerprint));
}

Statement ask_states(const TableNames& names, const Retention& retention) {
  return {"reading " + names.of(table_of(&Catalog::states)).shown(),
          sql_since(states_sql, names),
          {names.entries.shown(), std::to_string(retention.journal_days),
           std::to_string(retention.journal_runs)}};
}

std::vector<State> states_of(const Result& rows) {
  std::vector<State> states;
  for (int row = 0; row < rows.rows(); ++row) {
    states.push_back({rows.text(row, 0), static_cast<std::uint64_t>(rows.integer(row, 1)),
                      rows.boolean(row, 2)});
  }
  return states;
}

Standing compare_states(Database& database, const std::vector<State>& states,
                        const Entries& entries, SymbolTable& symbols) {
  Standing standing;
  std::vector<std::string> differ;
  std::vector<std::string> absent;  // deleted, or no longer asked for
  std::set<std::string_view> known;
  for (const State& state : states) {
    known.insert(state.universe);
    const Entry* entry = find_entry(entries, state.universe);
    if (entry == nullptr && state.fingerprint != 0) absent.push_back(state.universe);
    if (entry != nullptr && entry->fingerprint != state.fingerprint) {
      differ.push_back(state.universe);
    } else if (state.is_old) {
      standing.kept.emplace(state.universe, state.fingerprint);
    }
  }
  for (const auto& [universe, entry] : entries) {
    if (!known.contains(universe)) standing.kept.emplace(universe, entry->fingerprint);
  }
  if (differ.empty() && absent.empty()) return standing;
  const Result rows =
      database.run("reading what the last run left", left_sql,
                   {database.names.entries.shown(), array_literal(differ), array_literal(absent)});
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string universe = rows.text(row, 0);
    const auto found = entries.find(universe);
    const bool is_gone = found == entries.end();
    Entry before;
    before.cache_type = rows.text(row, 6);
    std::vector<SymbolId> stood;
    for (const std::string& name : list_of(rows, row, 1).value_or(std::vector<std::string>())) {
      stood.push_back(symbols.intern(name));
    }
    before.members = std::move(stood);
    Edit edit;
    edit.is_gone = is_gone;
    edit.write.universe = universe;
    edit.write.before = std::make_shared<const Entry>(std::move(before));
    edit.write.after = is_gone ? std::make_shared<const Entry>() : found->second;
    edit.write.diff =
        diff_memberships(edit.write.before->members.list(), edit.write.after->members.list());
    standing.edits.push_back(std::move(edit));
  }
  return standing;
}

Statement store_states(const TableNames& names, const std::string& run_id,
                       const std::map<std::string, std::uint64_t>& left) {
  std::vector<std::string> universes;
  std::vector<std::string> fingerprints;
  for (const auto& [universe, fingerprint] : left) {
    universes.push_back(universe);
    fingerprints.push_back(signed_text(fingerprint));
  }
  return names.statement(
      "writing {states}", store_states_sql,
      {names.entries.shown(), run_id, array_literal(universes), array_literal(fingerprints)});
}

PastMembers read_members(Database& database, const std::string& universe, Day day) {
  PastRun past(database, day);
  const Result rows = past.ask(members_sql, {universe, past.position, past.finished_at});
  const bool is_known = rows.boolean(0, 0);
  if (!is_known || !rows.boolean(0, 1)) {
    fail_unknown(universe, fmt::format("{} on {} ({})",
                                       is_known ? "did not exist" : "is not known to have existed",
                                       to_string(day), past.beginning()));
  }
  auto symbols = list_of(rows, 0, 2);
  if (!symbols) {
    throw Error(
        ErrorKind::failed,
        fmt::format("the content of universe '{}' on {} can't be read: it was not an object "
                    "with an array of strings under symbols",
                    universe, to_string(day)),
        {.object = "universe " + universe, .hint = "Name another day."});
  }
  return {past.run_id, past.as_of, *std::move(symbols)};
}

std::vector<Membership> read_memberships(Database& database, const std::string& symbol,
                                         const std::optional<std::string>& universe, Day day) {
  PastRun past(database, day);
  std::vector<Membership> memberships = memberships_of(
      past.ask(memberships_sql, {symbol, universe, past.position, past.finished_at}));
  if (universe && memberships.empty()) {
    fail_unknown(*universe, fmt::format("is not known to have existed on {} ({})", to_string(day),
                                        past.beginning()));
  }
  return memberships;
}

std::vector<Membership> read_arrivals(Database& database, const std::string& symbol,
                                      const std::optional<std::string>& universe) {
  return memberships_of(database.run("reading {changes}", arrivals_sql,
                                     {database.names.entries.shown(), symbol, universe}));
}

std::vector<Statement> pruning(const TableNames& names, const Retention& retention) {
  std::vector<Statement> statements;
  if (retention.outbox_days > 0) {
    statements.push_back(names.statement("deleting from {outbox}", delete_events_sql,
                                         {std::to_string(retention.outbox_days)}));
  }
  if (retention.journal_days > 0 || retention.journal_runs > 0) {
    // Deleting a record also deletes its changes, and with the last change what is known about an
    // entry that is gone.
    statements.push_back(
        names.statement("deleting from {runs}", sql_since(delete_runs_sql, names),
                        {names.entries.shown(), std::to_string(retention.journal_days),
                         std::to_string(retention.journal_runs)}));
    statements.push_back(
        names.statement("deleting from {states}", delete_states_sql, {names.entries.shown()}));
  }
  return statements;
}

}  // namespace tickstock::tables
