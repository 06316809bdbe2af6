#pragma once

#include <string>
#include <vector>

#include "domain/market.hpp"
#include "rules/plan.hpp"
#include "rules/policy.hpp"

namespace tickstock {

/// What a guard measured.
struct GuardResult {
  std::string name;      ///< no_eligible_symbols, vanished, appeared, removed, future_as_of,
                         ///< data_age, changed_since
  std::string universe;  ///< empty if it concerns all of them
  double value;          ///< the measured value, in the unit of the limit
  double limit;
  std::string setting;  ///< the configuration key of the limit; empty if there is none
  bool refused;
  std::string sentence;  ///< the message if it refuses
};

/// What the guards check.
struct GuardInput {
  Mode mode;
  const Market& market;
  const Entries& entries;  ///< as they are before the run
  const Plan& plan;
  const GuardLimits& limits;
  Day today;  ///< by PostgreSQL's clock in the time zone of the run
  /// Whether the prices table has a row in the last `max_data_age_days` days up to the as-of day;
  /// ignored if that limit is not set.
  bool data_is_fresh;
};

/// Evaluates every guard of the mode; those with `refused` stop the run. Returns all of them, so
/// that a dry run shows everything that would refuse.
std::vector<GuardResult> evaluate_guards(const GuardInput& input);

/// Returns those that refuse, the worst first: the one whose value is the largest multiple of its
/// limit. Those without a limit come before all others.
std::vector<GuardResult> refusals_of(const std::vector<GuardResult>& guards);

}  // namespace tickstock
