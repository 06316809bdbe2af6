#include "tables/outbox.hpp"

#include "postgres/transaction.hpp"

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

struct Pending {
  std::vector<std::string> ids;
  std::vector<Message> messages;
  bool more = false;
};

Pending read_pending(postgres::Transaction& transaction, const TableNames& names) {
  const postgres::Result rows =
      transaction.run({"reading " + names.outbox().shown(), names.in(pending_sql)});
  Pending pending;
  for (int row = 0; row < rows.rows(); ++row) {
    pending.ids.push_back(rows.text(row, 0));
    pending.messages.push_back(
        {rows.text(row, 1), rows.text(row, 2), rows.text(row, 3), rows.text(row, 4)});
    pending.more = rows.integer(row, 5) > rows.rows();
  }
  return pending;
}

}  // namespace

BatchOutcome publish_batch(postgres::Connection& connection, const TableNames& names,
                           std::int64_t publish_lock, const std::string& application_name,
                           std::chrono::milliseconds time,
                           const std::function<std::size_t(const std::vector<Message>&)>& send) {
  postgres::Transaction transaction(connection, {.isolation = postgres::Isolation::read_committed,
                                                 .lock = publish_lock,
                                                 .application_name = application_name,
                                                 .idle_time = time});
  BatchOutcome outcome;
  if (!transaction.has_lock()) {
    outcome.locked = true;
    return outcome;
  }
  Pending pending = read_pending(transaction, names);
  outcome.read = pending.messages.size();
  outcome.more = pending.more;
  if (outcome.read == 0) return outcome;
  outcome.sent = send(pending.messages);
  // What is sent gets its mark, in spite of a signal.
  const io::Settling settling(connection.patience());
  pending.ids.resize(outcome.sent);
  if (!pending.ids.empty()) {
    transaction.run({"marking events as published",
                     names.in(mark_sql),
                     {postgres::array_literal(pending.ids)}});
  }
  transaction.commit();
  return outcome;
}

std::int64_t count_pending(postgres::Connection& connection, const TableNames& names,
                           const std::optional<std::string>& run_id) {
  return postgres::read_at_once(
             connection, {.isolation = postgres::Isolation::read_committed},
             {{"counting pending events",
               names.in("SELECT count(*) FROM {outbox} WHERE published_at IS NULL "
                        "AND given_up_at IS NULL AND ($1::text IS NULL OR run_id = $1)"),
               {run_id}}})
      .front()
      .integer(0, 0);
}

Backlog read_backlog(postgres::Connection& connection, const TableNames& names) {
  const std::vector<postgres::Result> results = postgres::read_at_once(
      connection, {.isolation = postgres::Isolation::read_committed},
      {{"counting pending events",
        names.in("SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM {outbox} "
                 "WHERE published_at IS NULL AND given_up_at IS NULL")}});
  return {results.front().integer(0, 0), results.front().real(0, 1)};
}

}  // namespace tickstock::tables
