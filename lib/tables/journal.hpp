#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/members.hpp"
#include "domain/symbol_table.hpp"
#include "postgres/transaction.hpp"
#include "rules/reason.hpp"
#include "tables/catalog.hpp"

// The journal can answer for every day between its oldest and its newest record. The content of an
// entry after a run is the content before its next change. If there is no later change, it is what
// the last change left, of which {states} keeps a fingerprint. For an entry that the program never
// changed, it is the current content. The next run therefore notices a change by another writer,
// and journals it before its own changes.
namespace tickstock::tables {

/// What a run left in an entry.
struct State {
  std::string universe;
  std::uint64_t fingerprint = 0;  ///< 0 if there was no entry
  bool is_old = false;            ///< its change is about to be deleted with old records
};

/// Returns a fingerprint as the tables store it: they have no unsigned integers.
std::string signed_text(std::uint64_t fingerprint);

/// How long the program's own tables keep their rows; 0 means forever.
struct Retention {
  int journal_days = 400;     ///< a record of a run and its changes
  int journal_runs = 10'000;  ///< this many records, whatever their age
  int outbox_days = 30;       ///< an event that was published or dropped
  int outbox_max_age = 7;     ///< days until a pending event is dropped
};

/// Returns a query for what the last runs left in the entries; states_of() reads its answer.
Statement ask_states(const TableNames& names, const Retention& retention);
std::vector<State> states_of(const Result& rows);

/// An entry that another writer changed since the last run.
struct Edit {
  EntryWrite write;  ///< without a rule; `after` is empty if the row is gone
  bool is_gone = false;
};

/// What a run journals besides its own changes.
struct Standing {
  std::vector<Edit> edits;
  /// Entries to keep the content of, with their fingerprints: those that the run meets for the
  /// first time, and those that an old change left.
  std::map<std::string, std::uint64_t> kept;
};

/// Compares the entries with what the last runs left. \param symbols gets the names of members that
/// are gone. \throws Error.
Standing compare_states(Database& database, const std::vector<State>& states,
                        const Entries& entries, SymbolTable& symbols);

/// Returns the statement that stores the states of entries after a run whose record is finished.
/// \param left the fingerprints of those whose content is stored, and 0 for those of which the
/// run's last change shows what it left
Statement store_states(const TableNames& names, const std::string& run_id,
                       const std::map<std::string, std::uint64_t>& left);

/// The members of a universe after a past run.
struct PastMembers {
  std::string run_id;
  std::string as_of;  ///< the day of that run
  std::vector<std::string> symbols;
};

/// Reads the members after the run with the latest as-of day up to `day`; if there are several, the
/// last to commit. \throws Error (failed) if the journal does not reach back that far, or if the
/// universe did not exist or is not known to have existed.
PastMembers read_members(Database& database, const std::string& universe, Day day);

/// Whether a symbol is in a universe, or was after a past run, and why.
struct Membership {
  Explanation why;  ///< the journal knows only the universe and whether it is a member
  // When it joined or left, if the journal still knows.
  std::optional<std::string> since = {};  ///< an as-of day
  std::optional<std::string> run_id = {};
};

/// Reads the membership of a symbol after the last run of a day, in every universe that existed, by
/// name, or in one universe. \throws Error (failed) as read_members() does.
std::vector<Membership> read_memberships(Database& database, const std::string& symbol,
                                         const std::optional<std::string>& universe, Day day);

/// Reads the last time the journal saw a symbol join or leave each universe. \param universe the
/// only one to look for
std::vector<Membership> read_arrivals(Database& database, const std::string& symbol,
                                      const std::optional<std::string>& universe);

/// Returns the statements that delete expired records of runs on these entries, and expired events,
/// oldest first. They delete only so many that no night becomes slow, and wait for no row. They
/// keep running records, the newest committed ones, those whose changes a state depends on, runs
/// with pending events, and those that committed after one of these. For a READ COMMITTED
/// transaction.
std::vector<Statement> pruning(const TableNames& names, const Retention& retention);

}  // namespace tickstock::tables
