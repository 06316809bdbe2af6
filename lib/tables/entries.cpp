#include "tables/entries.hpp"

#include <fmt/format.h>

#include "json/json.hpp"
#include "tables/past.hpp"

namespace tickstock::tables {

namespace {

// For a declared universe that only gets additions, this merges into the existing content.
constexpr std::string_view update_sql =
    "UPDATE {entries} SET content = {merged}$2::jsonb, cache_type = $3::text, "
    "updated_at = $4::timestamptz WHERE universe = $1::text";

constexpr std::string_view insert_sql =
    "INSERT INTO {entries} (universe, content, cache_type, created_at, updated_at) "
    "VALUES ($1::text, $2::jsonb, $3::text, $4::timestamptz, $4::timestamptz) "
    "ON CONFLICT (universe) DO UPDATE SET content = EXCLUDED.content, "
    "cache_type = EXCLUDED.cache_type, updated_at = EXCLUDED.updated_at";

// The server merges: keys that the program doesn't know stay as they are.
constexpr std::string_view clean_sql =
    "UPDATE {entries} SET content = content || $2::jsonb, updated_at = $3::timestamptz "
    "WHERE universe = $1::text";

// The content before is copied within the server, and so is the metadata that an undo restores ($17
// is its change), since only a part of it was read.
constexpr std::string_view journal_sql =
    "INSERT INTO {changes} (run_id, task, universe, action, added, removed, moved, reason, "
    "added_why, removed_why, content_before, cache_type_before, changed_at, places, fingerprint, "
    "cache_type_after, metadata_after, keys) "
    "SELECT $1, $2, $3, $4, $5::text[], $6::text[], $7::text[], $8, $9::text[], $10::text[], "
    "e.content, e.cache_type, $11::timestamptz, $12::bit varying, $13::bigint, $14, "
    "coalesce($15::jsonb, r.content_before -> 'metadata', "
    "CASE WHEN r.content_before IS NOT NULL THEN 'null'::jsonb END), $16::text[] "
    "FROM (VALUES (1)) one LEFT JOIN {entries} e ON e.universe = $3 "
    "LEFT JOIN {changes} r ON r.id = $17::bigint";

// A change by another writer. The content before is what the last run left, rebuilt from the
// journal. If that run replaced the content, it left no other keys.
constexpr std::string_view edit_sql = R"(
INSERT INTO {changes} (run_id, task, universe, action, added, removed, moved, reason,
       content_before, cache_type_before, changed_at, places, fingerprint, cache_type_after,
       metadata_after)
SELECT $1, 'another_writer', s.universe, 'edited', $3::text[], $4::text[], $5::text[],
       'Changed by another writer',
       CASE WHEN s.fingerprint = 0 THEN NULL
            WHEN s.content IS NOT NULL THEN s.content
            ELSE CASE WHEN c.action = 'cleaned' OR c.keys IS NOT NULL
                           AND jsonb_typeof(c.content_before) = 'object'
                      THEN c.content_before ELSE '{}' END
                 || CASE WHEN m.metadata IS NULL THEN '{}'
                         ELSE jsonb_build_object('metadata', m.metadata) END
                 || jsonb_build_object(
                      'symbols', to_jsonb($6::text[]), 'count', cardinality($6::text[]),
                      'last_updated', to_char(c.changed_at AT TIME ZONE 'UTC',
                                              'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) END,
       CASE WHEN s.fingerprint <> 0
            THEN coalesce(s.cache_type, c.cache_type_after, c.cache_type_before) END,
       $7::timestamptz, $8::bit varying, $9::bigint, e.cache_type,
       coalesce(e.content -> 'metadata', 'null')
  FROM {states} s
  LEFT JOIN {changes} c ON c.id = s.change AND s.content IS NULL
  LEFT JOIN {entries} e ON e.universe::text = s.universe
 CROSS JOIN LATERAL (SELECT nullif(coalesce(c.metadata_after,
                                            c.content_before -> 'metadata'), 'null')) m(metadata)
 WHERE s.entries = $10 AND s.universe = $2)";

// lz4 takes a fifth of the time that pglz takes for large values, but not every server has it.
constexpr const char* compression_sql =
    "SELECT set_config(name, 'lz4', true) FROM pg_settings "
    "WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

std::string names_literal(const std::vector<SymbolId>& symbols, const Market& market) {
  std::vector<std::string_view> names;
  names.reserve(symbols.size());
  market.symbols().each_name(symbols, [&names](std::string_view name) { names.push_back(name); });
  return array_literal(names);
}

std::string names_literal(const std::vector<Placement>& members, const Market& market) {
  std::vector<SymbolId> symbols;
  symbols.reserve(members.size());
  for (const Placement& member : members) symbols.push_back(member.symbol);
  return names_literal(symbols, market);
}

/// Returns why each of these members was added or removed; NULL if none has a reason of its own, as
/// in a new universe.
template <typename Why>
std::optional<std::string> reasons_literal(const std::vector<Placement>& members, Why why) {
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::string reason = why(members[i].symbol);
    if (reason.empty() && reasons.empty()) continue;
    reasons.resize(i);
    reasons.push_back(std::move(reason));
  }
  if (reasons.empty()) return std::nullopt;
  return array_literal(reasons);
}

/// Returns the whole content, or the keys that replace those of the old one.
std::string content_json(const Entry& entry, const WriteContext& context, bool with_metadata) {
  json::Writer json;
  json.begin_object().key("symbols").begin_array();
  context.market.symbols().each_name(entry.members.list(),
                                     [&json](std::string_view name) { json.string(name); });
  json.end_array().put("count", json::Raw{entry.count}, "last_updated", context.written_at);
  if (with_metadata) json.put("metadata", json::Raw{entry.metadata});
  json.end_object();
  return json.text();
}

std::string doing(const EntryWrite& write) { return "writing universe '" + write.universe + "'"; }

/// Returns whether a write keeps all keys of a content except those of its list.
bool merges(const EntryWrite& write) {
  return write.before && (!write.rule || write.rule->additions);
}

/// Returns which other keys a write set or removed; nothing if it replaced the content.
std::optional<std::string> keys_of(const EntryWrite& write) {
  if (write.restoration) return array_literal(write.restoration->keys);
  return merges(write) ? std::optional<std::string>("{}") : std::nullopt;
}

Statement write_statement(const WriteContext& context, const EntryWrite& write) {
  if (write.restoration) return restore_statement(context.names, write, context.written_at);
  const bool adds = write.rule && merges(write);
  const std::string_view sql = !write.rule ? clean_sql : write.before ? update_sql : insert_sql;
  Params params{write.universe, content_json(*write.after, context, write.rule && !adds)};
  if (write.rule) params.emplace_back(write.after->cache_type);
  params.emplace_back(context.written_at);
  return {doing(write), context.names.in(sql, {{"merged", adds ? "content || " : ""}}),
          std::move(params)};
}

Statement journal_statement(const WriteContext& context, Task task, const EntryWrite& write) {
  const MembershipDiff& diff = write.diff;
  const MemberReasons& reasons = context.reasons;
  const Entry& after = *write.after;
  // Unchanged parts are not stored, and the positions in a cleaned list follow from who left.
  const Entry* before = write.before.get();
  std::optional<std::string> places;
  std::optional<std::string> type;
  std::optional<std::string> metadata;
  std::optional<std::string> restored;
  if (write.restoration) restored = std::to_string(write.restoration->change);
  if (write.rule || write.restoration) places = places_of(write.diff);
  if (before == nullptr || before->cache_type != after.cache_type) type = after.cache_type;
  if (!restored && (before == nullptr || before->metadata != after.metadata)) {
    metadata = after.metadata.empty() ? "null" : after.metadata;
  }
  return {
      "writing the journal of universe '" + write.universe + "'",
      context.names.in(journal_sql),
      {context.run_id, std::string(to_string(task)), write.universe,
       std::string(write_action(write)), names_literal(diff.added, context.market),
       names_literal(diff.removed, context.market), names_literal(diff.moved, context.market),
       write_reason(write),
       reasons_literal(diff.added, [&](SymbolId id) { return reasons.added(write, id); }),
       reasons_literal(diff.removed, [&](SymbolId id) { return reasons.removed(write, id); }),
       context.written_at, std::move(places), signed_text(fingerprint_of(after, context.market)),
       std::move(type), std::move(metadata), keys_of(write), std::move(restored)}};
}

/// One statement of a run's writes, made when its turn comes; nothing if it is not needed.
struct Step {
  std::function<std::optional<Statement>()> make;
  const EntryWrite* write = nullptr;  ///< null if the step writes no entry
  std::size_t task = 0;
};

void add(std::vector<Step>& steps, Statement statement) {
  steps.push_back({[statement = std::move(statement)] { return statement; }});
}

/// Returns the steps of the tasks from `first` on, and what opens the writes.
std::vector<Step> steps_of(const WriteContext& context, const Writes& writes, std::size_t first) {
  std::vector<Step> steps;
  for (const Statement& each : writes.opening) add(steps, each);
  for (std::size_t i = first; i < writes.tasks.size(); ++i) {
    const TaskPlan& task = writes.tasks[i];
    steps.push_back({[&writes, &task]() -> std::optional<Statement> {
      const std::string name = writes.begin_task(task);
      if (task.writes.empty()) return std::nullopt;
      return Statement{
          "naming the step", "SELECT set_config('application_name', $1, true)", {name}};
    }});
    if (task.writes.empty()) continue;
    add(steps, {"opening a savepoint", "SAVEPOINT task"});
    // Write the journal's lines first, while the entries are still unchanged, then the entries.
    for (const EntryWrite& write : task.writes) {
      if (!context.journal) break;
      steps.push_back(
          {[&context, &task, &write] { return journal_statement(context, task.task, write); }});
    }
    for (const EntryWrite& write : task.writes) {
      steps.push_back({[&context, &write] { return write_statement(context, write); }, &write, i});
    }
    add(steps, {"releasing a savepoint", "RELEASE SAVEPOINT task"});
  }
  return steps;
}

// In this transaction's time zone, UTC, a timestamp with a zone looks the same as one without,
// which is in UTC.
constexpr std::string_view list_sql = R"(
SELECT universe::text, cache_type::text,
       CASE WHEN jsonb_typeof(content -> 'symbols') = 'array'
            THEN jsonb_array_length(content -> 'symbols') END,
       to_char(updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  FROM {entries}
 ORDER BY universe COLLATE "C")";

}  // namespace

std::vector<Statement> preparing_to_write() {
  // A `timestamp` column stores UTC, whatever the time zone of the as-of day.
  return {{"setting the time zone", "SET LOCAL TimeZone = 'UTC'"},
          {"choosing a compression", compression_sql}};
}

std::vector<Statement> journal_edits(const WriteContext& context, const std::vector<Edit>& edits) {
  std::vector<Statement> statements;
  for (const Edit& edit : edits) {
    const EntryWrite& write = edit.write;
    const MembershipDiff& diff = write.diff;
    statements.push_back(
        {"writing the journal of universe '" + write.universe + "'",
         context.names.in(edit_sql),
         {context.run_id, write.universe, names_literal(diff.added, context.market),
          names_literal(diff.removed, context.market), names_literal(diff.moved, context.market),
          names_literal(write.before->members.list(), context.market), context.written_at,
          places_of(diff), signed_text(edit.is_gone ? 0 : write.after->fingerprint),
          context.names.entries.shown()}});
  }
  return statements;
}

Written write_tasks(Transaction& transaction, const WriteContext& context, const Writes& writes,
                    std::size_t first) {
  std::vector<Step> steps = steps_of(context, writes, first);
  std::vector<std::size_t> sent;
  std::size_t next = 0;
  bool is_closed = false;
  PipelineOutcome outcome =
      transaction.connection().run_pipeline([&]() -> std::optional<Statement> {
        for (;;) {
          if (next == steps.size()) {
            if (std::exchange(is_closed, true)) return std::nullopt;
            for (Statement& each : writes.closing()) add(steps, std::move(each));
            continue;
          }
          if (std::optional<Statement> statement = steps[next].make()) {
            sent.push_back(next++);
            return statement;
          }
          ++next;
        }
      });
  if (outcome.failure) {
    const auto& [index, error] = *outcome.failure;
    const Step& failed = steps[sent[index]];
    if (failed.write == nullptr || !is_error_of_entry(error.sqlstate())) throw Error(error);
    transaction.run({"rolling back a task", "ROLLBACK TO SAVEPOINT task"});
    outcome.results.resize(writes.opening.size());
    return {std::move(outcome.results),
            {{failed.task, error.about("universe " + failed.write->universe)}}};
  }
  for (std::size_t i = 0; i < outcome.results.size(); ++i) {
    const EntryWrite* write = steps[sent[i]].write;
    if (write == nullptr || outcome.results[i].affected() == 1) continue;
    throw Error(ErrorKind::failed, fmt::format("{} failed: the row was not written", doing(*write)),
                {.object = context.names.entries.shown(),
                 .hint = fmt::format("Look for a trigger or a rule on {}.",
                                     context.names.entries.shown())});
  }
  outcome.results.resize(writes.opening.size());
  return {std::move(outcome.results), {}};
}

std::vector<EntrySummary> list_entries(Database& database) {
  const Result rows = database.read("reading {entries}", list_sql);
  std::vector<EntrySummary> entries;
  for (int row = 0; row < rows.rows(); ++row) {
    EntrySummary& entry = entries.emplace_back();
    rows.read(row, entry.universe, entry.type, entry.symbols, entry.updated_at);
  }
  return entries;
}

}  // namespace tickstock::tables
