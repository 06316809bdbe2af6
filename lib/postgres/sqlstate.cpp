#include "postgres/sqlstate.hpp"

#include <algorithm>
#include <array>

namespace tickstock::postgres {

namespace {

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : one_line(text);
}

/// Where in a function an error came up. What PostgreSQL tells of parameters there, if it is set
/// so, could be a whole entry.
std::string context_of(const PGresult* result) {
  constexpr std::size_t longest = 300;
  const char* text = PQresultErrorField(result, PG_DIAG_CONTEXT);
  if (text == nullptr) return "";
  std::string context;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find("portal") != std::string_view::npos) continue;
    context.append(context.empty() ? "" : " ").append(line);
  }
  if (context.size() > longest) {
    std::size_t end = longest;
    // Not within a character.
    while (end > 0 && (static_cast<unsigned char>(context[end]) & 0xc0U) == 0x80U) --end;
    context = context.substr(0, end) + "…";
  }
  return one_line(context);
}

}  // namespace

ErrorKind kind_of(std::string_view sqlstate) {
  if (sqlstate == "40001" || sqlstate == "40P01") return ErrorKind::retryable;
  // Connection, login, resources, operator intervention, and a server that only reads.
  constexpr std::array<std::string_view, 5> unavailable_classes{"08", "28", "53", "57", "58"};
  constexpr std::array<std::string_view, 5> unavailable_codes{"25006", "25P03", "55P03", "3D000",
                                                              "40003"};
  const bool unavailable = std::find(unavailable_classes.begin(), unavailable_classes.end(),
                                     sqlstate.substr(0, 2)) != unavailable_classes.end() ||
                           std::find(unavailable_codes.begin(), unavailable_codes.end(),
                                     sqlstate) != unavailable_codes.end();
  return unavailable ? ErrorKind::unavailable : ErrorKind::failed;
}

bool is_error_of_entry(std::string_view sqlstate) {
  const std::string_view error_class = sqlstate.substr(0, 2);
  return error_class == "22" || error_class == "23" || error_class == "42" || error_class == "P0";
}

Error error_of(const PGresult* result, const std::string& doing) {
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  std::string message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = one_line(PQresultErrorMessage(result));
  std::string text = doing + " failed: " + message;
  if (!sqlstate.empty()) text += " (SQLSTATE " + sqlstate + ")";
  if (const std::string hint = field(result, PG_DIAG_MESSAGE_HINT); !hint.empty()) {
    text += "; hint: " + hint;
  }
  if (const std::string context = context_of(result); !context.empty()) {
    text += "; context: " + context;
    const bool names_nothing = sqlstate == "42P01" || sqlstate == "42883" || sqlstate == "42704";
    if (names_nothing) {
      text +=
          "; triggers and functions run with search_path = pg_catalog: write the schema before "
          "the name, or give the function its own search_path";
    }
  }
  // PgBouncer's own words, under the code of a broken connection.
  if (message.find("statement pooling") != std::string::npos) {
    return {ErrorKind::failed, text + "; use transaction pooling", sqlstate};
  }
  return {sqlstate.empty() ? ErrorKind::unavailable : kind_of(sqlstate), text, sqlstate};
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n' || c == '\t') {
      if (!line.empty() && line.back() != ' ') line += ' ';
    } else {
      line += c;
    }
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace tickstock::postgres
