#pragma once

#include <string>

namespace tickstock {

/// What a guard measured.
struct GuardResult {
  std::string name;      ///< no_eligible_symbols, vanished, appeared, removed, data_age
  std::string universe;  ///< empty where it is about all of them
  double value;          ///< what was measured, in the unit of the limit
  double limit;
  std::string
      setting;  ///< the key of the configuration that moves the limit; empty where none does
  bool refused;
  std::string sentence;  ///< what a person reads when it refuses
};

}  // namespace tickstock
