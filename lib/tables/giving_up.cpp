#include "tables/giving_up.hpp"

#include "postgres/transaction.hpp"

namespace tickstock::tables {

namespace {

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

std::vector<GivenUp> give_up(postgres::Transaction& transaction, const TableNames& names,
                             std::string_view condition, const std::string& value) {
  const postgres::Result rows =
      transaction.run({"giving up events in " + names.outbox().shown(),
                       names.in(std::string(give_up_sql).append(condition).append(count_sql)),
                       {value}});
  std::vector<GivenUp> given_up;
  for (int row = 0; row < rows.rows(); ++row) {
    given_up.push_back({rows.text(row, 0), rows.integer(row, 1)});
  }
  return given_up;
}

[[noreturn]] void fail_not_pending(postgres::Transaction& transaction, const TableNames& names,
                                   const std::string& event_id) {
  const postgres::Result rows = transaction.run(
      {"reading " + names.outbox().shown(),
       names.in("SELECT published_at IS NOT NULL FROM {outbox} WHERE event_id = $1::uuid"),
       {event_id}});
  const std::string why = rows.rows() == 0
                              ? "there is none with this id in " + names.outbox().shown()
                          : rows.boolean(0, 0) ? "it was published"
                                               : "it was given up before";
  throw Error(ErrorKind::failed,
              "event " + event_id + " is not pending: " + why + "; nothing was changed");
}

postgres::TransactionOptions publishing(std::int64_t publish_lock,
                                        const std::string& application_name) {
  return {.isolation = postgres::Isolation::read_committed,
          .lock = publish_lock,
          .application_name = application_name};
}

}  // namespace

std::optional<std::vector<GivenUp>> give_up_old(postgres::Connection& connection,
                                                const TableNames& names, std::int64_t publish_lock,
                                                const std::string& application_name, int days) {
  // Nearly every night there is none, and to find that out is cheap.
  const postgres::Statement look{"looking for old events in " + names.outbox().shown(),
                                 names
                                     .in("SELECT FROM {outbox} WHERE published_at IS NULL "
                                         "AND given_up_at IS NULL AND ")
                                     .append(too_old)
                                     .append(" LIMIT 1"),
                                 {std::to_string(days)}};
  postgres::Transaction transaction(connection, publishing(publish_lock, application_name), {look});
  if (!transaction.has_lock()) return std::nullopt;
  if (transaction.first_results().front().rows() == 0) return std::vector<GivenUp>();
  std::vector<GivenUp> given_up = give_up(transaction, names, too_old, std::to_string(days));
  transaction.commit();
  return given_up;
}

bool give_up_event(postgres::Connection& connection, const TableNames& names,
                   std::int64_t publish_lock, const std::string& application_name,
                   const std::string& event_id) {
  postgres::Transaction transaction(connection, publishing(publish_lock, application_name));
  if (!transaction.has_lock()) return false;
  if (give_up(transaction, names, "event_id = $1::uuid", event_id).empty()) {
    fail_not_pending(transaction, names, event_id);
  }
  transaction.commit();
  return true;
}

}  // namespace tickstock::tables
