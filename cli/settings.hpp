#pragma once

#include "options.hpp"
#include "sync/options.hpp"

namespace tickstock::cli {

/// Everything a command needs, from flags, environment, file and defaults, in this order.
struct Settings {
  sync::Environment environment;
  sync::RunOptions run;
};

/// \throws Error (config) for an environment or a file that can't be used, (usage) for a flag.
Settings resolve_settings(const Options& options);

}  // namespace tickstock::cli
