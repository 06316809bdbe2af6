#pragma once

#include <vector>

#include "domain/error.hpp"
#include "domain/market.hpp"
#include "postgres/transaction.hpp"
#include "rules/plan.hpp"
#include "sync/options.hpp"
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

}  // namespace tickstock::sync
