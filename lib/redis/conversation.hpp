#pragma once

#include <hiredis/hiredis.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/run.hpp"
#include "redis/address.hpp"

namespace tickstock::redis {

/// What is said to Redis and what its answers mean, without the connection between: commands become
/// bytes to send, and bytes that have arrived are held against what was asked. It begins with the
/// login, the database and the question for the role.
class Conversation {
 public:
  explicit Conversation(RedisSettings settings);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  /// Says an event whose answer makes no difference.
  void announce(const Message& message);
  /// Says an event that must be taken.
  void publish(const Message& message);
  /// Takes the first element off a list; once it is answered, take_elements() has it.
  void pop(const std::string& list);
  /// Asks whether events on these channels would be taken, without anybody hearing of one: it goes
  /// on only once Redis has agreed to a transaction, which is then discarded.
  void rehearse(std::vector<std::string> channels);
  /// Redis' words against the first of these channels that it refuses, empty where none is; nothing
  /// where the user may not ask.
  [[nodiscard]] const std::optional<std::string>& rehearsal() const { return rehearsal_; }

  /// What the answers to pop() have brought since the last call, oldest first. \throws Error
  /// (redis) where one was an error.
  std::vector<std::string> take_elements();

  /// How many events that must be taken were taken, none of them behind one that was refused.
  [[nodiscard]] std::size_t taken() const { return taken_; }
  /// How many of them have no answer yet.
  [[nodiscard]] std::size_t unanswered() const { return unanswered_; }
  /// The refusal of the last event that must be taken, or of one that had no answer yet then.
  [[nodiscard]] const std::optional<Error>& refusal() const { return refusal_; }

  /// Takes what has arrived, in whatever pieces. \throws Error (redis) where Redis refuses the
  /// login or the database, is a replica, or doesn't speak its protocol; that ends the
  /// conversation.
  void receive(std::string_view bytes);

  /// What is to be sent; whoever sends takes off the front what is gone.
  [[nodiscard]] std::string& unsent() { return unsent_; }

  /// How many commands belong to the beginning, how many until now, and how many are answered.
  [[nodiscard]] std::size_t greetings() const { return greetings_; }
  [[nodiscard]] std::size_t asked() const { return answered_ + expected_.size(); }
  [[nodiscard]] std::size_t answered() const { return answered_; }

  /// Whether it is a replica of a Cluster, which publishes as well as its primary.
  [[nodiscard]] bool in_cluster() const { return in_cluster_; }

  /// What is only worth a warning: a server that doesn't tell its role.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  struct Answer {
    const redisReply& reply;
    std::optional<std::string> refusal;  ///< Redis' words, where it is an error
  };
  using Take = std::function<void(const Answer&)>;

  /// Says a command; `take` gets its answer.
  void command(
      const std::vector<std::string>& words, Take take = [](const Answer&) {});
  void take_login(const Answer& answer) const;
  void take_database(const Answer& answer);
  void take_role(const Answer& answer);

  RedisSettings settings_;
  std::string no_database_;  ///< why the database is refused, until the role is known
  std::string unsent_;
  std::deque<Take> expected_;
  std::size_t greetings_ = 0;
  std::size_t answered_ = 0;
  std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader_;
  std::size_t held_ = 0;  ///< bytes that have arrived of the next answer
  std::size_t taken_ = 0;
  std::size_t unanswered_ = 0;
  std::vector<std::string> elements_;
  std::optional<std::string> no_element_;  ///< Redis' words against a pop()
  std::optional<Error> refusal_;
  std::optional<std::string> rehearsal_;
  bool in_cluster_ = false;
  std::string warning_;
};

}  // namespace tickstock::redis
