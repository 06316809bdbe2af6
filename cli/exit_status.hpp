#pragma once

#include "domain/error.hpp"
#include "sync/report.hpp"

namespace tickstock::cli {

/// What the program ends with. Numbers are never used again for another meaning.
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

/// Whether a run with this status is a success: it committed, or had nothing to do.
bool is_success(int status);

/// The status that a failure of this kind ends with. `signal` is the number of the signal that
/// came, if one did.
int status_of(ErrorKind kind, int signal);

/// The status of a run. \param detailed `--detailed-exitcode`: changes are told from none.
int status_of(const sync::Report& report, bool detailed, int signal);

}  // namespace tickstock::cli
