#include "redis/conversation.hpp"

#include <fmt/format.h>

#include <utility>

namespace tickstock::redis {

namespace {

// Answers to what is asked here have a few hundred bytes, and ROLE three elements for each replica,
// on the third level.
constexpr std::size_t most_bytes = 1 << 20;
constexpr int most_elements = 1000;
constexpr int most_levels = 7;

bool nests_too_deeply(const redisReadTask* task) {
  int levels = 1;
  while ((task = task->parent) != nullptr) ++levels;
  return levels > most_levels;
}

/// hiredis' own functions, except that they refuse an aggregate whose length alone would take all
/// memory, or one nested so deeply that freeing it, which recurses, would overflow the stack.
redisReplyObjectFunctions* limited_functions() {
  static const redisReplyObjectFunctions unlimited = [] {
    redisReader* reader = redisReaderCreate();
    const redisReplyObjectFunctions functions = *reader->fn;
    redisReaderFree(reader);
    return functions;
  }();
  static redisReplyObjectFunctions limited = [] {
    redisReplyObjectFunctions functions = unlimited;
    // The type of the length differs between hiredis' versions.
    functions.createArray = [](const redisReadTask* task, auto elements) -> void* {
      if (elements > most_elements || nests_too_deeply(task)) return nullptr;
      return unlimited.createArray(task, elements);
    };
    return functions;
  }();
  return &limited;
}

std::string_view text_of(const redisReply& reply) {
  return {reply.str, static_cast<std::size_t>(reply.len)};
}

/// An error's words, fit for a line of text whoever the peer is; nothing for another answer.
std::optional<std::string> refusal_of(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ERROR) return std::nullopt;
  std::string words(text_of(reply).substr(0, 300));
  for (char& c : words) {
    if (c < ' ' || c > '~') c = '?';
  }
  return words;
}

void ignore(const redisReply& /*reply*/, const std::optional<std::string>& /*refusal*/) {}

}  // namespace

Conversation::Conversation(RedisSettings settings)
    : settings_(std::move(settings)), reader_(redisReaderCreateWithFunctions(limited_functions())) {
  if (!settings_.password.empty()) {
    std::vector<std::string> login{"AUTH", settings_.user, settings_.password};
    if (settings_.user.empty()) login.erase(login.begin() + 1);
    command(login, [this](const redisReply&, const Refusal& refusal) { take_login(refusal); });
  }
  if (settings_.database != 0) {
    command({"SELECT", std::to_string(settings_.database)},
            [this](const redisReply&, const Refusal& refusal) { take_database(refusal); });
  }
  command({"ROLE"},
          [this](const redisReply& reply, const Refusal& refusal) { take_role(reply, refusal); });
  greetings_ = asked();
}

void Conversation::announce(const Message& message) {
  command({"PUBLISH", message.channel, message.body}, ignore);
}

void Conversation::publish(const Message& message) {
  if (answered() == asked()) refusal_.reset();
  ++unanswered_;
  command({"PUBLISH", message.channel, message.body},
          [this, id = message.event_id, channel = message.channel](const redisReply& reply,
                                                                   const Refusal& refusal) {
            --unanswered_;
            if (!refusal && reply.type != REDIS_REPLY_INTEGER) {
              throw settings_.failure("its answer to PUBLISH is not a number");
            }
            if (refusal_) return;
            if (!refusal) {
              ++taken_;
              return;
            }
            refusal_ = settings_.failure(fmt::format(
                "event {} on channel {} is refused: {}; allow it", id, channel, *refusal));
          });
}

void Conversation::pop(const std::string& list) {
  command({"LPOP", list}, [this](const redisReply& reply, const Refusal& refusal) {
    if (refusal) {
      no_element_ = refusal;
    } else if (reply.type == REDIS_REPLY_STRING) {
      elements_.emplace_back(text_of(reply));
    } else if (reply.type != REDIS_REPLY_NIL) {
      throw settings_.failure("its answer to LPOP is not an element");
    }
  });
}

void Conversation::rehearse(std::vector<std::string> channels) {
  const auto go_on = [this, channels = std::move(channels)](const redisReply&,
                                                            const Refusal& no_transaction) {
    if (no_transaction) return;
    rehearsal_ = "";
    for (const std::string& channel : channels) {
      command({"PUBLISH", channel, ""}, [this](const redisReply&, const Refusal& refusal) {
        if (refusal && rehearsal_->empty()) rehearsal_ = refusal;
      });
    }
    command({"DISCARD"}, ignore);
  };
  command({"MULTI"}, go_on);
}

std::vector<std::string> Conversation::take_elements() {
  if (no_element_) throw settings_.failure("a list can't be read: " + *no_element_);
  return std::exchange(elements_, {});
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
    const std::unique_ptr<redisReply, FreeReply> reply(static_cast<redisReply*>(raw));
    const std::size_t rest = reply ? reader_->len - reader_->pos : 0;
    require(held_ - rest <= most_bytes);
    if (!reply) return;
    held_ = rest;
    if (expected_.empty()) throw settings_.failure("it answers what was not asked");
    const Take take = std::move(expected_.front());
    expected_.pop_front();
    ++answered_;
    const Refusal refusal = refusal_of(*reply);
    // A server that serves nobody says so instead of the first answer, whatever was asked.
    if (refusal &&
        (refusal->starts_with("DENIED") || refusal->starts_with("ERR max number of clients"))) {
      throw settings_.failure(*refusal);
    }
    take(*reply, refusal);
  }
}

void Conversation::command(const std::vector<std::string>& words, Take take) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* formatted = nullptr;
  // An int or a long long, depending on the version of hiredis.
  const auto size = redisFormatCommandArgv(&formatted, static_cast<int>(texts.size()), texts.data(),
                                           sizes.data());
  if (size < 0) throw Error(ErrorKind::redis, "out of memory while writing to Redis");
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owner(formatted, &redisFreeCommand);
  unsent_.append(formatted, static_cast<std::size_t>(size));
  expected_.push_back(std::move(take));
}

void Conversation::take_login(const Refusal& refusal) const {
  if (!refusal) return;
  if (refusal->substr(0, refusal->find(' ')) == "WRONGPASS") {
    throw settings_.failure("the login is refused (WRONGPASS); check user and password");
  }
  // Of a command that it does not know, Redis repeats the arguments.
  std::string words = refusal->substr(0, refusal->find(", with args"));
  constexpr std::string_view mask = "********";
  for (std::size_t at = words.find(settings_.password); at != std::string::npos;
       at = words.find(settings_.password, at + mask.size())) {
    words.replace(at, settings_.password.size(), mask);
  }
  const bool is_old = words.find("wrong number of arguments") != std::string::npos;
  throw settings_.failure(
      "the login is refused: " + words +
      (is_old ? "; a Redis before version 6 has no users, so leave the user out of the URL"
              : "; check user and password"));
}

void Conversation::take_database(const Refusal& refusal) {
  if (!refusal) return;
  no_database_ = fmt::format("database {} is refused: {}", settings_.database, *refusal);
  // A Sentinel knows no databases, and says next what it is.
  if (!refusal->starts_with("ERR unknown command")) throw settings_.failure(no_database_);
}

void Conversation::take_role(const redisReply& reply, const Refusal& refusal) {
  // These two errors come from a server that serves; every other says that it does not.
  const bool is_secret =
      refusal && (refusal->starts_with("ERR unknown command") || refusal->starts_with("NOPERM"));
  if (refusal && !is_secret) throw settings_.failure(*refusal);
  if (!refusal && (reply.type != REDIS_REPLY_ARRAY || reply.elements == 0 ||
                   reply.element[0]->type != REDIS_REPLY_STRING)) {
    throw settings_.failure("its answer to ROLE is not one of Redis");
  }
  const std::string_view role = is_secret ? "" : text_of(*reply.element[0]);
  if (role == "sentinel") {
    throw settings_.failure(
        "it is a Sentinel, whose clients hear nothing of ours; connect to the primary that it "
        "watches");
  }
  if (!no_database_.empty()) throw settings_.failure(no_database_);
  if (is_secret) {
    warning_ = "Redis at " + settings_.shown() + " does not tell its role; taken for a primary";
    return;
  }
  // KeyDB's active replicas take writes, and pass publications on to each other.
  if (role == "master" || role == "active-replica") return;
  // In a Cluster every node passes on what is published. A user with few permissions may not ask
  // whether it is one, but the error of SELECT tells.
  command({"CLUSTER", "INFO"},
          [this](const redisReply&, const Refusal& no_cluster) { in_cluster_ = !no_cluster; });
  command({"SELECT", "1"}, [this](const redisReply&, const Refusal& why) {
    in_cluster_ = in_cluster_ || (why && why->find("cluster mode") != std::string::npos);
    if (!in_cluster_) {
      throw settings_.failure(
          "it is a replica, whose subscribers are not those of the primary; connect to the "
          "primary");
    }
  });
  greetings_ = asked();
}

}  // namespace tickstock::redis
