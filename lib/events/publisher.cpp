#include "events/publisher.hpp"

#include <poll.h>

#include <chrono>
#include <string_view>

namespace tickstock::events {

using io::Deadline;
using io::Readiness;

Publisher::Publisher(const RedisSettings& settings)
    : settings_(settings), transport_(settings), reader_(redisReaderCreate()) {
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
}

void Publisher::announce(const Message& message) {
  if (failure_) return;
  command({"PUBLISH", message.channel, message.body}, Expected::announcement);
  nudge();
}

void Publisher::nudge() noexcept { flush(Deadline::now(), io::Interrupt()); }

void Publisher::connect(Deadline deadline, const io::Interrupt& interrupt) {
  std::uint64_t greetings = 0;
  while (greetings < expected_.size() && expected_[greetings] <= Expected::role) ++greetings;
  advance(greetings, deadline.earlier(Deadline::after(settings_.connect_timeout)), interrupt);
}

void Publisher::publish(const Message& message, Deadline deadline, const io::Interrupt& interrupt) {
  if (failure_) throw Error(*failure_);
  refusal_.reset();
  command({"PUBLISH", message.channel, message.body}, Expected::publication);
  advance(expected_.size(), deadline, interrupt);
  if (refusal_) {
    fail("event " + message.event_id + " on channel " + message.channel +
         " is refused: " + *refusal_ + "; allow the channel to this user");
  }
}

bool Publisher::flush(Deadline deadline, const io::Interrupt& interrupt) noexcept {
  try {
    advance(expected_.size(), deadline, interrupt);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void Publisher::command(const std::vector<std::string>& words, Expected expected) {
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

void Publisher::advance(std::uint64_t answered, Deadline deadline, const io::Interrupt& interrupt) {
  if (failure_) throw Error(*failure_);
  bool late = false;
  try {
    while (answered_ < answered) {
      const Transport::Progress progress = step();
      if (progress == Transport::Progress::done) continue;
      const bool looking_up = progress == Transport::Progress::wants_time;
      const auto events =
          static_cast<short>(progress == Transport::Progress::wants_write ? POLLOUT : POLLIN);
      // A lookup has no descriptor to wait on.
      const Deadline until =
          looking_up ? deadline.earlier(Deadline::after(std::chrono::milliseconds{5})) : deadline;
      const Readiness readiness = io::wait_for(transport_.fd(), events, until, interrupt);
      if (readiness == Readiness::interrupted) {
        throw Error(ErrorKind::interrupted, "interrupted by a signal while publishing events");
      }
      if (readiness == Readiness::timed_out && deadline.over()) {
        late = true;
        throw Error(ErrorKind::redis, "Redis at " + settings_.shown() + ": no answer in time");
      }
    }
  } catch (const Error& error) {
    // A time that is over leaves the connection as it is: the rest may still come.
    if (error.kind() == ErrorKind::redis && !late) failure_ = error;
    throw;
  }
}

Transport::Progress Publisher::step() {
  if (!connected_) {
    const Transport::Progress progress = transport_.connect();
    connected_ = progress == Transport::Progress::done;
    return progress;
  }
  if (!unsent_.empty()) {
    const Transport::Progress progress = transport_.send(unsent_);
    if (progress != Transport::Progress::done) return progress;
  }
  std::string bytes;
  const Transport::Progress progress = transport_.receive(bytes);
  if (progress == Transport::Progress::done) {
    if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK) {
      fail("its answer is not the Redis protocol");
    }
    take_replies();
  }
  return progress;
}

void Publisher::take_replies() {
  for (;;) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
      fail("its answer is not the Redis protocol");
    }
    if (raw == nullptr) return;
    const std::unique_ptr<redisReply, FreeReply> reply(static_cast<redisReply*>(raw));
    if (answered_ >= expected_.size()) fail("it answers what was not asked");
    take(*reply, expected_[answered_++]);
  }
}

void Publisher::take(const redisReply& reply, Expected expected) {
  const bool refused = reply.type == REDIS_REPLY_ERROR;
  const std::string words =
      refused ? std::string(reply.str, static_cast<std::size_t>(reply.len)) : "";
  switch (expected) {
    case Expected::login:
      if (refused)
        fail("the login is refused (" + words.substr(0, words.find(' ')) +
             "); check user and password");
      break;
    case Expected::database:
      if (refused) fail("database " + std::to_string(settings_.database) + " is refused: " + words);
      break;
    case Expected::role: {
      if (refused && (words.starts_with("NOAUTH") || words.starts_with("LOADING"))) fail(words);
      if (refused || reply.type != REDIS_REPLY_ARRAY || reply.elements == 0 ||
          reply.element[0]->type != REDIS_REPLY_STRING) {
        warning_ = "Redis at " + settings_.shown() + " does not tell its role; taken for a primary";
      } else if (std::string_view(reply.element[0]->str,
                                  static_cast<std::size_t>(reply.element[0]->len)) != "master") {
        fail(
            "it is a replica, whose subscribers are not those of the primary; connect to the "
            "primary");
      }
      break;
    }
    case Expected::announcement: break;
    case Expected::publication:
      if (refused) {
        refusal_ = words;
      } else if (reply.type != REDIS_REPLY_INTEGER) {
        fail("its answer to PUBLISH is not a number");
      }
      break;
  }
}

void Publisher::fail(const std::string& why) const {
  throw Error(ErrorKind::redis, "Redis at " + settings_.shown() + ": " + why);
}

}  // namespace tickstock::events
