#include "redis/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "domain/error.hpp"

namespace tickstock::redis {

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

/// Whether a text holds only what names of hosts and parameters do.
bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

/// What other libraries take behind an address, and what to write here instead.
std::string remedy_for(std::string_view parameter) {
  if (parameter == "password" || parameter == "username") {
    return "write user and password before the host, as redis://user:password@host";
  }
  if (parameter == "db") return "write the database as /N behind the host";
  if (parameter.starts_with("ssl")) {
    return "use rediss://, which verifies the certificate, with [redis] ca_file";
  }
  return "remove it";
}

/// Refuses what stands behind an address and is not understood, by its name where it has one, since
/// anything else of it could be a secret.
[[noreturn]] void refuse_rest(std::string_view rest) {
  const char sign = rest.front();
  rest.remove_prefix(1);
  const std::size_t equals = rest.find('=');
  const std::string_view name = rest.substr(0, equals);
  if (sign == '#' || equals == std::string_view::npos || name.empty() || name.size() > 40 ||
      !is_name(name))
    unusable(std::string("what follows '") + sign + "' is not understood");
  unusable("the parameter " + std::string(name) + " is not understood (" + remedy_for(name) + ")");
}

constexpr std::string_view signs_behind = "?#,&;=";

/// Takes `user:password@` off the front of what follows the scheme.
std::string_view take_login(std::string_view text, RedisSettings& settings) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return text;
  const std::string_view login = text.substr(0, at);
  const std::size_t colon = login.find(':');
  const std::string_view password =
      colon == std::string_view::npos ? std::string_view() : login.substr(colon + 1);
  // An @ behind a host would make that a user, and of its port a password.
  const std::string_view user = login.substr(0, colon);
  const std::size_t digits = password.find_first_not_of("0123456789");
  const bool looks_like_port =
      digits != 0 && digits != std::string_view::npos &&
      ("/" + std::string(signs_behind)).find(password[digits]) != std::string::npos;
  if (login.find_first_of("?@") != std::string_view::npos || looks_like_port ||
      user.find_first_of("/[]#,&;=") != std::string_view::npos) {
    unusable("a sign such as / ? @ # in user, password or a parameter must be percent-encoded");
  }
  settings.user = percent_decoded(user);
  settings.password = percent_decoded(password);
  if (settings.password.empty() && !settings.user.empty()) {
    unusable("it has a user but no password");
  }
  return text.substr(at + 1);
}

/// Takes the name or the digits of the host off the front.
std::string_view take_host(std::string_view text, RedisSettings& settings) {
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) unusable("a bracket is not closed");
    settings.host = std::string(text.substr(1, bracket - 1));
    in6_addr ignored{};
    const std::string digits = settings.host.substr(0, settings.host.find('%'));
    if (::inet_pton(AF_INET6, digits.c_str(), &ignored) != 1 ||
        !is_name(settings.host.substr(std::min(digits.size() + 1, settings.host.size())))) {
      unusable("what stands in brackets is not an IPv6 address");
    }
    return text.substr(bracket + 1);
  }
  const std::size_t end =
      std::min(text.find_first_of("/:" + std::string(signs_behind)), text.size());
  settings.host = std::string(text.substr(0, end));
  if (settings.host.empty()) unusable("it names no host");
  if (!is_name(settings.host)) unusable("its host holds a character that no host has");
  return text.substr(end);
}

/// `host[:port][/database]`, and nothing behind it.
void take_address(std::string_view text, RedisSettings& settings) {
  text = take_host(text, settings);
  const auto take_digits = [&text] {
    text.remove_prefix(1);
    const std::size_t end =
        std::min(text.find_first_of("/" + std::string(signs_behind)), text.size());
    const std::string_view digits = text.substr(0, end);
    text.remove_prefix(end);
    return digits;
  };
  if (text.starts_with(':')) {
    settings.port = std::to_string(number_in(take_digits(), 1, 65535, "the port"));
  }
  if (text.starts_with('/')) settings.database = database_of(take_digits());
  if (text.empty()) return;
  if (signs_behind.find(text.front()) != std::string_view::npos) refuse_rest(text);
  unusable("what follows the host is neither a port nor a database");
}

void take_unix(std::string_view rest, RedisSettings& settings) {
  const std::size_t query = std::min(rest.find('?'), rest.size());
  const std::string_view parameter = rest.substr(query);
  rest = rest.substr(0, query);
  // A password may hold an encoded slash only, so the path begins at the first one. Where that was
  // not heeded, the rest of a password must not be shown as a path.
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) unusable("it names no socket");
  const std::string_view login = rest.substr(0, slash);
  if (!take_login(login, settings).empty() ||
      (!login.empty() && rest.find('@', slash) != std::string_view::npos)) {
    unusable("a / or @ in user, password or path must be percent-encoded");
  }
  const std::string_view path = rest.substr(slash);
  if (const std::size_t sign = path.find_first_of(signs_behind); sign != std::string_view::npos) {
    refuse_rest(path.substr(sign));
  }
  settings.path = percent_decoded(path);
  if (settings.path.size() > 107) unusable("the path of the socket is longer than 107 bytes");
  if (parameter.empty()) return;
  constexpr std::string_view database = "?db=";
  if (!parameter.starts_with(database)) refuse_rest(parameter);
  const std::string_view value = parameter.substr(database.size());
  if (const std::size_t sign = value.find_first_of(signs_behind); sign != std::string_view::npos) {
    refuse_rest(value.substr(sign));
  }
  settings.database = database_of(value);
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
  take_address(take_login(rest, settings), settings);
  return settings;
}

}  // namespace tickstock::redis
