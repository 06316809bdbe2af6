#include "metrics.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "domain/error.hpp"
#include "exit_status.hpp"
#include "version.hpp"

namespace tickstock::cli {

namespace {

struct Family {
  std::string_view name;
  std::string_view help;
};

constexpr std::array<Family, 12> families{
    {{"last_attempt_timestamp_seconds", "When the last run of this mode ended, however it did."},
     {"last_success_timestamp_seconds",
      "When the last run of this mode ended that committed or had nothing to do."},
     {"last_exit_status", "The exit status of the last run of this mode."},
     {"last_duration_seconds", "How long the last run of this mode took."},
     {"symbols", "Rows of the symbols table."},
     {"eligible_symbols", "Symbols that are active and have a market cap."},
     {"data_age_seconds", "From the newest day of prices to the as-of day."},
     {"pending_events", "Events in the outbox that are not published."},
     {"universe_members", "Members of a universe that the last run wrote, or owns."},
     {"universe_members_added", "Members that the last run added to it."},
     {"universe_members_removed", "Members that the last run removed from it."},
     {"build_info", "The version of the program."}}};

constexpr std::string_view prefix = "tickstock_cache_";

/// The values of all families by name without the prefix, then by labels as they are written.
using Samples = std::map<std::string, std::map<std::string, std::string>, std::less<>>;

std::string label(std::string_view name, std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\\' || c == '"' || c == '\n') escaped += '\\';
    escaped += c == '\n' ? 'n' : c;
  }
  return fmt::format("{{{}=\"{}\"}}", name, escaped);
}

template <typename Number>
std::string number(Number value) {
  return fmt::format("{}", static_cast<double>(value));
}

/// Takes over what the file holds; nothing where there is none, or it is of another kind.
Samples read(const std::string& path) {
  Samples samples;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t name = line.find_first_of("{ ");
    const std::size_t value = line.rfind(' ');
    if (!line.starts_with(prefix) || value == std::string::npos || value < name) continue;
    const std::string family = line.substr(prefix.size(), name - prefix.size());
    samples[family][line.substr(name, value - name)] = line.substr(value + 1);
  }
  return samples;
}

std::string text_of(const Samples& samples) {
  std::string text;
  for (const Family& family : families) {
    const auto found = samples.find(family.name);
    if (found == samples.end() || found->second.empty()) continue;
    text +=
        fmt::format("# HELP {0}{1} {2}\n# TYPE {0}{1} gauge\n", prefix, family.name, family.help);
    for (const auto& [labels, value] : found->second) {
      text += fmt::format("{}{}{} {}\n", prefix, family.name, labels, value);
    }
  }
  return text;
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(file, text.data(), text.size());
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

/// Puts the file into its place, complete, by way of a temporary one beside it. \throws Error
/// (output) naming the file.
void write(const std::string& path, const Samples& samples) {
  // The collector reads only what ends in .prom, so it never sees the temporary file.
  std::string temporary = path + ".XXXXXX";
  const int file = ::mkstemp(temporary.data());
  bool complete = file >= 0 && ::fchmod(file, 0644) == 0 && write_all(file, text_of(samples));
  if (file >= 0) complete = ::close(file) == 0 && complete;
  if (complete && ::rename(temporary.c_str(), path.c_str()) == 0) return;
  const std::string why = std::generic_category().message(errno);
  if (file >= 0) ::unlink(temporary.c_str());
  throw Error(ErrorKind::output, "the metrics can't be written to " + path + ": " + why);
}

void change(const std::string& path, Log& log, const std::function<void(Samples&)>& take) {
  if (path.empty()) return;
  try {
    Samples samples = read(path);
    take(samples);
    write(path, samples);
  } catch (const Error& error) {
    log.warning(error.what());
  }
}

/// What became of each universe, whichever tasks wrote it.
void take_universes(Samples& samples, const sync::Report& report) {
  struct Churn {
    std::size_t members = 0;
    std::size_t added = 0;
    std::size_t removed = 0;
  };
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
  for (const char* family :
       {"universe_members", "universe_members_added", "universe_members_removed"}) {
    samples[family].clear();
  }
  for (const auto& [universe, each] : churn) {
    const std::string labels = label("universe", universe);
    samples["universe_members"][labels] = number(each.members);
    samples["universe_members_added"][labels] = number(each.added);
    samples["universe_members_removed"][labels] = number(each.removed);
  }
}

void take_report(Samples& samples, const sync::Report& report) {
  if (report.outbox_pending) samples["pending_events"][""] = number(*report.outbox_pending);
  if (!report.snapshot) return;
  samples["symbols"][""] = number(report.snapshot->market.size());
  samples["eligible_symbols"][""] = number(report.snapshot->market.ranking().size());
  if (report.newest_prices) {
    const std::chrono::seconds age = *report.as_of - *report.newest_prices;
    samples["data_age_seconds"][""] = number(age.count());
  }
  if (report.committed) take_universes(samples, report);
}

}  // namespace

void record_run(const std::string& path, Log& log, Mode mode, int exit_status, double ended_at,
                double duration, const sync::Report* report) {
  change(path, log, [&](Samples& samples) {
    const std::string labels = label("mode", to_string(mode));
    samples["last_attempt_timestamp_seconds"][labels] = number(ended_at);
    if (is_success(exit_status)) {
      samples["last_success_timestamp_seconds"][labels] = number(ended_at);
    }
    samples["last_exit_status"][labels] = number(exit_status);
    samples["last_duration_seconds"][labels] = number(duration);
    samples["build_info"] = {{label("version", version), "1"}};
    if (report != nullptr) take_report(samples, *report);
  });
}

void record_pending(const std::string& path, Log& log, std::uint64_t events) {
  change(path, log, [&](Samples& samples) { samples["pending_events"][""] = number(events); });
}

}  // namespace tickstock::cli
