#include "redis/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "domain/text.hpp"

namespace tickstock::redis {

namespace {

[[noreturn]] void unusable(const std::string& why,
                           const std::string& hint =
                               "Write redis://host:port/database, rediss://…, "
                               "redis+sentinel://host:port/master or unix:///path.") {
  throw Error(ErrorKind::config, "can't be used: " + why, {.hint = hint});
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    decoded += text[i];
    if (text[i] != '%') continue;
    const std::string_view hex = text.substr(i + 1, 2);
    decoded.back() = static_cast<char>(number_of<unsigned char>(hex, 16).value_or(0));
    if (hex.size() != 2 || decoded.back() == '\0') {
      unusable("a percent sign is not followed by two hexadecimal digits");
    }
    i += 2;
  }
  return decoded;
}

int number_in(std::string_view text, int lowest, int highest, std::string_view what) {
  const int number = number_of<int>(text).value_or(lowest - 1);
  if (number >= lowest && number <= highest) return number;
  unusable(fmt::format("{} is not a number from {} to {}", what, lowest, highest));
}

int database_of(std::string_view text) {
  return text.empty() ? 0 : number_in(text, 0, 1'000'000, "the database");
}

/// Returns whether a text has only characters of host and parameter names.
bool is_name(std::string_view text) {
  constexpr std::string_view letters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return text.find_first_not_of(letters) == std::string_view::npos;
}

/// Returns what to write instead of a parameter that other libraries accept after an address.
std::string remedy_for(std::string_view parameter) {
  if (parameter == "password" || parameter == "username") {
    return "Write user and password before the host, as redis://user:password@host.";
  }
  if (parameter == "db") return "Write the database as /N after the host.";
  if (parameter.starts_with("ssl")) {
    return "Use rediss://, which verifies the certificate, with [redis] ca_file.";
  }
  return "Remove it.";
}

/// The characters that end an address, and those of them that could begin a parameter.
constexpr std::string_view ends = "/?#,&;=";
constexpr std::string_view signs = ends.substr(1);

/// Rejects the unknown rest after an address, by its name if it has one, since anything else in it
/// could be a secret.
[[noreturn]] void refuse_rest(std::string_view rest) {
  const char sign = rest.front();
  rest.remove_prefix(1);
  const std::size_t equals = rest.find('=');
  const std::string_view name = rest.substr(0, equals);
  if (sign == '#' || equals == std::string::npos || name.empty() || name.size() > 40 ||
      !is_name(name)) {
    unusable(fmt::format("the text after '{}' is not understood", sign));
  }
  unusable(fmt::format("the parameter {} is not understood", name), remedy_for(name));
}

void refuse_signs(std::string_view text) {
  if (const std::size_t at = text.find_first_of(signs); at != std::string_view::npos) {
    refuse_rest(text.substr(at));
  }
}

/// Removes and returns what comes before the first of these characters, or all of the text.
std::string_view take_before(std::string_view before, std::string_view& text) {
  const std::string_view front = text.substr(0, text.find_first_of(before));
  text.remove_prefix(front.size());
  return front;
}

/// Removes `user:password@` from the front of what follows the scheme.
std::string_view take_login(std::string_view text, RedisSettings& settings) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return text;
  const std::string_view login = text.substr(0, at);
  std::string_view password = login;
  const std::string_view user = take_before(":", password);
  password = password.substr(password.empty() ? 0 : 1);
  // An @ after a host would turn the host into a user, and its port into a password.
  const std::size_t digits = password.find_first_not_of("0123456789");
  const bool looks_like_port = digits != 0 && digits != std::string_view::npos &&
                               ends.find(password[digits]) != std::string_view::npos;
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

/// Removes the name or numeric address of the host from the front.
void take_host(std::string_view& text, RedisSettings& settings) {
  if (!text.starts_with('[')) {
    settings.host = take_before(":/?#,&;=", text);
    if (settings.host.empty()) unusable("it names no host");
    if (!is_name(settings.host)) unusable("its host contains an invalid character");
    return;
  }
  settings.host = take_before("]", text).substr(1);
  if (text.empty()) unusable("a bracket is not closed");
  text.remove_prefix(1);
  std::string_view zone = settings.host;
  const std::string digits(take_before("%", zone));
  in6_addr ignored{};
  if (::inet_pton(AF_INET6, digits.c_str(), &ignored) != 1 ||
      !is_name(zone.substr(zone.empty() ? 0 : 1))) {
    unusable("the text in brackets is not an IPv6 address");
  }
}

/// Removes `sign` and what follows it from the front; returns nothing if the text begins with
/// another one.
std::optional<std::string_view> take_part(char sign, std::string_view& text) {
  if (!text.starts_with(sign)) return std::nullopt;
  text.remove_prefix(1);
  return take_before(ends, text);
}

/// Parses `host[:port]`.
void take_endpoint(std::string_view& text, RedisSettings& settings) {
  take_host(text, settings);
  if (const auto port = take_part(':', text)) {
    settings.port = std::to_string(number_in(*port, 1, 65535, "the port"));
  }
}

/// Parses `host[:port][,host[:port]…]/master`.
void take_sentinels(std::string_view& text, RedisSettings& settings) {
  do {
    if (!settings.sentinels.empty()) text.remove_prefix(1);
    settings.port = "26379";
    take_endpoint(text, settings);
    settings.sentinels.push_back({settings.host, settings.port});
  } while (text.starts_with(','));
  settings.host.clear();
  if (!text.empty() && !text.starts_with('/')) return;
  settings.master = take_part('/', text).value_or("");
  if (settings.master.empty() || settings.master.size() > 64 || !is_name(settings.master)) {
    unusable("the name of the master behind the Sentinels is not 1 to 64 of A-Z a-z 0-9 . _ -");
  }
}

/// Parses what follows the login: `host[:port][/database]`, or Sentinels with a master before the
/// database, and nothing after it.
void take_address(std::string_view text, bool has_sentinels, RedisSettings& settings) {
  has_sentinels ? take_sentinels(text, settings) : take_endpoint(text, settings);
  if (const auto database = take_part('/', text)) settings.database = database_of(*database);
  if (text.empty()) return;
  if (signs.find(text.front()) != std::string_view::npos) refuse_rest(text);
  unusable("the text after the host is neither a port nor a database");
}

/// Parses `/path[?db=N]`, with a login in front.
void take_unix(std::string_view parameter, RedisSettings& settings) {
  std::string_view path = take_before("?", parameter);
  // A password must encode its slashes, so the path begins at the first one. In case it doesn't,
  // never show the rest of a password as a path.
  const std::string_view login = take_before("/", path);
  if (path.empty()) unusable("it names no socket");
  if (!take_login(login, settings).empty() ||
      (!login.empty() && path.find('@') != std::string_view::npos)) {
    unusable("a / or @ in user, password or path must be percent-encoded");
  }
  refuse_signs(path);
  settings.path = percent_decoded(path);
  if (settings.path.size() > 107) unusable("the path of the socket is longer than 107 bytes");
  if (parameter.empty()) return;
  constexpr std::string_view database = "?db=";
  if (!parameter.starts_with(database)) refuse_rest(parameter);
  parameter.remove_prefix(database.size());
  refuse_signs(parameter);
  settings.database = database_of(parameter);
}

}  // namespace

std::string RedisSettings::Endpoint::shown() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

std::string RedisSettings::shown() const {
  if (transport == Transport::unix_socket) return fmt::format("unix://{}?db={}", path, database);
  const char* scheme = transport == Transport::tls ? "rediss" : "redis";
  if (sentinels.empty()) return fmt::format("{}://{}/{}", scheme, endpoint().shown(), database);
  std::string hosts;
  for (const Endpoint& each : sentinels) {
    hosts += (hosts.empty() ? "" : ",") + each.shown();
  }
  return fmt::format("{}+sentinel://{}/{}/{}", scheme, hosts, master, database);
}

std::string RedisSettings::transport_weakness() const {
  const auto is_local = [](const std::string& name) {
    return name.starts_with("127.") || name == "localhost" || name == "::1" || name.empty();
  };
  const bool stays_here =
      is_local(host) && std::ranges::all_of(sentinels, is_local, &Endpoint::host);
  if (transport != Transport::tcp || stays_here) return "";
  return "the connection to Redis at " + name() + " is not encrypted";
}

std::string RedisSettings::transport_hint() const {
  return std::string("Use rediss") + (sentinels.empty() ? "" : "+sentinel") + "://.";
}

std::string RedisSettings::name() const {
  if (sentinels.empty()) return master.empty() ? shown() : endpoint().shown();
  return shown() + (host.empty() ? "" : " (" + endpoint().shown() + ")");
}

std::string RedisSettings::object() const { return (is_sentinel() ? "" : "Redis at ") + name(); }

Outage RedisSettings::outage(const std::string& why, const std::string& hint) const {
  // What Sentinels say becomes part of one sentence.
  const bool needs_hint = hint.empty() && !is_sentinel();
  return {ErrorKind::redis,
          object() + ": " + why,
          {.object = object(), .hint = needs_hint ? "Check the server and the URL." : hint}};
}

Outage RedisSettings::unreachable(const std::string& why) const {
  if (is_sentinel()) return outage(why);
  return {ErrorKind::redis,
          "cannot connect to " + object() + ": " + why,
          {.object = object(), .hint = "Check the server and the URL."}};
}

RedisSettings parse_redis_url(const std::string& url) {
  RedisSettings settings;
  std::string_view rest = url;
  const std::string_view scheme = rest.substr(0, rest.find("://"));
  if (scheme.size() == rest.size()) unusable("it has no scheme");
  rest.remove_prefix(scheme.size() + 3);
  if (scheme.starts_with("rediss")) settings.transport = RedisSettings::Transport::tls;
  if (scheme == "unix") {
    settings.transport = RedisSettings::Transport::unix_socket;
    take_unix(rest, settings);
  } else if (scheme == "redis" || scheme == "rediss") {
    take_address(take_login(rest, settings), false, settings);
  } else if (scheme == "redis+sentinel" || scheme == "rediss+sentinel") {
    take_address(take_login(rest, settings), true, settings);
  } else {
    unusable("its scheme is not redis, rediss, redis+sentinel, rediss+sentinel or unix");
  }
  return settings;
}

}  // namespace tickstock::redis
