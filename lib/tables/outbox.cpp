#include <fmt/format.h>

#include "postgres/transaction.hpp"
#include "tables/runs.hpp"

namespace tickstock::tables {

namespace {

// At most 500 rows and 4 MiB of text, but at least one row, however long; ids ascend in the order
// of commit. The last column tells whether there are more.
constexpr std::string_view pending_sql = R"(
SELECT id, event_id, channel, event, message, found
  FROM (SELECT *, row_number() OVER oldest_first AS place,
               sum(octet_length(message)) OVER oldest_first AS bytes, count(*) OVER () AS found
          FROM (SELECT id, event_id, channel, event, message FROM {outbox}
                 WHERE published_at IS NULL AND given_up_at IS NULL
                 ORDER BY id LIMIT 501) oldest
        WINDOW oldest_first AS (ORDER BY id)) batch
 WHERE place = 1 OR bytes <= 4194304 AND place <= 500
 ORDER BY id)";

constexpr std::string_view mark_sql =
    "UPDATE {outbox} SET published_at = clock_timestamp() WHERE id = ANY ($1::bigint[])";

TransactionOptions publishing(const Database& database, const std::string& application_name) {
  return {.read_committed = true,
          .lock = database.publish_lock(),
          .application_name = application_name};
}

// Which events is said by what stands between the two halves.
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

constexpr const char* too_old = "created_at < now() - make_interval(days => $1::int)";

std::vector<GivenUp> give_up(Transaction& transaction, const TableNames& names,
                             std::string_view condition, const std::string& value) {
  const Result rows = transaction.run(
      names.statement("giving up events in {outbox}",
                      fmt::format("{}{}{}", give_up_sql, condition, count_sql), {value}));
  std::vector<GivenUp> given_up;
  for (int row = 0; row < rows.rows(); ++row) {
    given_up.push_back({rows.text(row, 0), rows.integer(row, 1)});
  }
  return given_up;
}

}  // namespace

BatchOutcome publish_batch(Database& database, const std::string& application_name,
                           std::chrono::milliseconds time,
                           const std::function<std::size_t(const std::vector<Message>&)>& send) {
  const TableNames& names = database.names;
  TransactionOptions options = publishing(database, application_name);
  options.idle_time = time;
  Transaction transaction(database.connection, options);
  if (!transaction.has_lock()) return {.locked = true};
  const Result rows = transaction.run(names.statement("reading {outbox}", pending_sql));
  std::vector<std::string> ids(static_cast<std::size_t>(rows.rows()));
  std::vector<Message> messages(ids.size());
  std::int64_t found = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto& [event_id, channel, event, body] = messages[i];
    rows.read(static_cast<int>(i), ids[i], event_id, channel, event, body, found);
  }
  if (messages.empty()) return {};
  ids.resize(send(messages));
  // What is sent gets its mark, in spite of a signal.
  const io::Settling settling(database.connection.patience());
  if (!ids.empty()) {
    transaction.run(names.statement("marking events as published", mark_sql, {array_literal(ids)}));
  }
  transaction.commit();
  return {.read = messages.size(), .sent = ids.size(), .more = found > rows.rows()};
}

std::int64_t count_pending(Database& database, const std::optional<std::string>& run_id) {
  return database
      .read("counting pending events",
            "SELECT count(*) FROM {outbox} WHERE published_at IS NULL AND given_up_at IS NULL "
            "AND ($1::text IS NULL OR run_id = $1)",
            {run_id})
      .integer(0, 0);
}

Backlog read_backlog(Database& database) {
  const Result rows =
      database.read("counting pending events",
                    "SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM {outbox} "
                    "WHERE published_at IS NULL AND given_up_at IS NULL");
  Backlog backlog;
  rows.read(0, backlog.events, backlog.oldest_seconds);
  return backlog;
}

std::optional<std::vector<GivenUp>> give_up_old(Database& database,
                                                const std::string& application_name, int days) {
  const std::string age = std::to_string(days);
  // Nearly every night there is none, and to find that out is cheap.
  const Statement look = database.names.statement(
      "looking for old events in {outbox}",
      fmt::format("SELECT FROM {{outbox}} WHERE published_at IS NULL AND given_up_at IS NULL AND "
                  "{} LIMIT 1",
                  too_old),
      {age});
  Transaction transaction(database.connection, publishing(database, application_name), {look});
  if (!transaction.has_lock()) return std::nullopt;
  if (transaction.first_results().front().rows() == 0) return std::vector<GivenUp>();
  std::vector<GivenUp> given_up = give_up(transaction, database.names, too_old, age);
  transaction.commit();
  return given_up;
}

bool give_up_event(Database& database, const std::string& application_name,
                   const std::string& event_id) {
  const TableNames& names = database.names;
  Transaction transaction(database.connection, publishing(database, application_name));
  if (!transaction.has_lock()) return false;
  if (give_up(transaction, names, "event_id = $1::uuid", event_id).empty()) {
    const Result rows = transaction.run(names.statement(
        "reading {outbox}",
        "SELECT published_at IS NOT NULL FROM {outbox} WHERE event_id = $1::uuid", {event_id}));
    const std::string none =
        "there is none with this id in " + names.of(table_of(&Catalog::outbox)).shown();
    throw Error(ErrorKind::failed,
                fmt::format("event {} is not pending: {}; nothing was changed", event_id,
                            rows.rows() == 0     ? none
                            : rows.boolean(0, 0) ? "it was published"
                                                 : "it was given up before"));
  }
  transaction.commit();
  return true;
}

}  // namespace tickstock::tables
