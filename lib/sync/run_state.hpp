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

/// The time limits for the last events of a run, and of a failed run.
constexpr std::chrono::milliseconds last_words_time{1'000};
constexpr std::chrono::milliseconds last_words_of_failure_time{500};

/// One run from start to end. The steps are declared in the order they happen.
class Run {
 public:
  Run(const RunOptions& options, const Environment& environment, Observer& observer,
      io::Patience& patience);

  Report execute();

 private:
  // run.cpp: everything before the first write
  void work();
  void prepare();
  /// Reads the catalog, and checks that it has what the run needs.
  void look_around();
  void open_companion();
  void attempt_until_settled();
  void attempt();
  void make_plan(postgres::Transaction& transaction);
  /// Makes the plan of the mode. \param market gets names that only the journal knows
  [[nodiscard]] Plan plan_of(postgres::Transaction& transaction, Market& market,
                             const Entries& entries, const tables::Past& past);
  /// Begins the main transaction, which holds the lock, and opens the run's record before it.
  std::unique_ptr<postgres::Transaction> begin_locked();
  /// Tries that once. \return null if the lock was taken
  std::unique_ptr<postgres::Transaction> try_lock();
  [[noreturn]] void throw_locked(std::chrono::milliseconds lock_wait);
  /// Returns the questions to ask as the main transaction begins; they depend on nothing that it
  /// reads.
  [[nodiscard]] std::vector<postgres::Statement> first_questions() const;
  /// Returns the options that let a companion, if there is one, join the transaction.
  [[nodiscard]] postgres::TransactionOptions joinable(postgres::TransactionOptions options) const;
  void begin_step(int step);
  /// Returns the application_name for a step; 0 for none.
  [[nodiscard]] std::string application_name(int step) const;

  // day_end.cpp
  /// \return whether it took any time.
  bool wait_for_day_end();

  // run_end.cpp: writing, and reporting what was written
  void apply(postgres::Transaction& transaction);
  /// Returns what to write after the tasks.
  [[nodiscard]] std::vector<postgres::Statement> closing(const tables::WriteContext& context);
  void commit(postgres::Transaction& transaction);
  [[nodiscard]] bool find_outcome();
  void publish();
  /// Checks that a server that took over has the run. \throws Error (unavailable) if it doesn't.
  void require_still_committed();
  /// Returns what deletes old rows; it travels with the marks of published events if there are any.
  [[nodiscard]] std::vector<postgres::Statement> tidying() const;
  void tidy();
  void measure();
  [[nodiscard]] bool can_read_prices() const {
    return tables::has(*database_, tables::Need::read_prices);
  }
  void fail(const Error& error);
  void record_failure();
  void announce_failure(const Error& error);

  // Events that may be lost are sent only as far as possible without waiting, so that Redis never
  // delays the database work.
  void connect_to_redis();
  template <typename Make, typename... More>
  void announce(Make make, const More&... more) noexcept {
    if (!publisher_) return;
    try {
      publisher_->announce(make(record(), clock_.now(), more...));
    } catch (const std::exception&) {
      // Losing an event that can't be built is better than failing the run.
    }
  }
  /// Announces only once per run, however often it is called.
  void announce_trigger();
  /// For full runs only.
  void announce_phase(std::chrono::milliseconds time);
  [[nodiscard]] RunRecord record() const { return record_of(report_, options_, clock_); }

  const RunOptions& options_;
  const Environment& environment_;
  Observer& observer_;
  io::Patience& patience_;

  RunClock clock_;
  std::unique_ptr<events::Publisher> publisher_;  ///< null if events are switched off
  std::optional<tables::Database> database_;
  std::vector<std::string> to_undo_;                ///< the universes changed by the run to undo
  bool undoes_undo_ = false;                        ///< whether that run was itself an undo
  std::unique_ptr<postgres::Companion> companion_;  ///< until the tables are read
  tables::Reading reading_;
  tables::Standing standing_;  ///< what to journal besides the plan of this attempt
  Report report_;
  std::vector<Warning> early_warnings_;  ///< those that a retry does not find again
  int step_ = 0;
  bool had_lock_ = false;
  bool has_record_ = false;
  bool may_have_record_ = false;  ///< it was sent, but the answer is unknown
  bool has_trigger_ = false;
  bool can_read_history_ = false;
  bool has_old_events_ = false;  ///< events pending for too long
};

}  // namespace tickstock::sync
