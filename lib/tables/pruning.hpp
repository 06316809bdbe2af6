#pragma once

#include "postgres/connection.hpp"
#include "tables/table_names.hpp"

namespace tickstock::tables {

/// How long the program's own tables keep what; 0 stands for ever.
struct Retention {
  int journal_days = 400;     ///< a record of a run and its changes
  int journal_runs = 10'000;  ///< so many records, whatever their age
  int outbox_days = 30;       ///< an event that was published or given up
  int outbox_max_age = 7;     ///< days until a pending event is given up
};

/// Deletes the records of runs on these entries and the events that are kept long enough, the
/// oldest first and so many at most that no night becomes slow, in one READ COMMITTED transaction
/// that waits for no row. Running records, the newest that committed, and runs with pending events
/// stay. \throws Error.
void prune(postgres::Connection& connection, const TableNames& names, const Retention& retention);

}  // namespace tickstock::tables
