#include "store/targets.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string_view>

#include "domain/error.hpp"
#include "io/lookup.hpp"
#include "store/connection.hpp"

namespace tickstock::store {

namespace {

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

constexpr std::chrono::milliseconds lookup_pause{5};

/// What libpq makes of the conninfo, its environment and its service file. It alone knows how, and
/// tells it of a connection too: so it is given a value that stops it before its first look-up.
std::map<std::string, std::string, std::less<>> effective_options(const std::string& conninfo) {
  // Nor does it need to look for a password, of whose file it could complain.
  const std::array<const char*, 4> keywords{"dbname", "channel_binding", "passfile", nullptr};
  const std::array<const char*, 4> values{conninfo.c_str(), "?", "/no/password/file", nullptr};
  const std::unique_ptr<PGconn, Finish> probe(
      PQconnectStartParams(keywords.data(), values.data(), 1));
  const std::unique_ptr<PQconninfoOption, Finish> options(PQconninfo(probe.get()));
  std::map<std::string, std::string, std::less<>> found;
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    found.emplace(option->keyword, option->val == nullptr ? "" : option->val);
  }
  return found;
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

std::vector<Target> find_targets(const std::string& conninfo, io::Deadline deadline,
                                 io::Patience& patience) {
  const auto options = effective_options(conninfo);
  const auto value = [&options](std::string_view keyword) {
    const auto found = options.find(keyword);
    return found == options.end() ? std::string() : found->second;
  };
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

  std::map<std::string, io::Lookup> lookups;
  for (const std::string& host : hosts) {
    if (!by_address && !is_socket(host)) lookups.try_emplace(host, host, "");
  }
  wait_for_lookups(lookups, deadline, patience);

  std::vector<Target> targets;
  std::string failures;
  for (std::size_t i = 0; i < count; ++i) {
    const Target target{by_address ? (i < hosts.size() ? hosts[i] : "") : hosts[i],
                        by_address ? addresses[i] : "", element(ports, i),
                        value("target_session_attrs"), value("sslmode")};
    const auto looked_up = lookups.find(target.host);
    if (by_address || looked_up == lookups.end()) {
      targets.push_back(target);
      continue;
    }
    io::Lookup& lookup = looked_up->second;
    if (!lookup.done() || !lookup.failure().empty()) {
      failures += (failures.empty() ? "" : "; ") + target.host + ": " +
                  (lookup.done() ? lookup.failure() : "its address could not be looked up in time");
      continue;
    }
    for (const addrinfo* each : lookup.addresses()) {
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

}  // namespace tickstock::store
