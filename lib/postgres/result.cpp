#include "postgres/result.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "domain/number.hpp"

namespace tickstock::postgres {

namespace {

template <typename Number>
Number required_number(std::string_view text) {
  const auto number = number_of<Number>(text);
  if (number) return *number;
  throw Error(ErrorKind::failed, fmt::format("PostgreSQL sent '{}' for a number", text));
}

std::string field(const Result& result, int code) {
  const char* text = PQresultErrorField(result.get(), code);
  return text == nullptr ? "" : text;
}

/// Where in a function an error came up. What PostgreSQL tells of parameters there, if it is set
/// so, could be a whole entry.
std::string context_of(const Result& result) {
  constexpr std::size_t longest = 300;
  const std::string context = field(result, PG_DIAG_CONTEXT);
  std::string shown;
  for (std::string_view rest = context; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find("portal") != std::string_view::npos) continue;
    shown.append(shown.empty() ? "" : " ").append(line);
  }
  if (shown.size() > longest) {
    std::size_t end = longest;
    // Not within a character.
    while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xc0U) == 0x80U) --end;
    shown = shown.substr(0, end) + "…";
  }
  return one_line(shown);
}

ErrorKind kind_of(std::string_view sqlstate) {
  if (sqlstate == "40001" || sqlstate == "40P01") return ErrorKind::retryable;
  // Connection, login, resources, operator intervention, and a server that only reads.
  constexpr std::array<std::string_view, 10> unavailable{
      "08", "28", "53", "57", "58", "25006", "25P03", "55P03", "3D000", "40003"};
  const bool is_unavailable =
      sqlstate.empty() || std::any_of(unavailable.begin(), unavailable.end(),
                                      [sqlstate](auto code) { return sqlstate.starts_with(code); });
  return is_unavailable ? ErrorKind::unavailable : ErrorKind::failed;
}

}  // namespace

std::int64_t Result::integer(int row, int column) const {
  return is_null(row, column) ? 0 : required_number<std::int64_t>(view(row, column));
}

double Result::real(int row, int column) const {
  return is_null(row, column) ? 0 : required_number<double>(view(row, column));
}

bool Result::failed() const {
  return status() == PGRES_FATAL_ERROR || status() == PGRES_BAD_RESPONSE ||
         status() == PGRES_NONFATAL_ERROR;
}

std::int64_t Result::affected() const {
  const std::string_view count = PQcmdTuples(get());
  return count.empty() ? 0 : required_number<std::int64_t>(count);
}

bool is_error_of_entry(std::string_view sqlstate) {
  const std::string_view error_class = sqlstate.substr(0, 2);
  return error_class == "22" || error_class == "23" || error_class == "42" || error_class == "P0";
}

Error error_of(const Result& result, const std::string& doing) {
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  std::string message = one_line(field(result, PG_DIAG_MESSAGE_PRIMARY));
  if (message.empty()) message = one_line(PQresultErrorMessage(result.get()));
  std::string text = doing + " failed: " + message;
  if (!sqlstate.empty()) text += " (SQLSTATE " + sqlstate + ")";
  const std::string hint = one_line(field(result, PG_DIAG_MESSAGE_HINT));
  if (!hint.empty()) text += "; hint: " + hint;
  const std::string context = context_of(result);
  if (!context.empty()) text += "; context: " + context;
  const bool names_nothing = sqlstate == "42P01" || sqlstate == "42883" || sqlstate == "42704";
  if (!context.empty() && names_nothing) {
    text +=
        "; triggers and functions run with search_path = pg_catalog: write the schema before "
        "the name, or give the function its own search_path";
  }
  // PgBouncer's own words, under the code of a broken connection.
  if (message.find("statement pooling") != std::string::npos) {
    return {ErrorKind::failed, text + "; use transaction pooling", sqlstate};
  }
  return {kind_of(sqlstate), text, sqlstate};
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool is_break = c == '\n' || c == '\t';
    if (!is_break) line += c;
    if (is_break && !line.empty() && line.back() != ' ') line += ' ';
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string in_quotes(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted += quote;
}

}  // namespace tickstock::postgres
