#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postgres/connection.hpp"

// What PostgreSQL's errors mean to a caller, and to the one who reads them.
namespace tickstock::postgres {

namespace {

std::string field(const Result& result, int code) {
  const char* text = PQresultErrorField(result.get(), code);
  return text == nullptr ? "" : text;
}

/// Returns where in a function an error occurred. PostgreSQL can be set to report parameters there,
/// and one of those could be a whole entry.
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
    // Don't cut inside a character.
    while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xc0U) == 0x80U) --end;
    shown = shown.substr(0, end) + "…";
  }
  return one_line(shown);
}

/// Returns the hint of a server or of a function as a sentence.
std::string sentence_of(std::string words) {
  if (words.empty()) return words;
  if (words.front() >= 'a' && words.front() <= 'z') words.front() += 'A' - 'a';
  if (std::string_view(".?!").find(words.back()) == std::string_view::npos) words += '.';
  return words;
}

ErrorKind kind_of(std::string_view sqlstate) {
  if (sqlstate == "40001" || sqlstate == "40P01") return ErrorKind::retryable;
  // Connection, login, resources, operator intervention, limits of time, and a read-only server.
  constexpr std::array<std::string_view, 12> unavailable{
      "08", "28", "53", "57", "58", "72", "25006", "25P03", "25P04", "55P03", "3D000", "40003"};
  const bool is_unavailable =
      sqlstate.empty() || std::any_of(unavailable.begin(), unavailable.end(),
                                      [sqlstate](auto code) { return sqlstate.starts_with(code); });
  return is_unavailable ? ErrorKind::unavailable : ErrorKind::failed;
}

/// Returns what to do about an error for which the server gives no hint. It is that of the first
/// SQLSTATE, or beginning of one, that fits.
std::string advice_on(std::string_view sqlstate) {
  constexpr std::array<std::pair<std::string_view, const char*>, 13> advice{
      {{"08", "Check the server and the network, then run again."},
       {"0A", "Look for a rule on the table, and see PostgreSQL's log."},
       {"25006", "Connect to the primary, or let the role write."},
       {"25P03", "Run again."},
       {"25P04", "Run again, or give the role a longer transaction_timeout."},
       {"3F", "Create the schema, or name another in [tables] schema."},
       {"40", "Run again."},
       {"53", "Give PostgreSQL more memory, disk or connections, then run again."},
       {"55P03", "Run again, or wait longer for other programs: [timeouts] lock."},
       {"57014", "Run again, or give a statement more time: [timeouts] statement."},
       {"57", "Run again once PostgreSQL is up."},
       {"72", "Run again, or raise old_snapshot_threshold."},
       {"23505",
        "Remove the duplicate; if it is an id, move its sequence past it (setval). Run again."}}};
  for (const auto& [beginning, words] : advice) {
    if (sqlstate.starts_with(beginning)) return words;
  }
  return is_error_of_entry(sqlstate)
             ? "Correct the value, the constraint or the trigger, then run again."
             : "See PostgreSQL's log.";
}

}  // namespace

bool is_error_of_entry(std::string_view sqlstate) {
  const std::string_view error_class = sqlstate.substr(0, 2);
  return error_class == "22" || error_class == "23" || error_class == "42" || error_class == "P0";
}

Error Connection::error_of(const Result& result, const std::string& doing) const {
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  std::string message = one_line(field(result, PG_DIAG_MESSAGE_PRIMARY));
  if (message.empty()) message = one_line(PQresultErrorMessage(result.get()));
  std::string text = doing + " failed: " + message;
  if (!sqlstate.empty()) text += " (SQLSTATE " + sqlstate + ")";
  std::string hint = sentence_of(one_line(field(result, PG_DIAG_MESSAGE_HINT)));
  // Other details may show data.
  if (sqlstate == "42P10") text = with_hint(text, one_line(field(result, PG_DIAG_MESSAGE_DETAIL)));
  const std::string context = context_of(result);
  if (!context.empty()) text += "; context: " + context;
  if (!context.empty() && (sqlstate == "42P01" || sqlstate == "42883" || sqlstate == "42704")) {
    hint = with_hint(hint,
                     "Triggers and functions run with search_path = pg_catalog: write the schema "
                     "before the name, or give the function its own search_path.");
  }
  ErrorKind kind = kind_of(sqlstate);
  // PgBouncer's own message, with the SQLSTATE of a broken connection.
  if (message.find("statement pooling") != std::string::npos) {
    kind = ErrorKind::failed;
    hint = with_hint(hint, "Use transaction pooling.");
  }
  if (message.find("row-level security") != std::string::npos) {
    hint = row_security_hint;
  } else if (hint.empty() && sqlstate == insufficient_privilege) {
    hint = fmt::format(
        "As the owner, run the same command, or grant what 'tickstock-cache init --print-grants "
        "{}' "
        "prints.",
        user_);
  }
  if (hint.empty()) hint = advice_on(sqlstate);
  return {kind, text, {.object = server(), .hint = hint, .sqlstate = sqlstate}};
}

Error Connection::lost(const std::string& doing) const {
  std::string words = connection_ ? one_line(PQerrorMessage(connection_.get())) : "";
  // The position in the statement does not matter.
  words = words.substr(0, words.find(" LINE "));
  return {ErrorKind::unavailable,
          fmt::format("{} failed: the connection to PostgreSQL was lost{}{}", doing,
                      words.empty() ? "" : ": ", words),
          {.object = server(), .hint = std::string(advice_on("08"))}};
}

}  // namespace tickstock::postgres
