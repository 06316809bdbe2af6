#include <libpq-fe.h>

#include <algorithm>
#include <memory>

#include "domain/error.hpp"
#include "fuzz/targets.hpp"
#include "postgres/connection.hpp"
#include "redis/address.hpp"
#include "tables/catalog.hpp"

namespace tickstock::fuzz {

namespace {

// The ends of the secret; the fuzzer chooses what is between them. Nothing else in an input
// contains them, so either of them reveals a leak.
constexpr std::string_view head = "CAN";
constexpr std::string_view tail = "ARY";

bool leaks(std::string_view text) {
  return text.find(head) != std::string_view::npos || text.find(tail) != std::string_view::npos;
}

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

/// Checks what libpq makes of it: the secret is the password, and in no option that a message may
/// show.
void check_conninfo(const std::string& conninfo, bool must_be_seen) {
  const std::string problem = postgres::conninfo_problem(conninfo);
  require(!leaks(problem), "the problem of a conninfo repeats the password");
  if (!problem.empty()) return;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(conninfo.c_str(), nullptr));
  require(options != nullptr, "a conninfo without a problem can't be parsed");
  for (const PQconninfoOption* each = options.get(); each->keyword != nullptr; ++each) {
    const std::string_view keyword = each->keyword;
    if (each->val == nullptr || keyword.ends_with("password")) continue;
    require(!leaks(each->val), "libpq takes the password for the " + std::string(keyword));
  }
  require(postgres::conninfo_has_password(conninfo) || !must_be_seen || !leaks(conninfo),
          "the password of a conninfo is not seen");
}

/// Returns whether nothing around the password replaces it or its keyword, such as a second
/// password or a value that doesn't end before it.
bool stands_alone(std::string_view before, std::string_view after) {
  return after.find_first_of("%\\'") == std::string_view::npos &&
         after.find("password") == std::string_view::npos &&
         before.find_first_of("\\'") == std::string_view::npos &&
         !before.substr(0, before.find_last_not_of(" \t\r\v\f") + 1).ends_with('=');
}

void check_redis(const std::string& url) {
  try {
    const redis::RedisSettings settings = redis::parse_redis_url(url);
    require(!leaks(settings.shown()), "the address that is shown repeats the password");
    require(!leaks(url) || leaks(settings.password), "the password of a Redis URL is lost");
    require(settings.host.empty() != settings.sentinels.empty() && settings.path.size() <= 107,
            "an address that can't be used");
    // A path is shown literally, not percent-encoded.
    if (settings.transport != redis::RedisSettings::Transport::unix_socket) {
      const redis::RedisSettings again = redis::parse_redis_url(settings.shown());
      require(again.shown() == settings.shown(), "the address that is shown is another one");
    }
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::config, "an error of another kind");
    require(!leaks(error.what()), "the error of a Redis URL repeats the password");
  }
}

void check_table(std::string_view text) {
  try {
    const tables::TableName name = tables::parse_table_name(text, "public", "[tables] symbols");
    const std::string quoted = name.quoted();
    require(std::count(quoted.begin(), quoted.end(), '"') == 4 && quoted.size() <= 2 * 63 + 5,
            "a name breaks out of its quotes");
    require(tables::parse_table_name(name.shown(), "other", "").quoted() == quoted,
            "a name is read differently with its schema");
    tables::TableNames names;
    names.symbols = name;
    require(names.in("{symbols}") == quoted, "a name is not put into a statement as it is");
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::config, "an error of another kind");
    require(std::string_view(error.what()).starts_with("[tables] symbols must be"),
            "the error doesn't say what it is about");
  }
}

/// Returns the text quoted for a list of keywords.
std::string keyword_quoted(std::string_view text) {
  std::string all = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') all += '\\';
    all += c;
  }
  return all + "'";
}

}  // namespace

/// Tests addresses of servers and tables. The lines of an input are a form, the text between the
/// ends of the password, the text before the password, and the text after it.
void fuzz_urls(std::string_view input) {
  const std::string text = expanded(input);
  std::string_view rest = text;
  const std::string form(take_line(rest));
  const std::string_view middle = take_line(rest);
  const std::string_view before = take_line(rest);
  const std::string_view after = rest.substr(0, rest.find_last_not_of('\n') + 1);
  if (form == "table") return check_table(after);
  if (leaks(form) || leaks(middle) || leaks(before) || leaks(after)) return;
  const std::string secret = std::string(head) + std::string(middle) + std::string(tail);
  const std::string login = std::string(before) + ":" + secret + "@" + std::string(after);
  if (form == "keywords") {
    check_conninfo(
        std::string(before) + " password=" + keyword_quoted(secret) + " " + std::string(after),
        stands_alone(before, after));
  } else if (form == "text") {
    check_conninfo(std::string(after), false);
    check_redis(std::string(after));
  } else if (form.find_first_of(":/?=@ ") == std::string::npos &&
             before.find_first_of("/?") == std::string_view::npos &&
             middle.find("application_name=") == std::string_view::npos) {
    // Otherwise it would not be a password but part of a keyword's value, a path or a parameter.
    check_conninfo(form + "://" + login, stands_alone("", after));
    check_redis(form + "://" + login);
  }
}

}  // namespace tickstock::fuzz
