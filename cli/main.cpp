#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "commands.hpp"
#include "domain/error.hpp"
#include "exit_status.hpp"
#include "logging.hpp"
#include "metrics.hpp"
#include "options.hpp"
#include "output.hpp"
#include "settings.hpp"
#include "signals.hpp"
#include "sync/clock.hpp"

namespace {

using namespace tickstock;
using namespace tickstock::cli;

/// One line on standard error, and with `--format json` the document on standard output too.
int report_failure(const Error& error, Log& log, OutputFormat format) {
  const int status = status_of(error.kind(), caught_signal());
  const std::string message =
      std::string(error.what()) +
      (error.kind() == ErrorKind::interrupted ? "; nothing was changed" : "");
  log.error(message);
  if (format == OutputFormat::json) {
    try {
      print(json_failure(message, status));
    } catch (const Error&) {
      // The status of the failure itself counts more than that of its document.
    }
  }
  return status;
}

/// Whether a command line that can't be read as a whole asked for JSON.
OutputFormat asked_format(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view next = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--format=json" || (word == "--format" && next == "json"))
      return OutputFormat::json;
  }
  return OutputFormat::text;
}

int run(int argc, const char* const* argv) {
  Log log;
  Output output;
  output.format = asked_format(argc, argv);
  std::optional<Options> options;
  try {
    auto parsed = parse_command_line(argc, argv);
    if (const auto* answer = std::get_if<Answer>(&parsed)) {
      print(answer->text);
      return status_done;
    }
    options = std::get<Options>(std::move(parsed));
    output = output_of_flags(*options);
    log.configure(output.log_format, output.log_level, screen_of(STDERR_FILENO, output.color));
    const Settings settings = resolve_settings(*options);
    output = settings.output;
    log.configure(output.log_format, output.log_level, screen_of(STDERR_FILENO, output.color));
    return run_command(*options, settings, log, catch_signals());
  } catch (const Error& error) {
    const int status = report_failure(error, log, output.format);
    if (options && options->command == Command::task && !options->dry_run) {
      change_metrics(output.metrics_file, log, [&](MetricsFile& metrics) {
        metrics.set_outcome(options->mode, status, sync::RunClock().seconds(), 0);
      });
    }
    return status;
  }
}

}  // namespace

int main(int argc, char** argv) {
  // A core dump would hold passwords.
  ::prctl(PR_SET_DUMPABLE, 0);
  // They would change what the server takes for a day, an encoding or an option behind our back.
  for (const char* name : {"PGOPTIONS", "PGTZ", "PGCLIENTENCODING", "PGDATESTYLE"})
    ::unsetenv(name);
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    Log().error(std::string("unexpected failure: ") + error.what());
    return status_failed;
  }
}
