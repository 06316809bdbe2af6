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

Transaction::Transaction(Connection& connection, const TransactionOptions& options)
    : connection_(connection) {
  std::vector<Statement> statements;
  statements.push_back({"beginning a transaction", begin_sql(options)});
  // A utility command: it takes no snapshot.
  statements.push_back(
      {"setting up the transaction", "SET LOCAL search_path = pg_catalog, pg_temp"});
  if (options.lock) {
    statements.push_back({"trying the lock",
                          "SELECT pg_try_advisory_xact_lock($1::bigint)",
                          {std::to_string(*options.lock)}});
  }
  statements.push_back(settings(connection, options));
  try {
    const std::vector<Result> results = std::move(connection_.run_pipeline(statements).value());
    has_lock_ = options.lock && results[2].boolean(0, 0);
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
