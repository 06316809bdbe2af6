#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/messages.hpp"
#include "postgres/connection.hpp"
#include "postgres/transaction.hpp"
#include "sync/announcer.hpp"
#include "sync/clock.hpp"
#include "sync/run.hpp"
#include "tables/catalog.hpp"
#include "tables/market_reader.hpp"

namespace tickstock::sync {

/// One run on its way from top to bottom. The steps stand in the order in which they happen.
class Run {
 public:
  Run(const RunOptions& options, const Environment& environment, Observer& observer,
      io::Patience& patience);

  Report execute();

 private:
  // run.cpp: the walk
  void work();
  void prepare();
  void open_record();
  void attempt_until_settled();
  void attempt();
  void publish();

  // run_plan.cpp: read, plan, guard
  void make_plan(postgres::Transaction& transaction);
  /// The columns of labels to read; a dry run looks whether sectors have decayed, too.
  [[nodiscard]] std::vector<std::string> label_columns() const;
  /// Whether the prices can be read.
  [[nodiscard]] bool has_prices() const;
  void check_guards() const;

  // run_apply.cpp: write, commit
  void apply(postgres::Transaction& transaction);
  void commit(postgres::Transaction& transaction);
  [[nodiscard]] bool find_outcome();

  // run_tidy.cpp: what is too old, and what is left
  void give_up_old();
  void prune();
  void measure();

  // run_end.cpp: what is written and said at the end
  void fail(const Error& error);
  void record_failure();
  void announce_failure(const Error& error);
  [[nodiscard]] RunRecord record() const;
  [[nodiscard]] events::Completion completion() const;

  // run_eod.cpp: before it begins
  /// \return whether it took any time.
  bool wait_for_day_end();

  /// Reads the catalog, and requires what the run needs of it.
  void look_around();

  void open_companion();
  /// \param reads whether the tables are read in it, which a companion may help with
  std::unique_ptr<postgres::Transaction> begin_locked(std::chrono::milliseconds lock_wait,
                                                      bool reads);
  /// Begins a transaction and tries the lock once.
  std::unique_ptr<postgres::Transaction> try_lock(bool reads);
  [[noreturn]] void throw_locked(std::chrono::milliseconds lock_wait);
  /// Makes a transaction one that a companion, where there is one, can join.
  [[nodiscard]] postgres::TransactionOptions joinable(postgres::TransactionOptions options) const;
  void begin_step(int step);
  [[nodiscard]] std::string application_name() const;

  const RunOptions& options_;
  const Environment& environment_;
  Observer& observer_;
  io::Patience& patience_;

  RunClock clock_;
  Announcer announcer_;
  std::optional<postgres::Connection> connection_;
  tables::Catalog catalog_;
  std::unique_ptr<postgres::Companion> companion_;  ///< until the tables are read
  tables::Reading reading_;
  Report report_;
  std::vector<Warning> early_warnings_;  ///< those that a retry does not find again
  std::vector<Message> messages_;
  std::size_t omitted_universe_events_ = 0;
  int step_ = 0;
  bool had_lock_ = false;
  bool has_record_ = false;
  bool can_read_history_ = false;
};

}  // namespace tickstock::sync
