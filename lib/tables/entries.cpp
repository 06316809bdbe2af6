#include "tables/entries.hpp"

#include "json/json.hpp"

namespace tickstock::tables {

namespace {

constexpr std::string_view update_sql =
    "UPDATE {entries} SET content = $2::jsonb, cache_type = $3::text, updated_at = $4::timestamptz "
    "WHERE universe = $1::text";

constexpr std::string_view insert_sql =
    "INSERT INTO {entries} (universe, content, cache_type, created_at, updated_at) "
    "VALUES ($1::text, $2::jsonb, $3::text, $4::timestamptz, $4::timestamptz) "
    "ON CONFLICT (universe) DO UPDATE SET content = EXCLUDED.content, "
    "cache_type = EXCLUDED.cache_type, updated_at = EXCLUDED.updated_at";

// Merged by the server: what the program doesn't know of a content stays as it is.
constexpr std::string_view clean_sql =
    "UPDATE {entries} SET content = content || $2::jsonb, updated_at = $3::timestamptz "
    "WHERE universe = $1::text";

// The same where the entry is of a declared universe to which members are only added.
constexpr std::string_view add_sql =
    "UPDATE {entries} SET content = content || $2::jsonb, cache_type = $3::text, "
    "updated_at = $4::timestamptz WHERE universe = $1::text";

// The image before is copied within the server.
constexpr std::string_view journal_sql =
    "INSERT INTO {changes} (run_id, task, universe, action, added, removed, moved, reason, "
    "added_why, removed_why, content_before, cache_type_before, changed_at) "
    "SELECT $1, $2, $3, $4, $5::text[], $6::text[], $7::text[], $8, $9::text[], $10::text[], "
    "e.content, e.cache_type, $11::timestamptz FROM (VALUES (1)) one LEFT JOIN {entries} e ON "
    "e.universe = $3";

constexpr std::string_view outbox_sql =
    "INSERT INTO {outbox} (event_id, run_id, channel, event, message, created_at) "
    "SELECT event_id, $1, channel, event, message, $2::timestamptz "
    "FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY "
    "AS m(event_id, channel, event, message, position) ORDER BY position";

// Of the two ways to compress what is large, this one takes a fifth of the time. Not every server
// has it.
constexpr std::string_view compression_sql =
    "SELECT set_config(name, 'lz4', true) FROM pg_settings "
    "WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

std::string names_literal(const std::vector<Placement>& members, const Market& market) {
  std::vector<SymbolId> symbols;
  symbols.reserve(members.size());
  for (const Placement& member : members) symbols.push_back(member.symbol);
  std::vector<std::string_view> names;
  names.reserve(members.size());
  market.each_name(symbols, [&names](std::string_view name) { names.push_back(name); });
  return postgres::array_literal(names);
}

/// Why each of these members came or went; NULL where none has a reason of its own, as in a whole
/// new universe.
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
  return postgres::array_literal(reasons);
}

/// The whole content, or the keys that replace those of the old one.
std::string content_json(const Entry& entry, const WriteContext& context, bool with_metadata) {
  json::Writer json;
  json.begin_object().key("symbols").begin_array();
  context.market.each_name(entry.members.list(),
                           [&json](std::string_view name) { json.string(name); });
  json.end_array().put("count", json::Raw{entry.count}, "last_updated", context.written_at);
  if (with_metadata) json.put("metadata", json::Raw{entry.metadata});
  json.end_object();
  return json.text();
}

std::string doing(const EntryWrite& write) { return "writing universe '" + write.universe + "'"; }

postgres::Statement write_statement(const WriteContext& context, const EntryWrite& write) {
  if (!write.rule) {
    return {doing(write),
            context.names.in(clean_sql),
            {write.universe, content_json(*write.after, context, false), context.written_at}};
  }
  const bool adds = write.rule->additions && write.before;
  return {doing(write),
          context.names.in(adds           ? add_sql
                           : write.before ? update_sql
                                          : insert_sql),
          {write.universe, content_json(*write.after, context, !adds), write.after->cache_type,
           context.written_at}};
}

postgres::Statement journal_statement(const WriteContext& context, Task task,
                                      const EntryWrite& write) {
  const MembershipDiff& diff = write.diff;
  const MemberReasons& reasons = context.reasons;
  return {"writing the journal of universe '" + write.universe + "'",
          context.names.in(journal_sql),
          {context.run_id, std::string(to_string(task)), write.universe,
           std::string(write_action(write)), names_literal(diff.added, context.market),
           names_literal(diff.removed, context.market), names_literal(diff.moved, context.market),
           write_reason(write),
           reasons_literal(diff.added, [&](SymbolId id) { return reasons.added(write, id); }),
           reasons_literal(diff.removed, [&](SymbolId id) { return reasons.removed(write, id); }),
           context.written_at}};
}

/// The statements of one task, each made when it is asked for: the journal's lines, while the
/// entries are as before, then the entries.
class TaskStatements {
 public:
  TaskStatements(const WriteContext& context, const TaskPlan& task,
                 const std::string& application_name)
      : context_(context), task_(task), application_name_(application_name) {}

  std::optional<postgres::Statement> next() {
    const std::size_t at = next_++;
    if (at == 0) {
      return postgres::Statement{"naming the step",
                                 "SELECT set_config('application_name', $1, true)",
                                 {application_name_}};
    }
    if (at == 1) return postgres::Statement{"opening a savepoint", "SAVEPOINT task"};
    if (at < first_write()) {
      return journal_statement(context_, task_.task, task_.writes[at - first]);
    }
    if (is_write(at)) return write_statement(context_, write_at(at));
    if (at == end()) return postgres::Statement{"releasing a savepoint", "RELEASE SAVEPOINT task"};
    return std::nullopt;
  }

  [[nodiscard]] bool is_write(std::size_t at) const { return at >= first_write() && at < end(); }
  [[nodiscard]] const EntryWrite& write_at(std::size_t at) const {
    return task_.writes[at - first_write()];
  }

 private:
  static constexpr std::size_t first = 2;

  [[nodiscard]] std::size_t first_write() const {
    return first + (context_.journal ? task_.writes.size() : 0);
  }
  [[nodiscard]] std::size_t end() const { return first_write() + task_.writes.size(); }

  const WriteContext& context_;
  const TaskPlan& task_;
  const std::string& application_name_;
  std::size_t next_ = 0;
};

// A time with a zone and one without, which is in UTC, show the same in the zone of this
// transaction, UTC.
constexpr std::string_view list_sql = R"(
SELECT universe::text, cache_type::text,
       CASE WHEN jsonb_typeof(content -> 'symbols') = 'array'
            THEN jsonb_array_length(content -> 'symbols') END,
       to_char(updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  FROM {entries}
 ORDER BY universe COLLATE "C")";

}  // namespace

void prepare_writing(postgres::Transaction& transaction) {
  transaction
      .run_pipeline({// A `timestamp` column shows UTC, whatever the zone of the as-of day.
                     {"setting the time zone", "SET LOCAL TimeZone = 'UTC'"},
                     {"choosing a compression", std::string(compression_sql)}})
      .value();
}

std::optional<Error> write_task(postgres::Transaction& transaction, const WriteContext& context,
                                const TaskPlan& task, const std::string& application_name) {
  if (task.writes.empty()) return std::nullopt;
  TaskStatements statements(context, task, application_name);
  postgres::PipelineOutcome outcome =
      transaction.run_pipeline([&statements] { return statements.next(); });
  if (outcome.failure) {
    const Error& error = outcome.failure->error;
    if (!statements.is_write(outcome.failure->index) ||
        !postgres::is_error_of_entry(error.sqlstate())) {
      throw Error(error);
    }
    transaction.run({"rolling back a task", "ROLLBACK TO SAVEPOINT task"});
    return error;
  }
  for (std::size_t i = 0; i < outcome.results.size(); ++i) {
    if (statements.is_write(i) && outcome.results[i].affected() != 1) {
      throw Error(ErrorKind::failed,
                  doing(statements.write_at(i)) +
                      " failed: the row was not written; look for a trigger or a "
                      "rule on " +
                      context.names.entries.shown());
    }
  }
  return std::nullopt;
}

postgres::Statement store_messages(const TableNames& names, const std::string& run_id,
                                   const std::string& created_at,
                                   const std::vector<Message>& messages) {
  std::vector<std::string_view> ids;
  std::vector<std::string_view> channels;
  std::vector<std::string_view> events;
  std::vector<std::string_view> bodies;
  for (const Message& message : messages) {
    ids.push_back(message.event_id);
    channels.push_back(message.channel);
    events.push_back(message.event);
    bodies.push_back(message.body);
  }
  return {"storing events in " + names.outbox().shown(),
          names.in(outbox_sql),
          {run_id, created_at, postgres::array_literal(ids), postgres::array_literal(channels),
           postgres::array_literal(events), postgres::array_literal(bodies)}};
}

std::vector<EntrySummary> list_entries(Database& database) {
  const postgres::Result rows =
      database.read("reading " + database.names.entries.shown(), list_sql);
  std::vector<EntrySummary> entries;
  for (int row = 0; row < rows.rows(); ++row) {
    EntrySummary& entry = entries.emplace_back();
    entry.universe = rows.optional_text(row, 0);
    entry.type = rows.optional_text(row, 1);
    if (!rows.is_null(row, 2)) entry.symbols = rows.integer(row, 2);
    entry.updated_at = rows.optional_text(row, 3);
  }
  return entries;
}

}  // namespace tickstock::tables
