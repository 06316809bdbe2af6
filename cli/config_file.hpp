#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tickstock::cli {

/// What a configuration file sets; everything in it is optional.
struct ConfigFile {
  std::optional<std::string> database_url;
  std::optional<std::int64_t> connections;
  std::optional<std::string> redis_url;
  std::optional<std::string> redis_ca_file;

  std::optional<std::string> schema;
  std::optional<std::string> symbols;
  std::optional<std::string> prices;
  std::optional<std::string> entries;

  std::optional<std::string> timezone;
  std::optional<std::string> triggered_by;
  std::optional<std::int64_t> lock_wait;
  std::optional<std::int64_t> timeout;
  std::optional<std::int64_t> max_universe_events;
  std::optional<bool> events;

  std::optional<std::int64_t> ipo_days;

  // In seconds
  std::optional<std::int64_t> connect_timeout;
  std::optional<std::int64_t> statement_timeout;
  std::optional<std::int64_t> lock_timeout;
  std::optional<std::int64_t> commit_timeout;
  std::optional<std::int64_t> redis_timeout;
  std::optional<std::int64_t> publish_timeout;

  std::optional<bool> require_tls;

  std::optional<std::int64_t> outbox_max_age;
  std::optional<std::int64_t> outbox_keep_days;
  std::optional<std::int64_t> journal_keep_days;
  std::optional<std::int64_t> journal_keep_runs;

  std::optional<double> max_vanished_percent;
  std::optional<double> max_appeared_percent;
  std::optional<double> max_removed_percent;
  std::optional<std::int64_t> max_data_age_days;
};

/// Reads the text of a file in TOML. \throws Error (config) naming the file, and the line or key
/// that is wrong; a key that is not known is one.
ConfigFile parse_config(const std::string& text, const std::string& path);

/// Whether a URL in it has a password. \throws Error (config) where the Redis URL can't be used.
bool holds_password(const ConfigFile& config);

/// Reads and parses a file, which must be private where it holds a password. \throws Error
/// (config).
ConfigFile read_config_file(const std::string& path);

}  // namespace tickstock::cli
