#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tickstock::postgres {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};

/// The rows of one statement, in text format. Rows and columns count from 0.
class Result {
 public:
  Result() = default;
  explicit Result(PGresult* result) : result_(result) {}

  [[nodiscard]] PGresult* get() const { return result_.get(); }
  [[nodiscard]] ExecStatusType status() const { return PQresultStatus(result_.get()); }
  [[nodiscard]] int rows() const { return PQntuples(result_.get()); }

  [[nodiscard]] bool is_null(int row, int column) const {
    return PQgetisnull(result_.get(), row, column) != 0;
  }
  /// Empty for NULL; valid as long as the result lives.
  [[nodiscard]] std::string_view view(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
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
  [[nodiscard]] std::string_view command_tag() const { return PQcmdStatus(result_.get()); }

 private:
  std::unique_ptr<PGresult, ClearResult> result_;
};

}  // namespace tickstock::postgres
