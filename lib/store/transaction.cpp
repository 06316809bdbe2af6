#include "store/transaction.hpp"

namespace tickstock::store {

namespace {

std::string begin_sql(const TransactionOptions& options) {
  std::string sql = options.isolation == Isolation::repeatable_read
                        ? "BEGIN ISOLATION LEVEL REPEATABLE READ"
                        : "BEGIN ISOLATION LEVEL READ COMMITTED";
  if (options.read_only) sql += " READ ONLY";
  return sql;
}

/// The statement takes no parameters. PostgreSQL's names for snapshots are digits and dashes.
std::string snapshot_literal(const std::string& snapshot) {
  if (snapshot.find_first_not_of("0123456789ABCDEF-") != std::string::npos) {
    throw Error(ErrorKind::failed, "PostgreSQL exported a snapshot under a name that is none");
  }
  return "'" + snapshot + "'";
}

Statement settings(const Connection& connection, const TransactionOptions& options) {
  Statement statement{
      "setting up the transaction",
      "SELECT set_config('TimeZone', $1, true), set_config('statement_timeout', $2, true), "
      "set_config('lock_timeout', $3, true), "
      "set_config('idle_in_transaction_session_timeout', $4, true), "
      "set_config('row_security', 'off', true), set_config('extra_float_digits', '1', true), "
      "set_config('DateStyle', 'ISO', true)",
      {options.timezone, std::to_string(connection.settings().statement_timeout.count()),
       std::to_string(options.lock_timeout.value_or(connection.settings().lock_timeout).count()),
       std::to_string((connection.settings().statement_timeout + options.idle_time).count())}};
  if (!options.application_name.empty()) {
    statement.sql += ", set_config('application_name', $5, true)";
    statement.params.emplace_back(options.application_name);
  }
  return statement;
}

}  // namespace

Transaction::Transaction(Connection& connection, TransactionOptions options)
    : connection_(connection), options_(std::move(options)) {
  begin();
}

void Transaction::begin() {
  std::vector<Statement> statements;
  statements.push_back({"beginning a transaction", begin_sql(options_)});
  if (options_.snapshot) {
    statements.push_back({"taking the snapshot of another transaction",
                          "SET TRANSACTION SNAPSHOT " + snapshot_literal(options_.snapshot->name)});
  }
  // A utility command: it takes no snapshot.
  statements.push_back(
      {"setting up the transaction", "SET LOCAL search_path = pg_catalog, pg_temp"});
  const std::size_t lock = statements.size();
  if (options_.lock) {
    statements.push_back({"trying the lock",
                          "SELECT pg_try_advisory_xact_lock($1::bigint)",
                          {std::to_string(*options_.lock)}});
  }
  statements.push_back(settings(connection_, options_));
  if (options_.export_snapshot) {
    statements.push_back({"exporting the snapshot",
                          "SELECT pg_export_snapshot(), pg_postmaster_start_time()::text, "
                          "pg_current_snapshot()::text"});
  } else if (options_.snapshot) {
    statements.push_back({"looking at the snapshot",
                          "SELECT pg_postmaster_start_time()::text = $1 AND "
                          "pg_current_snapshot()::text = $2",
                          {options_.snapshot->server_start, options_.snapshot->contents}});
  }
  try {
    PipelineOutcome outcome = connection_.run_pipeline(statements);
    if (outcome.failure && options_.export_snapshot &&
        outcome.failure->index == statements.size() - 1 && connection_.usable()) {
      // A server that has no snapshots to export is read through one connection.
      connection_.rollback();
      options_.export_snapshot = false;
      begin();
      return;
    }
    const std::vector<Result>& results = outcome.value();
    has_lock_ = options_.lock && results[lock].boolean(0, 0);
    const Result& last = results.back();
    if (options_.export_snapshot) snapshot_ = {last.text(0, 0), last.text(0, 1), last.text(0, 2)};
    if (options_.snapshot && !last.boolean(0, 0)) {
      throw Error(ErrorKind::failed, "the snapshot is that of another server");
    }
  } catch (const Error&) {
    connection_.rollback();
    throw;
  }
}

Transaction::~Transaction() {
  if (open_) connection_.rollback();
}

void Transaction::commit() {
  open_ = false;
  try {
    const Result result = connection_.commit();
    if (result.command_tag() != "COMMIT") {
      throw Error(ErrorKind::failed,
                  "PostgreSQL rolled the transaction back instead of committing it");
    }
  } catch (const Error&) {
    connection_.rollback();
    throw;
  }
}

}  // namespace tickstock::store
