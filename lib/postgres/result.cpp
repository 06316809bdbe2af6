#include "postgres/result.hpp"

#include <charconv>

#include "domain/error.hpp"

namespace tickstock::postgres {

namespace {

template <typename Number>
Number parse(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Error(ErrorKind::failed, "PostgreSQL sent '" + std::string(text) + "' for a number");
  }
  return value;
}

}  // namespace

std::int64_t Result::integer(int row, int column) const {
  return is_null(row, column) ? 0 : parse<std::int64_t>(view(row, column));
}

double Result::real(int row, int column) const {
  return is_null(row, column) ? 0 : parse<double>(view(row, column));
}

bool Result::failed() const {
  return status() == PGRES_FATAL_ERROR || status() == PGRES_BAD_RESPONSE ||
         status() == PGRES_NONFATAL_ERROR;
}

std::int64_t Result::affected() const {
  const std::string_view count = PQcmdTuples(result_.get());
  return count.empty() ? 0 : parse<std::int64_t>(count);
}

}  // namespace tickstock::postgres
