#pragma once

#include <hiredis/hiredis.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/message.hpp"
#include "redis/address.hpp"

namespace tickstock::redis {

/// What is said to Redis and what its answers mean, without the connection between: commands become
/// bytes to send, and bytes that have arrived are held against what was asked. It begins with the
/// login, the database and the question for the role.
class Conversation {
 public:
  explicit Conversation(const RedisSettings& settings);

  /// Says an event whose answer makes no difference.
  void announce(const Message& message);
  /// Says an event that must be taken.
  void publish(const Message& message);
  /// Takes the first element off a list; once it is answered, take_elements() has it.
  void pop(const std::string& list);
  /// Asks whether events on these channels would be taken, without anybody hearing of one: first
  /// begin_rehearsal(), and only once that is answered and rehearsing() is true, rehearse().
  void begin_rehearsal();
  [[nodiscard]] bool rehearsing() const { return rehearsing_; }
  void rehearse(std::span<const std::string_view> channels);
  /// Redis' words against the first of these channels that it refuses; empty where none is.
  [[nodiscard]] const std::string& rehearsal_refusal() const { return rehearsal_refusal_; }

  /// What the answers to pop() have brought since the last call, oldest first. \throws Error
  /// (redis) where one was an error.
  std::vector<std::string> take_elements();

  /// How many events that must be taken were taken, none of them behind one that was refused.
  [[nodiscard]] std::size_t taken() const { return taken_; }
  /// How many of them have no answer yet.
  [[nodiscard]] std::size_t unanswered() const { return unanswered_; }
  /// Whether an answer to the last publish(), or to one that had no answer yet then, was an error.
  [[nodiscard]] bool refused() const { return refusal_.has_value(); }
  /// \throws Error (redis) where one was; `message` is the event that it was about.
  void require_published(const Message& message) const;

  /// Takes what has arrived, in whatever pieces. \throws Error (redis) where Redis refuses the
  /// login or the database, is a replica, or doesn't speak its protocol; that ends the
  /// conversation.
  void receive(std::string_view bytes);

  /// What is to be sent; whoever sends takes off the front what is gone.
  [[nodiscard]] std::string& unsent() { return unsent_; }

  /// How many commands belong to the beginning, how many until now, and how many are answered.
  [[nodiscard]] std::size_t greetings() const { return greetings_; }
  [[nodiscard]] std::size_t asked() const { return expected_.size(); }
  [[nodiscard]] std::size_t answered() const { return answered_; }

  /// Whether it is a replica of a Cluster, which publishes as well as its primary.
  [[nodiscard]] bool in_cluster() const { return is_cluster_; }

  /// What is only worth a warning: a server that doesn't tell its role.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };
  struct FreeReply {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  enum class Expected : unsigned char {
    login,
    database,
    role,
    cluster_info,
    cluster_select,
    announcement,
    publication,
    element,
    rehearsal_begin,
    rehearsal,
    rehearsal_end
  };

  void command(const std::vector<std::string>& words, Expected expected);
  void take(const redisReply& reply, Expected expected);
  void take_login(const std::string& refusal) const;
  void take_role(const redisReply& reply);
  [[noreturn]] void fail(const std::string& why) const;

  std::string address_;
  std::string password_;  ///< which no error may repeat
  int database_;
  std::string no_database_;  ///< why the database is refused, until the role is known
  std::string unsent_;
  std::vector<Expected> expected_;  ///< of every command so far
  std::size_t greetings_ = 0;
  std::size_t answered_ = 0;
  std::unique_ptr<redisReader, FreeReader> reader_;
  std::size_t held_ = 0;  ///< bytes that have arrived of the next answer
  std::size_t taken_ = 0;
  std::size_t unanswered_ = 0;
  std::vector<std::string> elements_;
  std::optional<std::string> no_element_;  ///< Redis' words against a pop()
  std::optional<std::string> refusal_;     ///< Redis' words against a publication
  bool is_cluster_ = false;
  bool rehearsing_ = false;
  std::string rehearsal_refusal_;
  std::string warning_;
};

}  // namespace tickstock::redis
