#include "redis/conversation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "domain/text.hpp"

namespace tickstock::redis {

namespace {

// Answers to our commands have a few hundred bytes, except for a stream entry, which holds an
// event. ROLE has three elements per replica, on the third level.
constexpr std::size_t most_bytes = 1 << 22;
constexpr int most_elements = 1000;
constexpr int most_levels = 7;
constexpr const char* login_hint = "Check user and password.";

/// Returns hiredis' own functions, except that they reject an aggregate whose length alone would
/// use all memory, or one nested so deeply that freeing it recursively would overflow the stack.
redisReplyObjectFunctions* limited(const redisReader& reader) {
  static const redisReplyObjectFunctions unlimited = *reader.fn;
  static redisReplyObjectFunctions limited = unlimited;
  // The type of the length differs between versions of hiredis.
  limited.createArray = [](const redisReadTask* task, auto elements) -> void* {
    int levels = 1;
    for (const redisReadTask* each = task->parent; each != nullptr; each = each->parent) ++levels;
    if (elements > most_elements || levels > most_levels) return nullptr;
    return unlimited.createArray(task, elements);
  };
  return &limited;
}

Reply reply_of(const redisReply& reply) {
  Reply copy{reply.type, {}, {}};
  if (reply.str != nullptr) copy.text.assign(reply.str, static_cast<std::size_t>(reply.len));
  if (reply.type == REDIS_REPLY_INTEGER) copy.text = std::to_string(reply.integer);
  if (copy.is_error()) {
    // The peer could be anything.
    std::string line;
    for (const char c : escaped_utf8(copy.text)) {
      if (line.size() >= 300) break;
      const bool is_control = (c >= '\0' && c < ' ') || c == '\x7f';
      line += is_control ? fmt::format("\\x{:02x}", c) : std::string(1, c);
    }
    // The end may have cut a character.
    copy.text = escaped_utf8(line);
  }
  for (std::size_t i = 0; i < reply.elements; ++i) {
    copy.elements.push_back(reply_of(*reply.element[i]));
  }
  return copy;
}

}  // namespace

Conversation::Conversation(RedisSettings settings)
    : settings_(std::move(settings)), reader_(redisReaderCreate(), &redisReaderFree) {
  reader_->fn = limited(*reader_);
  if (settings_.sentinels.empty() && !settings_.master.empty()) {
    ask_sentinel();
    return;
  }
  if (!settings_.password.empty()) log_in();
  if (settings_.database != 0) {
    command({"SELECT", std::to_string(settings_.database)},
            [this](const Reply& reply) { take_database(reply); });
  }
  command({"ROLE"}, [this](const Reply& reply) { take_role(reply); });
  greetings_ = asked();
}

void Conversation::publish(const Message& message) {
  if (answered() == asked()) refusal_.reset();
  ++unanswered_;
  command({"PUBLISH", message.channel, message.body},
          [this, id = message.event_id, channel = message.channel](const Reply& reply) {
            --unanswered_;
            if (!reply.is_error() && reply.type != REDIS_REPLY_INTEGER) {
              throw settings_.failure("its answer to PUBLISH is not a number");
            }
            if (refusal_) return;
            if (!reply.is_error()) {
              receivers_.push_back(std::stoll(reply.text));
            } else {
              refusal_ = settings_.failure(
                  fmt::format("event {} on channel {} is refused: {}", id, channel, reply.text),
                  reply.refuses_with("NOPERM") ? permissions_hint : "");
            }
          });
}

void Conversation::ask(const std::vector<std::string>& words, bool matters) {
  command(words, [this, matters](const Reply& reply) {
    if (matters) replies_.push_back(reply);
  });
}

void Conversation::rehearse(std::vector<std::string> channels, const std::string& stream,
                            std::vector<std::string> lists) {
  command({"MULTI"}, [this, channels = std::move(channels), stream,
                      lists = std::move(lists)](const Reply& begun) {
    if (begun.is_error()) {
      // The stream is written in a transaction, too.
      if (!stream.empty()) rehearsal_ = begun.text;
      return;
    }
    rehearsal_ = "";
    const auto take = [this, stream](const Reply& reply) {
      // It is no refusal if another node of a Cluster has the stream. Without memory, Redis refuses
      // transactions, but publishes.
      const bool is_refusal = reply.is_error() && !reply.refuses_with("MOVED ") &&
                              !reply.refuses_with("ASK ") &&
                              !(stream.empty() && reply.refuses_with("OOM "));
      if (is_refusal && rehearsal_->empty()) rehearsal_ = reply.text;
    };
    for (const std::string& channel : channels) command({"PUBLISH", channel, ""}, take);
    if (!stream.empty()) {
      command({"XADD", stream, "*", "event_id", ""}, take);
      command({"XRANGE", stream, "0-1", "0-1"}, take);
    }
    for (const std::string& list : lists) command({"LPOP", list}, take);
    command({"DISCARD"});
    if (stream.empty()) return;
    command({"MULTI"});
    command({"EXEC"}, take);
  });
}

void Conversation::receive(std::string_view bytes) {
  const auto require = [this](bool sound) {
    if (!sound) throw settings_.failure("its answer is not the Redis protocol");
  };
  require(redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) == REDIS_OK);
  held_ += bytes.size();
  for (;;) {
    void* raw = nullptr;
    require(redisReaderGetReply(reader_.get(), &raw) == REDIS_OK);
    const std::unique_ptr<redisReply, decltype(&freeReplyObject)> answer(
        static_cast<redisReply*>(raw), &freeReplyObject);
    const std::size_t rest = answer ? reader_->len - reader_->pos : 0;
    require(held_ - rest <= most_bytes);
    if (!answer) return;
    held_ = rest;
    if (expected_.empty()) throw settings_.failure("it sent an answer to no question");
    const Take take = std::move(expected_.front());
    expected_.pop_front();
    ++answered_;
    const Reply reply = reply_of(*answer);
    // A server that refuses the connection says so instead of the first answer.
    if (reply.refuses_with("DENIED") || reply.refuses_with("ERR max number of clients")) {
      throw settings_.failure(reply.text);
    }
    for (const char* passing : {"LOADING ", "MASTERDOWN ", "READONLY "}) {
      if (reply.refuses_with(passing)) throw settings_.outage(reply.text);
    }
    if (take) take(reply);
  }
}

void Conversation::log_in() {
  std::vector<std::string> login{"AUTH", settings_.user, settings_.password};
  if (settings_.user.empty()) login = {"AUTH", settings_.password};
  command(login, [this](const Reply& reply) { take_login(reply); });
}

void Conversation::ask_sentinel() {
  command({"SENTINEL", "get-master-addr-by-name", settings_.master},
          [this](const Reply& reply) { take_primary(reply); });
  greetings_ = asked();
}

void Conversation::take_primary(const Reply& reply) {
  // The login is for the primary; send it only to a Sentinel that requires one.
  if (reply.refuses_with("NOAUTH") && answered_ == 1 && !settings_.password.empty()) {
    log_in();
    return ask_sentinel();
  }
  const bool is_other = reply.refuses_with("ERR unknown command");
  if (reply.is_error()) throw settings_.failure(is_other ? "it is not a Sentinel" : reply.text);
  if (reply.type == REDIS_REPLY_NIL) {
    throw settings_.failure("it does not know the master " + settings_.master);
  }
  RedisSettings::Endpoint named;
  const auto& parts = reply.elements;
  if (parts.size() == 2 && std::ranges::count(parts, REDIS_REPLY_STRING, &Reply::type) == 2) {
    named = {parts[0].text, parts[1].text};
  }
  try {
    primary_ = parse_redis_url("redis://" + named.shown()).endpoint();
  } catch (const Error&) {
    throw settings_.failure("its answer names no address of a primary");
  }
}

void Conversation::command(const std::vector<std::string>& words, Take take) {
  unsent_ += fmt::format("*{}\r\n", words.size());
  for (const std::string& word : words) unsent_ += fmt::format("${}\r\n{}\r\n", word.size(), word);
  expected_.push_back(std::move(take));
}

void Conversation::take_login(const Reply& reply) {
  if (!reply.is_error()) return;
  const std::string& refusal = reply.text;
  if (refusal.substr(0, refusal.find(' ')) == "WRONGPASS") {
    throw settings_.failure("the login is refused (WRONGPASS)", login_hint);
  }
  // For an unknown command, Redis repeats the arguments.
  const std::string words =
      replaced(refusal.substr(0, refusal.find(", with args")), settings_.password, "********");
  const bool is_old = words.find("wrong number of arguments") != std::string::npos;
  postponed_ = settings_.failure(
      "the login is refused: " + words,
      is_old ? "Redis before version 6 has no users, so remove the user from the URL."
             : login_hint);
  // It may be a Sentinel without a password; its next answer shows what it is.
  if (refusal.find("without any password") == std::string::npos) throw Error(*postponed_);
}

void Conversation::take_database(const Reply& reply) {
  if (!reply.is_error() || postponed_) return;
  postponed_ =
      settings_.failure(fmt::format("database {} is refused: {}", settings_.database, reply.text));
  // A Sentinel knows no databases; its next answer shows what it is.
  if (!reply.refuses_with("ERR unknown command")) throw Error(*postponed_);
}

void Conversation::take_role(const Reply& reply) {
  std::string_view role;
  if (reply.is_error()) {
    // Servers that work can give these two; any other error means that this one does not.
    if (!reply.refuses_with("ERR unknown command") && !reply.refuses_with("NOPERM")) {
      throw settings_.failure(reply.text, reply.refuses_with("NOAUTH") ? login_hint : "");
    }
    warning_ = fmt::format("Redis at {} does not report its role and is treated as a primary",
                           settings_.shown());
  } else if (reply.elements.empty() || reply.elements[0].type != REDIS_REPLY_STRING) {
    throw settings_.failure("its answer to ROLE is not understood");
  } else {
    role = reply.elements[0].text;
    if (role == "master" && reply.elements.size() > 2)
      replicas_ = reply.elements[2].elements.size();
  }
  if (role == "sentinel") {
    throw settings_.failure(
        "it is a Sentinel",
        fmt::format("To connect to the primary that it watches, write {}+sentinel://{}/ and the "
                    "name of its master.",
                    settings_.transport == RedisSettings::Transport::tls ? "rediss" : "redis",
                    settings_.endpoint().shown()));
  }
  if (postponed_) throw Error(*postponed_);
  // KeyDB's active replicas accept writes, and forward messages to each other.
  if (reply.is_error() || role == "master" || role == "active-replica") return;
  // In a Cluster every node forwards what is published. A user with few permissions may not ask
  // whether it is one, but the error of SELECT tells.
  command({"CLUSTER", "INFO"}, [this](const Reply& info) { in_cluster_ = !info.is_error(); });
  command({"SELECT", "1"}, [this](const Reply& select) {
    const bool says_so = select.text.find("cluster mode") != std::string::npos;
    in_cluster_ = in_cluster_ || (select.is_error() && says_so);
    if (!in_cluster_) {
      throw settings_.outage("it is a replica, whose subscribers are not those of the primary",
                             "Connect to the primary.");
    }
  });
  greetings_ = asked();
}

}  // namespace tickstock::redis
