#include "config_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "domain/error.hpp"
#include "events/redis_settings.hpp"
#include "secret_file.hpp"
#include "store/connection.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t longest_line = 4096;

/// Takes keys out of a parsed file, and knows which were never asked for.
class ConfigReader {
 public:
  ConfigReader(std::string path, const std::string& text) : path_(std::move(path)) {
    refuse_long_lines(text);
    try {
      table_ = toml::parse(text);
    } catch (const toml::parse_error& error) {
      // The parser's words can repeat what stands in the file, a password among it.
      fail("line " + std::to_string(error.source().begin.line) + " is not TOML");
    }
  }

  template <typename Value>
  void take(const std::string& section, const std::string& key, const char* type,
            std::optional<Value>& target) {
    known_.insert(section + "." + key);
    const auto node = table_[section][key];
    if (!node) return;
    target = node.template value_exact<Value>();
    if (!target) fail("[" + section + "] " + key + " must be " + type);
  }

  /// A whole number within bounds.
  void take_whole(const std::string& section, const std::string& key, std::int64_t lowest,
                  std::int64_t highest, std::optional<std::int64_t>& target) {
    take(section, key, "a whole number", target);
    if (target && (*target < lowest || *target > highest)) {
      fail("[" + section + "] " + key + " must be from " + std::to_string(lowest) + " to " +
           std::to_string(highest));
    }
  }

  /// A number of percent, with or without a fraction.
  void take_percent(const std::string& key, std::optional<double>& target) {
    const auto node = table_["guards"][key];
    known_.insert("guards." + key);
    if (!node) return;
    target = node.value<double>();
    if (!node.is_number() || !target || !(*target >= 0 && *target <= 100)) {
      fail("[guards] " + key + " must be a number from 0 to 100");
    }
  }

  void refuse_unknown() const {
    for (const auto& [section, node] : table_) {
      const std::string name(section.str());
      if (!node.is_table()) fail("the key " + name + " stands outside a section");
      for (const auto& [key, value] : *node.as_table()) {
        const std::string full = name + "." + std::string(key.str());
        if (!known_.contains(full)) {
          fail("line " + std::to_string(value.source().begin.line) + ": there is no setting [" +
               name + "] " + std::string(key.str()));
        }
      }
    }
  }

  /// A key with a hundred thousand dots would be a table as deep, and toml++ takes one down by
  /// recursion.
  void refuse_long_lines(std::string_view text) const {
    for (int line = 1; !text.empty(); ++line) {
      const std::size_t size = std::min(text.find('\n'), text.size());
      if (size > longest_line) {
        fail("line " + std::to_string(line) + " is longer than " + std::to_string(longest_line) +
             " bytes");
      }
      text.remove_prefix(std::min(size + 1, text.size()));
    }
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorKind::config, "the configuration file " + path_ + ": " + why);
  }

 private:
  std::string path_;
  toml::table table_;
  std::set<std::string> known_;
};

}  // namespace

ConfigFile parse_config(const std::string& text, const std::string& path) {
  ConfigReader reader(path, text);
  ConfigFile config;
  reader.take("database", "url", "a text", config.database_url);
  reader.take_whole("database", "connections", 1, 2, config.connections);
  reader.take("redis", "url", "a text", config.redis_url);
  reader.take("redis", "ca_file", "a text", config.redis_ca_file);
  reader.take("tables", "schema", "a text", config.schema);
  reader.take("tables", "symbols", "a text", config.symbols);
  reader.take("tables", "prices", "a text", config.prices);
  reader.take("tables", "entries", "a text", config.entries);
  reader.take("run", "timezone", "a text", config.timezone);
  reader.take("run", "triggered_by", "a text", config.triggered_by);
  reader.take_whole("run", "lock_wait", 0, 86'400, config.lock_wait);
  reader.take_whole("run", "timeout", 1, 86'400, config.timeout);
  reader.take_whole("timeouts", "connect", 1, 86'400, config.connect_timeout);
  reader.take_whole("timeouts", "statement", 1, 86'400, config.statement_timeout);
  reader.take_whole("timeouts", "lock", 1, 86'400, config.lock_timeout);
  reader.take_whole("timeouts", "commit", 1, 86'400, config.commit_timeout);
  reader.take_whole("timeouts", "redis", 1, 86'400, config.redis_timeout);
  reader.take_whole("timeouts", "publish", 1, 86'400, config.publish_timeout);
  reader.take("security", "require_tls", "true or false", config.require_tls);
  reader.take_whole("events", "max_universe_events", 0, 1'000'000, config.max_universe_events);
  reader.take("events", "enabled", "true or false", config.events);
  reader.take_whole("ipo", "days", 1, 36'500, config.ipo_days);
  reader.take_whole("outbox", "max_age", 0, 36'500, config.outbox_max_age);
  reader.take_whole("outbox", "keep_days", 0, 36'500, config.outbox_keep_days);
  reader.take_whole("journal", "keep_days", 0, 36'500, config.journal_keep_days);
  reader.take_whole("journal", "keep_runs", 0, 1'000'000, config.journal_keep_runs);
  reader.take_percent("max_vanished_percent", config.max_vanished_percent);
  reader.take_percent("max_appeared_percent", config.max_appeared_percent);
  reader.take_percent("max_removed_percent", config.max_removed_percent);
  reader.take_whole("guards", "max_data_age_days", 1, 36'500, config.max_data_age_days);
  reader.refuse_unknown();
  return config;
}

bool holds_password(const ConfigFile& config) {
  const bool database = config.database_url &&
                        store::conninfo_problem(*config.database_url).empty() &&
                        store::conninfo_has_password(*config.database_url);
  return database ||
         (config.redis_url && !events::parse_redis_url(*config.redis_url).password.empty());
}

ConfigFile read_config_file(const std::string& path) {
  const FileContent content = read_file(path);
  ConfigFile config = parse_config(content.text, path);
  if (holds_password(config)) require_private(content, path);
  return config;
}

}  // namespace tickstock::cli
