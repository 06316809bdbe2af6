#include "events/redis_settings.hpp"

#include <charconv>
#include <string_view>

#include "domain/error.hpp"

namespace tickstock::events {

namespace {

[[noreturn]] void unusable(const std::string& why) {
  throw Error(
      ErrorKind::config,
      "can't be used: " + why + "; write redis://host:port/database, rediss://… or unix:///path");
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view hex = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
    if (hex.size() != 2 || error != std::errc{} || end != hex.data() + 2 || value == 0) {
      unusable("a percent sign is not followed by two hexadecimal digits");
    }
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

int number_in(std::string_view text, int lowest, int highest, const std::string& what) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < lowest ||
      value > highest) {
    unusable(what + " is not a number from " + std::to_string(lowest) + " to " +
             std::to_string(highest));
  }
  return value;
}

int database_of(std::string_view text) {
  return text.empty() ? 0 : number_in(text, 0, 1'000'000, "the database");
}

/// Takes `user:password@` off the front of the authority.
std::string_view take_login(std::string_view authority, RedisSettings& settings) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return authority;
  const std::string_view login = authority.substr(0, at);
  const std::size_t colon = login.find(':');
  settings.user = percent_decoded(login.substr(0, colon));
  if (colon != std::string_view::npos) settings.password = percent_decoded(login.substr(colon + 1));
  if (settings.password.empty() && !settings.user.empty())
    unusable("it has a user but no password");
  return authority.substr(at + 1);
}

void take_host(std::string_view host, RedisSettings& settings) {
  std::size_t end = host.find(':');
  if (host.starts_with('[')) {
    const std::size_t bracket = host.find(']');
    if (bracket == std::string_view::npos) unusable("a bracket is not closed");
    settings.host = std::string(host.substr(1, bracket - 1));
    end = bracket + 1;
    if (end < host.size() && host[end] != ':') unusable("the host is malformed");
    if (end == host.size()) end = std::string_view::npos;
  } else {
    settings.host = std::string(host.substr(0, end));
  }
  if (settings.host.empty()) unusable("it names no host");
  if (end != std::string_view::npos) {
    settings.port = std::to_string(number_in(host.substr(end + 1), 1, 65535, "the port"));
  }
}

void take_unix(std::string_view rest, RedisSettings& settings) {
  const std::size_t query = rest.find('?');
  if (query != std::string_view::npos) {
    const std::string_view parameter = rest.substr(query + 1);
    if (!parameter.starts_with("db=")) unusable("the only parameter is db=N");
    settings.database = database_of(parameter.substr(3));
    rest = rest.substr(0, query);
  }
  // A password may hold an encoded slash only, so the path begins at the first one. Where that was
  // not heeded, the rest of a password must not be shown as a path.
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) unusable("it names no socket");
  const std::string_view login = rest.substr(0, slash);
  if (!take_login(login, settings).empty() ||
      (!login.empty() && rest.find('@', slash) != std::string_view::npos)) {
    unusable("a / or @ in user, password or path must be percent-encoded");
  }
  settings.path = percent_decoded(rest.substr(slash));
  if (settings.path.size() > 107) unusable("the path of the socket is longer than 107 bytes");
}

}  // namespace

std::string RedisSettings::shown() const {
  const std::string suffix = std::to_string(database);
  if (transport == Transport::unix_socket) return "unix://" + path + "?db=" + suffix;
  const std::string address = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return (transport == Transport::tls ? "rediss://" : "redis://") + address + ":" + port + "/" +
         suffix;
}

std::string RedisSettings::transport_weakness() const {
  const bool local = host.starts_with("127.") || host == "localhost" || host == "::1";
  if (transport != Transport::tcp || local) return "";
  return "the connection to Redis at " + shown() + " is not encrypted; use rediss://";
}

RedisSettings parse_redis_url(const std::string& url) {
  RedisSettings settings;
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string::npos) unusable("it has no scheme");
  const std::string_view scheme = std::string_view(url).substr(0, scheme_end);
  const std::string_view rest = std::string_view(url).substr(scheme_end + 3);
  if (scheme == "unix") {
    settings.transport = RedisSettings::Transport::unix_socket;
    take_unix(rest, settings);
    return settings;
  }
  if (scheme == "rediss") {
    settings.transport = RedisSettings::Transport::tls;
  } else if (scheme != "redis") {
    unusable("its scheme is not redis, rediss or unix");
  }
  const std::size_t slash =
      rest.find('/', rest.rfind('@') == std::string_view::npos ? 0 : rest.rfind('@'));
  take_host(take_login(rest.substr(0, slash), settings), settings);
  if (slash != std::string_view::npos) settings.database = database_of(rest.substr(slash + 1));
  return settings;
}

}  // namespace tickstock::events
