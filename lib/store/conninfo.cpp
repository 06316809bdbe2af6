#include <algorithm>
#include <array>
#include <memory>

#include "store/connection.hpp"

namespace tickstock::store {

namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

Options parse(const std::string& conninfo) {
  char* message = nullptr;
  Options options(PQconninfoParse(conninfo.c_str(), &message));
  PQfreemem(message);
  return options;
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

/// Whether user and password of a URL end where they seem to. libpq takes the first '/' or '@' for
/// their end, and would print the rest of a password as host, port or parameter.
bool is_login_clear(std::string_view url) {
  const std::size_t end = url.find_first_of("/@");
  if (end == std::string_view::npos) return true;
  if (url[end] == '/') return url.substr(0, url.find('?', end)).find('@') == std::string_view::npos;
  return url.substr(0, end).find_first_of("[]#") == std::string_view::npos &&
         url.find('@', end + 1) == std::string_view::npos;
}

}  // namespace

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
  if (!options) return "libpq can't read it; check quotes, brackets and percent-encoding";
  if (holds_conninfo(value_of(options, "dbname"))) {
    return "its name of the database is a URL or conninfo itself";
  }
  if (swallows_password(options)) return "a keyword before the password has no value; write ''";
  // Of a URL that misses its host, the password would be taken for the port, and printed.
  if (value_of(options, "port").find_first_not_of("0123456789,") != std::string_view::npos) {
    return "its port is not a number";
  }
  return "";
}

bool conninfo_has_password(const std::string& conninfo) {
  const Options options = parse(conninfo);
  return !value_of(options, "password").empty() || !value_of(options, "sslpassword").empty();
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

}  // namespace tickstock::store
