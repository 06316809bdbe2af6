#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/messages.hpp"
#include "events/publisher.hpp"
#include "postgres/connection.hpp"
#include "postgres/transaction.hpp"
#include "sync/run.hpp"
#include "tables/catalog.hpp"
#include "tables/entries.hpp"
#include "tables/journal.hpp"
#include "tables/market_reader.hpp"
#include "tables/schema.hpp"
#include "tables/waiting.hpp"

namespace tickstock::sync {

/// How long the last events of a run may take, and those of one that failed.
constexpr std::chrono::milliseconds last_words_time{1'000};
constexpr std::chrono::milliseconds last_words_of_failure_time{500};

/// One run on its way from top to bottom. The steps stand in the order in which they happen.
class Run {
 public:
  Run(const RunOptions& options, const Environment& environment, Observer& observer,
      io::Patience& patience);

  Report execute();

 private:
  // run.cpp: what happens before anything is written
  void work();
  void prepare();
  /// Reads the catalog, and requires what the run needs of it.
  void look_around();
  void open_companion();
  void attempt_until_settled();
  void attempt();
  void make_plan(postgres::Transaction& transaction);
  /// The plan of the mode. \param market gets the names that only the journal knows
  [[nodiscard]] Plan plan_of(postgres::Transaction& transaction, Market& market,
                             const Entries& entries, const tables::Past& past);
  /// Begins the main transaction, which holds the lock; the record of the run is opened before.
  std::unique_ptr<postgres::Transaction> begin_locked();
  /// Tries that once. \return null where the lock was taken
  std::unique_ptr<postgres::Transaction> try_lock();
  [[noreturn]] void throw_locked(std::chrono::milliseconds lock_wait);
  /// What is asked as the main transaction begins, since it depends on nothing that it reads.
  [[nodiscard]] std::vector<postgres::Statement> first_questions() const;
  /// Makes a transaction one that a companion, where there is one, can join.
  [[nodiscard]] postgres::TransactionOptions joinable(postgres::TransactionOptions options) const;
  void begin_step(int step);
  /// What the connection calls itself at a step; 0 for none.
  [[nodiscard]] std::string application_name(int step) const;

  // day_end.cpp
  /// \return whether it took any time.
  bool wait_for_day_end();

  // run_end.cpp: what is written, and what is said of it
  void apply(postgres::Transaction& transaction);
  /// What is written after the tasks.
  [[nodiscard]] std::vector<postgres::Statement> closing(const tables::WriteContext& context);
  void commit(postgres::Transaction& transaction);
  [[nodiscard]] bool find_outcome();
  void publish();
  /// Looks whether a server that took over has the run. \throws Error (unavailable) if it doesn't.
  void require_still_committed();
  void tidy();
  void measure();
  [[nodiscard]] bool can_read_prices() const {
    return tables::has(*database_, tables::Need::read_prices);
  }
  void fail(const Error& error);
  void record_failure();
  void announce_failure(const Error& error);

  // Events that may be lost are sent as far as goes without waiting, so that Redis never holds up
  // the database work.
  void connect_to_redis();
  template <typename Make, typename... More>
  void announce(Make make, const More&... more) noexcept {
    if (!publisher_) return;
    try {
      publisher_->announce(make(record(), clock_.now(), more...));
    } catch (const std::exception&) {
      // An event that can't be put into words or into memory is lost.
    }
  }
  /// Once a run, however often it is called.
  void announce_trigger();
  /// Of full runs only.
  void announce_phase(std::chrono::milliseconds time);
  [[nodiscard]] RunRecord record() const { return record_of(report_, options_, clock_); }

  const RunOptions& options_;
  const Environment& environment_;
  Observer& observer_;
  io::Patience& patience_;

  RunClock clock_;
  std::unique_ptr<events::Publisher> publisher_;  ///< null where events are switched off
  std::optional<tables::Database> database_;
  std::vector<std::string> to_undo_;                ///< the universes that the run to undo changed
  bool undoes_undo_ = false;                        ///< that run was an undo itself
  std::unique_ptr<postgres::Companion> companion_;  ///< until the tables are read
  tables::Reading reading_;
  tables::Standing standing_;  ///< what the journal is told besides the plan of this attempt
  Report report_;
  std::vector<Warning> early_warnings_;  ///< those that a retry does not find again
  int step_ = 0;
  bool had_lock_ = false;
  bool has_record_ = false;
  bool may_have_record_ = false;  ///< it was sent, and the answer is not known
  bool has_trigger_ = false;
  bool can_read_history_ = false;
  bool has_old_events_ = false;  ///< that have been pending for too long
};

}  // namespace tickstock::sync
