#include "metrics.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "domain/error.hpp"
#include "exit_status.hpp"
#include "version.hpp"

namespace tickstock::cli {

namespace {

struct Family {
  std::string_view name;
  std::string_view help;
};

constexpr std::string_view last_attempt = "tickstock_cache_last_attempt_timestamp_seconds";
constexpr std::string_view last_success = "tickstock_cache_last_success_timestamp_seconds";
constexpr std::string_view last_status = "tickstock_cache_last_exit_status";
constexpr std::string_view last_duration = "tickstock_cache_last_duration_seconds";
constexpr std::string_view symbols = "tickstock_cache_symbols";
constexpr std::string_view eligible = "tickstock_cache_eligible_symbols";
constexpr std::string_view data_age = "tickstock_cache_data_age_seconds";
constexpr std::string_view pending = "tickstock_cache_pending_events";
constexpr std::string_view members = "tickstock_cache_universe_members";
constexpr std::string_view added = "tickstock_cache_universe_members_added";
constexpr std::string_view removed = "tickstock_cache_universe_members_removed";
constexpr std::string_view build = "tickstock_cache_build_info";

constexpr std::array<Family, 12> families{
    {{last_attempt, "When the last run of this mode ended, however it did."},
     {last_success, "When the last run of this mode ended that committed or had nothing to do."},
     {last_status, "The exit status of the last run of this mode."},
     {last_duration, "How long the last run of this mode took."},
     {symbols, "Rows of the symbols table."},
     {eligible, "Symbols that are active and have a market cap."},
     {data_age, "From the newest day of prices to the as-of day."},
     {pending, "Events in the outbox that are not published."},
     {members, "Members of a universe that the last run wrote, or owns."},
     {added, "Members that the last run added to it."},
     {removed, "Members that the last run removed from it."},
     {build, "The version of the program."}}};

bool is_family(std::string_view name) {
  for (const Family& family : families) {
    if (family.name == name) return true;
  }
  return false;
}

std::string label(std::string_view name, std::string_view value) {
  std::string text = "{" + std::string(name) + "=\"";
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text + "\"}";
}

/// What became of a universe, whichever tasks wrote it.
struct Churn {
  std::size_t members = 0;
  std::size_t added = 0;
  std::size_t removed = 0;
};

[[noreturn]] void unwritable(const std::string& path) {
  throw Error(ErrorKind::output, "the metrics can't be written to " + path + ": " +
                                     std::generic_category().message(errno));
}

}  // namespace

MetricsFile::MetricsFile(std::string path) : path_(std::move(path)) {
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    const std::size_t name = line.find_first_of("{ ");
    const std::size_t value = line.rfind(' ');
    if (name == std::string::npos || value < name || !is_family(line.substr(0, name))) continue;
    samples_[line.substr(0, name)][line.substr(name, value - name)] = line.substr(value + 1);
  }
}

void MetricsFile::set(std::string_view family, const std::string& labels, double value) {
  samples_[std::string(family)][labels] = fmt::format("{}", value);
}

void MetricsFile::set_outcome(Mode mode, int exit_status, double now, double duration) {
  const std::string labels = label("mode", to_string(mode));
  set(last_attempt, labels, now);
  if (is_success(exit_status)) set(last_success, labels, now);
  set(last_status, labels, exit_status);
  set(last_duration, labels, duration);
  samples_[std::string(build)] = {{label("version", version), "1"}};
}

void MetricsFile::set_data(const sync::Report& report) {
  if (report.outbox_pending) set_pending(*report.outbox_pending);
  if (!report.snapshot) return;
  set(symbols, "", static_cast<double>(report.snapshot->market.size()));
  set(eligible, "", static_cast<double>(report.snapshot->market.ranking().size()));
  if (report.newest_prices) {
    const std::chrono::seconds age = *report.as_of - *report.newest_prices;
    set(data_age, "", static_cast<double>(age.count()));
  }
  if (report.committed) set_universes(report);
}

void MetricsFile::set_universes(const sync::Report& report) {
  std::map<std::string, Churn> churn;
  for (const auto& universe : report.snapshot->plan.universes) {
    const Entry* entry = find_entry(report.snapshot->entries, universe->name);
    if (entry != nullptr) churn[universe->name].members = distinct(entry->members.list()).size();
  }
  for (const EntryWrite* write : report.writes()) {
    Churn& each = churn[write->universe];
    each.members = distinct(write->after->members.list()).size();
    each.added += write->diff.added.size();
    each.removed += write->diff.removed.size();
  }
  for (const std::string_view family : {members, added, removed}) {
    samples_[std::string(family)].clear();
  }
  for (const auto& [universe, each] : churn) {
    const std::string labels = label("universe", universe);
    set(members, labels, static_cast<double>(each.members));
    set(added, labels, static_cast<double>(each.added));
    set(removed, labels, static_cast<double>(each.removed));
  }
}

void MetricsFile::set_pending(std::uint64_t events) {
  set(pending, "", static_cast<double>(events));
}

std::string MetricsFile::text() const {
  std::string text;
  for (const Family& family : families) {
    const auto found = samples_.find(family.name);
    if (found == samples_.end() || found->second.empty()) continue;
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", family.name, family.help);
    for (const auto& [labels, value] : found->second) {
      text += fmt::format("{}{} {}\n", family.name, labels, value);
    }
  }
  return text;
}

void MetricsFile::write() const {
  // The collector reads only what ends in .prom, so it never sees the temporary file.
  std::string temporary = path_ + ".XXXXXX";
  const int file = ::mkstemp(temporary.data());
  if (file < 0) unwritable(path_);
  const std::string content = text();
  std::string_view rest = content;
  bool complete = ::fchmod(file, 0644) == 0;
  while (complete && !rest.empty()) {
    const ssize_t size = ::write(file, rest.data(), rest.size());
    complete = size > 0;
    if (complete) rest.remove_prefix(static_cast<std::size_t>(size));
  }
  complete = ::close(file) == 0 && complete;
  if (complete && ::rename(temporary.c_str(), path_.c_str()) == 0) return;
  const int why = errno;
  ::unlink(temporary.c_str());
  errno = why;
  unwritable(path_);
}

void change_metrics(const std::string& path, Log& log,
                    const std::function<void(MetricsFile&)>& change) {
  if (path.empty()) return;
  try {
    MetricsFile metrics(path);
    change(metrics);
    metrics.write();
  } catch (const Error& error) {
    log.warning(error.what());
  }
}

}  // namespace tickstock::cli
