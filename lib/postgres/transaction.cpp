#include "postgres/transaction.hpp"

#include <iterator>

namespace tickstock::postgres {

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
  for (const auto& [name, value] : options.settings) {
    statement.params.emplace_back(value);
    statement.sql.append(", set_config('").append(name).append("', $");
    statement.sql += std::to_string(statement.params.size()) + ", true)";
  }
  return statement;
}

/// What begins a transaction, and where in it stands what has an answer of interest.
struct Beginning {
  std::vector<Statement> statements;
  std::size_t lock = 0;
  std::size_t snapshot = 0;
};

Beginning beginning_of(const Connection& connection, const TransactionOptions& options) {
  Beginning beginning;
  std::vector<Statement>& statements = beginning.statements;
  statements.push_back({"beginning a transaction", begin_sql(options)});
  if (options.snapshot) {
    statements.push_back({"taking the snapshot of another transaction",
                          "SET TRANSACTION SNAPSHOT " + snapshot_literal(options.snapshot->name)});
  }
  // A utility command: it takes no snapshot.
  statements.push_back(
      {"setting up the transaction", "SET LOCAL search_path = pg_catalog, pg_temp"});
  beginning.lock = statements.size();
  if (options.lock) {
    statements.push_back({"trying the lock",
                          "SELECT pg_try_advisory_xact_lock($1::bigint)",
                          {std::to_string(*options.lock)}});
  }
  statements.push_back(settings(connection, options));
  beginning.snapshot = statements.size();
  if (options.export_snapshot) {
    statements.push_back({"exporting the snapshot",
                          "SELECT pg_export_snapshot(), pg_postmaster_start_time()::text, "
                          "pg_current_snapshot()::text"});
  } else if (options.snapshot) {
    statements.push_back({"looking at the snapshot",
                          "SELECT pg_postmaster_start_time()::text = $1 AND "
                          "pg_current_snapshot()::text = $2",
                          {options.snapshot->server_start, options.snapshot->contents}});
  }
  return beginning;
}

/// Takes the results of a pipeline's statements from `begin` up to `end` out of it.
std::vector<Result> take_results(std::vector<Result>& results, std::size_t begin, std::size_t end) {
  const auto at = [&results](std::size_t i) {
    return std::make_move_iterator(results.begin() + static_cast<std::ptrdiff_t>(i));
  };
  return {at(begin), at(end)};
}

}  // namespace

Transaction::Transaction(Connection& connection, TransactionOptions options,
                         const std::vector<Statement>& first)
    : connection_(connection), options_(std::move(options)) {
  begin(first);
}

void Transaction::begin(const std::vector<Statement>& first) {
  try {
    auto [statements, lock, snapshot] = beginning_of(connection_, options_);
    const std::size_t own = statements.size();
    statements.insert(statements.end(), first.begin(), first.end());
    PipelineOutcome outcome = connection_.run_pipeline(std::move(statements));
    if (outcome.failure && options_.export_snapshot && outcome.failure->index == snapshot &&
        connection_.usable()) {
      // A server that has no snapshots to export is read through one connection.
      connection_.rollback();
      options_.export_snapshot = false;
      begin(first);
      return;
    }
    std::vector<Result>& results = outcome.value();
    has_lock_ = options_.lock && results[lock].boolean(0, 0);
    if (options_.export_snapshot) {
      const Result& exported = results[snapshot];
      snapshot_ = {exported.text(0, 0), exported.text(0, 1), exported.text(0, 2)};
    }
    if (options_.snapshot && !results[snapshot].boolean(0, 0)) {
      throw Error(ErrorKind::failed, "the snapshot is that of another server");
    }
    first_results_ = take_results(results, own, results.size());
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

std::vector<Result> read_at_once(Connection& connection, TransactionOptions options,
                                 const std::vector<Statement>& statements) {
  options.read_only = true;
  std::vector<Statement> all = beginning_of(connection, options).statements;
  const std::size_t own = all.size();
  all.insert(all.end(), statements.begin(), statements.end());
  all.push_back({"ROLLBACK", "ROLLBACK"});
  try {
    PipelineOutcome outcome = connection.run_pipeline(std::move(all));
    std::vector<Result>& results = outcome.value();
    return take_results(results, own, results.size() - 1);
  } catch (const Error&) {
    connection.rollback();
    throw;
  }
}

}  // namespace tickstock::postgres
