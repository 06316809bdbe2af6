#pragma once

#include <memory>
#include <vector>

#include "postgres.hpp"

namespace tickstock::test {

/// How a primary goes away: with a word to its clients, or without.
enum class Death { immediate_stop, crash };

/// A primary, and a standby that has whatever the primary has acknowledged. Once the standby has
/// taken over, renew() gives it one of its own.
class FailoverPair {
 public:
  explicit FailoverPair(PostgresOptions options = {});

  Postgres& primary() { return *primary_; }
  Postgres& standby() { return *standby_; }
  /// The ports of both, the primary's first.
  std::vector<int> ports() const { return {primary_->port(), standby_->port()}; }

  /// From now on the primary acknowledges what the standby has not got, and never will.
  void part();
  void lose_primary(Death death);
  /// The standby becomes the primary. \pre the primary is gone.
  void promote();
  /// Makes a standby of the primary, and waits until it has all.
  void renew();

 private:
  void acknowledge(const std::string& standbys);

  PostgresOptions options_;
  std::unique_ptr<Postgres> primary_;
  std::unique_ptr<Postgres> standby_;
};

}  // namespace tickstock::test
