#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "postgres/connection.hpp"

namespace tickstock::postgres {

using io::Deadline;
using io::Readiness;

namespace {

/// Returns the addresses in the order to try them. Looks names up itself, since libpq would do it
/// without a time limit. \param failures gets the names without an address, and why \throws Error
/// (unavailable) if no name has one, (interrupted).
std::vector<Target> find_targets(const ConnectionSettings& settings, io::Patience& patience,
                                 std::string& failures) {
  constexpr std::chrono::milliseconds pause{5};
  const Deadline deadline = Deadline::after(settings.connect_timeout);
  const std::vector<Target> named = named_targets(settings);
  std::vector<std::optional<io::Lookup>> lookups(named.size());
  for (std::size_t i = 0; i < named.size(); ++i) {
    const bool is_name = named[i].address.empty() && !named[i].is_socket();
    if (is_name) lookups[i].emplace(named[i].host, "");
  }
  std::vector<Target> targets;
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
      failures += fmt::format("{}{}: {}", failures.empty() ? "" : "; at ", host, found.failure);
    }
    for (const addrinfo* each = found.list.get(); each != nullptr; each = each->ai_next) {
      targets.push_back(named[i]);
      targets.back().address = io::digits_of(*each);
    }
  }
  if (!targets.empty()) return targets;
  throw Error(ErrorKind::unavailable, "cannot connect to PostgreSQL at " + failures,
              {.object = "PostgreSQL", .hint = "Check the host in the URL, and the name server."});
}

}  // namespace

std::string Target::shown() const {
  const std::string name = host.empty() ? (address.empty() ? "the default socket" : address) : host;
  return port.empty() ? name : name + ":" + port;
}

std::string Target::transport_weakness() const {
  const bool local = address.empty() || address.starts_with("127.") || address == "::1";
  if (local || sslmode == "verify-full") return "";
  return fmt::format("the connection to PostgreSQL at {} is not verified (sslmode={})", shown(),
                     sslmode.empty() ? "prefer" : sslmode);
}

Connection Connection::open(const ConnectionSettings& settings, io::Patience& patience) {
  std::string failures;
  std::string hint;
  std::vector<Target> targets = find_targets(settings, patience, failures);
  if (targets.front().session == "prefer-standby") {
    // Try each twice: first all as standbys, then all as any server.
    for (Target& target : targets) target.session = "standby";
    std::vector<Target> again = targets;
    for (Target& target : again) targets.emplace_back(std::move(target)).session = "any";
  }
  const Target* answered = nullptr;
  for (const Target& target : targets) {
    // A server that refused at one of its addresses would refuse at the others, too.
    if (answered != nullptr && !target.host.empty() && answered->host == target.host &&
        answered->port == target.port && answered->session == target.session) {
      continue;
    }
    if (const std::string weakness = target.transport_weakness();
        settings.require_tls && !weakness.empty()) {
      throw Error(ErrorKind::config, "[security] require_tls: " + weakness,
                  {.object = "PostgreSQL at " + target.shown(), .hint = transport_hint});
    }
    Refusal refusal;
    if (auto opened = open_at(target, settings, patience, refusal)) return *std::move(opened);
    if (refusal.by_file) {
      throw Error(ErrorKind::config, "the connection to PostgreSQL is not usable: " + refusal.why,
                  {.object = "PostgreSQL at " + target.shown(),
                   .hint = "Check the files that sslcert, sslkey and sslrootcert name; sslpassword "
                           "opens an encrypted key."});
    }
    if (refusal.by_server) answered = &target;
    failures +=
        fmt::format("{}{}: {}", failures.empty() ? "" : "; at ", target.shown(), refusal.why);
    if (hint.empty()) hint = refusal.hint;
    if (patience.over()) break;
  }
  throw Error(ErrorKind::unavailable, "cannot connect to PostgreSQL at " + failures,
              {.object = "PostgreSQL at " + targets.front().shown(),
               .hint = with_hint(hint, "Check the server, the URL and the login.")});
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
  // Otherwise OpenSSL asks the terminal for the password of a key, and nothing can end that wait.
  PQsetSSLKeyPassHook_OpenSSL(&PQdefaultSSLKeyPassHook_OpenSSL);
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
  if (raw == nullptr)
    throw Error(
        ErrorKind::unavailable, "cannot connect to PostgreSQL: out of memory",
        {.object = "PostgreSQL at " + target.shown(), .hint = "Free memory, and run again."});
  // Set it before the login, since libpq would print the login's warnings itself.
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
      refusal = {"no answer in time", "", false};
      return std::nullopt;
    }
    refusal.by_server = PQstatus(raw) == CONNECTION_AWAITING_RESPONSE;
    wants = PQconnectPoll(raw);
  }
  if (PQstatus(raw) != CONNECTION_OK) {
    const std::string_view why = PQerrorMessage(raw);
    // libpq's own hint, on a line of its own, would run into its sentence.
    refusal.why = one_line(why.substr(0, why.find("\n\tIs the server running")));
    // Only libpq speaks of its files: they can be read, but are not what they should be.
    refusal.by_file = why.find("certificate file \"") != std::string_view::npos ||
                      why.find("private key file \"") != std::string_view::npos;
    if (PQconnectionNeedsPassword(raw) == 1 && !target.refused_passfile.empty()) {
      refusal.hint = fmt::format(
          "The password file {0} is ignored, since others can read it: run 'chmod 600 {0}'.",
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
