#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"

namespace tickstock::postgres {

/// The rows of one statement, in text format. Rows and columns count from 0.
class Result {
 public:
  explicit Result(PGresult* result = nullptr) : result_(result, &PQclear) {}

  [[nodiscard]] PGresult* get() const { return result_.get(); }
  [[nodiscard]] ExecStatusType status() const { return PQresultStatus(get()); }
  [[nodiscard]] int rows() const { return PQntuples(get()); }

  [[nodiscard]] bool is_null(int row, int column) const {
    return PQgetisnull(get(), row, column) != 0;
  }
  /// Empty for NULL; valid as long as the result lives.
  [[nodiscard]] std::string_view view(int row, int column) const {
    return {PQgetvalue(get(), row, column),
            static_cast<std::size_t>(PQgetlength(get(), row, column))};
  }
  [[nodiscard]] std::string text(int row, int column) const {
    return std::string(view(row, column));
  }
  [[nodiscard]] std::optional<std::string> optional_text(int row, int column) const {
    if (is_null(row, column)) return std::nullopt;
    return text(row, column);
  }
  [[nodiscard]] bool boolean(int row, int column) const { return view(row, column) == "t"; }
  /// 0 for NULL. \throws Error (failed) for a text that is no number.
  [[nodiscard]] std::int64_t integer(int row, int column) const;
  [[nodiscard]] double real(int row, int column) const;

  /// The statement ended with an error.
  [[nodiscard]] bool failed() const;

  /// How many rows an INSERT or UPDATE wrote.
  [[nodiscard]] std::int64_t affected() const;
  /// `COMMIT`, `UPDATE 1` …
  [[nodiscard]] std::string_view command_tag() const { return PQcmdStatus(get()); }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

/// Returns whether an error belongs to the row that was written (a constraint, a value, a trigger),
/// so that one task can fail alone.
bool is_error_of_entry(std::string_view sqlstate);

/// Returns the failure that a result reports: what was being done, the server's words, and its
/// SQLSTATE, of which the kind says what to do: try again, wait for the server, or call a person.
/// Details are left out, since they hold data of rows.
Error error_of(const Result& result, const std::string& doing);

/// Returns a text of libpq without its trailing line breaks and on one line.
std::string one_line(std::string_view text);

/// Returns a text in quotes, with a backslash before each quote and backslash in it.
std::string in_quotes(std::string_view text, char quote);

/// Returns the text form of a PostgreSQL array of texts, for a parameter of type text[].
template <typename Text>
std::string array_literal(const std::vector<Text>& values) {
  std::string literal = "{";
  for (const std::string_view value : values) {
    if (literal.size() > 1) literal += ',';
    literal += in_quotes(value, '"');
  }
  return literal += '}';
}

}  // namespace tickstock::postgres
