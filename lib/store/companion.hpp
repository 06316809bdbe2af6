#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "store/connection.hpp"
#include "store/transaction.hpp"

namespace tickstock::store {

/// A second connection to the same server, which reads on the snapshot of a transaction of the
/// first one, so that two tables arrive at once. Nothing depends on it: what it can't do, the first
/// connection does.
class Companion {
 public:
  /// How long the connection and its first answer may take together.
  static constexpr std::chrono::milliseconds time{100};

  /// \return nothing when the server takes no second connection in time.
  static std::optional<Companion> open(const Connection& first);

  /// Takes the snapshot of a transaction of the first connection. \return nothing when that fails:
  /// another server stands behind the address, or a pooler has no connection left. Valid as long as
  /// the companion stays where it is.
  Transaction* join(const Transaction& transaction);

 private:
  Companion(Connection connection, std::chrono::milliseconds left)
      : connection_(std::make_unique<Connection>(std::move(connection))), left_(left) {}

  std::unique_ptr<Connection> connection_;  ///< its transaction keeps the address
  std::unique_ptr<Transaction> transaction_;
  std::chrono::milliseconds left_;  ///< for the first answer
};

}  // namespace tickstock::store
