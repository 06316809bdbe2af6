#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "logging.hpp"
#include "sync/report.hpp"

namespace tickstock::cli {

/// What node_exporter's textfile collector reads: a file in Prometheus' text format (version
/// 0.0.4). A run replaces what it knows and keeps the rest, such as the time of the last success.
class MetricsFile {
 public:
  /// Takes over what the file holds; nothing where there is none, or it is of another kind.
  explicit MetricsFile(std::string path);

  /// How a run of this mode ended. \param now seconds since 1970
  void set_outcome(Mode mode, int exit_status, double now, double duration);
  /// What the run found and did, as far as it came.
  void set_data(const sync::Report& report);
  /// How many events wait in the outbox.
  void set_pending(std::uint64_t events);

  /// Puts the file into its place, complete, by way of a temporary one beside it. \throws Error
  /// (output) naming the file.
  void write() const;

  [[nodiscard]] std::string text() const;

 private:
  void set(std::string_view family, const std::string& labels, double value);
  void set_universes(const sync::Report& report);

  std::string path_;
  /// By family, then by labels as they are written.
  std::map<std::string, std::map<std::string, std::string>, std::less<>> samples_;
};

/// Changes the file, where one is asked for. Never throws an Error: what goes wrong is a warning.
void change_metrics(const std::string& path, Log& log,
                    const std::function<void(MetricsFile&)>& change);

}  // namespace tickstock::cli
