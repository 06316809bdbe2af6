#pragma once

#include <memory>
#include <string>

#include "postgres.hpp"
#include "process.hpp"
#include "temporary_directory.hpp"

namespace tickstock::test {

/// A PgBouncer in transaction pooling mode. It accepts everybody and logs in as `postgres`.
class PgBouncer {
 public:
  /// \param pool_size how many connections to the server it has per database
  explicit PgBouncer(const Postgres& postgres, int pool_size = 1,
                     const std::string& pool_mode = "transaction");

  /// Returns `postgresql://postgres@127.0.0.1:PORT/DATABASE`.
  std::string url(const std::string& database) const;

 private:
  int port_;
  TemporaryDirectory directory_;
  std::unique_ptr<Process> process_;
};

}  // namespace tickstock::test
