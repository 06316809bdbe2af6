#include "events/conversation.hpp"

#include <string_view>
#include <utility>

#include "domain/error.hpp"

namespace tickstock::events {

namespace {

// Answers to what is asked here have a few hundred bytes, and ROLE three elements for each replica.
constexpr std::size_t most_bytes = 1 << 20;
constexpr int most_elements = 1000;

/// hiredis' own functions, but for an array so long that its length alone would take the memory.
/// What nests deeper than a few levels the reader refuses itself.
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
      return elements > most_elements ? nullptr : unlimited.createArray(task, elements);
    };
    return functions;
  }();
  return &limited;
}

std::string_view text_of(const redisReply& reply) {
  return {reply.str, static_cast<std::size_t>(reply.len)};
}

/// An error's words, fit for a line of text whoever the peer is.
std::string words_of(const redisReply& reply) {
  std::string words(text_of(reply).substr(0, 300));
  for (char& c : words) {
    if (c < ' ' || c > '~') c = '?';
  }
  return words;
}

}  // namespace

Conversation::Conversation(const RedisSettings& settings)
    : address_(settings.shown()),
      database_(settings.database),
      reader_(redisReaderCreateWithFunctions(limited_functions())) {
  if (!settings.password.empty()) {
    command(settings.user.empty()
                ? std::vector<std::string>{"AUTH", settings.password}
                : std::vector<std::string>{"AUTH", settings.user, settings.password},
            Expected::login);
  }
  if (settings.database != 0) {
    command({"SELECT", std::to_string(settings.database)}, Expected::database);
  }
  command({"ROLE"}, Expected::role);
  greetings_ = expected_.size();
}

void Conversation::announce(const Message& message) {
  command({"PUBLISH", message.channel, message.body}, Expected::announcement);
}

void Conversation::publish(const Message& message) {
  if (answered_ == expected_.size()) refusal_.reset();
  ++unanswered_;
  command({"PUBLISH", message.channel, message.body}, Expected::publication);
}

void Conversation::pop(const std::string& list) { command({"LPOP", list}, Expected::element); }

std::vector<std::string> Conversation::take_elements() {
  if (no_element_) fail("a list can't be read: " + *no_element_);
  return std::exchange(elements_, {});
}

void Conversation::require_published(const Message& message) const {
  if (refusal_) {
    fail("event " + message.event_id + " on channel " + message.channel +
         " is refused: " + *refusal_ + "; allow it");
  }
}

void Conversation::receive(std::string_view bytes) {
  const auto malformed = [this] { fail("its answer is not the Redis protocol"); };
  if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK) malformed();
  held_ += bytes.size();
  for (;;) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) malformed();
    const std::unique_ptr<redisReply, FreeReply> reply(static_cast<redisReply*>(raw));
    const std::size_t rest = reply ? reader_->len - reader_->pos : 0;
    if (held_ - rest > most_bytes) malformed();
    if (!reply) return;
    held_ = rest;
    if (answered_ >= expected_.size()) fail("it answers what was not asked");
    take(*reply, expected_[answered_++]);
  }
}

void Conversation::command(const std::vector<std::string>& words, Expected expected) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* formatted = nullptr;
  const int size = redisFormatCommandArgv(&formatted, static_cast<int>(texts.size()), texts.data(),
                                          sizes.data());
  if (size < 0) throw Error(ErrorKind::redis, "out of memory while writing to Redis");
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owner(formatted, &redisFreeCommand);
  unsent_.append(formatted, static_cast<std::size_t>(size));
  expected_.push_back(expected);
}

void Conversation::take(const redisReply& reply, Expected expected) {
  const bool refused = reply.type == REDIS_REPLY_ERROR;
  const std::string words = refused ? words_of(reply) : "";
  switch (expected) {
    case Expected::login:
      if (refused)
        fail("the login is refused (" + words.substr(0, words.find(' ')) +
             "); check user and password");
      break;
    case Expected::database:
      if (refused) fail("database " + std::to_string(database_) + " is refused: " + words);
      break;
    case Expected::role: take_role(reply); break;
    case Expected::announcement: break;
    case Expected::element:
      if (refused) {
        no_element_ = words;
      } else if (reply.type == REDIS_REPLY_STRING) {
        elements_.emplace_back(text_of(reply));
      } else if (reply.type != REDIS_REPLY_NIL) {
        fail("its answer to LPOP is not an element");
      }
      break;
    case Expected::publication:
      --unanswered_;
      if (!refused && reply.type != REDIS_REPLY_INTEGER) {
        fail("its answer to PUBLISH is not a number");
      }
      if (refusal_) break;
      if (refused) {
        refusal_ = words;
      } else {
        ++taken_;
      }
      break;
  }
}

void Conversation::take_role(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) {
    const std::string words = words_of(reply);
    if (words.starts_with("NOAUTH") || words.starts_with("LOADING")) fail(words);
    warning_ = "Redis at " + address_ + " does not tell its role; taken for a primary";
  } else if (reply.type != REDIS_REPLY_ARRAY || reply.elements == 0 ||
             reply.element[0]->type != REDIS_REPLY_STRING) {
    fail("its answer to ROLE is not one of Redis");
  } else if (text_of(*reply.element[0]) != "master") {
    fail("it is a replica, whose subscribers are not those of the primary; connect to the primary");
  }
}

void Conversation::fail(const std::string& why) const {
  throw Error(ErrorKind::redis, "Redis at " + address_ + ": " + why);
}

}  // namespace tickstock::events
