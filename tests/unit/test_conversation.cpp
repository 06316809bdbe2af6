#include <string>
#include <vector>

#include "domain/error.hpp"
#include "events/conversation.hpp"
#include "support/catch.hpp"

using namespace tickstock;
using namespace tickstock::events;
using namespace tickstock::test;

namespace {

const Message event{"id-1", "tickstock:test", "test", "{}"};
const std::string primary = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";

RedisSettings settings(const std::string& url = "redis://redis.example") {
  return parse_redis_url(url);
}

/// What comes of the answers, in pieces of `size` bytes: an error's words or nothing.
std::string outcome(const std::string& url, const std::string& answers, std::size_t size) {
  Conversation conversation(settings(url));
  conversation.publish(event);
  try {
    for (std::size_t at = 0; at < answers.size(); at += size) {
      conversation.receive(std::string_view(answers).substr(at, size));
    }
    conversation.require_published(event);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::redis);
    CHECK_THAT(error.what(), starts_with("Redis at redis://redis.example:6379/"));
    CHECK_THAT(error.what(), !contains("CANARY"));
    return error.what();
  }
  return "";
}

/// The same, whether the answers arrive at once or byte by byte.
std::string outcome(const std::string& url, const std::string& answers) {
  std::string at_once = outcome(url, answers, answers.size());
  CHECK(outcome(url, answers, 1) == at_once);
  return at_once;
}

std::string outcome_of(const std::string& answers) {
  return outcome("redis://redis.example", answers);
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("a conversation begins with what the settings ask for, and goes on with events") {
  Conversation conversation(settings("redis://job:CANARY@redis.example/3"));
  CHECK(conversation.unsent() ==
        "*3\r\n$4\r\nAUTH\r\n$3\r\njob\r\n$6\r\nCANARY\r\n"
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
        "*1\r\n$4\r\nROLE\r\n");
  CHECK(conversation.greetings() == 3);
  conversation.unsent().clear();
  conversation.announce(event);
  CHECK(conversation.unsent() == "*3\r\n$7\r\nPUBLISH\r\n$14\r\ntickstock:test\r\n$2\r\n{}\r\n");
  CHECK(conversation.asked() == 4);
  conversation.receive("+OK\r\n+OK\r\n");
  CHECK(conversation.answered() == 2);
  conversation.receive(primary + "-NOPERM an announcement may be refused\r\n");
  CHECK(conversation.answered() == 4);
  CHECK(conversation.warning().empty());
}

TEST_CASE("an answer that is complete and sound is taken, in whatever pieces it comes") {
  CHECK(outcome_of(primary + ":1\r\n").empty());
  CHECK(outcome("redis://:CANARY@redis.example/3", "+OK\r\n+OK\r\n" + primary + ":0\r\n").empty());
  CHECK(outcome_of("*3\r\n$6\r\nmaster\r\n:7\r\n*300\r\n" +
                   repeated("*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n$1\r\n7\r\n", 300) + ":0\r\n")
            .empty());
}

TEST_CASE("a refusal is told in Redis' words, but for those that may repeat a password") {
  CHECK_THAT(outcome("redis://:CANARY@redis.example", "-WRONGPASS not CANARY\r\n"),
             contains("the login is refused (WRONGPASS); check user and password"));
  CHECK_THAT(outcome("redis://redis.example/3", "-ERR DB index is out of range\r\n"),
             contains("database 3 is refused: ERR DB index is out of range"));
  CHECK_THAT(outcome_of("-NOAUTH Authentication required.\r\n"), contains("NOAUTH"));
  CHECK_THAT(outcome_of("-LOADING the dataset\r\n"), contains("LOADING"));
  CHECK_THAT(outcome_of("*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$4\r\nsync\r\n:0\r\n"),
             contains("it is a replica"));
  CHECK_THAT(outcome_of(primary + "-NOPERM no access\r\n"),
             contains("event id-1 on channel tickstock:test is refused: NOPERM no access"));
}

TEST_CASE("the words of a peer that is no Redis still make one short line") {
  const std::string said =
      outcome_of(primary + "-ERR \x1b[2J\xff\n" + std::string(5'000, 'x') + "\r\n");
  CHECK_THAT(said, contains("is refused: ERR ?[2J??xxx"));
  CHECK(said.size() < 500);
}

TEST_CASE("a refused event is forgotten with the next one") {
  Conversation conversation(settings());
  conversation.publish(event);
  conversation.receive(primary + "-NOPERM no access\r\n");
  CHECK_THROWS_AS(conversation.require_published(event), Error);
  conversation.publish(event);
  conversation.receive(":0\r\n");
  CHECK_NOTHROW(conversation.require_published(event));
}

TEST_CASE("what is taken behind a refused event does not count") {
  Conversation conversation(settings());
  for (int i = 0; i < 4; ++i) conversation.publish(event);
  conversation.receive(primary + ":1\r\n-NOPERM no access\r\n:1\r\n");
  CHECK(conversation.taken() == 1);
  CHECK(conversation.refused());
  // One answer is still to come, so this event belongs to the same ones.
  conversation.publish(event);
  conversation.receive(":1\r\n:1\r\n");
  CHECK(conversation.taken() == 1);
  CHECK(conversation.refused());
  conversation.publish(event);
  conversation.receive(":1\r\n");
  CHECK(conversation.taken() == 2);
  CHECK_FALSE(conversation.refused());
}

TEST_CASE("a server that doesn't tell its role is only worth a warning") {
  for (const char* answer : {"-NOPERM no\r\n", "-ERR unknown command\r\n"}) {
    INFO(answer);
    Conversation conversation(settings());
    conversation.receive(answer);
    CHECK_THAT(conversation.warning(), contains("does not tell its role"));
  }
}

TEST_CASE("what Redis would not say ends the conversation") {
  CHECK_THAT(outcome_of("HTTP/1.1 400 Bad Request\r\n"), contains("is not the Redis protocol"));
  for (const char* role : {"+master\r\n", ":1\r\n", "*0\r\n", "*-1\r\n", "*1\r\n:1\r\n"}) {
    INFO(role);
    CHECK_THAT(outcome_of(role), contains("its answer to ROLE is not one of Redis"));
  }
  CHECK_THAT(outcome_of(primary + "+OK\r\n"), contains("its answer to PUBLISH is not a number"));
  CHECK_THAT(outcome_of(primary + ":0\r\n:0\r\n"), contains("it answers what was not asked"));
}

TEST_CASE("an answer that would take the memory is refused") {
  const std::string refusal = "its answer is not the Redis protocol";
  // A length alone must not be believed.
  CHECK_THAT(outcome_of("*2147483647\r\n"), contains(refusal));
  CHECK_THAT(outcome_of("*1001\r\n"), contains(refusal));
  CHECK_THAT(outcome_of(repeated("*1\r\n", 20)), contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", "$2000000\r\n" + std::string(1'100'000, 'x'), 16384),
             contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", "+" + std::string(1'100'000, 'x'), 16384),
             contains(refusal));
  const std::string complete = "$1048576\r\n" + std::string(1 << 20, 'x') + "\r\n";
  CHECK_THAT(outcome("redis://redis.example", complete, complete.size()), contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", complete, 16384), contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", "$1000000\r\n" + std::string(1'000'000, 'x') + "\r\n",
                     16384),
             contains("its answer to ROLE is not one of Redis"));
}
