#pragma once

#include <hiredis/hiredis.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/run.hpp"
#include "redis/address.hpp"

namespace tickstock::redis {

/// A reply from Redis.
struct Reply {
  int type;          ///< as hiredis numbers them
  std::string text;  ///< escaped if it is an error; a number as its digits; empty for nil
  std::vector<Reply> elements;

  [[nodiscard]] bool is_error() const { return type == REDIS_REPLY_ERROR; }
  /// Returns whether it is an error that begins with this word.
  [[nodiscard]] bool refuses_with(std::string_view word) const {
    return is_error() && text.starts_with(word);
  }
};

/// Turns commands into bytes to send, and matches arriving bytes with the commands they answer.
/// Does no I/O itself. Begins with the login, the database and the server's role; with a Sentinel,
/// only with the question where the primary is.
class Conversation {
 public:
  explicit Conversation(RedisSettings settings);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  /// Queues an event that must be accepted.
  void publish(const Message& message);
  /// Queues a command. take_replies() returns its answer once it has arrived, if it matters.
  void ask(const std::vector<std::string>& words, bool matters = true);
  /// Returns the answers to ask() that have arrived since the last call, in the order of the
  /// questions.
  std::vector<Reply> take_replies() { return std::exchange(replies_, {}); }

  /// Checks whether events on these channels, and in this stream (empty for none), and taking from
  /// these lists would be accepted, without doing it: once Redis has begun a transaction, the
  /// commands are sent in it, and it is discarded. For a stream, which needs it, an empty
  /// transaction is also executed.
  void rehearse(std::vector<std::string> channels, const std::string& stream,
                std::vector<std::string> lists);
  /// Returns Redis' error for the first one that it refuses; empty if it refuses none; nothing if
  /// the user may not ask, and needs no transaction otherwise.
  [[nodiscard]] const std::optional<std::string>& rehearsal() const { return rehearsal_; }

  /// Returns, for each published event that was accepted, how many clients received it, up to the
  /// first refused one. In a Cluster this counts clients of this node only.
  [[nodiscard]] const std::vector<std::int64_t>& receivers() const { return receivers_; }
  /// Returns how many published events have no answer yet.
  [[nodiscard]] std::size_t unanswered() const { return unanswered_; }
  /// Returns the refusal of the last published event, or of one that was still unanswered when that
  /// one was queued.
  [[nodiscard]] const std::optional<Error>& refusal() const { return refusal_; }

  /// Takes bytes that have arrived, in pieces of any size. \throws Error (redis) if Redis refuses
  /// the login or the database, is a replica, or doesn't speak its protocol; that ends the
  /// conversation. \throws Outage if a failover may help.
  void receive(std::string_view bytes);

  /// Returns the bytes to send; the sender removes from the front what it has sent.
  [[nodiscard]] std::string& unsent() { return unsent_; }

  /// Return how many commands belong to the greeting, how many were queued in all, and how many are
  /// answered.
  [[nodiscard]] std::size_t greetings() const { return greetings_; }
  [[nodiscard]] std::size_t asked() const { return answered_ + expected_.size(); }
  [[nodiscard]] std::size_t answered() const { return answered_; }

  /// Returns the primary that a Sentinel has named.
  [[nodiscard]] const RedisSettings::Endpoint& primary() const { return primary_; }
  /// Sets the server to name in errors.
  void set_server(const RedisSettings& settings) { settings_ = settings; }

  /// Returns whether it is a replica of a Cluster, which publishes as well as its primary.
  [[nodiscard]] bool in_cluster() const { return in_cluster_; }

  /// Returns how many replicas follow it.
  [[nodiscard]] std::size_t replicas() const { return replicas_; }

  /// Returns a warning about a server that doesn't report its role; empty if there is none.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  using Take = std::function<void(const Reply&)>;

  /// Queues a command. \param take gets its answer, if it matters
  void command(const std::vector<std::string>& words, Take take = {});
  void log_in();
  void ask_sentinel();
  void take_primary(const Reply& reply);
  void take_login(const Reply& reply);
  void take_database(const Reply& reply);
  void take_role(const Reply& reply);

  RedisSettings settings_;
  std::optional<Error> postponed_;  ///< a refusal that is reported once the role is known
  std::string unsent_;
  std::deque<Take> expected_;
  std::size_t greetings_ = 0;
  std::size_t answered_ = 0;
  std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader_;
  std::size_t held_ = 0;  ///< bytes of the next answer that have arrived
  std::vector<std::int64_t> receivers_;
  std::vector<Reply> replies_;
  std::size_t replicas_ = 0;
  std::size_t unanswered_ = 0;
  std::optional<Error> refusal_;
  std::optional<std::string> rehearsal_;
  bool in_cluster_ = false;
  RedisSettings::Endpoint primary_;
  std::string warning_;
};

}  // namespace tickstock::redis
