#include "exit_status.hpp"

namespace tickstock::cli {

bool is_success(int status) {
  return status == status_done || status == status_changes ||
         status == status_completed_with_errors || status == status_undelivered;
}

int status_of(ErrorKind kind, int signal) {
  switch (kind) {
    case ErrorKind::failed: return status_failed;
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

int status_of(const sync::Report& report, bool detailed, int signal) {
  const bool undelivered = report.failure && report.failure->kind() == ErrorKind::redis;
  if (report.failure && !undelivered) return status_of(report.failure->kind(), signal);
  if (report.status == RunStatus::completed_with_errors) return status_completed_with_errors;
  if (undelivered) return status_undelivered;
  if (detailed && report.total_changes() > 0) return status_changes;
  return status_done;
}

}  // namespace tickstock::cli
