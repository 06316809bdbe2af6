#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "soak/recorder.hpp"
#include "support/postgres.hpp"

namespace tickstock::soak {

/// The program broke a promise.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Compares what Redis accepted with what was committed: every change is announced; every event
/// that counts as published was published, in the order of the outbox, and none twice without a
/// fault in between.
class Ledger {
 public:
  Ledger(test::Database& database, Recorder& recorder) : database_(database), recorder_(recorder) {}

  /// Records what was announced since the last call, in a run that a fault may have cut off between
  /// an event and its mark. \throws Violation for an event that is repeated without such a fault.
  void enter(bool may_be_cut_off);

  /// Call it at the end of a night whose last run succeeded. \throws Violation if something that
  /// the night committed was not announced, or was announced in another order.
  void settle();

  /// Forgets what is settled, and deletes it from the program's own tables.
  void prune();

  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  [[nodiscard]] std::uint64_t announced() const { return announced_; }
  [[nodiscard]] std::uint64_t duplicates() const { return duplicates_; }

 private:
  void check_outbox();
  void check_changes();

  test::Database& database_;
  Recorder& recorder_;
  std::map<std::string, bool> seen_;  ///< event ids, and whether the last run may be cut off
  std::vector<std::string> arrived_;  ///< event ids of this night, each once
  /// The ids of what was announced for a run and a universe or symbol.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> about_;
  std::int64_t last_outbox_id_ = 0;
  std::int64_t last_change_id_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t announced_ = 0;
  std::uint64_t duplicates_ = 0;
};

}  // namespace tickstock::soak
