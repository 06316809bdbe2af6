#pragma once

#include "io/wait.hpp"
#include "logging.hpp"
#include "options.hpp"
#include "settings.hpp"

namespace tickstock::cli {

/// Runs the command and prints its result. \return the exit status. \throws Error for a failure
/// without a report.
int run_command(const Options& options, const Settings& settings, Log& log,
                const io::Interrupt& interrupt);

}  // namespace tickstock::cli
