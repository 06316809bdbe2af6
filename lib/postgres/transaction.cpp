#include "postgres/transaction.hpp"

#include <fmt/format.h>

namespace tickstock::postgres {

namespace {

/// Returns the statement that makes the settings of a transaction.
Statement settings_of(const ConnectionSettings& connection, const TransactionOptions& options) {
  const auto shown = [](std::chrono::milliseconds time) { return std::to_string(time.count()); };
  Statement statement{
      "setting up the transaction",
      "SELECT set_config('TimeZone', $1, true), set_config('statement_timeout', $2, true), "
      "set_config('lock_timeout', $3, true), "
      "set_config('idle_in_transaction_session_timeout', $4, true), "
      "set_config('row_security', 'off', true), set_config('extra_float_digits', '1', true), "
      "set_config('DateStyle', 'ISO', true)",
      {options.timezone, shown(connection.statement_timeout),
       shown(options.lock_timeout.value_or(connection.lock_timeout)),
       shown(connection.statement_timeout + options.idle_time)}};
  const auto add = [&statement](std::string_view name, const std::string& value) {
    statement.params.emplace_back(value);
    statement.sql += fmt::format(", set_config('{}', ${}, true)", name, statement.params.size());
  };
  if (!options.application_name.empty()) add("application_name", options.application_name);
  for (const auto& [name, value] : options.settings) add(name, value);
  return statement;
}

}  // namespace

Transaction::Transaction(Connection& connection, TransactionOptions options,
                         const std::vector<Statement>& first)
    : connection_(connection), options_(std::move(options)) {
  try {
    begin(first);
  } catch (const Error&) {
    connection_.rollback();
    throw;
  }
}

void Transaction::begin(const std::vector<Statement>& first) {
  std::vector<Statement> statements;
  statements.push_back({"beginning a transaction",
                        fmt::format("BEGIN ISOLATION LEVEL {}{}",
                                    options_.read_committed ? "READ COMMITTED" : "REPEATABLE READ",
                                    options_.read_only ? " READ ONLY" : "")});
  if (options_.snapshot) {
    // It takes no parameters. PostgreSQL's names for snapshots are hexadecimal digits and dashes.
    const std::string& name = options_.snapshot->name;
    if (name.find_first_not_of("0123456789ABCDEF-") != std::string::npos) {
      throw Error(ErrorKind::failed, "PostgreSQL exported a snapshot under a name that is none");
    }
    statements.push_back(
        {"taking the snapshot of another transaction", "SET TRANSACTION SNAPSHOT '" + name + "'"});
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
  statements.push_back(settings_of(connection_.settings(), options_));
  const std::size_t snapshot = statements.size();
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
  const auto own = static_cast<std::ptrdiff_t>(statements.size());
  statements.insert(statements.end(), first.begin(), first.end());
  PipelineOutcome outcome = connection_.run_pipeline(std::move(statements));
  if (outcome.failure && options_.export_snapshot && outcome.failure->index == snapshot &&
      connection_.usable()) {
    // A server that can't export snapshots is read through one connection.
    connection_.rollback();
    options_.export_snapshot = false;
    return begin(first);
  }
  first_results_ = std::move(outcome.value());
  has_lock_ = options_.lock && first_results_[lock].boolean(0, 0);
  if (options_.export_snapshot) {
    const Result& exported = first_results_[snapshot];
    snapshot_ = {exported.text(0, 0), exported.text(0, 1), exported.text(0, 2)};
  }
  if (options_.snapshot && !first_results_[snapshot].boolean(0, 0)) {
    throw Error(ErrorKind::failed, "the snapshot is that of another server");
  }
  first_results_.erase(first_results_.begin(), first_results_.begin() + own);
}

Transaction::~Transaction() {
  if (open_) connection_.rollback();
}

void Transaction::commit() {
  open_ = false;
  try {
    const Result result = connection_.commit();
    if (std::string_view(PQcmdStatus(result.get())) != "COMMIT") {
      throw Error(ErrorKind::failed,
                  "PostgreSQL rolled the transaction back instead of committing it");
    }
  } catch (const Error&) {
    connection_.rollback();
    throw;
  }
}

std::vector<Result> read_at_once(Connection& connection, TransactionOptions options,
                                 std::vector<Statement> statements) {
  options.read_only = true;
  statements.push_back({"ROLLBACK", "ROLLBACK"});
  Transaction transaction(connection, std::move(options), statements);
  transaction.first_results_.pop_back();
  return std::move(transaction.first_results_);
}

std::unique_ptr<Companion> Companion::open(const Connection& first) {
  const io::Deadline deadline = io::Deadline::after(time);
  std::optional<Connection> connection = first.open_another(time);
  if (!connection) return nullptr;
  return std::unique_ptr<Companion>(new Companion(*std::move(connection), deadline.left()));
}

Transaction* Companion::join(const Transaction& transaction) {
  if (!transaction.snapshot()) return nullptr;
  TransactionOptions options = transaction.options();
  options.read_only = true;
  options.lock.reset();
  options.export_snapshot = false;
  options.snapshot = transaction.snapshot();
  connection_.expect_answer_by(io::Deadline::after(left_));
  try {
    transaction_.emplace(connection_, std::move(options));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    return nullptr;
  }
  connection_.expect_answer_by(std::nullopt);
  return &*transaction_;
}

}  // namespace tickstock::postgres
