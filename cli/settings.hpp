#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "logging.hpp"
#include "options.hpp"
#include "setting.hpp"
#include "show/terminal.hpp"
#include "sync/options.hpp"
#include "version.hpp"

namespace tickstock::cli {

enum class OutputFormat : unsigned char { text, json };

/// How the result and the log look.
struct Output {
  OutputFormat format = OutputFormat::text;
  bool full = false;
  bool detailed_exitcode = false;
  LogFormat log_format = LogFormat::text;
  When color = When::automatic;
  When progress = When::automatic;
  LogLevel log_level = LogLevel::normal;
  std::string metrics_file;  ///< empty for none

  [[nodiscard]] bool quiet() const { return log_level == LogLevel::quiet; }
};

/// The tables as they are written down, before a schema is put before each.
struct TableSettings {
  std::string schema = "public";
  std::string symbols = "symbols";
  std::string prices = "ohlcv_daily";
  std::string entries = "cache_entries";
};

/// Everything a command needs, from flags, environment, file and defaults, in this order.
struct Settings {
  sync::Environment environment;
  sync::RunOptions run;
  TableSettings tables;
  Output output;
  std::string universes_toml;  ///< the declared ones as the file has them
  std::string universes_json;
  std::string config_file;          ///< its path; empty where none was read
  std::string missing_config_file;  ///< the default one, where it does not exist
  /// Whether the address of Redis is sound, and what is said there may be.
  bool can_announce = false;

  Settings();

  /// Puts a value into its place, and remembers where it came from.
  void apply(const Given& given);
  [[nodiscard]] const Origin& origin(const Setting& setting) const {
    return origins_[index_of(setting)];
  }
  [[nodiscard]] Origin& origin(const Setting& setting) { return origins_[index_of(setting)]; }

 private:
  static std::size_t index_of(const Setting& setting);

  std::vector<Origin> origins_;  ///< one for each of the setting_table()
};

/// Puts every setting that is sound into `settings`, so that a failure is shown and announced as
/// they say. \param default_file the configuration file where none is named; it need not exist
/// \throws Error, the first problem: (config) for an environment or a file that can't be used,
/// (usage) for a flag.
void resolve_settings(const Options& options, Settings& settings,
                      const std::string& default_file = default_config_file);

/// The same for a command line that has a problem itself, which is said elsewhere.
void resolve_what_is_sound(const Options& options, Settings& settings);

}  // namespace tickstock::cli
