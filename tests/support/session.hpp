#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace tickstock::test {

/// The values of $1, $2, …; one without a value is NULL.
using Parameters = std::vector<std::optional<std::string>>;

/// Rows of fields as text; NULL reads as "".
using Rows = std::vector<std::vector<std::string>>;

/// The tests' own connection to PostgreSQL, so that they never ask the code under test what it has
/// done. Every failure is a std::runtime_error with the server's message, and no statement may take
/// longer than two minutes.
class Session {
 public:
  explicit Session(const std::string& url);

  /// Executes one statement or, without parameters, several in one transaction.
  void execute(const std::string& sql, const Parameters& parameters = {});

  /// Returns the first column of the first row. \throws std::runtime_error if there is no row.
  std::string value(const std::string& sql, const Parameters& parameters = {});

  Rows rows(const std::string& sql, const Parameters& parameters = {});

  /// Returns the first column of every row.
  std::vector<std::string> column(const std::string& sql, const Parameters& parameters = {});

  /// Runs COPY target FROM STDIN WITH (options); the target is a table with or without a column
  /// list.
  void copy_in(const std::string& target, std::string_view text,
               const std::string& options = "FORMAT csv");

  /// Returns the process id of the server's backend.
  int backend_pid() const;

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  struct Clear {
    void operator()(pg_result* result) const;
  };
  using Result = std::unique_ptr<pg_result, Clear>;

  Result run(const std::string& sql, const Parameters& parameters);
  Result next_result();
  Result last_result();
  [[noreturn]] void fail(const std::string& what) const;

  std::unique_ptr<pg_conn, Finish> connection_;
};

}  // namespace tickstock::test
