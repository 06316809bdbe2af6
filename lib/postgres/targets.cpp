#include "postgres/targets.hpp"

#include <libpq-fe.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>

#include "domain/error.hpp"
#include "io/wait.hpp"
#include "postgres/connection.hpp"
#include "postgres/sqlstate.hpp"

namespace tickstock::postgres {

namespace {

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

constexpr std::chrono::milliseconds lookup_pause{5};

using Options = std::map<std::string, std::string, std::less<>>;

[[noreturn]] void unusable(const std::string& why) {
  throw Error(ErrorKind::config, "the connection to PostgreSQL is not usable: " + why);
}

/// What libpq makes of the conninfo, its environment and its service file. It alone knows how, and
/// tells it of a connection too: so it is given a value that stops it before its first look-up.
Options effective_options(const std::string& conninfo) {
  // Nor does it need to look for a password, of whose file it could complain.
  const std::array<const char*, 4> keywords{"dbname", "gssencmode", "passfile", nullptr};
  const std::array<const char*, 4> values{conninfo.c_str(), "?", no_password_file, nullptr};
  const std::unique_ptr<PGconn, Finish> probe(
      PQconnectStartParams(keywords.data(), values.data(), 1));
  // Its words name the service, its file or a line of that, and repeat nothing else.
  if (const std::string why = one_line(PQerrorMessage(probe.get()));
      why.find("service") != std::string::npos) {
    unusable(why + "; look at PGSERVICE, and at the file that PGSERVICEFILE names");
  }
  const std::unique_ptr<PQconninfoOption, Finish> options(PQconninfo(probe.get()));
  Options found;
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val != nullptr) found.emplace(option->keyword, option->val);
  }
  return found;
}

const std::string& value_of(const Options& options, std::string_view keyword) {
  static const std::string none;
  const auto found = options.find(keyword);
  return found == options.end() ? none : found->second;
}

std::string home_of(const ConnectionSettings& settings) {
  if (!settings.home.empty()) return settings.home;
  const passwd* user = ::getpwuid(::geteuid());
  return user == nullptr ? "" : user->pw_dir;
}

/// Why a file can't be used; empty where it can. \param is_key whether others must not read it
std::string unusable_because(const std::string& path, bool is_key) {
  struct stat facts {};
  if (::access(path.c_str(), R_OK) != 0 || ::stat(path.c_str(), &facts) != 0) {
    return "can't be read: " + std::generic_category().message(errno);
  }
  const bool is_shared = (facts.st_mode & (facts.st_uid == 0 ? 037U : 077U)) != 0;
  if (is_key && is_shared) return "others can read; run: chmod 600 " + path;
  return "";
}

constexpr const char* system_certificates = "/etc/ssl/certs/ca-certificates.crt";

/// Files of certificates that libpq would find missing only while connecting.
void require_certificates(const Options& options, const std::string& home) {
  const std::string& sslmode = value_of(options, "sslmode");
  if (sslmode == "disable") return;
  std::string root = value_of(options, "sslrootcert");
  constexpr int first_with_system = 160000;
  if (root == "system") {
    if (PQlibVersion() < first_with_system) {
      unusable(std::string("sslrootcert=system needs libpq 16 or newer; use sslrootcert=") +
               system_certificates);
    }
    if (sslmode != "verify-full") {
      unusable("sslrootcert=system is only for sslmode=verify-full; set that too");
    }
    root.clear();
  } else if (root.empty() && sslmode.starts_with("verify-")) {
    root = home + "/.postgresql/root.crt";
  }
  const auto require = [](std::string_view what, const std::string& path) {
    // A key may also be named as one of an engine.
    if (path.empty() || (what == "sslkey" && path.find(':') != std::string::npos)) return;
    if (const std::string why = unusable_because(path, what == "sslkey"); !why.empty()) {
      unusable(std::string(what) + " is " + path + ", which " + why +
               "; name a file that can be used" +
               (what == "sslrootcert" ? std::string(", such as ") + system_certificates : ""));
    }
  };
  require("sslrootcert", root);
  for (const char* keyword : {"sslcert", "sslkey", "sslcrl", "sslcrldir"}) {
    require(keyword, value_of(options, keyword));
  }
  if (!value_of(options, "sslcert").empty() && value_of(options, "sslkey").empty()) {
    require("sslkey", home + "/.postgresql/postgresql.key");
  }
}

/// The password file that libpq would refuse, and complain of on standard error by itself: it must
/// be a plain file that nobody else can read. Empty where there is none.
std::string refused_password_file(const ConnectionSettings& settings) {
  std::string path = conninfo_value(settings.conninfo, "passfile");
  const bool is_named = !path.empty();
  if (!is_named) path = home_of(settings) + "/.pgpass";
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    if (is_named) {
      unusable("passfile is " + path + ", which can't be read: " +
               std::generic_category().message(errno) + "; name a file that is there");
    }
    return "";
  }
  const bool is_private = S_ISREG(facts.st_mode) && (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  return is_private ? "" : path;
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

/// A list of libpq has an element for each host, or one for all.
std::string element(const std::vector<std::string>& list, std::size_t index) {
  if (list.size() == 1) return list.front();
  return index < list.size() ? list[index] : std::string();
}

bool is_socket(std::string_view host) {
  return host.empty() || host.starts_with('/') || host.starts_with('@');
}

/// Waits for all of them, or for the deadline.
void wait_for_lookups(std::map<std::string, io::Lookup>& lookups, io::Deadline deadline,
                      io::Patience& patience) {
  for (auto& [host, lookup] : lookups) {
    while (!lookup.done() && !deadline.over() && !patience.over()) {
      if (!patience.pause(lookup_pause)) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while looking up " + host);
      }
    }
  }
}

}  // namespace

std::string Target::shown() const {
  const std::string name = host.empty() ? (address.empty() ? "the default socket" : address) : host;
  return port.empty() ? name : name + ":" + port;
}

std::string Target::transport_weakness() const {
  const bool local = address.empty() || address.starts_with("127.") || address == "::1";
  if (local || sslmode == "verify-full") return "";
  return "the connection to PostgreSQL at " + shown() +
         " is not verified (sslmode=" + (sslmode.empty() ? "prefer" : sslmode) +
         "); use sslmode=verify-full";
}

std::optional<std::chrono::seconds> connect_timeout_of(const std::string& conninfo) {
  const std::string value = value_of(effective_options(conninfo), "connect_timeout");
  if (value.empty() || !parameter_problem("connect_timeout", value).empty()) return std::nullopt;
  const int seconds = std::stoi(value);
  if (seconds <= 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

std::vector<Target> find_targets(const ConnectionSettings& settings, io::Patience& patience) {
  const io::Deadline deadline = io::Deadline::after(settings.connect_timeout);
  const Options options = effective_options(settings.conninfo);
  const auto value = [&options](std::string_view keyword) { return value_of(options, keyword); };
  for (const auto& [keyword, text] : options) {
    if (keyword == "gssencmode") continue;
    if (const std::string problem = parameter_problem(keyword, text); !problem.empty()) {
      unusable(problem + "; look at the URL, PG… variables and the service file");
    }
  }
  const std::vector<std::string> hosts = split(value("host"));
  const std::vector<std::string> addresses = split(value("hostaddr"));
  const std::vector<std::string> ports = split(value("port"));
  const bool by_address = !value("hostaddr").empty();
  const std::size_t count = by_address ? addresses.size() : hosts.size();

  const auto has_gap = [](const std::vector<std::string>& list) {
    return list.size() > 1 && std::find(list.begin(), list.end(), "") != list.end();
  };
  // libpq would go its own way there, and look names up without a limit.
  if (has_gap(hosts) || has_gap(addresses) ||
      (by_address && !value("host").empty() && hosts.size() != addresses.size())) {
    throw Error(ErrorKind::config,
                "the hosts of the database URL, PGHOST or the service file have a gap, or do not "
                "match the addresses; name each of them");
  }
  if (holds_conninfo(value("dbname"))) {
    throw Error(ErrorKind::config,
                "the name of the database, in the URL, PGDATABASE or the service file, is a URL or "
                "conninfo itself, which could hold a password; give the name alone");
  }
  if (ports.size() > 1 && ports.size() != count) {
    throw Error(ErrorKind::config, "the database URL has " + std::to_string(ports.size()) +
                                       " ports for " + std::to_string(count) +
                                       " hosts; give one, or one for each host");
  }

  const bool has_network =
      by_address || !std::all_of(hosts.begin(), hosts.end(),
                                 [](const std::string& host) { return is_socket(host); });
  const bool will_be_refused = settings.require_tls && value("sslmode") != "verify-full";
  if (has_network && !will_be_refused) require_certificates(options, home_of(settings));
  const std::string refused_passfile = refused_password_file(settings);

  std::map<std::string, io::Lookup> lookups;
  for (const std::string& host : hosts) {
    if (!by_address && !is_socket(host)) lookups.try_emplace(host, host, "");
  }
  wait_for_lookups(lookups, deadline, patience);

  std::vector<Target> targets;
  std::string failures;
  for (std::size_t i = 0; i < count; ++i) {
    const Target target{by_address ? (i < hosts.size() ? hosts[i] : "") : hosts[i],
                        by_address ? addresses[i] : "",
                        element(ports, i),
                        value("target_session_attrs"),
                        value("sslmode"),
                        refused_passfile};
    const auto looked_up = lookups.find(target.host);
    if (by_address || looked_up == lookups.end()) {
      targets.push_back(target);
      continue;
    }
    io::Lookup& lookup = looked_up->second;
    if (!lookup.done() || !lookup.addresses().failure.empty()) {
      failures += (failures.empty() ? "" : "; ") + target.host + ": " +
                  (lookup.done() ? lookup.addresses().failure : "its address could not be looked up in time");
      continue;
    }
    for (const addrinfo* each = lookup.addresses().list.get(); each != nullptr;
         each = each->ai_next) {
      targets.push_back(target);
      targets.back().address = io::digits_of(*each);
    }
  }
  if (targets.empty()) {
    throw Error(ErrorKind::unavailable, "cannot connect to PostgreSQL at " + failures +
                                            "; check the host in the URL, and the name server");
  }
  return targets;
}

}  // namespace tickstock::postgres
