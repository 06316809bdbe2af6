#pragma once

#include "domain/error.hpp"
#include "sync/report.hpp"

namespace tickstock::cli {

/// The exit statuses of the program. A number never gets another meaning.
enum ExitStatus : int {
  status_done = 0,
  status_failed = 1,
  status_changes = 2,
  status_completed_with_errors = 3,
  status_refused = 4,
  status_unavailable = 5,
  status_undelivered = 6,
  status_not_approved = 7,
  status_outcome_unknown = 8,
  status_locked = 11,
  status_usage = 64,
  status_output = 74,
  status_config = 78,
  status_signal = 128,  ///< plus the number of the signal
};

/// Returns whether a run with this status succeeded: it committed, or had nothing to do.
inline bool is_success(int status) {
  return status == status_done || status == status_changes ||
         status == status_completed_with_errors || status == status_undelivered;
}

/// Returns the exit status for a failure of this kind. `signal` is the number of the signal that
/// came, if any.
inline int status_of(ErrorKind kind, int signal) {
  switch (kind) {
    case ErrorKind::failed: break;
    case ErrorKind::unavailable:
    case ErrorKind::retryable: return status_unavailable;
    case ErrorKind::outcome_unknown: return status_outcome_unknown;
    case ErrorKind::locked: return status_locked;
    case ErrorKind::refused: return status_refused;
    case ErrorKind::not_approved: return status_not_approved;
    case ErrorKind::interrupted: return status_signal + signal;
    case ErrorKind::usage: return status_usage;
    case ErrorKind::config: return status_config;
    case ErrorKind::output: return status_output;
    case ErrorKind::redis: return status_undelivered;
  }
  return status_failed;
}

/// Returns the exit status of a run. \param detailed `--detailed-exitcode`: return another status
/// if there are changes
inline int status_of(const sync::Report& report, bool detailed, int signal) {
  const bool undelivered = report.failure && report.failure->kind() == ErrorKind::redis;
  if (report.failure && !undelivered) return status_of(report.failure->kind(), signal);
  if (report.status == RunStatus::completed_with_errors) return status_completed_with_errors;
  if (undelivered) return status_undelivered;
  if (detailed && report.total_changes() > 0) return status_changes;
  return status_done;
}

}  // namespace tickstock::cli
