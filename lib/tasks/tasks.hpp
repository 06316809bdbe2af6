#pragma once

#include "domain/market.hpp"
#include "domain/plan.hpp"
#include "domain/policy.hpp"

namespace tickstock::tasks {

// Each task reads the entries as the one before left them, and hands on what it would write. Pure:
// no clock, no I/O.

/// The five categories and the four leaders, members in rank order. A category without members is
/// not created.
TaskPlan market_cap(const Market& market, const Entries& entries);

/// `recent_ipos`: every active symbol listed in the days that end with the as-of day, newest
/// listing first, then by name.
TaskPlan ipo(const Market& market, const Entries& entries, const Policy& policy);

/// Takes delisted symbols out of every entry of a cleaned type, and leaves the rest as it stands.
TaskPlan delisted(const Market& market, const Entries& entries);

/// The tasks of a mode, one on the result of the other. `market` must be ranked.
Plan make_plan(Mode mode, const Market& market, Entries entries, const Policy& policy);

}  // namespace tickstock::tasks
