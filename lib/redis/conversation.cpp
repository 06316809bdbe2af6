#include "redis/conversation.hpp"

#include <string_view>
#include <utility>

#include "domain/error.hpp"

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
      password_(settings.password),
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

void Conversation::begin_rehearsal() { command({"MULTI"}, Expected::rehearsal_begin); }

void Conversation::rehearse(std::span<const std::string_view> channels) {
  for (const std::string_view channel : channels) {
    command({"PUBLISH", std::string(channel), ""}, Expected::rehearsal);
  }
  command({"DISCARD"}, Expected::rehearsal_end);
}

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
  // An int or a long long, depending on the version of hiredis.
  const auto size = redisFormatCommandArgv(&formatted, static_cast<int>(texts.size()), texts.data(),
                                           sizes.data());
  if (size < 0) throw Error(ErrorKind::redis, "out of memory while writing to Redis");
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owner(formatted, &redisFreeCommand);
  unsent_.append(formatted, static_cast<std::size_t>(size));
  expected_.push_back(expected);
}

void Conversation::take(const redisReply& reply, Expected expected) {
  const bool refused = reply.type == REDIS_REPLY_ERROR;
  const std::string words = refused ? words_of(reply) : "";
  // A server that serves nobody says so instead of the first answer, whatever was asked.
  if (words.starts_with("DENIED") || words.starts_with("ERR max number of clients")) fail(words);
  switch (expected) {
    case Expected::login:
      if (refused) take_login(words);
      break;
    case Expected::database:
      if (!refused) break;
      no_database_ = "database " + std::to_string(database_) + " is refused: " + words;
      // A Sentinel knows no databases, and says next what it is.
      if (!words.starts_with("ERR unknown command")) fail(no_database_);
      break;
    case Expected::role: take_role(reply); break;
    case Expected::cluster_info: is_cluster_ = !refused; break;
    case Expected::cluster_select:
      is_cluster_ = is_cluster_ || words.find("cluster mode") != std::string::npos;
      if (!is_cluster_) {
        fail(
            "it is a replica, whose subscribers are not those of the primary; connect to the "
            "primary");
      }
      break;
    case Expected::announcement: break;
    case Expected::rehearsal_begin: rehearsing_ = !refused; break;
    case Expected::rehearsal:
      if (refused && rehearsal_refusal_.empty()) rehearsal_refusal_ = words;
      break;
    case Expected::rehearsal_end: rehearsing_ = false; break;
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

void Conversation::take_login(const std::string& refusal) const {
  const std::string code = refusal.substr(0, refusal.find(' '));
  if (code == "WRONGPASS") fail("the login is refused (WRONGPASS); check user and password");
  // Of a command that it does not know, Redis repeats the arguments.
  std::string words = refusal.substr(0, refusal.find(", with args"));
  constexpr std::string_view mask = "********";
  for (std::size_t at = words.find(password_); at != std::string::npos;
       at = words.find(password_, at + mask.size())) {
    words.replace(at, password_.size(), mask);
  }
  const bool is_old = words.find("wrong number of arguments") != std::string::npos;
  fail("the login is refused: " + words +
       (is_old ? "; a Redis before version 6 has no users, so leave the user out of the URL"
               : "; check user and password"));
}

void Conversation::take_role(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) {
    const std::string words = words_of(reply);
    // These two come from a server that serves; every other error says that it does not.
    if (!words.starts_with("ERR unknown command") && !words.starts_with("NOPERM")) fail(words);
    if (!no_database_.empty()) fail(no_database_);
    warning_ = "Redis at " + address_ + " does not tell its role; taken for a primary";
    return;
  }
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements == 0 ||
      reply.element[0]->type != REDIS_REPLY_STRING) {
    fail("its answer to ROLE is not one of Redis");
  }
  const std::string_view role = text_of(*reply.element[0]);
  if (role == "sentinel") {
    fail(
        "it is a Sentinel, whose clients hear nothing of ours; connect to the primary that it "
        "watches");
  }
  if (!no_database_.empty()) fail(no_database_);
  // KeyDB's active replicas take writes, and pass publications on to each other.
  if (role == "master" || role == "active-replica") return;
  // In a Cluster every node passes on what is published. A user with few permissions may not ask
  // whether it is one, but the error of SELECT tells.
  command({"CLUSTER", "INFO"}, Expected::cluster_info);
  command({"SELECT", "1"}, Expected::cluster_select);
  greetings_ = expected_.size();
}

void Conversation::fail(const std::string& why) const {
  throw Error(ErrorKind::redis, "Redis at " + address_ + ": " + why);
}

}  // namespace tickstock::redis
