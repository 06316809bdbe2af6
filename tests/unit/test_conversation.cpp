#include <string>
#include <string_view>
#include <vector>

#include "domain/error.hpp"
#include "redis/conversation.hpp"
#include "support/catch.hpp"

using namespace tickstock;
using namespace tickstock::redis;
using namespace tickstock::test;

namespace {

const Message event{"id-1", "tickstock:test", "test", "{}"};
const std::string primary = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
const std::string replica = "*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$4\r\nsync\r\n:0\r\n";
const std::string no_cluster = "-ERR This instance has cluster support disabled\r\n";

RedisSettings settings(const std::string& url = "redis://redis.example") {
  return parse_redis_url(url);
}

/// Returns the result of answers in pieces of `size` bytes: an error's message or nothing.
std::string outcome(const std::string& url, const std::string& answers, std::size_t size) {
  Conversation conversation(settings(url));
  conversation.publish(event);
  try {
    for (std::size_t at = 0; at < answers.size(); at += size) {
      conversation.receive(std::string_view(answers).substr(at, size));
    }
    if (conversation.refusal()) throw Error(*conversation.refusal());
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::redis);
    CHECK_THAT(error.what(), starts_with("Redis at redis://redis.example:6379/"));
    CHECK_THAT(error.what(), !contains("CANARY"));
    return error.what();
  }
  return "";
}

/// Returns the same, and checks that it does not matter whether the answers arrive at once or byte
/// by byte.
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

namespace {

/// Returns settings for asking a Sentinel.
RedisSettings sentinel(const std::string& login = "") {
  RedisSettings settings = parse_redis_url("redis+sentinel://" + login + "h/desk");
  settings.host = "watch.example";
  settings.port = "26379";
  settings.sentinels.clear();
  return settings;
}

const std::string question =
    "*3\r\n$8\r\nSENTINEL\r\n$23\r\nget-master-addr-by-name\r\n$4\r\ndesk\r\n";

std::string refusal_of_sentinel(const std::string& answers, const std::string& login = "") {
  Conversation conversation(sentinel(login));
  try {
    conversation.receive(answers);
  } catch (const Error& error) {
    CHECK_THAT(error.what(), starts_with("watch.example:26379: ") && !contains("CANARY"));
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a Sentinel is asked for the primary, and told the login only where it wants one") {
  Conversation conversation(sentinel("job:CANARY@"));
  CHECK(conversation.unsent() == question);
  CHECK(conversation.greetings() == 1);
  conversation.receive("*2\r\n$3\r\n::1\r\n$4\r\n6380\r\n");
  CHECK(conversation.answered() == conversation.greetings());
  CHECK(conversation.primary().shown() == "[::1]:6380");

  Conversation shy(sentinel("job:CANARY@"));
  shy.unsent().clear();
  shy.receive("-NOAUTH Authentication required.\r\n");
  CHECK(shy.unsent() == "*3\r\n$4\r\nAUTH\r\n$3\r\njob\r\n$6\r\nCANARY\r\n" + question);
  CHECK(shy.greetings() == 3);
  shy.receive("+OK\r\n*2\r\n$10\r\ndb.example\r\n$4\r\n6380\r\n");
  CHECK(shy.primary().shown() == "db.example:6380");
}

TEST_CASE("a Sentinel that names no primary says why") {
  CHECK_THAT(refusal_of_sentinel("*-1\r\n"), contains("it does not know the master desk"));
  CHECK_THAT(refusal_of_sentinel("-ERR unknown command 'SENTINEL'\r\n"),
             contains("it is not a Sentinel"));
  CHECK_THAT(refusal_of_sentinel("-NOAUTH Authentication required.\r\n"), contains("NOAUTH"));
  CHECK_THAT(refusal_of_sentinel("-NOAUTH x\r\n-WRONGPASS CANARY\r\n", ":CANARY@"),
             contains("the login is refused (WRONGPASS)"));
  CHECK_THAT(refusal_of_sentinel("-NOPERM no\r\n"), contains("NOPERM no"));
  for (const char* odd : {":1\r\n", "*0\r\n", "*2\r\n:1\r\n:2\r\n", "*2\r\n$1\r\n \r\n$1\r\n1\r\n",
                          "*2\r\n$1\r\nh\r\n$1\r\n0\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
                          "*2\r\n$3\r\n[:1\r\n$1\r\n1\r\n"}) {
    INFO(odd);
    CHECK_THAT(refusal_of_sentinel(odd), contains("names no address of a primary"));
  }
}

TEST_CASE("only errors that a failover may resolve are outages") {
  const auto passes = [](const std::string& answers) {
    Conversation conversation(settings());
    try {
      conversation.receive(answers);
    } catch (const Outage&) {
      return true;
    } catch (const Error&) {
      return false;
    }
    FAIL("taken");
    return false;
  };
  CHECK(passes("-LOADING the dataset\r\n"));
  CHECK(passes("-MASTERDOWN the link is down\r\n"));
  CHECK(passes("-READONLY a replica\r\n"));
  CHECK_FALSE(passes("-NOAUTH Authentication required.\r\n"));
  CHECK_FALSE(passes("-DENIED protected mode\r\n"));
  CHECK_FALSE(passes("-ERR max number of clients reached\r\n"));
  CHECK_FALSE(passes("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_CASE("a conversation begins with what the settings ask for, and goes on with events") {
  Conversation conversation(settings("redis://job:CANARY@redis.example/3"));
  CHECK(conversation.unsent() ==
        "*3\r\n$4\r\nAUTH\r\n$3\r\njob\r\n$6\r\nCANARY\r\n"
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
        "*1\r\n$4\r\nROLE\r\n");
  CHECK(conversation.greetings() == 3);
  conversation.unsent().clear();
  conversation.ask({"PUBLISH", event.channel, event.body}, false);
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
             contains("the login is refused (WRONGPASS). Check user and password"));
  CHECK_THAT(outcome("redis://redis.example/3", "-ERR DB index is out of range\r\n"),
             contains("database 3 is refused: ERR DB index is out of range"));
  CHECK_THAT(outcome_of("-NOAUTH Authentication required.\r\n"), contains("NOAUTH"));
  CHECK_THAT(outcome_of("-LOADING the dataset\r\n"), contains("LOADING"));
  CHECK_THAT(outcome_of(replica + ":0\r\n" + no_cluster + "+OK\r\n"), contains("it is a replica"));
  CHECK_THAT(outcome_of("*1\r\n$8\r\nsentinel\r\n"), contains("it is a Sentinel"));
  CHECK_THAT(outcome("redis://:word@redis.example",
                     "-ERR AUTH <password> called without any password configured\r\n"
                     "*1\r\n$8\r\nsentinel\r\n"),
             contains("write redis+sentinel://redis.example:6379/"));
  CHECK_THAT(outcome("redis://:CANARY@redis.example",
                     "-ERR AUTH <password> called without any password configured\r\n" + primary),
             contains("the login is refused: ERR AUTH <password> called without"));
  // A Sentinel knows no databases.
  CHECK_THAT(outcome("redis://redis.example/1",
                     "-ERR unknown command 'SELECT'\r\n*1\r\n$8\r\nsentinel\r\n"),
             contains("it is a Sentinel"));
  CHECK_THAT(outcome("redis://redis.example/1", "-ERR unknown command 'SELECT'\r\n" + primary),
             contains("database 1 is refused"));
  CHECK_THAT(outcome_of(primary + "-NOPERM no access\r\n"),
             contains("event id-1 on channel tickstock:test is refused: NOPERM no access"));
}

TEST_CASE("the message of a peer that is not Redis still makes one short line") {
  const std::string said =
      outcome_of(primary + "-ERR \x1b[2J\xff\t" + std::string(5'000, 'x') + "\r\n");
  CHECK_THAT(said, contains("is refused: ERR \\x1b[2J\\xff\\x09xxx"));
  CHECK(said.size() < 500);
  // Version 0.14 of hiredis takes half a line end for text, 1.x rejects it.
  for (const char* half : {"\n", "\r"}) {
    const std::string broken = outcome_of(primary + "-ERR a" + half + "b\r\n");
    CHECK_THAT(broken, contains("is refused: ERR a\\x0") ||
                           contains("its answer is not the Redis protocol"));
    CHECK_THAT(broken, !contains(half));
  }
}

TEST_CASE("a refused event is forgotten with the next one") {
  Conversation conversation(settings());
  conversation.publish(event);
  conversation.receive(primary + "-NOPERM no access\r\n");
  CHECK(conversation.refusal());
  conversation.publish(event);
  conversation.receive(":0\r\n");
  CHECK_FALSE(conversation.refusal());
}

TEST_CASE("events accepted after a refused one do not count") {
  Conversation conversation(settings());
  for (int i = 0; i < 4; ++i) conversation.publish(event);
  conversation.receive(primary + ":1\r\n-NOPERM no access\r\n:1\r\n");
  CHECK(conversation.receivers().size() == 1);
  CHECK(conversation.refusal());
  // One answer is still outstanding, so this event belongs to the same ones.
  conversation.publish(event);
  conversation.receive(":1\r\n:1\r\n");
  CHECK(conversation.receivers().size() == 1);
  CHECK(conversation.refusal());
  conversation.publish(event);
  conversation.receive(":1\r\n");
  CHECK(conversation.receivers().size() == 2);
  CHECK_FALSE(conversation.refusal());
}

TEST_CASE("a server that does not report its role is only worth a warning") {
  for (const char* answer : {"-NOPERM no\r\n", "-ERR unknown command\r\n"}) {
    INFO(answer);
    Conversation conversation(settings());
    conversation.receive(answer);
    CHECK_THAT(conversation.warning(), contains("does not report its role"));
  }
}

TEST_CASE("a replica of a Cluster and an active replica of KeyDB publish as primaries do") {
  CHECK(outcome_of(replica + ":0\r\n$16\r\ncluster_state:ok\r\n-ERR SELECT\r\n").empty());
  // SELECT tells a user that may not ask about the Cluster.
  CHECK(outcome_of(replica + ":0\r\n-NOPERM no access\r\n" +
                   "-ERR SELECT is not allowed in cluster mode\r\n")
            .empty());
  CHECK(
      outcome_of("*5\r\n$14\r\nactive-replica\r\n$1\r\nh\r\n:1\r\n$9\r\nconnected\r\n:0\r\n:0\r\n")
          .empty());
  CHECK_THAT(outcome_of(replica + ":0\r\n-NOPERM no access\r\n-ERR DB index is out of range\r\n"),
             contains("it is a replica"));
}

TEST_CASE("a server that serves nobody says so, whatever it was asked first") {
  for (const std::string words :
       {"DENIED Redis is running in protected mode", "ERR max number of clients reached"}) {
    INFO(words);
    for (const std::string url : {"redis://redis.example", "redis://:CANARY@redis.example/3"}) {
      const std::string said = outcome(url, "-" + words + "\r\n");
      CHECK_THAT(said, contains(": " + words) && !contains("password"));
    }
  }
  for (const std::string words : {"MASTERDOWN Link with MASTER is down", "ERR busy", "BUSY script",
                                  "LOADING Redis is loading the dataset in memory"}) {
    INFO(words);
    CHECK_THAT(outcome_of("-" + words + "\r\n"), contains(words));
  }
}

TEST_CASE("a refused login is told in Redis' words, without what they repeat of the password") {
  const std::string url = "redis://job:CANARY@redis.example";
  CHECK_THAT(outcome(url, "-ERR wrong number of arguments for 'auth' command\r\n"),
             contains("wrong number of arguments") && contains("remove the user from the URL"));
  CHECK_THAT(outcome(url, "-ERR invalid password\r\n"), contains("ERR invalid password"));
  CHECK_THAT(
      outcome(url, "-ERR unknown command `AUTH`, with args beginning with: `job`, `CANARY`\r\n"),
      contains("ERR unknown command `AUTH`"));
  CHECK_THAT(outcome(url, "-ERR AUTH job CANARY failed, CANARY\r\n"),
             contains("ERR AUTH job ******** failed, ********"));
}

TEST_CASE("a rehearsal tells what would be refused, and leaves nothing said") {
  Conversation conversation(settings());
  conversation.rehearse({"a", "b"}, "", {});
  CHECK_FALSE(conversation.rehearsal());
  CHECK_THAT(conversation.unsent(), contains("MULTI") && !contains("PUBLISH"));
  conversation.unsent().clear();
  conversation.receive(primary + "+OK\r\n");
  CHECK(conversation.answered() + 3 == conversation.asked());
  CHECK_THAT(conversation.unsent(), contains("PUBLISH") && contains("DISCARD"));
  conversation.receive("+QUEUED\r\n-NOPERM no channel\r\n-EXECABORT\r\n");
  CHECK(conversation.answered() == conversation.asked());
  CHECK(conversation.rehearsal().value() == "NOPERM no channel");
  // Outside of a transaction an event would be delivered.
  Conversation refused(settings());
  refused.rehearse({"a"}, "", {});
  refused.receive(primary + "-NOPERM no transactions\r\n");
  CHECK_FALSE(refused.rehearsal());
  CHECK_THAT(refused.unsent(), !contains("PUBLISH"));
}

TEST_CASE("an answer that Redis would never give ends the conversation") {
  CHECK_THAT(outcome_of("HTTP/1.1 400 Bad Request\r\n"), contains("is not the Redis protocol"));
  for (const char* role : {"+master\r\n", ":1\r\n", "*0\r\n", "*-1\r\n", "*1\r\n:1\r\n"}) {
    INFO(role);
    CHECK_THAT(outcome_of(role), contains("its answer to ROLE is not understood"));
  }
  CHECK_THAT(outcome_of(primary + "+OK\r\n"), contains("its answer to PUBLISH is not a number"));
  CHECK_THAT(outcome_of(primary + ":0\r\n:0\r\n"), contains("it sent an answer to no question"));
}

TEST_CASE("an answer that is nested too deeply is refused, and freed without deep recursion") {
  const std::string refusal = "its answer is not the Redis protocol";
  // An array, and what version 3 of the protocol adds: maps, whose keys may nest too, sets, pushes
  // and attributes.
  const std::vector<std::string> openings{"*1\r\n", "*2\r\n:1\r\n", "%1\r\n", "%1\r\n+key\r\n",
                                          "~1\r\n", ">1\r\n",       "|1\r\n", "|1\r\n+key\r\n"};
  for (const std::string& opening : openings) {
    INFO(opening);
    // Within the limit of bytes, and far beyond it.
    for (const int levels : {20, 80'000, 600'000}) {
      INFO(levels);
      CHECK_THAT(outcome("redis://redis.example", repeated(opening, levels), 16384),
                 contains(refusal));
      CHECK_THAT(outcome("redis://redis.example", "*2\r\n" + repeated(opening, levels), 16384),
                 contains(refusal));
    }
  }
  std::string mixed;
  for (int i = 0; i < 20'000; ++i) {
    for (const std::string& opening : openings) mixed += opening;
  }
  CHECK_THAT(outcome("redis://redis.example", mixed, 16384), contains(refusal));
}

TEST_CASE("an answer may nest as deeply as Redis nests its own") {
  const std::string odd = "its answer to ROLE is not understood";
  CHECK_THAT(outcome_of(repeated("*1\r\n", 7) + ":1\r\n"), contains(odd));
  CHECK_THAT(outcome_of(repeated("*1\r\n", 7) + "*0\r\n"), contains("not the Redis protocol"));
  CHECK_THAT(outcome_of(repeated("*1\r\n", 8) + ":1\r\n"), contains("not the Redis protocol"));
}

TEST_CASE("an answer that would take the memory is refused") {
  const std::string refusal = "its answer is not the Redis protocol";
  // A length alone must not be trusted.
  CHECK_THAT(outcome_of("*2147483647\r\n"), contains(refusal));
  CHECK_THAT(outcome_of("*1001\r\n"), contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", "$5000000\r\n" + std::string(4'300'000, 'x'), 16384),
             contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", "+" + std::string(4'300'000, 'x'), 16384),
             contains(refusal));
  const std::string complete = "$4194304\r\n" + std::string(1 << 22, 'x') + "\r\n";
  CHECK_THAT(outcome("redis://redis.example", complete, complete.size()), contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", complete, 16384), contains(refusal));
  CHECK_THAT(outcome("redis://redis.example", "$1000000\r\n" + std::string(1'000'000, 'x') + "\r\n",
                     16384),
             contains("its answer to ROLE is not understood"));
}
