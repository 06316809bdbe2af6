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

/// What looks wrong with the data that a plan is made of, though every row of it can be read. The
/// same for a run and for `check`. \throws Error.
std::vector<Warning> data_warnings(postgres::Transaction& transaction,
                                   const Environment& environment, const tables::Catalog& catalog,
                                   const Policy& policy, Mode mode, const Market& market,
                                   const Entries& entries);

/// How old the prices may be from which a run of this mode makes market caps; nothing where it
/// makes none.
std::optional<int> price_days(const Policy& policy, Mode mode);

/// The columns that declarations name; without any declaration that of the sectors, where it
/// exists, by which data_warnings() finds out whether the entries of sectors and themes have
/// decayed.
std::vector<std::string> columns_with_decay(const Policy& policy, const tables::Catalog& catalog);

/// What a plan would do, as 64 hexadecimal digits: for each entry that would be written, in byte
/// order of its name, the name, and before and after its type, members in order, count and
/// metadata. Neither the clock nor entries that stay as they are go in.
std::string plan_digest(const Plan& plan, const Market& market);

/// The symbols whose companies a plan names: those that come into or leave the recent listings, and
/// new listings that come into a declared universe.
std::vector<SymbolId> described_symbols(const Plan& plan, const Market& market, int ipo_days);

/// The command that runs exactly the plan of a dry run, ready to paste.
std::string approval(const RunOptions& options, const Report& report);

/// \throws Error (refused) where a guard refuses the plan, (not_approved) where another one was
/// approved.
void require_approval(const Report& report, const RunOptions& options);

}  // namespace tickstock::sync
