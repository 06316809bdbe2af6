#pragma once

#include <string>
#include <vector>

#include "domain/error.hpp"
#include "domain/market.hpp"
#include "postgres/transaction.hpp"
#include "rules/plan.hpp"
#include "sync/options.hpp"
#include "sync/report.hpp"
#include "tables/catalog.hpp"

namespace tickstock::sync {

/// Returns what looks wrong with the data behind a plan, even though every row can be read. A run
/// and `check` share it. \throws Error.
std::vector<Warning> data_warnings(tables::Database& database, const std::string& timezone,
                                   const Policy& policy, Mode mode, const Market& market,
                                   const Entries& entries);

/// Returns the maximum age in days of the prices from which a run of this mode computes market
/// caps; nothing if it computes none.
std::optional<int> price_days(const Policy& policy, Mode mode);

/// Returns the label columns to read: those that declarations name. Without declarations, returns
/// the sector column, if it exists, so that data_warnings() can tell whether the entries of sectors
/// and themes have decayed.
std::vector<std::string> columns_with_decay(const Policy& policy, const tables::Catalog& catalog);

/// Returns the plan's digest as 64 hexadecimal digits. For each entry to be written, by name in
/// byte order, it covers the name and, before and after, its type, members in order, count and
/// metadata. It covers neither the clock nor unchanged entries.
std::string plan_digest(const Plan& plan, const Market& market);

/// Returns the symbols for which the plan needs company data: those that join or leave the recent
/// listings, and new listings that join a declared universe.
std::vector<SymbolId> described_symbols(const Plan& plan, const Market& market, int ipo_days);

/// Returns the command that runs exactly the plan of a dry run, ready to paste.
std::string approval(const RunOptions& options, const Report& report);

/// \throws Error (refused) if a guard refuses the plan, (not_approved) if another plan was
/// approved.
void require_approval(const Report& report, const RunOptions& options);

}  // namespace tickstock::sync
