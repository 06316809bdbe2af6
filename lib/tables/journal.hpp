#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/members.hpp"
#include "domain/symbol_table.hpp"
#include "postgres/transaction.hpp"
#include "rules/plan.hpp"
#include "tables/catalog.hpp"

// The journal answers for every day between its oldest and its newest record. What stood in an
// entry after a run is the content before its next change; where none came since, what the last
// change left, of which {states} keeps a fingerprint, and of an entry that the program never
// changed the content. So a change by another writer is found at the next run, which writes it into
// the journal before its own.
namespace tickstock::tables {

/// What a run left in an entry.
struct State {
  std::string universe;
  std::uint64_t fingerprint = 0;  ///< 0 where there was no entry
  bool is_old = false;            ///< its change goes when old records are deleted
};

/// A fingerprint as the tables hold it, which know no numbers without a sign.
std::string signed_text(std::uint64_t fingerprint);

/// How long the program's own tables keep what; 0 stands for ever.
struct Retention {
  int journal_days = 400;     ///< a record of a run and its changes
  int journal_runs = 10'000;  ///< so many records, whatever their age
  int outbox_days = 30;       ///< an event that was published or dropped
  int outbox_max_age = 7;     ///< days until a pending event is dropped
};

/// Asks for what the last runs left, to be read by states_of().
Statement ask_states(const TableNames& names, const Retention& retention);
std::vector<State> states_of(const Result& rows);

/// An entry that another writer changed since the last run.
struct Edit {
  EntryWrite write;  ///< without a rule; `after` is null where the row is gone
  bool is_gone = false;
};

/// What a run has to tell the journal besides its own changes.
struct Standing {
  std::vector<Edit> edits;
  /// What it meets for the first time, and what an old change left, with its fingerprint: the
  /// content of both is kept.
  std::vector<std::pair<std::string, std::uint64_t>> kept;
};

/// Compares what stands in the entries with what the last runs left. \param symbols gets the names
/// of members that are gone. \throws Error.
Standing compare_states(Transaction& transaction, const TableNames& names,
                        const std::vector<State>& states, const Entries& entries,
                        SymbolTable& symbols);

/// Keeps the states of entries after a run whose record is finished: of `changed` what it left, of
/// `kept` the content.
Statement store_states(const TableNames& names, const std::string& run_id,
                       const std::vector<std::string>& changed,
                       const std::vector<std::pair<std::string, std::uint64_t>>& kept);

/// The members of a universe after a run of the past.
struct PastMembers {
  std::string run_id;
  std::string as_of;  ///< the day of that run
  std::vector<std::string> symbols;
};

/// Reads what stood after the run with the greatest as-of day not after `day`, of several the last
/// to commit. \throws Error (failed) where the journal does not reach back so far, and where the
/// universe did not exist, or is not known to have.
PastMembers read_members(Database& database, const std::string& universe, Day day);

/// Whether a symbol stood in a universe after a run of the past.
struct PastMembership {
  std::string universe;
  bool member = false;
  // When it came, or left, as far as the journal holds it.
  std::optional<std::string> since;  ///< an as-of day
  std::optional<std::string> run_id;
};

/// Reads it of every universe that existed, or of one, by name; nothing where that one did not.
/// \throws Error (failed) as read_members() does.
std::vector<PastMembership> read_memberships(Database& database, const std::string& symbol,
                                             const std::optional<std::string>& universe, Day day);

/// Returns what deletes the records of runs on these entries and the events that are kept long
/// enough, the oldest first and so many at most that no night becomes slow; it waits for no row.
/// Running records, the newest that committed, those on whose changes a state depends, and runs
/// with pending events stay. It is made for a READ COMMITTED transaction.
std::vector<Statement> pruning(const TableNames& names, const Retention& retention);

}  // namespace tickstock::tables
