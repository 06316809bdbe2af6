#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "postgres/connection.hpp"
#include "postgres/transaction.hpp"

namespace tickstock::postgres {

/// A second connection to the same server, which reads on the snapshot of a transaction of the
/// first one, so that two tables arrive at once. Nothing depends on it: what it can't do, the first
/// connection does.
class Companion {
 public:
  /// How long the connection and its first answer may take together, and its last answer.
  static constexpr std::chrono::milliseconds time{100};
  /// How long its rows may stop once those of the first connection are all there.
  static constexpr std::chrono::milliseconds longest_silence{1'000};
  /// How long the transaction of the first connection may have to do nothing because of it, with
  /// some to spare.
  static constexpr std::chrono::milliseconds idle_time = 3 * longest_silence;

  /// \return nothing when the server takes no second connection in time.
  static std::unique_ptr<Companion> open(const Connection& first);

  /// Lets go of the snapshot before it closes the connection.
  ~Companion();
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;

  /// Takes the snapshot of a transaction of the first connection; to be called once. \return
  /// nothing when that fails: another server stands behind the address, or a pooler has no
  /// connection left.
  Transaction* join(const Transaction& transaction);

 private:
  Companion(Connection connection, std::chrono::milliseconds left)
      : connection_(std::move(connection)), left_(left) {}

  Connection connection_;
  std::optional<Transaction> transaction_;
  std::chrono::milliseconds left_;  ///< for the first answer
};

}  // namespace tickstock::postgres
