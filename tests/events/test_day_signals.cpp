// The lists on which an import signals that a day is complete, on a real Redis.

#include <csignal>

#include "domain/error.hpp"
#include "events/publisher.hpp"
#include "redis.hpp"
#include "support/catch.hpp"

using namespace tickstock;
using tickstock::test::Redis;

TEST_CASE("the lists of a primary behind a Sentinel are looked at, and its loss is final") {
  Redis redis;
  const Redis sentinel(
      {.settings = {"sentinel monitor desk 127.0.0.1 " + std::to_string(redis.port()) + " 1"},
       .sentinel = true});
  redis::RedisSettings settings = redis::parse_redis_url(
      "redis+sentinel://127.0.0.1:" + std::to_string(sentinel.port()) + "/desk");
  settings.connect_timeout = std::chrono::milliseconds{500};
  events::DaySignals signals(settings, {"done"});
  io::Patience patience;
  const Day day = *parse_day("2024-06-28");
  const auto later = [] { return io::Deadline::after(std::chrono::seconds{30}); };
  CHECK_FALSE(signals.take(day, later(), patience));
  redis.command({"RPUSH", "done", "2024-06-28"});
  CHECK(signals.take(day, later(), patience));
  // Another server may have taken over, so don't wait for this one any longer.
  redis.send_signal(SIGSTOP);
  CHECK_THROWS_AS(signals.take(day, later(), patience), Error);
  CHECK(signals.failed());
  redis.send_signal(SIGCONT);
}

TEST_CASE("a Redis that answers late is asked no second time, and its signal counts") {
  Redis redis;
  redis::RedisSettings settings = redis::parse_redis_url(redis.url());
  events::DaySignals signals(settings, {"done", "other"});
  io::Patience patience;
  const Day day = *parse_day("2024-06-28");
  const auto soon = [] { return io::Deadline::after(std::chrono::milliseconds{50}); };
  const auto later = [] { return io::Deadline::after(std::chrono::seconds{30}); };
  CHECK_FALSE(signals.take(day, later(), patience));

  redis.send_signal(SIGSTOP);
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS_AS(signals.take(day, soon(), patience), Error);
    CHECK_FALSE(signals.failed());
  }
  redis.send_signal(SIGCONT);
  redis.command({"RPUSH", "done", "2024-06-27"});
  redis.command({"RPUSH", "done", "2024-06-28"});
  // The late answers arrive first, and are about an empty list.
  CHECK_FALSE(signals.take(day, later(), patience));
  CHECK(redis.command({"LLEN", "done"}) == "2");
  CHECK(signals.take(day, later(), patience));
  CHECK(redis.command({"LLEN", "done"}) == "0");

  redis.stop();
  CHECK_THROWS_AS(signals.take(day, later(), patience), Error);
  CHECK(signals.failed());
}

TEST_CASE("a list that can't be read is reported, and hides no signal on another one") {
  Redis redis;
  events::DaySignals signals(redis::parse_redis_url(redis.url()), {"broken", "done"});
  io::Patience patience;
  const Day day = *parse_day("2024-06-28");
  const auto later = [] { return io::Deadline::after(std::chrono::seconds{30}); };
  redis.command({"SET", "broken", "text"});
  CHECK_THROWS_WITH(signals.take(day, later(), patience), test::contains("WRONGTYPE"));
  CHECK_FALSE(signals.failed());
  redis.command({"RPUSH", "done", "2024-06-28", "2024-06-28"});
  CHECK(signals.take(day, later(), patience));
  CHECK(redis.command({"LLEN", "done"}) == "0");
}
