#include "tables/outbox.hpp"

#include <fmt/format.h>

namespace tickstock::tables {

namespace {

// The event about the end is made before the entries are written, and stored afterwards, so it gets
// its time and duration here. In its text, neither key can occur earlier.
constexpr std::string_view store_sql = R"(
INSERT INTO {outbox} (event_id, run_id, channel, event, message, created_at)
SELECT event_id, $1, channel, event,
       CASE WHEN event <> 'cache_sync_completed' THEN message ELSE
         regexp_replace(regexp_replace(
           message, '"timestamp":"[^"]*"', '"timestamp":' ||
             to_json(to_char(now.utc, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))),
           '"duration_seconds":[^,]*', '"duration_seconds":' || extract(epoch FROM now.utc - (
             SELECT started_at AT TIME ZONE 'UTC' FROM {runs} WHERE run_id = $1))) END,
       $2::timestamptz
  FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
       AS m(event_id, channel, event, message, position),
       (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS utc) now
 ORDER BY position)";

constexpr std::string_view is_pending = "published_at IS NULL AND given_up_at IS NULL";

// At most 500 rows and 4 MiB of text, but at least one row, however long. The last column tells
// whether there are more.
constexpr const char* batch_sql = R"(
SELECT id, event_id, channel, event, message, run_id,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       CASE WHEN published_at IS NOT NULL THEN 'published'
            WHEN given_up_at IS NOT NULL THEN 'dropped' ELSE 'pending' END, found
  FROM (SELECT *, row_number() OVER oldest_first AS place,
               sum(octet_length(message)) OVER oldest_first AS bytes, count(*) OVER () AS found
          FROM (SELECT * FROM {{outbox}} WHERE {} ORDER BY id LIMIT 501) oldest
        WINDOW oldest_first AS (ORDER BY id)) batch
 WHERE place = 1 OR bytes <= 4194304 AND place <= 500
 ORDER BY id)";

// The last event of a run also records how many received it.
constexpr std::string_view mark_sql = R"(
WITH marked AS (
  UPDATE {outbox} o SET published_at = clock_timestamp(), receivers = sent.receivers
    FROM unnest($1::bigint[], $2::bigint[]) AS sent(id, receivers) WHERE o.id = sent.id
  RETURNING o.run_id, o.event, o.receivers)
UPDATE {runs} r SET listeners = marked.receivers FROM marked
 WHERE r.run_id = marked.run_id AND marked.event = 'cache_sync_completed')";

// In the order of the old ids, after both the stream and the table.
constexpr std::string_view renumber_sql = R"(
WITH base AS MATERIALIZED (
  SELECT greatest($1::bigint, (SELECT max(id) FROM {outbox}),
                  nextval(pg_get_serial_sequence($2, 'id'))) AS id),
renumbered AS (
  UPDATE {outbox} o SET id = fresh.id
    FROM (SELECT e.id AS old, base.id + row_number() OVER (ORDER BY e.id) AS id
            FROM {outbox} e, base
           WHERE e.published_at IS NULL AND e.given_up_at IS NULL
             AND $3::boolean AND e.id <> ALL ($4::bigint[])) fresh
   WHERE o.id = fresh.old
  RETURNING o.id)
SELECT count(renumbered.id), setval(pg_get_serial_sequence($2, 'id'), base.id + count(renumbered.id))
  FROM base LEFT JOIN renumbered ON true GROUP BY base.id)";

Statement lock_statement(const Database& database) {
  return {"waiting for another run to store its events",
          "SELECT pg_advisory_xact_lock($1::bigint)",
          {std::to_string(database.outbox_lock())}};
}

std::vector<StoredEvent> events_of(const Result& rows, std::int64_t& found) {
  std::vector<StoredEvent> events(static_cast<std::size_t>(rows.rows()));
  for (std::size_t i = 0; i < events.size(); ++i) {
    StoredEvent& event = events[i];
    rows.read(static_cast<int>(i), event.id, event.event_id, event.channel, event.event, event.body,
              event.run_id, event.created_at, event.state, found);
  }
  return events;
}

TransactionOptions publishing(const Database& database, const std::string& application_name) {
  return {.read_committed = true,
          .lock = database.publish_lock(),
          .application_name = application_name};
}

// The condition that selects the events goes between the two halves.
constexpr std::string_view give_up_sql = R"(
WITH chosen AS (
  UPDATE {outbox} SET given_up_at = clock_timestamp()
   WHERE published_at IS NULL AND given_up_at IS NULL AND )";
constexpr std::string_view count_sql = R"(
  RETURNING id, run_id),
by_run AS (SELECT run_id, count(*) AS events, min(id) AS first FROM chosen GROUP BY run_id),
noted AS (
  UPDATE {runs} r SET events_given_up = r.events_given_up + by_run.events
    FROM by_run WHERE r.run_id = by_run.run_id)
SELECT run_id, events FROM by_run ORDER BY first)";

constexpr const char* too_old =
    "$1::int > 0 AND created_at < now() - make_interval(days => $1::int)";

std::vector<GivenUp> give_up(Database& database, std::string_view condition,
                             const std::string& value) {
  const Result rows =
      database.run("dropping events in {outbox}",
                   fmt::format("{}{}{}", give_up_sql, condition, count_sql), {value});
  std::vector<GivenUp> given_up;
  for (int row = 0; row < rows.rows(); ++row) {
    given_up.push_back({rows.text(row, 0), rows.integer(row, 1)});
  }
  return given_up;
}

}  // namespace

std::vector<Statement> store_events(const Database& database, const std::string& run_id,
                                    const std::string& created_at,
                                    const std::vector<Message>& messages) {
  Params params{run_id, created_at};
  for (const auto part : {&Message::event_id, &Message::channel, &Message::event, &Message::body}) {
    std::vector<std::string_view> values;
    for (const Message& message : messages) values.push_back(message.*part);
    params.emplace_back(array_literal(values));
  }
  return {lock_statement(database),
          database.names.statement("storing events in {outbox}", store_sql, std::move(params))};
}

BatchOutcome publish_batch(Database& database, const std::string& application_name,
                           std::chrono::milliseconds time, const Send& send,
                           const std::vector<Statement>& then) {
  const TableNames& names = database.names;
  io::Patience& patience = database.connection.patience();
  TransactionOptions options = publishing(database, application_name);
  options.idle_time = time;
  const auto reading = [&names](std::string_view condition, const Params& params) {
    return names.statement("reading {outbox}", fmt::format(batch_sql, condition), params);
  };
  std::int64_t found = 0;
  const auto messages_of = [&found](const Result& rows) {
    std::vector<Message> messages;
    for (StoredEvent& event : events_of(rows, found)) messages.push_back(std::move(event));
    return messages;
  };
  Transaction transaction(database.connection, options, {reading(is_pending, {})});
  if (!transaction.has_lock()) return {.locked = true};
  const std::vector<Message> messages = messages_of(transaction.first_results().front());
  if (messages.empty()) return {};
  const bool more = found > static_cast<std::int64_t>(messages.size());
  const auto published_between = [&](std::int64_t after, std::int64_t before) {
    return messages_of(
        transaction.run(reading("published_at IS NOT NULL AND id > $1::bigint AND id < $2::bigint",
                                {std::to_string(after), std::to_string(before)})));
  };
  std::vector<std::string> ids;
  std::vector<std::string> receivers;
  for (const std::int64_t each : send(messages, published_between)) {
    ids.push_back(std::to_string(messages[ids.size()].id));
    receivers.push_back(std::to_string(each));
  }
  const bool is_last = !more && ids.size() == messages.size() && !patience.ending();
  // Despite a signal, mark what was sent.
  const io::Settling settling(patience);
  if (!ids.empty()) {
    transaction.commit({names.statement("marking events as published", mark_sql,
                                        {array_literal(ids), array_literal(receivers)})},
                       is_last ? then : std::vector<Statement>());
  }
  return {.sent = ids.size(), .more = more};
}

std::optional<std::uint64_t> renumber_pending(Database& database,
                                              const std::string& application_name,
                                              std::int64_t last, const Holds& holds) {
  Transaction transaction(database.connection, publishing(database, application_name),
                          {lock_statement(database)});
  if (!transaction.has_lock()) return std::nullopt;
  const TableName outbox = database.names.of(table_of(&Catalog::outbox));
  const Result up_to_last = database.run(
      "reading {outbox}",
      fmt::format("SELECT id, event_id FROM {{outbox}} WHERE {} AND id <= $1::bigint ORDER BY id",
                  is_pending),
      {std::to_string(last)});
  std::vector<Message> events(static_cast<std::size_t>(up_to_last.rows()));
  for (std::size_t i = 0; i < events.size(); ++i) {
    up_to_last.read(static_cast<int>(i), events[i].id, events[i].event_id);
  }
  std::vector<std::string> kept;
  const std::vector<bool> stands = holds(events);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (stands[i]) kept.push_back(std::to_string(events[i].id));
  }
  try {
    const Result rows =
        database.run("renumbering pending events", renumber_sql,
                     {std::to_string(last), outbox.quoted(),
                      kept.size() < events.size() ? "t" : "f", array_literal(kept)});
    transaction.commit();
    return static_cast<std::uint64_t>(rows.integer(0, 0));
  } catch (const Error& error) {
    if (error.sqlstate() != postgres::insufficient_privilege) throw;
    throw error.hinting(fmt::format("Run 'tickstock-cache deliver --renumber' as the owner of {}.",
                                    outbox.shown()));
  }
}

std::vector<StoredEvent> read_events(Database& database, std::int64_t after, std::int64_t limit) {
  std::vector<StoredEvent> events;
  for (bool more = true; more;) {
    std::int64_t found = 0;
    std::vector<StoredEvent> page =
        events_of(database.read("reading {outbox}", fmt::format(batch_sql, "id > $1::bigint"),
                                {std::to_string(after)}),
                  found);
    more = found > static_cast<std::int64_t>(page.size());
    for (StoredEvent& event : page) {
      if (static_cast<std::int64_t>(events.size()) == limit) return events;
      after = event.id;
      events.push_back(std::move(event));
    }
  }
  return events;
}

Statement asking_for_pending(const TableNames& names, const std::optional<std::string>& run_id) {
  return names.statement(
      "counting pending events",
      "SELECT count(*) FROM {outbox} WHERE published_at IS NULL AND given_up_at IS NULL "
      "AND ($1::text IS NULL OR run_id = $1)",
      {run_id});
}

std::int64_t count_pending(Database& database, const std::optional<std::string>& run_id) {
  return postgres::read_at_once(database.connection, {.read_committed = true},
                                {asking_for_pending(database.names, run_id)})
      .front()
      .integer(0, 0);
}

Backlog read_backlog(Database& database) {
  const Result rows = database.read("counting pending events",
                                    "SELECT count(*), extract(epoch FROM now() - min(created_at)), "
                                    "(SELECT max(id) FROM {outbox}), min(id), "
                                    "(array_agg(event_id::text ORDER BY id))[1] FROM {outbox} "
                                    "WHERE published_at IS NULL AND given_up_at IS NULL");
  Backlog backlog;
  rows.read(0, backlog.events, backlog.oldest_seconds, backlog.last_id, backlog.first.id,
            backlog.first.event_id);
  return backlog;
}

Statement ask_old_events(const TableNames& names, int days) {
  return names.statement(
      "looking for old events in {outbox}",
      fmt::format("SELECT FROM {{outbox}} WHERE {} AND {} LIMIT 1", is_pending, too_old),
      {std::to_string(days)});
}

std::optional<std::vector<GivenUp>> give_up_old(Database& database,
                                                const std::string& application_name, int days) {
  const std::string age = std::to_string(days);
  Transaction transaction(database.connection, publishing(database, application_name),
                          {ask_old_events(database.names, days)});
  if (!transaction.has_lock()) return std::nullopt;
  if (transaction.first_results().front().rows() == 0) return std::vector<GivenUp>();
  std::vector<GivenUp> given_up = give_up(database, too_old, age);
  transaction.commit();
  return given_up;
}

bool give_up_event(Database& database, const std::string& application_name,
                   const std::string& event_id) {
  Transaction transaction(database.connection, publishing(database, application_name));
  if (!transaction.has_lock()) return false;
  if (give_up(database, "event_id = $1::uuid", event_id).empty()) {
    const Result rows = database.run(
        "reading {outbox}",
        "SELECT published_at IS NOT NULL FROM {outbox} WHERE event_id = $1::uuid", {event_id});
    const std::string none =
        "there is none with this id in " + database.names.of(table_of(&Catalog::outbox)).shown();
    throw Error(ErrorKind::failed,
                fmt::format("event {} is not pending: {}; nothing was changed", event_id,
                            rows.rows() == 0     ? none
                            : rows.boolean(0, 0) ? "it was published"
                                                 : "it was dropped before"),
                {.object = "event " + event_id,
                 .hint = "Run 'tickstock-cache events' for a list of the stored events."});
  }
  transaction.commit();
  return true;
}

}  // namespace tickstock::tables
