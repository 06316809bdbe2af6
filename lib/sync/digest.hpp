#pragma once

#include <string>

#include "domain/market.hpp"
#include "rules/plan.hpp"

namespace tickstock::sync {

/// What a plan would do, as 64 hexadecimal digits: for each entry that would be written, in byte
/// order of its name, the name, and before and after its type, members in order, count and
/// metadata. Neither the clock nor entries that stay as they are go in.
std::string plan_digest(const Plan& plan, const Market& market);

}  // namespace tickstock::sync
