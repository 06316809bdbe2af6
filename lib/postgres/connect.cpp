#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "domain/text.hpp"
#include "postgres/connection.hpp"

namespace tickstock::postgres {

using io::Deadline;
using io::Readiness;

namespace {

constexpr const char* system_certificates = "/etc/ssl/certs/ca-certificates.crt";

std::string home_of(const ConnectionSettings& settings) {
  if (!settings.home.empty()) return settings.home;
  const passwd* user = ::getpwuid(::geteuid());
  return user == nullptr ? "" : user->pw_dir;
}

/// Refuses a file that libpq would find missing only while connecting, or a key that others can
/// read. \param keyword the parameter that names it
void require_file(std::string_view keyword, const std::string& path) {
  const bool is_key = keyword == "sslkey";
  // A key can also be one of an engine, by its name.
  if (path.empty() || (is_key && path.find(':') != std::string::npos)) return;
  std::string why;
  struct stat facts {};
  if (::access(path.c_str(), R_OK) != 0 || ::stat(path.c_str(), &facts) != 0) {
    why = "can't be read: " + std::generic_category().message(errno);
  } else if (is_key && (facts.st_mode & (facts.st_uid == 0 ? 037U : 077U)) != 0) {
    why = "others can read; run: chmod 600 " + path;
  } else {
    return;
  }
  fail_unusable(fmt::format("{} is {}, which {}; name a file that can be used{}{}", keyword, path,
                            why, keyword == "sslrootcert" ? ", such as " : "",
                            keyword == "sslrootcert" ? system_certificates : ""));
}

void require_certificates(const Options& options, const std::string& home) {
  const std::string sslmode = value_of(options, "sslmode");
  if (sslmode == "disable") return;
  std::string root = value_of(options, "sslrootcert");
  if (root == "system") {
    constexpr int first_with_system = 160000;
    if (PQlibVersion() < first_with_system) {
      fail_unusable(std::string("sslrootcert=system needs libpq 16 or newer; use sslrootcert=") +
                    system_certificates);
    }
    if (sslmode != "verify-full") {
      fail_unusable("sslrootcert=system is only for sslmode=verify-full; set that too");
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

/// Returns the password file, if it is one that libpq would ignore and complain about on standard
/// error: anything but a plain file that nobody else can read.
std::string refused_password_file(const ConnectionSettings& settings) {
  const std::string named = password_file_of(settings.conninfo);
  const std::string path = named.empty() ? home_of(settings) + "/.pgpass" : named;
  struct stat facts {};
  if (::stat(path.c_str(), &facts) == 0) {
    const bool is_private = S_ISREG(facts.st_mode) && (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
    return is_private ? "" : path;
  }
  if (named.empty()) return "";
  fail_unusable(fmt::format("passfile is {}, which can't be read: {}; name a file that is there",
                            path, std::generic_category().message(errno)));
}

/// Returns an element of a libpq list, which has one for each host, or one for all.
std::string element(const std::vector<std::string>& list, std::size_t index) {
  if (list.size() == 1) return list.front();
  return index < list.size() ? list[index] : "";
}

bool has_gap(const std::vector<std::string>& list) {
  return list.size() > 1 && std::find(list.begin(), list.end(), "") != list.end();
}

bool is_socket(std::string_view host) {
  return host.empty() || host.starts_with('/') || host.starts_with('@');
}

/// Returns the servers that a conninfo, the environment and a service file name, not yet looked up.
/// \throws Error (config) for anything that no retry helps.
std::vector<Target> named_targets(const ConnectionSettings& settings) {
  const Options options = effective_options(settings.conninfo);
  for (const auto& [keyword, value] : options) {
    if (const std::string problem = parameter_problem(keyword, value); !problem.empty()) {
      fail_unusable(problem + "; look at the URL, PG… variables and the service file");
    }
  }
  const std::vector<std::string> hosts = split(value_of(options, "host"), ',');
  const std::vector<std::string> addresses = split(value_of(options, "hostaddr"), ',');
  const std::vector<std::string> ports = split(value_of(options, "port"), ',');
  const bool by_address = addresses.size() > 1 || !addresses.front().empty();
  const bool by_name = hosts.size() > 1 || !hosts.front().empty();
  const std::size_t count = by_address ? addresses.size() : hosts.size();
  // libpq would then look names up itself, without a limit.
  if (has_gap(hosts) || has_gap(addresses) || (by_address && by_name && hosts.size() != count)) {
    throw Error(ErrorKind::config,
                "the hosts of the database URL, PGHOST or the service file have a gap, or do not "
                "match the addresses; name each of them");
  }
  if (holds_conninfo(value_of(options, "dbname"))) {
    throw Error(ErrorKind::config,
                "the name of the database, in the URL, PGDATABASE or the service file, is a URL or "
                "conninfo itself, which could hold a password; give the name alone");
  }
  if (ports.size() > 1 && ports.size() != count) {
    throw Error(ErrorKind::config,
                fmt::format("the database URL has {} ports for {} hosts; give one, or one for each "
                            "host",
                            ports.size(), count));
  }
  const std::string sslmode = value_of(options, "sslmode");
  const bool has_network = by_address || !std::all_of(hosts.begin(), hosts.end(), is_socket);
  const bool will_be_refused = settings.require_tls && sslmode != "verify-full";
  if (has_network && !will_be_refused) require_certificates(options, home_of(settings));
  const std::string refused_passfile = refused_password_file(settings);
  std::vector<Target> targets;
  for (std::size_t i = 0; i < count; ++i) {
    targets.push_back({element(hosts, i), element(addresses, i), element(ports, i),
                       value_of(options, "target_session_attrs"), sslmode, refused_passfile});
  }
  return targets;
}

/// Returns the addresses in the order in which to try them. Names are looked up here, since libpq
/// would do it without a limit. \throws Error (unavailable) if no name has an address,
/// (interrupted).
std::vector<Target> find_targets(const ConnectionSettings& settings, io::Patience& patience) {
  constexpr std::chrono::milliseconds pause{5};
  const Deadline deadline = Deadline::after(settings.connect_timeout);
  const std::vector<Target> named = named_targets(settings);
  std::vector<std::optional<io::Lookup>> lookups(named.size());
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (named[i].address.empty() && !is_socket(named[i].host))
      lookups[i].emplace(named[i].host, "");
  }
  std::vector<Target> targets;
  std::string failures;
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (!lookups[i]) {
      targets.push_back(named[i]);
      continue;
    }
    const std::string& host = named[i].host;
    while (!lookups[i]->done() && !deadline.over() && !patience.over()) {
      if (!patience.pause(pause)) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while looking up " + host);
      }
    }
    const io::Addresses found =
        lookups[i]->done() ? lookups[i]->addresses()
                           : io::Addresses{"its address could not be looked up in time", nullptr};
    if (!found.failure.empty()) {
      failures += fmt::format("{}{}: {}", failures.empty() ? "" : "; ", host, found.failure);
    }
    for (const addrinfo* each = found.list.get(); each != nullptr; each = each->ai_next) {
      targets.push_back(named[i]);
      targets.back().address = io::digits_of(*each);
    }
  }
  if (!targets.empty()) return targets;
  throw Error(ErrorKind::unavailable, "cannot connect to PostgreSQL at " + failures +
                                          "; check the host in the URL, and the name server");
}

/// Returns the targets; for prefer-standby twice: first only as standbys, then as any server.
std::vector<Target> in_rounds(std::vector<Target> targets) {
  if (targets.front().session != "prefer-standby") return targets;
  const std::size_t count = targets.size();
  for (std::size_t i = 0; i < count; ++i) {
    targets.push_back(targets[i]);
    targets[i].session = "standby";
    targets.back().session = "any";
  }
  return targets;
}

}  // namespace

std::string Target::shown() const {
  const std::string name = host.empty() ? (address.empty() ? "the default socket" : address) : host;
  return port.empty() ? name : name + ":" + port;
}

std::string Target::transport_weakness() const {
  const bool local = address.empty() || address.starts_with("127.") || address == "::1";
  if (local || sslmode == "verify-full") return "";
  return fmt::format(
      "the connection to PostgreSQL at {} is not verified (sslmode={}); use sslmode=verify-full",
      shown(), sslmode.empty() ? "prefer" : sslmode);
}

std::optional<std::chrono::seconds> connect_timeout_of(const std::string& conninfo) {
  const int seconds =
      number_of<int>(value_of(effective_options(conninfo), "connect_timeout")).value_or(0);
  if (seconds <= 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

Connection Connection::open(const ConnectionSettings& settings, io::Patience& patience) {
  std::string failures;
  const Target* answered = nullptr;
  const std::vector<Target> targets = in_rounds(find_targets(settings, patience));
  for (const Target& target : targets) {
    // A server that refused at one of its addresses would refuse at the others.
    if (answered != nullptr && answered->host == target.host && answered->port == target.port &&
        answered->session == target.session) {
      continue;
    }
    if (const std::string weakness = target.transport_weakness();
        settings.require_tls && !weakness.empty()) {
      throw Error(ErrorKind::config, "[security] require_tls: " + weakness);
    }
    Refusal refusal;
    if (auto opened = open_at(target, settings, patience, refusal)) return *std::move(opened);
    if (refusal.by_server) answered = &target;
    failures +=
        fmt::format("{}{}: {}", failures.empty() ? "" : "; at ", target.shown(), refusal.why);
    if (patience.over()) break;
  }
  throw Error(ErrorKind::unavailable, "cannot connect to PostgreSQL at " + failures +
                                          "; check the server, the URL and the login");
}

std::optional<Connection> Connection::open_another(std::chrono::milliseconds time) const {
  ConnectionSettings settings = settings_;
  settings.connect_timeout = std::min(settings.connect_timeout, time);
  Refusal ignored;
  std::optional<Connection> opened = open_at(target_, settings, *patience_, ignored);
  if (opened) opened->expendable_ = true;
  return opened;
}

std::optional<Connection> Connection::open_at(const Target& target,
                                              const ConnectionSettings& settings,
                                              io::Patience& patience, Refusal& refusal) {
  // libpq expands the conninfo in "dbname"; later options override it. A null keyword ends the
  // list.
  const std::vector<std::pair<const char*, const char*>> options{
      {"dbname", settings.conninfo.c_str()},
      {"host", target.host.c_str()},
      {"hostaddr", target.address.c_str()},
      {"port", target.port.c_str()},
      {"target_session_attrs", target.session.c_str()},
      {"fallback_application_name", settings.application_name.c_str()},
      {"client_encoding", "UTF8"},
      {target.refused_passfile.empty() ? nullptr : "passfile", no_password_file},
      {nullptr, nullptr}};
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : options) {
    keywords.push_back(keyword);
    values.push_back(value);
  }
  Connection opened(PQconnectStartParams(keywords.data(), values.data(), 1), settings, target,
                    patience);
  PGconn* raw = opened.connection_.get();
  if (raw == nullptr) throw Error(ErrorKind::unavailable, "out of memory");
  // Before the login, since libpq would print its warnings itself.
  PQsetNoticeReceiver(raw, &Connection::take_notice, opened.warnings_.get());

  const Deadline deadline = Deadline::after(settings.connect_timeout);
  PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
  while (PQstatus(raw) != CONNECTION_BAD && wants != PGRES_POLLING_OK &&
         wants != PGRES_POLLING_FAILED) {
    const auto events = static_cast<short>(wants == PGRES_POLLING_READING ? POLLIN : POLLOUT);
    const Readiness readiness = patience.wait(PQsocket(raw), events, deadline);
    if (readiness == Readiness::interrupted) {
      throw Error(ErrorKind::interrupted, "interrupted by a signal while connecting");
    }
    if (readiness == Readiness::timed_out) {
      refusal = {"no answer in time", false};
      return std::nullopt;
    }
    refusal.by_server = PQstatus(raw) == CONNECTION_AWAITING_RESPONSE;
    wants = PQconnectPoll(raw);
  }
  if (PQstatus(raw) != CONNECTION_OK) {
    refusal.why = one_line(PQerrorMessage(raw));
    if (PQconnectionNeedsPassword(raw) == 1 && !target.refused_passfile.empty()) {
      refusal.why += fmt::format(
          "; the password file {0} is ignored, since others can read it: run chmod 600 {0}",
          target.refused_passfile);
    }
    return std::nullopt;
  }
  opened.login_warnings_ = std::exchange(*opened.warnings_, {});
  opened.user_ = PQuser(raw);
  PQsetnonblocking(raw, 1);
  return opened;
}

void Connection::take_notice(void* warnings, const PGresult* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char* text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  if (severity == nullptr || std::string_view(severity) != "WARNING" || text == nullptr) return;
  static_cast<std::vector<std::string>*>(warnings)->push_back(one_line(text));
}

}  // namespace tickstock::postgres
