#include "postgres/transaction.hpp"

#include <fmt/format.h>

namespace tickstock::postgres {

namespace {

/// Returns the statement that sets up a transaction.
Statement settings_of(const ConnectionSettings& connection, const TransactionOptions& options) {
  const auto shown = [](std::chrono::milliseconds time) { return std::to_string(time.count()); };
  Statement statement{
      "setting up the transaction",
      "SELECT set_config('TimeZone', $1, true), set_config('statement_timeout', $2, true), "
      "set_config('lock_timeout', $3, true), "
      "set_config('idle_in_transaction_session_timeout', $4, true), "
      "set_config('row_security', 'off', true), set_config('extra_float_digits', '1', true), "
      "set_config('DateStyle', 'ISO', true), set_config('IntervalStyle', 'postgres', true), "
      "set_config('bytea_output', 'hex', true)",
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

Statement beginning(bool read_committed, bool read_only) {
  return {"beginning a transaction",
          fmt::format("BEGIN ISOLATION LEVEL {}{}",
                      read_committed ? "READ COMMITTED" : "REPEATABLE READ",
                      read_only ? " READ ONLY" : "")};
}

// A utility command, so it takes no snapshot.
const Statement search_path{"setting up the transaction",
                            "SET LOCAL search_path = pg_catalog, pg_temp"};

const Statement commit_statement{"COMMIT", "COMMIT"};

void require_committed(const Result& result) {
  if (std::string_view(PQcmdStatus(result.get())) == "COMMIT") return;
  throw Error(ErrorKind::failed, "PostgreSQL rolled the transaction back instead of committing it",
              {.object = "PostgreSQL", .hint = "See its log, then run again."});
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

std::vector<Statement> Transaction::statements_ahead() const {
  if (!options_.lock || options_.read_committed) return {};
  std::vector<Statement> statements{
      beginning(true, false),
      search_path,
      {"trying the lock",
       "SELECT set_config($1, pg_try_advisory_xact_lock($2::bigint)::text, true)",
       {std::string(lock_setting), std::to_string(options_.lock.value())}},
      settings_of(connection_.settings(), options_)};
  statements.insert(statements.end(), options_.ahead.begin(), options_.ahead.end());
  statements.push_back(commit_statement);
  return statements;
}

void Transaction::begin(const std::vector<Statement>& first) {
  std::vector<Statement> statements = statements_ahead();
  const std::size_t ahead = statements.size();
  statements.push_back(beginning(options_.read_committed, options_.read_only));
  if (options_.snapshot) {
    // This statement takes no parameters. PostgreSQL's snapshot names are hexadecimal digits and
    // dashes.
    const std::string& name = options_.snapshot->name;
    if (name.find_first_not_of("0123456789ABCDEF-") != std::string::npos) {
      throw Error(ErrorKind::failed, "PostgreSQL exported a snapshot with an invalid name");
    }
    statements.push_back(
        {"taking the snapshot of another transaction", "SET TRANSACTION SNAPSHOT '" + name + "'"});
  }
  statements.push_back(search_path);
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
  if (ahead > 0 && outcome.results.size() >= ahead) {
    require_committed(outcome.results[ahead - 1]);
    constexpr std::size_t before = 4;
    // If it begins again without exporting, what was committed ahead the first time counts.
    had_lock_ahead_ = had_lock_ahead_ || outcome.results[2].view(0, 0) == "true";
    for (std::size_t i = before; i + 1 < ahead; ++i) {
      ahead_results_.push_back(std::move(outcome.results[i]));
    }
    options_.ahead.clear();
  }
  if (outcome.failure && options_.export_snapshot && outcome.failure->index == snapshot &&
      connection_.usable()) {
    // If the server can't export snapshots, read through one connection.
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

void Transaction::commit(std::vector<Statement> last, const std::vector<Statement>& then) {
  open_ = false;
  std::vector<Statement> next;
  if (!then.empty()) {
    next = {beginning(true, false), search_path, settings_of(connection_.settings(), {})};
    next.insert(next.end(), then.begin(), then.end());
    next.push_back(commit_statement);
  }
  try {
    require_committed(connection_.commit(std::move(last), next));
  } catch (const Error&) {
    connection_.rollback();
    throw;
  }
}

std::optional<std::vector<Result>> results_after_commit(Connection& connection) {
  if (!connection.is_busy_after_commit()) return std::nullopt;
  try {
    std::vector<Result> results = std::move(connection.outcome_after_commit().value());
    require_committed(results.back());
    results.pop_back();
    constexpr std::ptrdiff_t before = 3;
    results.erase(results.begin(), results.begin() + before);
    return results;
  } catch (const Error&) {
    connection.rollback();
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

std::vector<Result> write_at_once(Connection& connection, TransactionOptions options,
                                  std::vector<Statement> statements) {
  statements.push_back(commit_statement);
  Transaction transaction(connection, std::move(options), statements);
  transaction.open_ = false;
  require_committed(transaction.first_results_.back());
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
