#include "postgres/conninfo.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "domain/error.hpp"
#include "domain/text.hpp"
#include "postgres/connection.hpp"

namespace tickstock::postgres {

namespace {

Options options_of(PQconninfoOption* found) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> owner(found, &PQconninfoFree);
  Options options;
  for (const PQconninfoOption* each = found; each != nullptr && each->keyword != nullptr; ++each) {
    if (each->val != nullptr) options.emplace_back(each->keyword, each->val);
  }
  return options;
}

/// \param why gets libpq's message if it can't read the conninfo
Options parse(const std::string& conninfo, std::string* why = nullptr) {
  char* message = nullptr;
  Options options = options_of(PQconninfoParse(conninfo.c_str(), &message));
  if (why != nullptr && message != nullptr) *why = message;
  PQfreemem(message);
  return options;
}

/// Returns what to do about a parameter of another library.
std::string remedy_for(std::string_view parameter) {
  if (parameter == "pgbouncer") return "remove it: transaction pooling works without";
  if (parameter == "schema" || parameter == "currentSchema" || parameter == "search_path") {
    return "remove it, and name the schema in [tables] schema";
  }
  if (parameter.starts_with("ssl") || parameter == "useSSL") {
    return "use libpq's own parameters: sslmode, sslrootcert, sslcert and sslkey";
  }
  return "remove it, or use libpq's own name for it";
}

/// Returns whether the parameter before this one is a password, of which it may be the rest.
bool follows_password(std::string_view conninfo, std::string_view name) {
  constexpr std::string_view separators = "?& \t\r\n\v\f";
  std::string_view before = conninfo.substr(0, conninfo.rfind(name));
  before = before.substr(0, before.find_last_not_of(separators) + 1);
  const std::string_view last = before.substr(before.find_last_of(separators) + 1);
  return last.starts_with("password=") || last.starts_with("sslpassword=");
}

/// Returns what is wrong with a conninfo that libpq can't read. Its own words could repeat parts of
/// a password, unless they name a parameter.
std::string unreadable(std::string_view conninfo, std::string_view why) {
  for (const std::string_view words :
       {"invalid URI query parameter: \"", "invalid connection option \""}) {
    if (!why.starts_with(words)) continue;
    const std::string_view rest = why.substr(words.size());
    const std::string_view name = rest.substr(0, rest.find('"'));
    const bool is_name =
        !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        });
    // A name behind a password may be the rest of it.
    if (!is_name || follows_password(conninfo, name)) break;
    return fmt::format("libpq knows no parameter {}; {}", name, remedy_for(name));
  }
  return "libpq can't read it; check quotes, brackets and percent-encoding";
}

/// Returns a value as it is written in a conninfo.
std::string written(const std::string& value) {
  return value.find_first_of(" \t\n'\\") == std::string::npos ? value : in_quotes(value, '\'');
}

/// Returns whether user and password of a URL end where they seem to. libpq ends them at the first
/// '/' or '@', and would print the rest of a password as host, port or parameter.
bool is_login_clear(std::string_view url) {
  constexpr std::size_t none = std::string_view::npos;
  const std::size_t end = url.find_first_of("/@");
  if (end == none) return true;
  const std::string_view rest = url.substr(end + 1);
  const std::size_t query = rest.find('?');
  if (rest.substr(0, query).find('@') != none) return false;
  if (url[end] == '/') return true;
  if (url.substr(0, end).find_first_of("[]") != none) return false;
  if (query == none) return true;
  const std::vector<std::string> parameters = split(rest.substr(query + 1), '&');
  return std::all_of(parameters.begin(), parameters.end(), [](const std::string& parameter) {
    // An '@' in one of these is no sign of a password that was not encoded.
    return parameter.starts_with("application_name=") ||
           parameter.starts_with("fallback_application_name=") || parameter.find('@') == none;
  });
}

}  // namespace

std::string value_of(const Options& options, std::string_view keyword) {
  const auto option = std::find_if(options.begin(), options.end(),
                                   [keyword](const auto& each) { return each.first == keyword; });
  return option == options.end() ? "" : option->second;
}

Options effective_options(const std::string& conninfo) {
  // Only a connection of libpq knows them. A value that libpq refuses stops it before its first
  // look-up, and without a password file it complains about none.
  const std::array<const char*, 4> keywords{"dbname", "gssencmode", "passfile", nullptr};
  const std::array<const char*, 4> values{conninfo.c_str(), "?", no_password_file, nullptr};
  const std::unique_ptr<PGconn, decltype(&PQfinish)> probe(
      PQconnectStartParams(keywords.data(), values.data(), 1), &PQfinish);
  // Its message names the service, its file or a line of that, and repeats nothing else.
  if (const std::string why = one_line(PQerrorMessage(probe.get()));
      why.find("service") != std::string::npos) {
    fail_unusable(why + "; look at PGSERVICE, and at the file that PGSERVICEFILE names");
  }
  Options options = options_of(PQconninfo(probe.get()));
  std::erase_if(options, [](const auto& option) { return option.first == "gssencmode"; });
  return options;
}

std::string password_file_of(const std::string& conninfo) {
  const std::string given = value_of(parse(conninfo), "passfile");
  return given.empty() ? value_of(options_of(PQconndefaults()), "passfile") : given;
}

std::string parameter_problem(std::string_view keyword, std::string_view value) {
  using Words = std::vector<std::string_view>;
  static const Words protocols{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
  static const std::map<std::string_view, Words> choices{
      {"sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
      {"target_session_attrs",
       {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}},
      {"channel_binding", {"disable", "prefer", "require"}},
      {"gssencmode", {"disable", "prefer", "require"}},
      {"sslcertmode", {"disable", "allow", "require"}},
      {"sslnegotiation", {"postgres", "direct"}},
      {"load_balance_hosts", {"disable", "random"}},
      {"ssl_min_protocol_version", protocols},
      {"ssl_max_protocol_version", protocols}};
  // An empty protocol sets no bound; every other choice must be one of its words.
  const auto choice = choices.find(keyword);
  if (value.empty() && (choice == choices.end() || keyword.starts_with("ssl_"))) return "";
  if (choice != choices.end()) {
    const Words& words = choice->second;
    if (std::find(words.begin(), words.end(), value) != words.end()) return "";
    return fmt::format("its {} is none that libpq knows; use one of {}", keyword,
                       fmt::join(words, ", "));
  }
  const bool is_number = keyword == "connect_timeout" || keyword == "tcp_user_timeout" ||
                         keyword.starts_with("keepalives");
  if (is_number && !number_of<int>(value)) {
    return fmt::format("its {} is not a whole number", keyword);
  }
  if (keyword == "port") {
    for (const std::string& part : split(value, ',')) {
      const int port = part.empty() ? 1 : number_of<int>(part).value_or(0);
      // In a URL without a host, libpq would take the password for the port, and print it.
      if (port < 1 || port > 65535) return "its port is not a number from 1 to 65535";
    }
  }
  if (keyword == "replication" && value != "false" && value != "off" && value != "0") {
    return "its replication makes a connection that takes no queries; remove it";
  }
  return "";
}

bool holds_conninfo(std::string_view database) {
  return database.find("://") != std::string_view::npos ||
         database.find('=') != std::string_view::npos;
}

std::string conninfo_problem(const std::string& conninfo) {
  if (conninfo.find('\0') != std::string::npos) return "it holds a NUL byte";
  const std::size_t scheme = conninfo.find("://");
  if (scheme < conninfo.find('=')) {
    const std::string_view name = std::string_view(conninfo).substr(0, scheme);
    if (name != "postgresql" && name != "postgres") {
      return "its scheme is not postgresql:// or postgres://";
    }
    // libpq would take keywords behind a URL, such as a password, for a part of it.
    if (std::any_of(conninfo.begin(), conninfo.end(),
                    [](char c) { return c >= '\0' && c <= ' '; })) {
      return "it is a URL with a blank in it, which must be percent-encoded";
    }
    if (!is_login_clear(std::string_view(conninfo).substr(scheme + 3))) {
      return "its user or password holds a character that must be percent-encoded";
    }
  }
  std::string why;
  const Options options = parse(conninfo, &why);
  if (!why.empty()) return unreadable(conninfo, why);
  if (holds_conninfo(value_of(options, "dbname"))) {
    return "its name of the database is a URL or conninfo itself";
  }
  for (const auto& [keyword, value] : options) {
    // As that of `host= password=…` does.
    if (!keyword.ends_with("password") && value.find("password=") != std::string::npos) {
      return "a keyword before the password has no value; write ''";
    }
    std::string problem = parameter_problem(keyword, value);
    if (!problem.empty()) return problem;
  }
  return "";
}

bool conninfo_has_password(const std::string& conninfo) {
  const Options options = parse(conninfo);
  return !value_of(options, "password").empty() || !value_of(options, "sslpassword").empty();
}

std::string shown_conninfo(const std::string& conninfo) {
  // Of libpq's defaults, only these tell where it connects.
  constexpr std::array<std::string_view, 5> told{"host", "hostaddr", "port", "dbname", "user"};
  std::string shown;
  for (const auto& [keyword, value] :
       conninfo.empty() ? options_of(PQconndefaults()) : parse(conninfo)) {
    if (value.empty()) continue;
    if (conninfo.empty() && std::count(told.begin(), told.end(), keyword) == 0) continue;
    shown += fmt::format("{}{}={}", shown.empty() ? "" : " ", keyword,
                         keyword.ends_with("password") ? "********" : written(value));
  }
  return shown;
}

std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = list.find(separator);
    parts.emplace_back(list.substr(0, end));
    if (end == std::string_view::npos) return parts;
    list.remove_prefix(end + 1);
  }
}

void fail_unusable(const std::string& why) {
  throw Error(ErrorKind::config, "the connection to PostgreSQL is not usable: " + why);
}

}  // namespace tickstock::postgres
