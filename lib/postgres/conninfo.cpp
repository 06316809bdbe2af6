#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <system_error>

#include "domain/text.hpp"
#include "io/wait.hpp"
#include "postgres/connection.hpp"

namespace tickstock::postgres {

namespace {

constexpr const char* default_port = "5432";

/// The connection parameters that have a value, in libpq's order.
using Options = std::vector<std::pair<std::string, std::string>>;

/// \throws Error (config) saying why the connection can't be used.
[[noreturn]] void fail_unusable(const std::string& why, const std::string& hint,
                                const std::string& object = "the database URL") {
  throw Error(ErrorKind::config, "the connection to PostgreSQL is not usable: " + why,
              {.object = object, .hint = hint});
}

/// Returns the parts of a list; an empty list has one empty part.
std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = list.find(separator);
    parts.emplace_back(list.substr(0, end));
    if (end == std::string_view::npos) return parts;
    list.remove_prefix(end + 1);
  }
}

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

/// Returns what to do about a parameter meant for another library.
std::string remedy_for(std::string_view parameter) {
  if (parameter == "pgbouncer") return "Remove it: transaction pooling works without it.";
  if (parameter == "schema" || parameter == "currentSchema" || parameter == "search_path") {
    return "Remove it, and name the schema in [tables] schema.";
  }
  if (parameter.starts_with("ssl") || parameter == "useSSL") {
    return "Use libpq's own parameters: sslmode, sslrootcert, sslcert and sslkey.";
  }
  return "Remove it, or use libpq's own name for it.";
}

/// Returns whether the parameter before this one is a password, so that this one may be the rest of
/// it.
bool follows_password(std::string_view conninfo, std::string_view name) {
  constexpr std::string_view separators = "?& \t\r\n\v\f";
  std::string_view before = conninfo.substr(0, conninfo.rfind(name));
  before = before.substr(0, before.find_last_not_of(separators) + 1);
  const std::string_view last = before.substr(before.find_last_of(separators) + 1);
  return last.starts_with("password=") || last.starts_with("sslpassword=");
}

/// Returns what is wrong with a conninfo that libpq can't read. libpq's own message could repeat
/// parts of a password, unless it names a parameter.
std::string unreadable(std::string_view conninfo, std::string_view why, std::string& hint) {
  for (const std::string_view words :
       {"invalid URI query parameter: \"", "invalid connection option \""}) {
    if (!why.starts_with(words)) continue;
    const std::string_view rest = why.substr(words.size());
    const std::string_view name = rest.substr(0, rest.find('"'));
    const bool is_name =
        !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        });
    // A name after a password may be the rest of it.
    if (!is_name || follows_password(conninfo, name)) break;
    hint = remedy_for(name);
    return fmt::format("libpq knows no parameter {}", name);
  }
  hint = "Check quotes, brackets and percent-encoding.";
  return "libpq can't read it";
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
    // An '@' in one of these does not hint at an unencoded password.
    return parameter.starts_with("application_name=") ||
           parameter.starts_with("fallback_application_name=") || parameter.find('@') == none;
  });
}

/// Returns the value of a parameter; empty if it has none.
std::string value_of(const Options& options, std::string_view keyword) {
  for (const auto& [name, value] : options) {
    if (name == keyword) return value;
  }
  return "";
}

/// Returns the parameters that libpq takes from a conninfo, its environment and its service file.
/// \throws Error (config) for an unknown service.
Options effective_options(const std::string& conninfo) {
  // Only a libpq connection knows them. A value that libpq refuses stops it before its first
  // lookup, and with this password file it has none to complain about.
  const std::array<const char*, 4> keywords{"dbname", "gssencmode", "passfile", nullptr};
  const std::array<const char*, 4> values{conninfo.c_str(), "?", no_password_file, nullptr};
  const std::unique_ptr<PGconn, decltype(&PQfinish)> probe(
      PQconnectStartParams(keywords.data(), values.data(), 1), &PQfinish);
  // This message names the service, its file or a line of it, and repeats nothing else.
  if (const std::string why = one_line(PQerrorMessage(probe.get()));
      why.find("service") != std::string::npos) {
    fail_unusable(
        is_url(why) ? "its service is a URL" : why,
        "Check the service in the URL or PGSERVICE, and the file that PGSERVICEFILE names.",
        "PGSERVICE");
  }
  Options options = options_of(PQconninfo(probe.get()));
  std::erase_if(options, [](const auto& option) { return option.first == "gssencmode"; });
  return options;
}

/// Returns what is wrong with the value of a parameter, as the rest of a sentence and without the
/// value; empty if nothing is. To libpq, it would look like a server that can't be reached.
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
  // In a URL without a host, libpq would take the password for the port, and print it. The others
  // are Linux' limits: libpq only meets them while connecting.
  static const std::map<std::string_view, int> limits{{"port", 65535},
                                                      {"keepalives_idle", 32767},
                                                      {"keepalives_interval", 32767},
                                                      {"keepalives_count", 127}};
  // An empty protocol version sets no bound; any other choice must be one of its words.
  const auto choice = choices.find(keyword);
  if (value.empty() && (choice == choices.end() || keyword.starts_with("ssl_"))) return "";
  if (choice != choices.end()) {
    const Words& words = choice->second;
    if (std::find(words.begin(), words.end(), value) != words.end()) return "";
    return fmt::format("its {} is not one that libpq knows ({})", keyword, fmt::join(words, ", "));
  }
  const bool is_number = keyword == "connect_timeout" || keyword == "tcp_user_timeout" ||
                         keyword.starts_with("keepalives");
  if (is_number && !number_of<int>(value)) {
    return fmt::format("its {} is not a whole number", keyword);
  }
  for (const std::string& part : split(value, ',')) {
    if (keyword == "hostaddr" && !part.empty() && !io::is_numeric_address(part)) {
      return "its hostaddr is not an IP address";
    }
    if (const auto limit = limits.find(keyword); limit != limits.end()) {
      const int number = part.empty() ? 1 : number_of<int>(part).value_or(0);
      if (number < 1 || number > limit->second) {
        return fmt::format("its {} is not a number from 1 to {}", keyword, limit->second);
      }
    }
  }
  if (keyword == "replication" && value != "false" && value != "off" && value != "0") {
    return "its replication makes a connection that takes no queries";
  }
  const bool is_text = keyword == "dbname" || keyword == "options" || keyword.ends_with("password");
  return is_url(value) && !is_text ? fmt::format("its {} is a URL", keyword) : "";
}

/// Returns whether a database's name looks like a URL or conninfo, which libpq would print.
bool holds_conninfo(std::string_view database) {
  return is_url(database) || database.find('=') != std::string_view::npos;
}

constexpr const char* system_certificates = "/etc/ssl/certs/ca-certificates.crt";

std::string home_of(const ConnectionSettings& settings) {
  if (!settings.home.empty()) return settings.home;
  const passwd* user = ::getpwuid(::geteuid());
  return user == nullptr ? "" : user->pw_dir;
}

/// Rejects a file that libpq would miss only while connecting, or a key that others can read.
void require_file(std::string_view keyword, const std::string& path) {
  const bool is_key = keyword == "sslkey";
  // A key can also be one of an OpenSSL engine, by its name.
  if (path.empty() || (is_key && path.find(':') != std::string::npos)) return;
  std::string why;
  std::string hint = "Name a file that can be read";
  hint += keyword == "sslrootcert" ? fmt::format(", such as {}.", system_certificates) : ".";
  struct stat facts {};
  if (::access(path.c_str(), R_OK) != 0 || ::stat(path.c_str(), &facts) != 0) {
    why = "can't be read: " + std::generic_category().message(errno);
  } else if (is_key && (facts.st_mode & (facts.st_uid == 0 ? 037U : 077U)) != 0) {
    why = "others can read";
    hint = fmt::format("Run 'chmod 600 {}', or name another file.", path);
  }
  if (why.empty()) return;
  fail_unusable(fmt::format("{} is {}, which {}", keyword, path, why), hint, path);
}

void require_certificates(const Options& options, const std::string& home) {
  const std::string sslmode = value_of(options, "sslmode");
  if (sslmode == "disable") return;
  std::string root = value_of(options, "sslrootcert");
  if (root == "system") {
    constexpr int first_with_system = 160000;
    if (PQlibVersion() < first_with_system) {
      fail_unusable("sslrootcert=system requires libpq 16 or newer",
                    fmt::format("Use sslrootcert={}.", system_certificates), "sslrootcert");
    }
    if (sslmode != "verify-full") {
      fail_unusable("sslrootcert=system requires sslmode=verify-full", "Set that too.",
                    "sslrootcert");
    }
    root.clear();
  } else if (root.empty() && sslmode.starts_with("verify-")) {
    root = home + "/.postgresql/root.crt";
  }
  require_file("sslrootcert", root);
  for (const char* keyword : {"sslcert", "sslkey", "sslcrl", "sslcrldir"}) {
    require_file(keyword, value_of(options, keyword));
  }
  if (!value_of(options, "sslcert").empty() && value_of(options, "sslkey").empty()) {
    require_file("sslkey", home + "/.postgresql/postgresql.key");
  }
}

/// Returns the password file if libpq would ignore it, and would say so on standard error.
std::string refused_password_file(const ConnectionSettings& settings) {
  std::string named = value_of(parse(settings.conninfo), "passfile");
  if (named.empty()) named = value_of(options_of(PQconndefaults()), "passfile");
  const std::string path = named.empty() ? home_of(settings) + "/.pgpass" : named;
  struct stat facts {};
  if (::stat(path.c_str(), &facts) == 0) {
    const bool is_private = S_ISREG(facts.st_mode) && (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
    return is_private ? "" : path;
  }
  if (named.empty()) return "";
  if (is_url(path)) fail_unusable("its passfile is a URL", "Name a file.", "passfile");
  fail_unusable(fmt::format("passfile is {}, which can't be read: {}", path,
                            std::generic_category().message(errno)),
                "Name a file that exists.", path);
}

/// Returns an element of a libpq list, which has one for each host, or one for all.
std::string element(const std::vector<std::string>& list, std::size_t index) {
  if (list.size() == 1) return list.front();
  return index < list.size() ? list[index] : "";
}

bool has_gap(const std::vector<std::string>& list) {
  return list.size() > 1 && std::find(list.begin(), list.end(), "") != list.end();
}

}  // namespace

std::vector<Target> named_targets(const ConnectionSettings& settings) {
  Options options = effective_options(settings.conninfo);
  // The probe has one of its own.
  const std::string mode = value_of(options_of(PQconndefaults()), "gssencmode");
  if (!mode.empty() && value_of(parse(settings.conninfo), "gssencmode").empty()) {
    options.emplace_back("gssencmode", mode);
  }
  std::string problem;
  for (const auto& [keyword, value] : options) {
    if (problem.empty()) problem = parameter_problem(keyword, value);
  }
  const std::string highest = value_of(options, "ssl_max_protocol_version");
  // The names sort as their versions do.
  if (!highest.empty() && problem.empty() &&
      value_of(options, "ssl_min_protocol_version") > highest)
    problem = "its ssl_min_protocol_version is above its ssl_max_protocol_version";
  if (!problem.empty())
    fail_unusable(problem, "Check the URL, PG… variables and the service file.");
  const std::vector<std::string> hosts = split(value_of(options, "host"), ',');
  const std::vector<std::string> addresses = split(value_of(options, "hostaddr"), ',');
  const std::vector<std::string> ports = split(value_of(options, "port"), ',');
  const bool by_address = addresses.size() > 1 || !addresses.front().empty();
  const bool by_name = hosts.size() > 1 || !hosts.front().empty();
  const std::size_t count = by_address ? addresses.size() : hosts.size();
  // libpq would then look names up itself, without a time limit.
  if (has_gap(hosts) || has_gap(addresses) || (by_address && by_name && hosts.size() != count)) {
    fail_unusable("its hosts have a gap, or do not match its addresses", "Name each of them.");
  }
  if (holds_conninfo(value_of(options, "dbname"))) {
    fail_unusable("its database name is a URL or conninfo itself, which could hold a password",
                  "Give only the name.");
  }
  if (ports.size() > 1 && ports.size() != count) {
    fail_unusable(fmt::format("it has {} ports for {} hosts", ports.size(), count),
                  "Give one, or one for each host.");
  }
  const std::string sslmode = value_of(options, "sslmode");
  std::vector<Target> targets;
  for (std::size_t i = 0; i < count; ++i) {
    // An empty port would leave the whole list of ports to a connection to one host.
    const std::string port = element(ports, i);
    targets.push_back({element(hosts, i), element(addresses, i),
                       port.empty() && ports.size() > 1 ? default_port : port,
                       value_of(options, "target_session_attrs"), sslmode, ""});
  }
  const bool is_local = std::all_of(targets.begin(), targets.end(),
                                    [](const Target& target) { return target.is_socket(); });
  const bool will_be_refused = settings.require_tls && sslmode != "verify-full";
  if (!is_local && !will_be_refused) require_certificates(options, home_of(settings));
  const std::string refused_passfile = refused_password_file(settings);
  for (Target& target : targets) target.refused_passfile = refused_passfile;
  return targets;
}

std::optional<std::chrono::seconds> connect_timeout_of(const std::string& conninfo) {
  const auto seconds = number_of<int>(value_of(effective_options(conninfo), "connect_timeout"));
  if (seconds.value_or(0) <= 0) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

std::string conninfo_problem(const std::string& conninfo, std::string* hint) {
  if (conninfo.find('\0') != std::string::npos) return "it holds a NUL byte";
  const std::size_t scheme = conninfo.find("://");
  if (scheme < conninfo.find('=')) {
    const std::string_view name = std::string_view(conninfo).substr(0, scheme);
    if (name != "postgresql" && name != "postgres") {
      return "its scheme is not postgresql:// or postgres://";
    }
    // libpq would take keywords after a URL, such as a password, for part of it.
    if (std::any_of(conninfo.begin(), conninfo.end(),
                    [](char c) { return c >= '\0' && c <= ' '; })) {
      return "it is a URL with a space, which must be percent-encoded";
    }
    if (!is_login_clear(std::string_view(conninfo).substr(scheme + 3))) {
      return "its user or password holds a character that must be percent-encoded";
    }
  }
  std::string why;
  const Options options = parse(conninfo, &why);
  if (!why.empty()) {
    std::string unasked;
    return unreadable(conninfo, why, hint == nullptr ? unasked : *hint);
  }
  if (holds_conninfo(value_of(options, "dbname"))) {
    return "its database name is a URL or conninfo itself";
  }
  for (const auto& [keyword, value] : options) {
    // The value of `host= password=…` looks like this.
    if (!keyword.ends_with("password") && value.find("password=") != std::string::npos) {
      if (hint != nullptr) *hint = "Write '' for an empty value.";
      return "a keyword before the password has no value";
    }
    std::string problem = parameter_problem(keyword, value);
    if (problem.empty()) continue;
    if (hint != nullptr && keyword == "replication") *hint = "Remove it.";
    return problem;
  }
  return "";
}

bool conninfo_has_password(const std::string& conninfo) {
  const Options options = parse(conninfo);
  return !value_of(options, "password").empty() || !value_of(options, "sslpassword").empty();
}

std::string shown_conninfo(const std::string& conninfo) {
  // Of libpq's defaults, only these say where it connects.
  constexpr std::array<std::string_view, 5> told{"host", "hostaddr", "port", "dbname", "user"};
  std::string shown;
  for (const auto& [keyword, value] :
       conninfo.empty() ? options_of(PQconndefaults()) : parse(conninfo)) {
    if (value.empty()) continue;
    if (conninfo.empty() && std::count(told.begin(), told.end(), keyword) == 0) continue;
    const bool is_plain = value.find_first_of(" \t\n'\\") == std::string::npos;
    shown += fmt::format("{}{}={}", shown.empty() ? "" : " ", keyword,
                         keyword.ends_with("password") || is_url(value) ? "********"
                         : is_plain                                     ? value
                                                                        : in_quotes(value, '\''));
  }
  return shown;
}

}  // namespace tickstock::postgres
