#include <poll.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "postgres/connection.hpp"
#include "postgres/sqlstate.hpp"

namespace tickstock::postgres {

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
  if (!is_warning || text == nullptr) return;
  if (taken.committing) taken.warning = one_line(text);
  if (taken.logging_in) taken.of_login.push_back(one_line(text));
}

Connection Connection::open(const ConnectionSettings& settings, io::Patience& patience) {
  std::string failures;
  const Target* answered = nullptr;
  const std::vector<Target> targets = in_rounds(find_targets(settings, patience));
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
  std::vector<std::pair<const char*, const char*>> options{
      {"dbname", settings.conninfo.c_str()},
      {"host", target.host.c_str()},
      {"hostaddr", target.address.c_str()},
      {"port", target.port.c_str()},
      {"target_session_attrs", target.session.c_str()},
      {"fallback_application_name", settings.application_name.c_str()},
      {"client_encoding", "UTF8"}};
  if (!target.refused_passfile.empty()) options.emplace_back("passfile", no_password_file);
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& option : options) {
    keywords.push_back(option.first);
    values.push_back(option.second);
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  Connection opened(PQconnectStartParams(keywords.data(), values.data(), 1), settings, target,
                    patience);
  PGconn* raw = opened.connection_.get();
  if (raw == nullptr) throw Error(ErrorKind::unavailable, "out of memory");
  // Before the login, whose warnings libpq would print itself.
  PQsetNoticeReceiver(raw, &Connection::take_notice, opened.notices_.get());

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
  if (PQstatus(raw) != CONNECTION_OK) {
    std::string why = one_line(PQerrorMessage(raw));
    if (PQconnectionNeedsPassword(raw) == 1 && !target.refused_passfile.empty()) {
      why += "; the password file " + target.refused_passfile +
             " is ignored, since others can read it: run chmod 600 " + target.refused_passfile;
    }
    return ConnectFailure{why, answered};
  }
  opened.notices_->logging_in = false;
  opened.user_ = PQuser(raw);
  PQsetnonblocking(raw, 1);
  return opened;
}

}  // namespace tickstock::postgres
