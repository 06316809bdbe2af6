#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "postgres/connection.hpp"

namespace tickstock::postgres {

namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

Options parse(const std::string& conninfo, std::string* why = nullptr) {
  char* message = nullptr;
  Options options(PQconninfoParse(conninfo.c_str(), &message));
  if (why != nullptr && message != nullptr) *why = message;
  PQfreemem(message);
  return options;
}

/// What a parameter that libpq lacks means to the library that has it, and what to do here.
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

/// Whether the parameter before this one is a password, of which it may be the rest.
bool follows_password(const std::string& conninfo, const std::string& name) {
  const std::size_t at = conninfo.rfind(name);
  const std::size_t begin = conninfo.find_last_of("?& \t", at == 0 ? 0 : at - 1);
  if (at == 0 || begin == std::string::npos || begin == 0) return false;
  const std::size_t before = conninfo.find_last_of("?& \t", begin - 1);
  const std::string_view last =
      std::string_view(conninfo).substr(before == std::string::npos ? 0 : before + 1);
  return last.starts_with("password=") || last.starts_with("sslpassword=");
}

/// What is wrong with a conninfo that libpq can't read. Its own words would echo parts of a
/// password, unless they name a parameter.
std::string unreadable(const std::string& conninfo) {
  std::string why;
  parse(conninfo, &why);
  for (const std::string_view words :
       {"invalid URI query parameter: \"", "invalid connection option \""}) {
    if (!why.starts_with(words)) continue;
    const std::string name = why.substr(words.size(), why.find('"', words.size()) - words.size());
    const bool is_name =
        !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        });
    // What stands behind a password may be the rest of it.
    if (!is_name || follows_password(conninfo, name)) break;
    return "libpq knows no parameter " + name + "; " + remedy_for(name);
  }
  return "libpq can't read it; check quotes, brackets and percent-encoding";
}

bool is_whole(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.size() <= 9 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_port(std::string_view text) {
  return is_whole(text) && text.size() <= 5 && !text.starts_with('-') &&
         std::stoi(std::string(text)) >= 1 && std::stoi(std::string(text)) <= 65535;
}

/// Whether a value swallowed the keyword behind it, as that of `host= password=…` does.
bool swallows_password(const Options& options) {
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val != nullptr && !std::string_view(option->keyword).ends_with("password") &&
        std::string_view(option->val).find("password=") != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

/// The value of an option, empty where it has none.
std::string_view value_of(const Options& options, std::string_view keyword) {
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    if (keyword == option->keyword && option->val != nullptr) return option->val;
  }
  return "";
}

/// A value as conninfo writes it.
std::string quoted_value(std::string_view value) {
  if (value.find_first_of(" \t\n'\\") == std::string_view::npos) return std::string(value);
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

/// What stands behind the login of a URL, without the values in which an '@' is no sign of a
/// password that was not encoded.
std::string without_names(std::string_view text) {
  std::string rest(text.substr(0, text.find('?')));
  while (rest.size() < text.size()) {
    const std::string_view parameter =
        text.substr(rest.size(), text.find('&', rest.size() + 1) - rest.size());
    const bool is_name = parameter.substr(1).starts_with("application_name=") ||
                         parameter.substr(1).starts_with("fallback_application_name=");
    rest += is_name ? std::string(parameter.size(), '?') : std::string(parameter);
  }
  return rest;
}

/// Whether user and password of a URL end where they seem to. libpq takes the first '/' or '@' for
/// their end, and would print the rest of a password as host, port or parameter.
bool is_login_clear(std::string_view url) {
  const std::size_t end = url.find_first_of("/@");
  if (end == std::string_view::npos) return true;
  if (url[end] == '/') return url.substr(0, url.find('?', end)).find('@') == std::string_view::npos;
  return url.substr(0, end).find_first_of("[]") == std::string_view::npos &&
         without_names(url.substr(end + 1)).find('@') == std::string::npos;
}

/// A parameter that takes one of some words.
struct Choice {
  std::string_view keyword;
  std::vector<std::string_view> words;
};

const std::vector<Choice>& choices() {
  static const std::vector<std::string_view> protocols{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
  static const std::vector<Choice> all{
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
  return all;
}

}  // namespace

std::string parameter_problem(std::string_view keyword, std::string_view value) {
  // An empty protocol is no bound; any other choice must be made, where it is given.
  if (value.empty() && (keyword.starts_with("ssl_") || keyword == "port")) return "";
  const auto choice =
      std::find_if(choices().begin(), choices().end(),
                   [keyword](const Choice& each) { return each.keyword == keyword; });
  if (choice != choices().end()) {
    if (std::find(choice->words.begin(), choice->words.end(), value) != choice->words.end()) {
      return "";
    }
    return fmt::format("its {} is none that libpq knows; use one of {}", keyword,
                       fmt::join(choice->words, ", "));
  }
  if (value.empty()) return "";
  if (keyword == "connect_timeout" || keyword == "tcp_user_timeout" ||
      keyword.starts_with("keepalives")) {
    return is_whole(value) ? "" : "its " + std::string(keyword) + " is not a whole number";
  }
  if (keyword == "port") {
    for (std::string_view rest = value;;) {
      const std::size_t comma = rest.find(',');
      const std::string_view port = rest.substr(0, comma);
      // Of a URL that misses its host, the password would be taken for the port, and printed.
      if (!port.empty() && !is_port(port)) return "its port is not a number from 1 to 65535";
      if (comma == std::string_view::npos) return "";
      rest.remove_prefix(comma + 1);
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
  const std::size_t assignment = conninfo.find('=');
  if (scheme != std::string::npos && (assignment == std::string::npos || scheme < assignment)) {
    const std::string_view name = std::string_view(conninfo).substr(0, scheme);
    if (name != "postgresql" && name != "postgres") {
      return "its scheme is not postgresql:// or postgres://";
    }
    // libpq would take keywords behind a URL, a password among them, for a part of it.
    if (std::any_of(conninfo.begin(), conninfo.end(),
                    [](char c) { return c >= '\0' && c <= ' '; })) {
      return "it is a URL with a blank in it, which must be percent-encoded";
    }
    if (!is_login_clear(std::string_view(conninfo).substr(scheme + 3))) {
      return "its user or password holds a character that must be percent-encoded";
    }
  }
  const Options options = parse(conninfo);
  if (!options) return unreadable(conninfo);
  if (holds_conninfo(value_of(options, "dbname"))) {
    return "its name of the database is a URL or conninfo itself";
  }
  if (swallows_password(options)) return "a keyword before the password has no value; write ''";
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    std::string problem = parameter_problem(option->keyword, option->val);
    if (!problem.empty()) return problem;
  }
  return "";
}

bool conninfo_has_password(const std::string& conninfo) {
  const Options options = parse(conninfo);
  return !value_of(options, "password").empty() || !value_of(options, "sslpassword").empty();
}

std::string conninfo_value(const std::string& conninfo, std::string_view keyword) {
  const std::string value(value_of(parse(conninfo), keyword));
  return value.empty() ? std::string(value_of(Options(PQconndefaults()), keyword)) : value;
}

std::string shown_conninfo(const std::string& conninfo) {
  // Of its own, libpq would add all that it knows.
  constexpr std::array<std::string_view, 5> told{"host", "hostaddr", "port", "dbname", "user"};
  const Options options = conninfo.empty() ? Options(PQconndefaults()) : parse(conninfo);
  std::string shown;
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    if (option->val == nullptr || *option->val == '\0') continue;
    if (conninfo.empty() && std::count(told.begin(), told.end(), keyword) == 0) continue;
    shown += (shown.empty() ? "" : " ") + std::string(keyword) + "=" +
             (keyword.ends_with("password") ? "********" : quoted_value(option->val));
  }
  return shown;
}

}  // namespace tickstock::postgres
