#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>

#include "environment.hpp"
#include "exit_status.hpp"
#include "logging.hpp"
#include "options.hpp"
#include "settings.hpp"
#include "show/output.hpp"
#include "sync/report.hpp"
#include "sync/run.hpp"

namespace {

using namespace tickstock;
using namespace tickstock::cli;

/// Writes one line to standard error, and with `--format json` also the document to standard
/// output.
int report_failure(const Error& failure, Log& log, const Output& output) {
  const int status = status_of(failure.kind(), caught_signal());
  const Error error = reassured(failure);
  log.error(error.what());
  try {
    // What was to be done has already failed: only a reader that is there gets it.
    io::Patience patience({}, io::Deadline::after(io::Patience::last_words));
    if (output.json()) print(json_failure(error, status), patience);
  } catch (const Error&) {
    // The status of the failure itself matters more than that of its document.
  }
  return status;
}

/// Opens /dev/null in place of a closed standard descriptor: otherwise the next socket or pipe
/// would get its number, and everything printed would go into it. Writing to standard output then
/// fails, as on any closed descriptor.
void open_standard_descriptors() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    // The lowest free number is the missing one.
    if (::open("/dev/null", number == STDERR_FILENO ? O_WRONLY : O_RDONLY) != number) {
      ::_exit(status_failed);
    }
  }
}

int run(int argc, const char* const* argv) {
  Log log;
  Settings settings;
  Options options;
  bool is_read = false;
  try {
    auto parsed = parse_command_line(argc, argv);
    if (const auto* answer = std::get_if<Answer>(&parsed)) {
      io::Patience patience;
      print(answer->text, patience);
      return status_done;
    }
    options = std::get<Options>(std::move(parsed));
    is_read = true;
    if (const auto problem = resolve_settings(options, settings)) throw Error(*problem);
    log.configure(settings.output);
    return run_command(options, settings, log, catch_signals());
  } catch (const Error& error) {
    if (!is_read) {
      options = salvage_command_line(argc, argv);
      // The problem of the command line came first.
      resolve_settings(options, settings);
    }
    log.configure(settings.output);
    const int status = report_failure(error, log, settings.output);
    // No run could begin and announce this itself.
    if (options.is_run() && settings.can_announce) {
      sync::announce_unstarted(settings.run, settings.environment, error);
    }
    if (options.is_run()) {
      record_run(settings.output.metrics_file, log, options.mode, status,
                 sync::RunClock().seconds(), 0);
      ping(settings.output.ping_url, log, status, error.what());
    }
    return status;
  }
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_descriptors();
  // Writing to a pipe without a reader, or beyond the limit of a file's size, then fails instead of
  // killing the process.
  for (const int number : {SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);
  // A core dump would contain passwords.
  ::prctl(PR_SET_DUMPABLE, 0);
  // These would change what the server takes for a day, an encoding or an option behind our back.
  for (const char* name : {"PGOPTIONS", "PGTZ", "PGCLIENTENCODING", "PGDATESTYLE", "PGGEQO"})
    ::unsetenv(name);
  trim_libpq_variables();
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    Log().error(std::string("unexpected failure: ") + error.what());
    return status_failed;
  }
}
