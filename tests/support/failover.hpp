#pragma once

#include <memory>
#include <vector>

#include "postgres.hpp"

namespace tickstock::test {

/// How a primary ends: with a message to its clients, or without.
enum class Death { immediate_stop, crash };

/// A primary, and a standby that has everything the primary has acknowledged. After the standby has
/// taken over, renew() gives it a standby of its own.
class FailoverPair {
 public:
  explicit FailoverPair(PostgresOptions options = {});

  Postgres& primary() { return *primary_; }
  Postgres& standby() { return *standby_; }
  /// Returns both ports, the primary's first.
  std::vector<int> ports() const { return {primary_->port(), standby_->port()}; }

  /// From now on the primary acknowledges what the standby has not received, and never will.
  void part();
  void lose_primary(Death death);
  /// Promotes the standby. \pre the primary is gone.
  void promote();
  /// Makes a standby of the primary, and waits until it has caught up.
  void renew();

 private:
  void acknowledge(const std::string& standbys);

  PostgresOptions options_;
  std::unique_ptr<Postgres> primary_;
  std::unique_ptr<Postgres> standby_;
};

}  // namespace tickstock::test
