#pragma once

#include "logging.hpp"
#include "sync/report.hpp"

// What node_exporter's textfile collector reads: a file in Prometheus' text format (version 0.0.4).
// A run replaces what it knows and keeps the rest, such as the time of the last success. Each does
// nothing without a path, and never throws an Error: what goes wrong is a warning.
namespace tickstock::cli {

/// Writes how a run of this mode ended, seconds since 1970, and how long it took; with a report
/// what the run found and did, as far as it came.
void record_run(const std::string& path, Log& log, Mode mode, int exit_status, double ended_at,
                double duration, const sync::Report* report = nullptr);

/// Writes how many events wait in the outbox.
void record_pending(const std::string& path, Log& log, std::uint64_t events);

}  // namespace tickstock::cli
