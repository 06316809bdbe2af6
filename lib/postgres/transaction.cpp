#include "postgres/transaction.hpp"

#include <fmt/format.h>

#include <iterator>

namespace tickstock::postgres {

namespace {

/// The statement that sets what is local to a transaction.
Statement settings_of(const ConnectionSettings& connection, const TransactionOptions& options) {
  const auto shown = [](std::chrono::milliseconds time) { return std::to_string(time.count()); };
  std::vector<std::pair<std::string_view, std::string>> settings{
      {"TimeZone", options.timezone},
      {"statement_timeout", shown(connection.statement_timeout)},
      {"lock_timeout", shown(options.lock_timeout.value_or(connection.lock_timeout))},
      {"idle_in_transaction_session_timeout",
       shown(connection.statement_timeout + options.idle_time)},
      {"row_security", "off"},
      {"extra_float_digits", "1"},
      {"DateStyle", "ISO"}};
  if (!options.application_name.empty()) {
    settings.emplace_back("application_name", options.application_name);
  }
  settings.insert(settings.end(), options.settings.begin(), options.settings.end());
  Statement statement{"setting up the transaction", "SELECT "};
  for (auto& [name, value] : settings) {
    statement.params.emplace_back(std::move(value));
    statement.sql +=
        fmt::format("{}set_config('{}', ${}, true)", statement.params.size() == 1 ? "" : ", ", name,
                    statement.params.size());
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
  const auto add = [&beginning](Statement statement) {
    beginning.statements.push_back(std::move(statement));
    return beginning.statements.size() - 1;
  };
  add({"beginning a transaction",
       fmt::format(
           "BEGIN ISOLATION LEVEL {}{}",
           options.isolation == Isolation::repeatable_read ? "REPEATABLE READ" : "READ COMMITTED",
           options.read_only ? " READ ONLY" : "")});
  if (options.snapshot) {
    // The statement takes no parameters. PostgreSQL's names for snapshots are digits and dashes.
    const std::string& name = options.snapshot->name;
    if (name.find_first_not_of("0123456789ABCDEF-") != std::string::npos) {
      throw Error(ErrorKind::failed, "PostgreSQL exported a snapshot under a name that is none");
    }
    add({"taking the snapshot of another transaction",
         fmt::format("SET TRANSACTION SNAPSHOT '{}'", name)});
  }
  // A utility command: it takes no snapshot.
  add({"setting up the transaction", "SET LOCAL search_path = pg_catalog, pg_temp"});
  if (options.lock) {
    beginning.lock = add({"trying the lock",
                          "SELECT pg_try_advisory_xact_lock($1::bigint)",
                          {std::to_string(*options.lock)}});
  }
  add(settings_of(connection.settings(), options));
  if (options.export_snapshot) {
    beginning.snapshot = add({"exporting the snapshot",
                              "SELECT pg_export_snapshot(), pg_postmaster_start_time()::text, "
                              "pg_current_snapshot()::text"});
  } else if (options.snapshot) {
    beginning.snapshot = add({"looking at the snapshot",
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
