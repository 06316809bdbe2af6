#include <vector>

#include "domain/error.hpp"
#include "redis/address.hpp"
#include "support/catch.hpp"

using namespace tickstock;
using namespace tickstock::redis;
using tickstock::test::contains;

TEST_CASE("a Redis URL is taken apart") {
  const RedisSettings plain = parse_redis_url("redis://cache.example:6380/3");
  CHECK(plain.transport == RedisSettings::Transport::tcp);
  CHECK(plain.host == "cache.example");
  CHECK(plain.port == "6380");
  CHECK(plain.database == 3);

  const RedisSettings tls = parse_redis_url("rediss://job:p%40ss%2Fw%3Ard@[::1]");
  CHECK(tls.transport == RedisSettings::Transport::tls);
  CHECK(tls.user == "job");
  CHECK(tls.password == "p@ss/w:rd");
  CHECK(tls.host == "::1");
  CHECK(tls.port == "6379");
  CHECK(tls.database == 0);

  const RedisSettings only_password = parse_redis_url("redis://:secret@h");
  CHECK(only_password.user.empty());
  CHECK(only_password.password == "secret");

  const RedisSettings raw_slash = parse_redis_url("redis://u:a/b@h:1/2");
  CHECK(raw_slash.password == "a/b");
  CHECK(raw_slash.host == "h");
  CHECK(raw_slash.database == 2);

  const RedisSettings local = parse_redis_url("unix://u:p@/run/redis/redis.sock?db=2");
  CHECK(local.transport == RedisSettings::Transport::unix_socket);
  CHECK(local.path == "/run/redis/redis.sock");
  CHECK(local.password == "p");
  CHECK(local.database == 2);
}

TEST_CASE("a URL of Sentinels names them in order, their master and the database") {
  const RedisSettings settings =
      parse_redis_url("redis+sentinel://job:a%2Cb@one.example,[::1]:26380/desk_1.main/3");
  CHECK(settings.transport == RedisSettings::Transport::tcp);
  REQUIRE(settings.sentinels.size() == 2);
  CHECK(settings.sentinels[0].shown() == "one.example:26379");
  CHECK(settings.sentinels[1].shown() == "[::1]:26380");
  CHECK(settings.master == "desk_1.main");
  CHECK(settings.database == 3);
  CHECK(settings.user == "job");
  CHECK(settings.password == "a,b");
  CHECK(settings.host.empty());
  CHECK(settings.shown() == "redis+sentinel://one.example:26379,[::1]:26380/desk_1.main/3");
  const RedisSettings tls = parse_redis_url("rediss+sentinel://:CANARY@h:1/m");
  CHECK(tls.transport == RedisSettings::Transport::tls);
  CHECK(tls.shown() == "rediss+sentinel://h:1/m/0");
  CHECK(parse_redis_url("redis+sentinel://h/m/").database == 0);
  CHECK_NOTHROW(parse_redis_url("redis+sentinel://h/" + std::string(64, 'm')));
}

TEST_CASE("a weak transport to any Sentinel, or to the primary that one names, is told") {
  RedisSettings near = parse_redis_url("redis+sentinel://localhost,127.0.0.1,[::1]/m");
  CHECK(near.transport_weakness().empty());
  near.host = "192.0.2.1";
  CHECK_THAT(near.transport_weakness(), contains("/m/0 (192.0.2.1:"));
  CHECK_THAT(near.transport_hint(), contains("Use rediss+sentinel://"));
  CHECK_FALSE(
      parse_redis_url("redis+sentinel://localhost,far.example/m").transport_weakness().empty());
  CHECK(parse_redis_url("rediss+sentinel://far.example/m").transport_weakness().empty());
}

TEST_CASE("parameters after the address are rejected by name, and their values never repeated") {
  struct Case {
    const char* url;
    const char* part;
  };
  for (const Case& each :
       std::vector<Case>{{"redis://h?password=CANARY", "parameter password"},
                         {"redis://h:1?password=CANARY", "parameter password"},
                         {"redis://h:1/2?password=CANARY", "parameter password"},
                         {"redis://h/0?ssl_cert_reqs=CANARY", "ssl_cert_reqs"},
                         {"rediss://h?ssl_ca_certs=CANARY", "ca_file"},
                         {"redis://h?db=3", "/N after the host"},
                         {"redis://h,password=CANARY", "parameter password"},
                         {"redis://h:6379,ssl=CANARY", "parameter ssl"},
                         {"redis://h&password=CANARY", "parameter password"},
                         {"redis://h;password=CANARY", "parameter password"},
                         {"redis://h#CANARY", "the text after '#'"},
                         {"redis://h/0#CANARY=CANARY", "the text after '#'"},
                         {"redis://h?CANARY", "the text after '?'"},
                         {"redis://h=CANARY", "the text after '='"},
                         {"redis://h/0/CANARY", "neither a port nor"},
                         {"redis://h CANARY", "its host contains an invalid character"},
                         {"redis://h%CANARY", "its host contains an invalid character"},
                         {"redis://[::1]CANARY", "neither a port nor"},
                         {"redis://[CANARY]", "not an IPv6 address"},
                         {"redis://h:6379/0?x=CANARY:y@z", "percent-encoded"},
                         {"redis://h:6379/CANARY@z", "percent-encoded"},
                         {"redis://h:1,password=p@CANARY", "percent-encoded"},
                         {"redis://h:1#p@CANARY", "percent-encoded"},
                         {"redis://h,password=a:b@CANARY", "percent-encoded"},
                         {"redis://h/0,password=a:b@CANARY", "percent-encoded"},
                         {"redis://[::1],password=a@CANARY", "percent-encoded"},
                         {"redis://u:p@h,password=a@CANARY", "percent-encoded"},
                         {"redis+sentinel://h/m?password=CANARY", "password"},
                         {"redis+sentinel://h?master=CANARY", "master"},
                         {"redis+sentinel://h/m/3/CANARY", "neither a port nor"},
                         {"redis+sentinel://h/m/CANARY", "the database"},
                         {"redis+sentinel://h,password=CANARY/m", "'='"},
                         {"redis+sentinel://h/m,CANARY", "','"},
                         {"redis+sentinel://h/CAN ARY", "name of the master"},
                         {"redis+sentinel://a,b:CANARY@c/m", "percent-encoded"},
                         {"redis+sentinel://a:1,CANARY@b/m", "percent-encoded"},
                         {"unix:///s,password=CANARY", "parameter password"},
                         {"unix:///s?db=1&password=CANARY", "password"},
                         {"unix:///s?password=CANARY", "parameter password"},
                         {"unix:///s#CANARY", "the text after '#'"}}) {
    INFO(each.url);
    CHECK_THROWS_WITH(parse_redis_url(each.url), contains(each.part) && !contains("CANARY"));
  }
  CHECK(parse_redis_url("redis://:a#b@h").password == "a#b");
  CHECK(parse_redis_url("redis://cache_1.internal-net:1/").host == "cache_1.internal-net");
  CHECK(parse_redis_url("redis://[fe80::1%eth0]:1").host == "fe80::1%eth0");
}

TEST_CASE("user and password are never shown") {
  CHECK(parse_redis_url("redis://u:CANARY@h:1/2").shown() == "redis://h:1/2");
  CHECK(parse_redis_url("rediss://u:CANARY@[::1]").shown() == "rediss://[::1]:6379/0");
  CHECK(parse_redis_url("unix://:CANARY@/s").shown() == "unix:///s?db=0");
}

TEST_CASE("a bad Redis URL is refused without repeating it") {
  CHECK_THROWS_AS(parse_redis_url("redis+sentinel://h/" + std::string(65, 'm')), Error);
  const std::string longest = "unix:///" + std::string(107, 'a');
  for (const char* bad : {"",
                          "localhost",
                          "http://CANARY",
                          "redis://",
                          "redis://:CANARY@",
                          "redis://h:CANARY",
                          "redis://h:0",
                          "redis://h:70000",
                          "redis://h/CANARY",
                          "redis://h/-1",
                          "redis://[::1",
                          "redis://u:%zzCANARY@h",
                          "redis://u:%00CANARY@h",
                          "redis://CANARY@h",
                          "redis+sentinel://",
                          "redis+sentinel://h",
                          "redis+sentinel://h/",
                          "redis+sentinel:///m",
                          "redis+sentinel://h,/m",
                          "redis+sentinel://,h/m",
                          "redis+sentinel://h:0/m",
                          "redis+sentinel://h:CANARY/m",
                          "redis+sentinel://[::1/m",
                          "redis+sentinel://[::1]CANARY/m",
                          "sentinel://CANARY/m",
                          "rediss+CANARY://h/m",
                          "unix://",
                          "unix://CANARY",
                          "unix:///s?x=CANARY",
                          "unix://:CAN/CANARY@/s",
                          "unix://:CAN@/CANARY@/s",
                          longest.c_str()}) {
    INFO(bad);
    try {
      parse_redis_url(bad);
      FAIL_CHECK("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::config);
      CHECK_THAT(error.what(), !contains("CANARY"));
    }
  }
}
