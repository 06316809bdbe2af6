// What a run leaves for monitoring: metrics in a file, and a ping of a dead man's switch.

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "domain/text.hpp"
#include "environment.hpp"
#include "exit_status.hpp"
#include "logging.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

/// Name and help of each metric.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> families{
    {{"last_attempt_timestamp_seconds", "Unix time when the last run of this mode ended."},
     {"last_success_timestamp_seconds",
      "Unix time of the last run of this mode that committed or had nothing to do."},
     {"last_exit_status", "Exit status of the last run of this mode."},
     {"last_duration_seconds", "Duration of the last run of this mode."},
     {"symbols", "Rows of the symbols table."},
     {"eligible_symbols", "Symbols that are active and have a market cap."},
     {"data_age_seconds", "Age of the newest prices on the as-of day."},
     {"pending_events", "Events in the outbox that are not published."},
     {"listeners", "Subscribers that received the end of the last run that published it."},
     {"waiting", "Members outside their universe that have not left it yet."},
     {"universe_members", "Members of a universe that the last run wrote or owns."},
     {"universe_members_added", "Members that the last run added to the universe."},
     {"universe_members_removed", "Members that the last run removed from the universe."},
     {"build_info", "The version of the program."}}};

constexpr std::string_view prefix = "tickstock_cache_";

/// The values of all metrics by name without the prefix, then by labels as written.
using Samples = std::map<std::string, std::map<std::string, double>, std::less<>>;

std::string label(std::string_view name, std::string_view value) {
  return fmt::format("{{{}={}}}", name, replaced(postgres::in_quotes(value, '"'), "\n", "\\n"));
}

/// Reads the current values from the file; none if it does not exist or is something else.
Samples read(const std::string& path) {
  Samples samples;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t name = line.find_first_of("{ ");
    const std::size_t value = line.rfind(' ');
    if (!line.starts_with(prefix) || value == std::string::npos || value < name) continue;
    const std::string family = line.substr(prefix.size(), name - prefix.size());
    samples[family][line.substr(name, value - name)] = std::strtod(line.c_str() + value, nullptr);
  }
  return samples;
}

std::string text_of(const Samples& samples) {
  std::string text;
  for (const auto& [name, help] : families) {
    const auto found = samples.find(name);
    if (found == samples.end() || found->second.empty()) continue;
    text += fmt::format("# HELP {0}{1} {2}\n# TYPE {0}{1} gauge\n", prefix, name, help);
    for (const auto& [labels, value] : found->second) {
      text += fmt::format("{}{}{} {}\n", prefix, name, labels, value);
    }
  }
  return text;
}

/// Replaces the file atomically, via a temporary file next to it. \throws Error (output) naming the
/// file.
void write(const std::string& path, const Samples& samples) {
  // The collector reads only files ending in .prom, so it never sees the temporary one.
  std::string temporary = path + ".XXXXXX";
  const int descriptor = ::mkstemp(temporary.data());
  std::FILE* const file = descriptor < 0 ? nullptr : ::fdopen(descriptor, "w");
  bool complete = file != nullptr && ::fchmod(descriptor, 0644) == 0 &&
                  std::fputs(text_of(samples).c_str(), file) >= 0;
  if (file != nullptr) complete = std::fclose(file) == 0 && complete;
  if (complete && ::rename(temporary.c_str(), path.c_str()) == 0) return;
  const std::string why = std::generic_category().message(errno);
  if (descriptor >= 0) ::unlink(temporary.c_str());
  throw Error(ErrorKind::output, "the metrics can't be written to " + path + ": " + why,
              {.object = path, .hint = "Check the path and its permissions."});
}

/// Rejects a device, pipe or directory: it could be read forever, and would be replaced. \throws
/// Error (output).
void require_regular(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0 || S_ISREG(facts.st_mode)) return;
  throw Error(ErrorKind::output,
              "the metrics can't be written to " + path + ": it is not a regular file",
              {.object = path, .hint = "Name another path, or none."});
}

/// The address of fclose can't be a type of a smart pointer everywhere: it carries attributes.
struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Locks the folder of the metrics file, so that runs that end at once don't take each other's
/// values back. \return the lock: none if it can't be had soon, since less is lost then than by
/// leaving the metrics out
std::unique_ptr<std::FILE, CloseFile> locked_folder_of(const std::string& path) {
  std::error_code ignored;
  const std::string folder = std::filesystem::absolute(path, ignored).parent_path();
  std::unique_ptr<std::FILE, CloseFile> opened(std::fopen(folder.c_str(), "re"));
  for (int tries = 500; opened && tries > 0; --tries) {
    if (::flock(::fileno(opened.get()), LOCK_EX | LOCK_NB) == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return opened;
}

void change(const std::string& path, Log& log, const std::function<void(Samples&)>& take) {
  if (path.empty()) return;
  try {
    if (is_url(path)) {
      throw Error(ErrorKind::output, "the name of the metrics file is a URL",
                  {.object = "metrics.file", .hint = "Name a file."});
    }
    require_regular(path);
    const auto lock = locked_folder_of(path);
    Samples samples = read(path);
    take(samples);
    write(path, samples);
  } catch (const Error& error) {
    log.warning(error.what());
  }
}

/// Collects the outcome for each universe, whichever tasks wrote it.
void take_universes(Samples& samples, const sync::Report& report) {
  auto& members = samples["universe_members"] = {};
  auto& added = samples["universe_members_added"] = {};
  auto& removed = samples["universe_members_removed"] = {};
  const auto take = [&](const std::string& name, const Entry& entry, const MembershipDiff& diff) {
    const std::string labels = label("universe", name);
    members[labels] = static_cast<double>(distinct(entry.members.list()).size());
    added[labels] += static_cast<double>(diff.added.size());
    removed[labels] += static_cast<double>(diff.removed.size());
  };
  for (const auto& universe : report.snapshot->plan.universes) {
    if (const Entry* entry = find_entry(report.snapshot->entries, universe->name)) {
      take(universe->name, *entry, {});
    }
  }
  for (const EntryWrite* write : report.writes()) take(write->universe, *write->after, write->diff);
}

void take_report(Samples& samples, const sync::Report& report) {
  const auto set = [&samples](const char* family, auto value) {
    samples[family][""] = static_cast<double>(value);
  };
  if (report.outbox_pending) set("pending_events", *report.outbox_pending);
  if (report.listeners) set("listeners", *report.listeners);
  if (!report.snapshot) return;
  set("symbols", report.snapshot->market.size());
  set("eligible_symbols", report.snapshot->market.ranking().size());
  if (report.newest_prices) {
    set("data_age_seconds", std::chrono::seconds(*report.as_of - *report.newest_prices).count());
  }
  if (!report.committed) return;
  const Plan& plan = report.snapshot->plan;
  if (lets_wait(plan.universes) || samples.contains("waiting")) {
    set("waiting", plan.waiting.size() + plan.waiting_elsewhere);
  }
  take_universes(samples, report);
}

/// After a signal, all final steps together have two seconds.
constexpr std::chrono::milliseconds last_ping_time{1'000};

/// Turns `https://host/uuid` into `https://host/uuid/fail`, before any query.
std::string with_fail(const std::string& url) {
  std::string path = url.substr(0, url.find_first_of("?#"));
  const std::string rest = url.substr(path.size());
  while (path.ends_with('/')) path.pop_back();
  return path + "/fail" + rest;
}

/// Ends a ping because of a signal that came since it began. curl asks at least once a second.
int is_over(void* signal_before, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return caught_signal() == *static_cast<const int*>(signal_before) ? 0 : 1;
}

std::size_t ignore(const char*, std::size_t size, std::size_t count, void*) { return size * count; }

}  // namespace

void record_run(const std::string& path, Log& log, Mode mode, int exit_status, double ended_at,
                double duration, const sync::Report* report) {
  change(path, log, [&](Samples& samples) {
    const std::string labels = label("mode", to_string(mode));
    samples["last_attempt_timestamp_seconds"][labels] = ended_at;
    if (is_success(exit_status)) samples["last_success_timestamp_seconds"][labels] = ended_at;
    samples["last_exit_status"][labels] = exit_status;
    samples["last_duration_seconds"][labels] = duration;
    samples["build_info"] = {{label("version", version), 1}};
    if (report != nullptr) take_report(samples, *report);
  });
}

void record_pending(const std::string& path, Log& log, std::uint64_t events) {
  change(path, log,
         [&](Samples& samples) { samples["pending_events"][""] = static_cast<double>(events); });
}

void ping(const std::string& url, Log& log, int exit_status, const std::string& message,
          std::chrono::milliseconds time) {
  if (url.empty()) return;
  const bool succeeded = exit_status == status_done || exit_status == status_changes;
  const std::string target = succeeded ? url : with_fail(url);
  const std::string body = fmt::format("exit status {}: {}", exit_status, message);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   &curl_easy_cleanup);
  int signal_before = caught_signal();
  CURLcode result = CURLE_FAILED_INIT;
  if (CURL* curl = handle.get()) {
    const auto limit = signal_before == 0 ? std::max(time, last_ping_time) : last_ping_time;
    curl_easy_setopt(curl, CURLOPT_URL, target.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(limit.count()));
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &is_over);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &signal_before);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &ignore);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tickstock-cache");
    if (!succeeded) curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body.c_str());
    result = curl_easy_perform(curl);
    long answer = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    // Not followed: another server, or one without TLS, must not learn the URL.
    if (result == CURLE_OK && answer >= 300) result = CURLE_TOO_MANY_REDIRECTS;
  }
  if (result == CURLE_OK) return;
  log.warning(fmt::format(
      "the ping of {} failed: {}. Check [monitoring] ping_url and the network.", ping_server(url),
      result == CURLE_ABORTED_BY_CALLBACK  ? "interrupted by a signal"
      : result == CURLE_TOO_MANY_REDIRECTS ? "the server redirects to another URL"
                                           : curl_easy_strerror(result)));
}

}  // namespace tickstock::cli
