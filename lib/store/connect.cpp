#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>
#include <variant>

#include "store/connection.hpp"
#include "store/sqlstate.hpp"

namespace tickstock::store {

using io::Deadline;
using io::Readiness;

namespace {

/// The targets once more for a second round, where the first one asks for a standby only.
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

void Connection::take_notice(void* notices, const PGresult* notice) {
  auto& taken = *static_cast<Notices*>(notices);
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char* text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  const bool is_warning = severity != nullptr && std::string_view(severity) == "WARNING";
  if (taken.committing && is_warning && text != nullptr) taken.warning = one_line(text);
}

Connection Connection::open(const ConnectionSettings& settings, io::Patience& patience) {
  std::string failures;
  const Target* answered = nullptr;
  const std::vector<Target> targets = in_rounds(
      find_targets(settings.conninfo, Deadline::after(settings.connect_timeout), patience));
  for (const Target& target : targets) {
    // What a host has refused at one of its addresses, it would refuse at the others.
    if (answered != nullptr && answered->host == target.host && answered->port == target.port &&
        answered->session == target.session) {
      continue;
    }
    if (const std::string weakness = target.transport_weakness();
        settings.require_tls && !weakness.empty()) {
      throw Error(ErrorKind::config, "[security] require_tls: " + weakness);
    }
    auto outcome = open_at(target, settings, patience);
    if (auto* opened = std::get_if<Connection>(&outcome)) return std::move(*opened);
    const auto& failure = std::get<ConnectFailure>(outcome);
    if (failure.answered) answered = &target;
    failures += (failures.empty() ? "" : "; at ") + target.shown() + ": " + failure.why;
    if (patience.over()) break;
  }
  throw Error(ErrorKind::unavailable, "cannot connect to PostgreSQL at " + failures +
                                          "; check the server, the URL and the login");
}

std::optional<Connection> Connection::open_another(std::chrono::milliseconds time) const {
  ConnectionSettings settings = settings_;
  settings.connect_timeout = std::min(settings.connect_timeout, time);
  try {
    auto outcome = open_at(target_, settings, *patience_);
    auto* opened = std::get_if<Connection>(&outcome);
    if (opened == nullptr) return std::nullopt;
    opened->expendable_ = true;
    return std::move(*opened);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    return std::nullopt;
  }
}

std::variant<Connection, Connection::ConnectFailure> Connection::open_at(
    const Target& target, const ConnectionSettings& settings, io::Patience& patience) {
  // The conninfo is expanded as "dbname"; what stands after it wins over it.
  const std::array<const char*, 8> keywords{"dbname",
                                            "host",
                                            "hostaddr",
                                            "port",
                                            "target_session_attrs",
                                            "fallback_application_name",
                                            "client_encoding",
                                            nullptr};
  const std::array<const char*, 8> values{settings.conninfo.c_str(),
                                          target.host.c_str(),
                                          target.address.c_str(),
                                          target.port.c_str(),
                                          target.session.c_str(),
                                          settings.application_name.c_str(),
                                          "UTF8",
                                          nullptr};
  Connection opened(PQconnectStartParams(keywords.data(), values.data(), 1), settings, target,
                    patience);
  PGconn* raw = opened.connection_.get();
  if (raw == nullptr) throw Error(ErrorKind::unavailable, "out of memory");

  const Deadline deadline = Deadline::after(settings.connect_timeout);
  PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
  bool answered = false;
  while (PQstatus(raw) != CONNECTION_BAD && wants != PGRES_POLLING_OK &&
         wants != PGRES_POLLING_FAILED) {
    const auto events = static_cast<short>(wants == PGRES_POLLING_READING ? POLLIN : POLLOUT);
    switch (patience.wait(PQsocket(raw), events, deadline)) {
      case Readiness::ready:
        answered = PQstatus(raw) == CONNECTION_AWAITING_RESPONSE;
        wants = PQconnectPoll(raw);
        break;
      case Readiness::interrupted:
        throw Error(ErrorKind::interrupted, "interrupted by a signal while connecting");
      case Readiness::timed_out: return ConnectFailure{"no answer in time", false};
    }
  }
  if (PQstatus(raw) != CONNECTION_OK)
    return ConnectFailure{one_line(PQerrorMessage(raw)), answered};
  opened.user_ = PQuser(raw);
  PQsetnonblocking(raw, 1);
  PQsetNoticeReceiver(raw, &Connection::take_notice, opened.notices_.get());
  return opened;
}

}  // namespace tickstock::store
