#pragma once

#include "io/wait.hpp"

namespace tickstock::cli {

/// From now on SIGINT, SIGTERM and SIGHUP ask the run to end, and SIGPIPE is an error of the write
/// that met it. \throws Error (failed).
io::Interrupt catch_signals();

/// The signal that came first, or 0.
int caught_signal();

}  // namespace tickstock::cli
