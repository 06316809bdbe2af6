#include "domain/run.hpp"

#include "domain/error.hpp"

namespace tickstock {

std::string_view to_string(RunStatus status) {
  switch (status) {
    case RunStatus::running: return "running";
    case RunStatus::completed: return "completed";
    case RunStatus::completed_with_errors: return "completed_with_errors";
    case RunStatus::failed: return "failed";
    case RunStatus::refused: return "refused";
    case RunStatus::interrupted: return "interrupted";
  }
  return "";
}

RunStatus parse_run_status(std::string_view word) {
  for (const RunStatus status :
       {RunStatus::running, RunStatus::completed, RunStatus::completed_with_errors,
        RunStatus::failed, RunStatus::refused, RunStatus::interrupted}) {
    if (word == to_string(status)) return status;
  }
  throw Error(ErrorKind::failed, "a record has the unknown status '" + std::string(word) + "'");
}

std::string_view application_status(RunStatus status) {
  switch (status) {
    case RunStatus::running: return "running";
    case RunStatus::completed:
    case RunStatus::completed_with_errors: return "completed";
    case RunStatus::failed:
    case RunStatus::refused:
    case RunStatus::interrupted: return "failed";
  }
  return "";
}

}  // namespace tickstock
